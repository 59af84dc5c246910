"""Selections without ImageJ: the rule at borders, outlines of masks, files of other programs, and broken ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from somanet.core.errors import SomaNetError
from somanet.io.rois.drawing import Defects, draw, numbered
from somanet.io.rois.filling import fill_loops, oval_mask
from somanet.io.rois.outlines import pixel_outlines
from somanet.io.rois.paths import path_loops, rounded_rectangle_loop
from somanet.io.rois.selections import label_selections, read_selections, write_selections


def drawn(world: str) -> np.ndarray:
    """Rows of `#` and `.` as a mask."""
    return np.array([[c == "#" for c in row] for row in world.split()])


def zipped(path: Path, **rois: ImagejRoi | bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, roi in rois.items():
            archive.writestr(f"{name}.roi", roi if isinstance(roi, bytes) else roi.tobytes())
    return path


def polygon(corners: list[tuple[float, float]], **settings: object) -> ImagejRoi:
    """A polygon as roifile writes it: with subpixel coordinates, if they are fractions."""
    roi = ImagejRoi.frompoints(corners)
    roi.roitype = ROI_TYPE.POLYGON
    for name, value in settings.items():
        setattr(roi, name, value)
    return roi


# The rule at borders


def test_a_centre_on_the_left_or_upper_border_is_outside_and_on_the_right_or_lower_inside() -> None:
    """Corners on the centres of pixels 0 and 2: of columns and rows 0, 1, 2 the last two are inside."""
    square = np.array([(0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)])
    assert np.array_equal(fill_loops([square], (4, 5)), drawn("..... .##.. .##.. ....."))


@given(st.integers(0, 2**32 - 1))
def test_polygons_that_share_borders_share_no_pixel(seed: int) -> None:
    """A fan of triangles around a point, all corners on halves: each pixel of the hull belongs to one of them."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    rim = np.round(2 * np.stack([10 + 8 * np.cos(angles), 9 + 7 * np.sin(angles)], axis=1)) / 2
    centre = np.round(2 * rim.mean(axis=0)) / 2
    fan = [np.array([centre, rim[n], rim[(n + 1) % 7]]) for n in range(7)]
    counts = sum(fill_loops([one], (18, 21)).astype(int) for one in fan)
    inside_once = counts == 1
    assert counts.max() <= 1 or _winds_back(rim, centre)
    assert np.array_equal(inside_once, fill_loops([rim], (18, 21))) or _winds_back(rim, centre)


def _winds_back(rim: np.ndarray, centre: np.ndarray) -> bool:
    """The centre does not see all of the rim, so that triangles cover each other."""
    a, b = rim - centre, np.roll(rim, -1, axis=0) - centre
    return bool((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 0).any())


def test_an_oval_holds_the_centres_inside_its_ellipse() -> None:
    """Of 6 × 4: half axes 3 and 2; the corner's centre is at (2.5, 1.5): 0.69 + 0.56 > 1; (1.5, 1.5): 0.81 < 1."""
    assert np.array_equal(oval_mask(4, 6), drawn(".####. ###### ###### .####."))


def test_a_curve_of_a_path_is_divided_until_it_is_flat() -> None:
    """A quarter of a circle of radius 10 as a cubic: all corners lie within 0.02 px of the circle."""
    k = 0.5522847498 * 10
    [loop] = path_loops(np.array([0, 10, 0, 3, 10, k, k, 10, 0, 10, 1, 0, 0, 4], np.float32))
    assert len(loop) > 8
    assert np.abs(np.hypot(*loop[:-1].T) - 10).max() < 0.02
    rounded = rounded_rectangle_loop(0, 0, 20, 20, 20)
    assert np.abs(np.hypot(*(rounded - 10).T) - 10).max() < 0.02


# Masks and outlines

MASKS = {
    "square": (".... .##. .##. ....", 1, 4),
    "hole": ("##### #...# #.#.# #...# #####", 3, 12),
    "corner": ("#. .#", 1, 8),
    "other corner": (".# #.", 1, 8),
    "pieces": ("##.## ##.##", 2, 8),
    "edge": ("### ### ###", 1, 4),
}


@pytest.mark.parametrize("name", MASKS)
def test_an_outline_runs_along_the_borders_of_pixels(name: str) -> None:
    """Pieces and holes are polygons of their own; pixels that touch by a corner are one piece."""
    world, n_loops, n_corners = MASKS[name]
    loops = pixel_outlines(drawn(world))
    assert (len(loops), sum(map(len, loops))) == (n_loops, n_corners)
    assert np.array_equal(fill_loops([loop.astype(float) for loop in loops], drawn(world).shape), drawn(world))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_any_mask_is_the_inside_of_its_outlines(seed: int, share: float) -> None:
    """Counted another way: a ray to the left of a pixel's centre crosses the polygons' sides an odd number of times."""
    mask = np.random.default_rng(seed).random((7, 9)) < share
    crossings = np.zeros(mask.shape, int)
    for loop in pixel_outlines(mask):
        for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            assert (x0 == x1) != (y0 == y1)
            if x0 == x1:
                crossings[min(y0, y1) : max(y0, y1), x0:] += 1
    assert np.array_equal(crossings % 2 == 1, mask)


