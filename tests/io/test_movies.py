"""Movies: frames and scale are read back as written; time, channels and Z are never confused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.io.movies import open_movie, write_movie

T, Y, X = 5, 23, 37
FRAMES = np.arange(T * Y * X, dtype=np.uint16).reshape(T, Y, X)
UNKNOWN = FileCalibration()
DECIMALS = st.integers(1, 10**9).map(lambda n: n / 10**6)


def same(path: Path, expected: np.ndarray, channel: int | str | None = None) -> None:
    with open_movie(path, channel=channel) as movie:
        assert (movie.n_frames, movie.shape_YX, movie.dtype) == (
            len(expected),
            expected.shape[1:],
            expected.dtype,
        )
        np.testing.assert_array_equal(np.stack(list(movie)), expected)
        for t in (len(expected) - 1, 0, 2):
            np.testing.assert_array_equal(movie.frame(t), expected[t])
        with pytest.raises(IndexError):
            movie.frame(len(expected))
        with pytest.raises(IndexError):
            movie.frame(-1)


@pytest.mark.parametrize("name", ["movie.tif", "movie.ome.tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("as_generator", [False, True])
def test_frames_are_read_back(tmp_path: Path, name: str, dtype: str, as_generator: bool) -> None:
    frames = FRAMES.astype(dtype)
    write_movie(tmp_path / name, (f for f in frames) if as_generator else frames, Calibration(0.65, 5.0))
    same(tmp_path / name, frames)


@settings(max_examples=40)
@given(pixel=st.none() | DECIMALS, interval=st.none() | DECIMALS, ome=st.booleans())
def test_the_scale_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, pixel: float | None, interval: float | None, ome: bool
) -> None:
    path = tmp_path_factory.mktemp("scale") / ("a.ome.tif" if ome else "a.tif")
    scale = FileCalibration(pixel, interval)
    write_movie(path, FRAMES[:3], scale)
    with open_movie(path) as movie:
        assert movie.file_calibration == scale


@settings(max_examples=40)
@given(pixel=st.floats(1e-3, 1e3), interval=st.floats(1e-3, 1e4))
def test_any_scale_is_read_back_closely(
    tmp_path_factory: pytest.TempPathFactory, pixel: float, interval: float
) -> None:
    path = tmp_path_factory.mktemp("scale") / "a.tif"
    write_movie(path, FRAMES[:3], Calibration(pixel, interval))
    with open_movie(path) as movie:
        assert movie.file_calibration.pixel_size_um == pytest.approx(pixel, rel=1e-8)
        assert movie.file_calibration.frame_interval_min == pytest.approx(interval, rel=1e-12)


@pytest.mark.parametrize("name", ["movie.tif", "movie.ome.tif"])
def test_equal_movies_are_equal_files(tmp_path: Path, name: str) -> None:
    for folder in ("a", "b"):
        write_movie(tmp_path / folder / name, FRAMES, Calibration(0.65, 5.0))
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def imagej(path: Path, size_in_unit: float | str = "0.5", **metadata: object) -> FileCalibration:
    ratio = 1 / Fraction(str(size_in_unit))
    resolution = ((ratio.numerator, ratio.denominator),) * 2
    tifffile.imwrite(path, FRAMES, imagej=True, resolution=resolution, metadata={"axes": "TYX", **metadata})
    with open_movie(path) as movie:
        return movie.file_calibration


@pytest.mark.parametrize(
    ("size", "unit", "um"),
    [
        ("0.65", "um", 0.65),
        ("0.65", "micron", 0.65),
        ("0.65", "microns", 0.65),
        ("0.65", "\\u00B5m", 0.65),
        ("650", "nm", 0.65),
        ("0.00065", "mm", 0.65),
        ("0.000065", "cm", 0.65),
        ("0.000025", "inch", 0.635),
        ("1", "pixel", None),
        ("1", "", None),
        ("1", "furlong", None),
        ("1/72", "inch", None),  # 72 dpi: a screen's, not a microscope's
    ],
)
def test_imagej_units(tmp_path: Path, size: str, unit: str, um: float | None) -> None:
    assert imagej(tmp_path / "a.tif", size, unit=unit).pixel_size_um == um


@pytest.mark.parametrize(
    ("metadata", "minutes"),
    [
        ({"finterval": 720.0}, 12.0),
        ({"finterval": 12, "tunit": "min"}, 12.0),
        ({"finterval": 0.25, "tunit": "hours"}, 15.0),
        ({"finterval": 0.0}, None),
        ({"finterval": float("inf")}, None),
        ({"fps": 7.0}, None),
        ({"Info": "Objective = 20x\nFrame Interval (s) = 300\n"}, 5.0),
        ({"Info": "TimeIncrement=10 min"}, 10.0),
        ({"Info": "Frame interval = 300"}, None),  # of what?
    ],
)
def test_imagej_intervals(tmp_path: Path, metadata: dict[str, object], minutes: float | None) -> None:
    assert imagej(tmp_path / "a.tif", **metadata).frame_interval_min == minutes


def ome(path: Path, **metadata: object) -> FileCalibration:
    tifffile.imwrite(path, FRAMES, ome=True, photometric="minisblack", metadata={"axes": "TYX", **metadata})
    with open_movie(path) as movie:
        return movie.file_calibration


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, UNKNOWN),
        ({"PhysicalSizeX": 0.65}, FileCalibration(0.65, None)),
        ({"PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm"}, FileCalibration(0.65, None)),
        ({"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}, UNKNOWN),
        ({"PhysicalSizeX": 0.0, "TimeIncrement": 0.0}, UNKNOWN),
        ({"TimeIncrement": 300}, FileCalibration(None, 5.0)),
        ({"TimeIncrement": 0.25, "TimeIncrementUnit": "h"}, FileCalibration(None, 15.0)),
        ({"Plane": {"DeltaT": [0, 300, 601, 900, 1200]}}, FileCalibration(None, 5.0)),
        (
            {"Plane": {"DeltaT": [0, 300, 1500, 1800, 2100]}},
            FileCalibration(None, 5.0, (0.0, 5 / 60, 25 / 60, 30 / 60, 35 / 60)),
        ),
    ],
)
def test_ome_scale(tmp_path: Path, metadata: dict[str, object], expected: FileCalibration) -> None:
    assert ome(tmp_path / "a.ome.tif", **metadata) == expected


def test_pixels_that_are_not_square_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"0\.65 µm wide by 0\.7 µm high"):
        ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.65, PhysicalSizeY=0.7)


def test_plain_and_appended_pages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", FRAMES, metadata=None)
    same(tmp_path / "plain.tif", FRAMES)
    for frame in FRAMES:
        tifffile.imwrite(tmp_path / "appended.tif", frame, append=True)
    same(tmp_path / "appended.tif", FRAMES)
    tifffile.imwrite(tmp_path / "big.tif", FRAMES, byteorder=">", compression="zlib", bigtiff=True)
    same(tmp_path / "big.tif", FRAMES)
    with open_movie(tmp_path / "plain.tif") as movie:
        assert movie.file_calibration == UNKNOWN


def test_imagej_block_behind_one_directory(tmp_path: Path) -> None:
    """ImageJ writes a big stack with one page; the others follow as bare pixels."""
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, imagej=True, metadata={"axes": "TYX"})
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages.first
        end = page.dataoffsets[0] + FRAMES.nbytes
        link = page.offset + 2 + 12 * len(page.tags)
    data[link : link + 4] = bytes(4)
    (tmp_path / "one.tif").write_bytes(data)
    same(tmp_path / "one.tif", FRAMES)
    (tmp_path / "cut.tif").write_bytes(data[: end - 5])
    with (
        pytest.raises(FileProblem, match=r"truncated|cannot be decoded"),
        open_movie(tmp_path / "cut.tif") as movie,
    ):
        list(movie)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["TCYX", "CTYX"])
def test_channels_must_be_chosen(tmp_path: Path, compression: str | None, axes: str) -> None:
    channels = np.stack([FRAMES, FRAMES[::-1]], axis=axes.index("C"))
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        channels,
        photometric="minisblack",
        compression=compression,
        metadata={"axes": axes, "Channel": {"Name": ["DAPI", "GFP"]}},
    )
    with pytest.raises(FileProblem, match=r"found 2: 0 \(DAPI\), 1 \(GFP\)"):
        open_movie(path)
    with pytest.raises(FileProblem, match="no channel RFP"):
        open_movie(path, channel="RFP")
    same(path, FRAMES, channel="dapi")
    same(path, FRAMES[::-1], channel=1)
    same(path, FRAMES[::-1], channel="1")


def test_rgb_movies_need_a_colour(tmp_path: Path) -> None:
    grey = FRAMES.astype(np.uint8)
    rgb = np.stack([grey, grey + 1, grey + 2], axis=-1)
    tifffile.imwrite(tmp_path / "rgb.tif", rgb, photometric="rgb")
    with pytest.raises(FileProblem, match="red"):
        open_movie(tmp_path / "rgb.tif")
    same(tmp_path / "rgb.tif", grey + 1, channel="green")


def test_a_z_stack_is_no_movie(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z.tif", FRAMES, imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(FileProblem, match=r"Z stack .*time points: --axes TYX$"):
        open_movie(tmp_path / "z.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_no_cut_goes_unnoticed(tmp_path: Path, name: str, compression: str | None) -> None:
    kind = {"ome": True} if "ome" in name else {"imagej": True}
    tifffile.imwrite(tmp_path / name, FRAMES, compression=compression, metadata={"axes": "TYX"}, **kind)
    data = (tmp_path / name).read_bytes()
    (tmp_path / "cut").mkdir()
    for part in (0, 0.01, 0.2, 0.5, 0.8, 0.95):
        (tmp_path / "cut" / name).write_bytes(data[: int(part * len(data))])
        with pytest.raises(FileProblem) as error, open_movie(tmp_path / "cut" / name) as movie:
            list(movie)
        assert error.value.kind in ("truncated", "not an image"), str(error.value)


def test_nan_is_named_with_its_frame(tmp_path: Path) -> None:
    frames = FRAMES.astype(np.float32)
    frames[3, 2, 1] = np.nan
    write_movie(tmp_path / "a.tif", frames, UNKNOWN)
    with open_movie(tmp_path / "a.tif") as movie, pytest.raises(FileProblem, match=r"frame 3: .*1 NaN"):
        list(movie)


def test_a_registered_movie_has_no_data_at_its_border(tmp_path: Path) -> None:
    """NaN rows that differ from frame to frame become 0, and nothing else changes."""
    frames = FRAMES.astype(np.float32) + 100
    for t in range(1, len(frames)):
        frames[t, :t] = np.nan
    write_movie(tmp_path / "a.tif", frames, UNKNOWN)
    with open_movie(tmp_path / "a.tif") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), np.nan_to_num(frames))


def video(path: Path, codec: str, pixels: str, frames: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())


@pytest.mark.parametrize("name", ["12:30.avi", "concat:a.avi|b.avi", "file:a.avi", "crypto:a.avi"])
def test_a_video_s_name_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """FFmpeg takes what stands before a colon for a protocol: the named file is opened, not those within its name."""
    monkeypatch.chdir(tmp_path)
    frames = np.stack([np.full((48, 64), 20 + 20 * t, np.uint8) for t in range(T)])
    for decoy in ("a.avi", "b.avi"):
        video(tmp_path / decoy, "ffv1", "gray", frames[::-1])
    video(tmp_path / "right.avi", "ffv1", "gray", frames)
    (tmp_path / "right.avi").rename(name)
    for path in (Path(name), tmp_path / name):
        same(path, frames)


def test_video_in_any_order(tmp_path: Path) -> None:
    frames = np.stack([np.full((48, 64), 20 + 20 * t, np.uint8) + np.arange(64, dtype=np.uint8) for t in range(T)])
    video(tmp_path / "a.avi", "ffv1", "gray", frames)
    same(tmp_path / "a.avi", frames)
    with open_movie(tmp_path / "a.avi") as movie:
        assert movie.file_calibration == UNKNOWN
    video(tmp_path / "a.mp4", "mpeg4", "yuv420p", frames)
    with open_movie(tmp_path / "a.mp4") as movie:
        assert (movie.n_frames, movie.shape_YX) == (T, (48, 64))
        for t in (4, 1, 3):
            assert np.abs(movie.frame(t).astype(int) - frames[t]).mean() < 4
    with open_movie(tmp_path / "a.mp4", channel="green") as movie:
        assert movie.frame(2).shape == (48, 64)
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    with pytest.raises(FileProblem), open_movie(tmp_path / "cut.avi") as movie:
        list(movie)
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(FileProblem, match="cannot be opened"):
        open_movie(tmp_path / "no.mp4")


@pytest.mark.parametrize("codec", ["ffv1", "mpeg4"])
def test_a_video_in_colour_says_so(tmp_path: Path, codec: str) -> None:
    """A red line of 64 x 3 px in a grey frame of 48 x 64 px; none in the same frame without it, nor with a channel."""
    grey = np.repeat((20 + np.arange(48 * 64) % 200).reshape(1, 48, 64, 1).astype(np.uint8), 3, axis=-1)
    line = grey.copy()
    line[:, 20:23] = (255, 0, 0)
    for name, frames in (("grey", grey), ("line", line)):
        with av.open(str(tmp_path / f"{name}.avi"), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    for name, channel, said in (("grey", None, False), ("line", None, True), ("line", "red", False)):
        with open_movie(tmp_path / f"{name}.avi", channel=channel) as movie:
            assert any("is in colour" in note for note in movie.notes) is said
            assert movie.frame(0).shape == (48, 64)


def test_zarr_array(tmp_path: Path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=FRAMES.shape, dtype="uint16", chunks=(1, Y, X))
    array[:] = FRAMES
    same(tmp_path / "a.zarr", FRAMES)


def ome_zarr(path: Path, *, z: int = 1, unit: str = "micrometer", scale_x: float = 0.65) -> None:
    data = np.repeat(np.stack([FRAMES, FRAMES[::-1]], axis=1)[:, :, None], z, axis=2)
    group = zarr.open_group(str(path), mode="w")
    array = group.create_array("0", shape=data.shape, dtype="uint16", chunks=(1, 1, 1, Y, X))
    array[:] = data
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": unit},
        *({"name": n, "type": "space", "unit": unit} for n in "yx"),
    ]
    transforms = [{"type": "scale", "scale": [300, 1, 2, 0.65, scale_x]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transforms}]}
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [multiscale],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    }


def test_zarr_of_bioformats2raw_has_a_position_per_series(tmp_path: Path) -> None:
    outer = tmp_path / "a.zarr"
    group = zarr.open_group(str(outer), mode="w")
    group.attrs["bioformats2raw.layout"] = 3
    with pytest.raises(FileProblem, match=r"expected the images that bioformats2raw writes"):
        open_movie(outer)
    ome_zarr(outer / "0")
    same(outer, FRAMES[::-1], channel="GFP")  # the only one needs no choice
    ome_zarr(outer / "1", z=3)
    group.create_group("OME")
    with pytest.raises(FileProblem, match=r"found 2 positions or series: 0, 1\. Choose one with --position"):
        open_movie(outer, channel="GFP")
    with open_movie(outer, channel="GFP", position=0) as movie:
        np.testing.assert_array_equal(movie.frame(0), FRAMES[-1])
    with pytest.raises(FileProblem, match="Z=3"):
        open_movie(outer, channel="GFP", position=1)
    same(outer / "0", FRAMES[::-1], channel="GFP")


@pytest.mark.parametrize(("level", "what"), [("", "plate"), ("B/2", "well")])
def test_zarr_of_a_plate_is_refused_with_a_field_that_can_be_opened(tmp_path: Path, level: str, what: str) -> None:
    outer = tmp_path / "a.zarr"
    group = zarr.open_group(str(outer), mode="w")
    group.attrs["plate"] = {"wells": [{"path": "B/2"}]}
    group.create_group("B").create_group("2").attrs["well"] = {"images": [{"path": "0"}]}
    ome_zarr(outer / "B" / "2" / "0")
    with pytest.raises(FileProblem, match=f"found a {what} of OME-Zarr with a movie per field of view") as caught:
        open_movie(outer / level)
    named = Path(str(caught.value).rpartition(" such as ")[2])
    same(named, FRAMES[::-1], channel="GFP")


def test_ome_zarr(tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr")
    with pytest.raises(FileProblem, match="GFP"):
        open_movie(tmp_path / "a.zarr")
    same(tmp_path / "a.zarr", FRAMES[::-1], channel="GFP")
    with open_movie(tmp_path / "a.zarr", channel=0) as movie:
        assert movie.file_calibration == FileCalibration(0.65, 5.0)
    ome_zarr(tmp_path / "z.zarr", z=2)
    with pytest.raises(FileProblem, match="Z stack"):
        open_movie(tmp_path / "z.zarr", channel=0)
    ome_zarr(tmp_path / "oblong.zarr", scale_x=0.8)
    with pytest.raises(FileProblem, match="square"):
        open_movie(tmp_path / "oblong.zarr", channel=0)
    zarr.open_group(str(tmp_path / "bare.zarr"), mode="w")
    with pytest.raises(FileProblem, match="multiscales"):
        open_movie(tmp_path / "bare.zarr")


def test_what_is_no_movie(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    for name in ("a.tif", "a.txt", "a.png"):
        (tmp_path / name).write_bytes(b"GIF89a")
    for name, words in (
        ("none.tif", "no such file"),
        ("a.gif", "GIF files are not read"),
        ("a.txt", "suffix"),
        ("a.png", "a single PNG image.*by a pattern"),
        ("a.tif", "expected a TIFF"),
        ("", "numbered images"),
        ("b*.tif", "found 0 files"),
        ("no/b*.tif", "no such folder"),
    ):
        with pytest.raises(FileProblem, match=words):
            open_movie(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("a.avi", FRAMES, "suffix"),
        ("a.tif", [], "at least one frame"),
        ("a.tif", iter(()), "at least one frame"),
        ("a.tif", FRAMES.astype(np.int32), "int32"),
        ("a.tif", FRAMES[:, None], "YX frames"),
        ("a.tif", [FRAMES[0], FRAMES[0, :-1]], "like the first"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, frames: object, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        write_movie(tmp_path / name, frames, UNKNOWN)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.real
def test_the_real_movie(data_root: Path) -> None:
    with open_movie(data_root / "neuritetracker" / "cell_body.tif") as movie:
        assert (movie.n_frames, movie.shape_YX) == (64, (520, 696))
        assert movie.file_calibration == FileCalibration(1.28, 12.0)
        assert sum(frame.shape == (520, 696) for frame in movie) == 64
