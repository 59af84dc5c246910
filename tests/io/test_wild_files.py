"""Files of many microscopes and programs: each opens as its own metadata say, or is refused for the real reason.

The answers are read by tifffile and the standard library's parser, or by the vendor's package, not by SomaNet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.movies import movie_files, open_movie

pytestmark = pytest.mark.real

REFUSED = {
    "metadata.txt": "the suffix '.txt'",
    "xyzct_16bit__mitosis.ics": r"ICS files are not read.*\.ids file beside it.*Bio-Formats",
    "xyzct_16bit__mitosis.xml": "the suffix '.xml'",
    "sample.stk": "expected a TIFF, found a MATLAB file",
    "tubhiswt-4D.ome.xml": r"tubhiswt_C0_TP0\.ome\.tif: no such file",
    "gray.b1.tif": "found bool pixels", "gray.one.b1.tif": "found bool pixels",
    "gray.c8.tif": "found complex64 pixels", "gray.c16.tif": "found complex128 pixels",
    **dict.fromkeys([f"T76S3F0000{i}.png" for i in range(1, 6)], "a single PNG image"),
    **dict.fromkeys(
        ["data_small.npz", "labels.npy", "manual_corrected.npy", "napari_effector_trajectories.npy",
         "timelapse_point.npy", "timelapse_track.npy"],
        r"NumPy array files are not read\. Save the array as TIFF",
    ),
}  # fmt: skip
"""What is no movie, or of which parts are missing."""

ASKS = {"olympus_SIS.tif": "position", "gray.series.u1.tif": "position"}
"""TIFF files of several series; the first is opened then."""

OTHERS = {
    "cluster.nd2", "xyz__multiple_images.czi", "LeicaLASX_wavelength-sweep_example.lif", "testdata_2channel_xz.lif",
    "multifile.companion.ome", "bulk-water.mov", "Ex2_Cell-Image-Library-11813_S1_tracks.avi",
    *(f"multifile-Z{z}.ome.tiff" for z in range(1, 6)),
}  # fmt: skip
"""Files with a test of their own below."""

UM = {"micron": 1, "um": 1, "µm": 1, "\\u00b5m": 1, "nm": 1e-3, "mm": 1e3, "inch": 25400, "cm": 1e4, "millimeter": 1e3}


@dataclass(frozen=True)
class Right:
    """What a file's own metadata say."""

    n_frames: int
    n_planes: int
    n_channels: int
    shape_YX: tuple[int, int]
    dtype: str
    pixel_size_um: float | None


def by_tifffile(path: Path) -> Right:
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        if tiff.is_ome:
            pixels = next(e for e in ET.fromstring(tiff.ome_metadata).iter() if e.tag.endswith("Pixels"))
            sizes |= {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "TZC"}
            size = pixels.get("PhysicalSizeX")
            um = None if size is None else float(size) * UM[pixels.get("PhysicalSizeXUnit", "µm")]
        elif tiff.is_imagej:
            header = tiff.imagej_metadata or {}
            sizes |= {a: header[name] for a, name in zip("TZ", ("frames", "slices"), strict=True) if name in header}
            um = scale_of(tiff, str(header.get("unit", "")))
        elif tiff.is_sis:
            um = 1e6 * tiff.sis_metadata["pixelsizex"] if "pixelsizex" in tiff.sis_metadata else None
        else:
            tag = tiff.pages[0].tags.get("ResolutionUnit")
            um = scale_of(tiff, {2: "inch", 3: "cm"}.get(tag.value if tag else 0, ""))
            um = None if um is not None and um > 20 else um  # for printing
        frames = sizes.get("T", 1) if "T" in sizes else sizes.get("I", 1) * sizes.get("Q", 1)
        channels = sizes.get("C", 1) * (sizes.get("S", 1) if sizes.get("C", 1) == 1 else 1)
        return Right(frames, sizes.get("Z", 1), channels, (sizes["Y"], sizes["X"]), series.dtype.name, um)


def scale_of(tiff: tifffile.TiffFile, unit: str) -> float | None:
    tag = tiff.pages[0].tags.get("XResolution")
    unit = unit.lower().rstrip("s")
    if tag is None or unit not in UM or not tag.value[0]:
        return None
    return tag.value[1] / tag.value[0] * UM[unit]


def files(root: Path) -> Iterator[Path]:
    for file in sorted([*(root / "files").rglob("*"), *(root / "movies").rglob("*")]):
        if file.is_file() and file.name not in ("SOURCE.txt", "README.md"):
            yield file