@pytest.mark.parametrize("position", [None, 11])
def test_a_label_image_comes_back_with_its_ids_and_frame(position: int | None, tmp_path: Path) -> None:
    labels = np.zeros((31, 47), np.int32)
    labels[3:9, 4:20], labels[5, 6] = 7, 0
    labels[20:24, 30:47], labels[26:28, 40:44] = 123456, 123456
    labels[10, 0] = 9
    write_selections(tmp_path / "a.zip", label_selections(labels, position=position))
    read = read_selections(tmp_path / "a.zip")
    assert {(one.own_id, one.position) for one in read} == {(7, position), (9, position), (123456, position)}
    assert np.array_equal(draw(numbered(read, in_movie=position is not None), (31, 47), "a.zip", Defects()), labels)
    before = (tmp_path / "a.zip").read_bytes()
    write_selections(tmp_path / "a.zip", label_selections(labels, position=position))
    assert (tmp_path / "a.zip").read_bytes() == before


# Other programs' files


def test_polygons_with_fractions_as_roifile_and_qupath_write_them(tmp_path: Path) -> None:
    """1.25 to 4.75 and 2.5 to 6.25: centres 1.5 to 4.5 and 3.5 to 5.5 (2.5 is on the upper border: outside)."""
    roi = polygon([(1.25, 2.5), (4.75, 2.5), (4.75, 6.25), (1.25, 6.25)], t_position=5)
    [one] = read_selections(zipped(tmp_path / "q.zip", **{"Cell 1": roi}))
    expected = np.zeros((9, 8), bool)
    expected[3:6, 1:5] = True
    image = np.zeros((9, 8), bool)
    place, mask = one.mask((9, 8))
    image[place] = mask
    assert np.array_equal(image, expected)
    assert (one.name, one.position, one.own_id) == ("Cell 1", 4, None)


def test_a_composite_with_a_hole_as_qupath_writes_it(tmp_path: Path) -> None:
    """QuPath repeats the first corner before it closes a path; a square of 8 with a hole of 2."""
    path: list[float] = []
    for x0, y0, side in ((1, 1, 8), (4, 4, 2)):
        corners = [(x0, y0), (x0 + side, y0), (x0 + side, y0 + side), (x0, y0 + side), (x0, y0)]
        for n, corner in enumerate(corners):
            path += [1 if n else 0, *corner]
        path.append(4)
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, top=1, left=1, bottom=9, right=9)
    roi.multi_coordinates, roi.shape_roi_size = np.array(path, np.float32), len(path)
    [one] = read_selections(zipped(tmp_path / "q.zip", annotation=roi))
    assert int(one.mask((20, 30))[1].sum()) == 64 - 4


@pytest.mark.parametrize(
    ("name", "position"), [("0013-0100-0200", 12), ("00013-00100-00200", 12), ("0000-0001-0002", None), ("soma", None)]
)
def test_the_slice_in_a_name_that_imagej_gave(name: str, position: int | None, tmp_path: Path) -> None:
    [one] = read_selections(zipped(tmp_path / "a.zip", **{name: polygon([(1, 1), (5, 1), (5, 5)])}))
    assert one.position == position


def test_what_has_no_area_says_so(tmp_path: Path) -> None:
    point, line, text = polygon([(3, 4)]), ImagejRoi(roitype=ROI_TYPE.LINE, x2=9.0, y2=3.0), ImagejRoi()
    point.roitype = ROI_TYPE.POINT
    text.roitype, text.subtype, text.text = ROI_TYPE.RECT, ROI_SUBTYPE.TEXT, "soma?"
    found = read_selections(zipped(tmp_path / "a.zip", p=point, l=line, t=text))
    assert {one.name: one.shape for one in found} == {"p": "point", "l": "line", "t": "text"}
    assert not any(one.has_area or one.mask((9, 9))[1].any() for one in found)


def test_the_first_selection_keeps_shared_pixels_and_each_defect_is_told(tmp_path: Path) -> None:
    """5 × 5 = 25 px; the second covers its last column and beyond the image; the third lies within the first."""
    rois = {
        "a": polygon([(2, 2), (7, 2), (7, 7), (2, 7)]),
        "b": polygon([(6, 2), (14, 2), (14, 7), (6, 7)]),
        "c": polygon([(3, 3), (5, 3), (5, 5), (3, 5)]),
        "d": polygon([(1.6, 1.6), (2.4, 1.6), (2.4, 2.4)]),
        "e": polygon([(8, 8), (10, 8), (10, 9)], options=ROI_OPTIONS.SPLINE_FIT),
    }
    defects = Defects()
    labels = draw(numbered(read_selections(zipped(tmp_path / "a.zip", **rois)), in_movie=False), (9, 12), "a", defects)
    assert np.bincount(labels.ravel())[1:3].tolist() == [25, 25]  # of the second 5 columns of 5 rows are left
    assert defects.notes() == [
        "1 selection beyond the image in part, cut at its edge: 'b'",
        "1 selection covered by others, left out: 'c'",
        "1 selection without the centre of a pixel inside, left out: 'd'",
        "1 selection drawn by the corners, without the spline that Fiji fits through them: 'e'",
        "selections share 9 px, which the first by name keeps",
    ]


# Broken and hostile files


def _with(*changes: Callable[[bytearray], None]) -> bytes:
    data = bytearray(polygon([(1, 1), (5, 1), (5, 5)]).tobytes())
    for change in changes:
        change(data)
    return bytes(data)


def _set(at: int, form: str, value: float) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(f">{form}", data, at, value)


BROKEN = {
    "no roi": b"PNG" * 30,
    "short": b"Iout" + bytes(20),
    "cut": polygon([(1, 1), (5, 1), (5, 5)]).tobytes()[:70],
    "more corners than bytes": _with(_set(16, "H", 60000)),
    "far too many corners": _with(_set(16, "H", 0), _set(18, "i", 1 << 30)),
    "a path of no commands": _with(_set(6, "B", 1), _set(36, "i", 2), _set(64, "f", 77.0)),
    "a path that ends within a command": _with(_set(6, "B", 1), _set(36, "i", 2), _set(64, "f", 0.0)),
    "no numbers": _with(_set(6, "B", 1), _set(36, "i", 3), _set(64, "f", 0.0), _set(68, "f", float("nan"))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_selection_is_one_line(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "b.zip", broken=BROKEN[name])
    with pytest.raises(SomaNetError) as caught:
        read_selections(path)
    assert str(path) in str(caught.value)
    assert "broken.roi" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_polygon_without_corners_has_no_pixel(tmp_path: Path) -> None:
    [one] = read_selections(zipped(tmp_path / "a.zip", nothing=b"Iout" + bytes(60)))
    assert one.mask((9, 9))[1].sum() == 0


def test_coordinates_without_bounds_are_cut_at_once(tmp_path: Path) -> None:
    """A path to 10³⁰: the whole image is inside, and nothing grows with the number."""
    far = 1e30
    path = [0, -far, -far, 1, far, -far, 1, far, far, 1, -far, far, 4]
    roi = ImagejRoi(roitype=ROI_TYPE.RECT)
    roi.multi_coordinates, roi.shape_roi_size = np.array(path, np.float32), len(path)
    [one] = read_selections(zipped(tmp_path / "a.zip", far=roi))
    assert one.mask((11, 13))[1].sum() == 11 * 13


def test_a_huge_oval_takes_no_more_memory_than_the_image(tmp_path: Path) -> None:
    """60000 px wide, around an image of 30 × 40: its middle covers all."""
    roi = ImagejRoi(roitype=ROI_TYPE.OVAL, left=-4000, top=-4000, right=56000, bottom=56000)
    [one] = read_selections(zipped(tmp_path / "a.zip", oval=roi))
    inside = [(y + 4000.5 - 30000) ** 2 + (x + 4000.5 - 30000) ** 2 <= 30000**2 for y in range(30) for x in range(40)]
    assert one.mask((30, 40))[1].ravel().tolist() == inside


def test_a_zip_of_other_files_an_empty_one_and_one_with_a_path_out(tmp_path: Path) -> None:
    for name, content, words in (
        ("other", {"readme.txt": b"x"}, r"expected ImageJ selections \(.roi\), found 1 other files"),
        ("empty", {}, "the zip is empty"),
        ("out", {"../a.roi": b"x"}, "leads out of it"),
    ):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for entry, one in content.items():
                archive.writestr(entry, one)
        path = tmp_path / f"{name}.zip"
        path.write_bytes(data.getvalue())
        with pytest.raises(SomaNetError, match=words):
            read_selections(path)


def test_too_many_selections_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMANET_MAX_ROIS", "2")
    rois = {f"r{n}": polygon([(1, 1), (5, 1), (5, 5)]) for n in range(3)}
    with pytest.raises(SomaNetError, match=r"3 selections, more than the 2 allowed.*SOMANET_MAX_ROIS=3"):
        read_selections(zipped(tmp_path / "a.zip", **rois))