def wild(data_root: Path) -> Path:
    if not (data_root / "wild" / "files").is_dir():
        pytest.skip("these files are not there")
    return data_root / "wild"


def test_every_tiff_is_what_its_metadata_say(data_root: Path) -> None:
    seen = 0
    for file in files(wild(data_root)):
        if file.suffix.lower() not in (".tif", ".tiff") or file.name in REFUSED | dict.fromkeys(OTHERS):
            continue
        seen += 1
        right = by_tifffile(file)
        options: dict[str, Any] = {}
        if file.name in ASKS:
            with pytest.raises(FileProblem, match=r"found 2 positions or series: .*--position"):
                open_movie(file)
            options["position"] = 0
        if right.n_planes > 1:
            with pytest.raises(StackProblem, match=rf"a Z stack of {right.n_planes} planes .*--z max"):
                open_movie(file, channel=0, **options)
            options["z"] = "max"
        if right.n_channels > 1:
            with pytest.raises(FileProblem, match=rf"one channel, found {right.n_channels}: 0.*--channel"):
                open_movie(file, **options)
            options["channel"] = 0
        with open_movie(file, **options) as movie:
            found = Right(
                movie.n_frames, movie.n_planes, movie.n_channels, movie.shape_YX, movie.dtype.name,
                movie.file_calibration.pixel_size_um,
            )  # fmt: skip
            for name, value in vars(right).items():
                expected = pytest.approx(value, rel=1e-6) if name == "pixel_size_um" and value else value
                assert getattr(found, name) == expected, (file, name)
            assert movie.frame(movie.n_frames - 1).shape == right.shape_YX, file
    assert seen > 100


def test_every_other_file_is_refused_for_the_real_reason(data_root: Path) -> None:
    seen = set()
    for file in files(wild(data_root)):
        if file.name in OTHERS or (file.suffix in (".tif", ".tiff") and file.name not in REFUSED):
            continue
        words = REFUSED.get(file.name, rf"found the suffix '{re.escape(file.suffix)}'")
        with pytest.raises(SomaNetError, match=words) as caught:
            open_movie(file, channel=0)
        assert "\n" not in str(caught.value)
        seen.add(file.name)
    assert seen >= set(REFUSED)


def test_nikon(data_root: Path) -> None:
    nd2 = pytest.importorskip("nd2")
    file = wild(data_root) / "files/pims/cluster.nd2"
    with nd2.ND2File(file) as own:
        stack, um, names = own.asarray(), own.voxel_size().x, [c.channel.name for c in own.metadata.channels]
        starts = [event["Time [s]"] for event in own.events() if event["Z Index"] == 0]
    assert stack.shape == (3, 10, 2, 31, 38)  # T Z C Y X
    with pytest.raises(StackProblem, match=r"10 planes \(T=3, Z=10, C=2, Y=31, X=38\)"):
        open_movie(file)
    with pytest.raises(FileProblem, match=re.escape(f"0 ({names[0]}), 1 ({names[1]})")):
        open_movie(file, z=0)
    for channel, name in enumerate(names):
        with open_movie(file, channel=name, z="max") as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), stack[:, :, channel].max(axis=1))
        with open_movie(file, channel=channel, z=7) as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), stack[:, 7, channel])
            assert movie.file_calibration.pixel_size_um == pytest.approx(um)
            interval = np.median(np.diff(starts)) / 60
            assert movie.file_calibration.frame_interval_min == pytest.approx(interval, rel=1e-3)


def test_zeiss(data_root: Path) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi")
    file = wild(data_root) / "files/neubias/xyz__multiple_images.czi"
    with pytest.raises(FileProblem, match=r"2 positions or series: 0, 1\. .*--position"):
        open_movie(file, z=0)
    with czi.open_czi(str(file)) as own:
        metres = float(own.metadata["ImageDocument"]["Metadata"]["Scaling"]["Items"]["Distance"][0]["Value"])
        planes = {(s, z): own.read(scene=s, plane={"C": 0, "Z": z, "T": 0})[..., 0] for s in (0, 1) for z in (0, 1)}
    assert len({plane.tobytes() for plane in planes.values()}) == 4
    for scene in (0, 1):
        with open_movie(file, position=scene, axes="TYX") as movie:  # as the message of a stack offers
            assert movie.file_calibration.pixel_size_um == pytest.approx(metres * 1e6)
            for z in (0, 1):
                np.testing.assert_array_equal(movie.frame(z), planes[scene, z])


def test_leica(data_root: Path) -> None:
    liffile = pytest.importorskip("liffile")
    folder = wild(data_root) / "files/readlif"
    file = folder / "LeicaLASX_wavelength-sweep_example.lif"
    with pytest.raises(FileProblem, match=r"3 positions or series: 0 \(x_y_lambdaEmi\), .*--position"):
        open_movie(file)
    with pytest.raises(FileProblem, match=r"axes λ=20, Y=64, X=64\. .*--axes"):
        open_movie(file, position=0)
    with liffile.LifFile(file) as own:
        image = own.images[2]
        stack, x_m, t_s = image.asarray(), np.diff(image.coords["X"])[0], np.diff(image.coords["T"])[0]
    assert stack.shape == (2, 10, 11, 64, 64)  # T λ Z Y X
    with open_movie(file, position="x_y_z_t_lambdaEmi", axes="TCZYX", channel=3, z=4) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), stack[:, 3, 4])
        assert movie.file_calibration.pixel_size_um == pytest.approx(x_m * 1e6)
        assert movie.file_calibration.frame_interval_min == pytest.approx(t_s / 60)
    for position in range(3):
        with pytest.raises(FileProblem, match=r"a section in depth .*Z=\d+, X=\d+\).*--position"):
            open_movie(folder / "testdata_2channel_xz.lif", position=position)


def test_companion(data_root: Path) -> None:
    folder = wild(data_root) / "files/viv"
    parts = [folder / f"multifile-Z{z}.ome.tiff" for z in range(1, 6)]
    pixels = np.stack([page_of(part) for part in parts])
    for file in (folder / "multifile.companion.ome", *parts):
        with pytest.raises(StackProblem, match=r"a Z stack of 5 planes .*--axes TYX$"):
            open_movie(file)
        assert set(movie_files(file)) == {folder / "multifile.companion.ome", *parts}
        with open_movie(file, axes="TYX") as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), pixels)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("files/pims/bulk-water.mov", (480, 424, 640)),
        ("movies/mia_cil11813/Ex2_Cell-Image-Library-11813_S1_tracks.avi", (30, 389, 310)),
    ],
)
def test_videos(data_root: Path, name: str, shape: tuple[int, int, int]) -> None:
    import av

    file = wild(data_root) / name
    with av.open(str(file)) as own:
        stream = own.streams.video[0]
        assert (stream.frames, stream.height, stream.width) == shape
        codec = stream.codec_context.name
    with open_movie(file) as movie:
        assert (movie.n_frames, *movie.shape_YX) == shape
        lossy, *others = movie.notes
    assert codec in lossy
    assert "loses detail" in lossy
    assert ["is in colour" in note for note in others] == [True]  # yellow light, and tracks that are drawn into it


@pytest.mark.parametrize(
    ("path", "options", "frames"),
    [
        ("movies/drosophila_h2b", {"channel": "green"}, 21),
        ("movies/celldetective/labels_effectors", {}, 6),
        ("files/pims/seq", {}, 5),
        ("files/pims/seq/T76S3F*.png", {}, 5),
        ("files/scifio/leica", {"axes": "TYX"}, 3),
        ("files/viv/Channel_*.tif", {"axes": "TYX"}, 3),
        ("files/viv/multi-tiff", {"channel": 2}, 1),
    ],
)
def test_folders_and_patterns(data_root: Path, path: str, options: dict[str, Any], frames: int) -> None:
    """Every image, in the order of its name."""
    place = wild(data_root) / path
    images = sorted(f for f in (place.iterdir() if place.is_dir() else place.parent.glob(place.name)) if is_image(f))
    with open_movie(place, **options) as movie:
        assert movie.n_frames == frames
        if frames > 1:
            for t in (0, frames // 2, frames - 1):
                np.testing.assert_array_equal(movie.frame(t), first_colour(images[t], options.get("channel")))


def page_of(file: Path) -> np.ndarray:
    """The pixels of the first page, whatever the metadata say."""
    with tifffile.TiffFile(file) as tiff:
        return tiff.pages[0].asarray()


def is_image(file: Path) -> bool:
    return file.suffix in (".tif", ".png")


def first_colour(file: Path, channel: object) -> np.ndarray:
    import cv2

    pixels = tifffile.imread(file) if file.suffix == ".tif" else cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    return pixels[..., 1] if channel == "green" else pixels
