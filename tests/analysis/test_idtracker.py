"""The video for idtracker.ai: what OpenCV, with which it reads it, finds in there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from somanet.analysis.idtracker import SETTINGS, VIDEO, export_for_idtracker, separated
from somanet.analysis.source import MovieSource
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.io.movies import write_movie
from somanet.io.video_writing import write_lossless_video
from tests.analysis.worlds import save_labelled

T, Y, X = 4, 37, 53
SCALE = Calibration(1.5, 10.0)


def labels() -> np.ndarray:
    """Three somas: 1 and 2 touch along a side, 3 touches 2 at a corner; soma 3 leaves in the last frame."""
    found = np.zeros((T, Y, X), np.int32)
    for t in range(T):
        found[t, 5:15, 5 + t : 15 + t] = 1
        found[t, 7:13, 15 + t : 23 + t] = 2
        if t < T - 1:
            found[t, 13:17, 23 + t : 29 + t] = 3
    return found


def frames() -> np.ndarray:
    return np.random.default_rng(3).integers(100, 4000, (T, Y, X)).astype(np.uint16)


def results(tmp_path: Path, labels_TYX: np.ndarray | None = None, frames_TYX: np.ndarray | None = None) -> Path:
    """A folder as `somanet analyze` leaves it, as far as it is read here."""
    movie = tmp_path / "movie.ome.tif"
    write_movie(movie, frames() if frames_TYX is None else frames_TYX, SCALE)
    save_labelled(tmp_path / "results", labels() if labels_TYX is None else labels_TYX, movie, SCALE)
    return tmp_path / "results"


def decoded(path: Path) -> np.ndarray:
    """By OpenCV, in colours, as idtracker.ai reads videos."""
    video = cv2.VideoCapture(str(path))
    found = []
    while True:
        there, frame = video.read()
        if not there:
            return np.stack(found)
        assert (frame == frame[..., :1]).all()
        found.append(frame[..., 0])


def blobs(picture: np.ndarray, low: float, high: float) -> int:
    return len(cv2.findContours(cv2.inRange(picture, low, high), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])


# The codec


@pytest.mark.parametrize("shape", [(4, 37, 53), (3, 36, 53), (1, 37, 52), (2, 1, 1), (2, 5, 1025)])
def test_every_pixel_comes_back(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    """Odd sizes, a single frame, a single pixel: by FFmpeg and by OpenCV."""
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    write_lossless_video(tmp_path / "a.avi", iter(pixels), fps=10)
    with av.open(str(tmp_path / "a.avi")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("ffv1", "gray", 10)
        shown = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
    assert np.array_equal(np.stack(shown), pixels)
    assert np.array_equal(decoded(tmp_path / "a.avi"), pixels)


def test_equal_frames_give_equal_bytes_without_the_name_of_the_library(tmp_path: Path) -> None:
    for name in "ab":
        write_lossless_video(tmp_path / f"{name}.avi", frames().astype(np.uint8), fps=10)
    content = (tmp_path / "a.avi").read_bytes()
    assert content == (tmp_path / "b.avi").read_bytes()
    assert b"Lavf" not in content
    assert b"Lavc6" not in content


@pytest.mark.parametrize(
    ("name", "pixels", "words"),
    [
        ("a.mp4", np.zeros((2, 5, 7), np.uint8), "suffix"),
        ("a.avi", np.zeros((0, 5, 7), np.uint8), "found none"),
        ("a.avi", np.zeros((2, 5, 7), np.uint16), "uint8"),
        ("a.avi", np.zeros((2, 5, 7, 3), np.uint8), "YX"),
    ],
)
def test_what_cannot_be_a_lossless_video_is_refused(tmp_path: Path, name: str, pixels: np.ndarray, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        write_lossless_video(tmp_path / name, pixels, fps=10)
    assert list(tmp_path.iterdir()) == []


# Blobs


def test_touching_somas_are_parted_by_a_pixel() -> None:
    """1 (100 px) loses the 8 px beside 2 (48 px) and its corners; 2 loses the corner at 3 (24 px), 3 nothing."""
    before = labels()[0]
    after = separated(before)
    assert [(after == cell).sum() for cell in (1, 2, 3)] == [100 - 8, 48 - 1, 24]
    assert blobs((before > 0).astype(np.uint8), 1, 1) == 1
    assert blobs((after > 0).astype(np.uint8), 1, 1) == 3
    assert set(np.unique(after)) == {0, 1, 2, 3}
    assert ((after == before) | (after == 0)).all()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_somas_each_is_one_blob(seed: int) -> None:
    """Crowded discs drawn over each other, cut into pieces by others: at most one blob each, none joined."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((Y, X))
    drawn = np.zeros((Y, X), np.int32)
    for number, (y, x, r) in enumerate(rng.uniform((0, 0, 1), (Y, X, 9), (25, 3)), start=1):
        drawn[np.hypot(rows - y, columns - x) < r] = 7 * number
    after = separated(drawn)
    left = np.unique(after[after > 0])
    assert blobs((after > 0).astype(np.uint8), 1, 1) <= len(left)
    n_pieces = cv2.connectedComponents((after > 0).astype(np.uint8), connectivity=8)[0] - 1
    assert n_pieces == len(left) > 3
    assert ((after == drawn) | (after == 0)).all()


def test_no_soma_is_no_blob() -> None:
    assert not separated(np.zeros((Y, X), np.int32)).any()


# The folder


def test_the_video_has_the_movies_intensities_in_the_somas(tmp_path: Path) -> None:
    folder = results(tmp_path)
    written = export_for_idtracker(folder, tmp_path / "out", movie=MovieSource(tmp_path / "movie.ome.tif", "movie"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name[0] != ".") == [SETTINGS, VIDEO]
    assert (written.n_frames, written.n_animals, written.fewest, written.most) == (T, 3, 2, 3)
    shown = decoded(tmp_path / "out" / VIDEO)
    inside = np.stack([separated(frame) for frame in labels()]) > 0
    assert not shown[~inside].any()
    assert (shown[inside].min(), shown[inside].max()) == (64, 255)
    # A brighter pixel of the movie is never darker in the video.
    ordered = shown[inside][np.argsort(frames()[inside], kind="stable")].astype(int)
    assert (np.diff(ordered) >= 0).all()
    assert len(np.unique(ordered)) > 50
    settings = tomllib.loads((tmp_path / "out" / SETTINGS).read_text())
    assert settings["number_of_animals"] == 3
    assert settings["video_paths"] == [VIDEO]
    assert [blobs(picture, *settings["intensity_ths"]) for picture in shown] == [3, 3, 3, 2]
    assert "varies from 2 to 3" in written.notes[0]


def test_without_the_movie_somas_are_of_one_grey(tmp_path: Path) -> None:
    written = export_for_idtracker(results(tmp_path), tmp_path / "out", n_animals=4)
    assert set(np.unique(decoded(tmp_path / "out" / VIDEO))) == {0, 255}
    assert written.n_animals == 4
    assert "one grey" in written.notes[-1]


def test_a_soma_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    """Two pixels that touch at a corner, in the first frame only: one of them loses all it has."""
    labels_TYX = labels()
    labels_TYX[0] = 0
    labels_TYX[0, 3, 4], labels_TYX[0, 4, 5] = 1, 2
    written = export_for_idtracker(results(tmp_path, labels_TYX), tmp_path / "out")
    assert any(note.startswith("1 outline of all frames") for note in written.notes)


def test_more_blobs_than_animals_are_refused(tmp_path: Path) -> None:
    folder = results(tmp_path)
    with pytest.raises(SomaNetError, match=r"frame 0 has 3 somas, more than the 2 animals \(3 of 4 frames"):
        export_for_idtracker(folder, tmp_path / "out", n_animals=2)
    assert not (tmp_path / "out").exists()


def test_a_single_frame_is_exported(tmp_path: Path) -> None:
    write_movie(tmp_path / "one.ome.tif", frames()[:1], SCALE)
    written = export_for_idtracker(results(tmp_path, labels()[:1]), tmp_path / "out")
    assert (written.n_frames, decoded(tmp_path / "out" / VIDEO).shape) == (1, (1, Y, X))


def test_labels_of_other_results_are_refused(tmp_path: Path) -> None:
    """`labels.tif` of another analysis in the results' place, and beside results that had none."""
    folder = results(tmp_path)
    other = results(tmp_path / "other", labels()[:, :, ::-1])
    (folder / "labels.tif").write_bytes((other / "labels.tif").read_bytes())
    with pytest.raises(SomaNetError, match=r"labels\.tif was changed or removed since it was written"):
        export_for_idtracker(folder, tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))
    with pytest.raises(SomaNetError, match=r"labels\.tif was not written with these results"):
        export_for_idtracker(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    folder = results(tmp_path, np.zeros_like(labels()))
    with pytest.raises(SomaNetError, match="found none in 4 frames"):
        export_for_idtracker(folder, tmp_path / "out")
    write_movie(tmp_path / "other.ome.tif", frames()[:, ::-1], SCALE)
    with pytest.raises(SomaNetError, match="found another file"):
        export_for_idtracker(folder, tmp_path / "out", movie=MovieSource(tmp_path / "other.ome.tif", "other"))
    with pytest.raises(SomaNetError, match="no such file"):
        export_for_idtracker(folder, tmp_path / "out", movie=MovieSource(tmp_path / "none.tif", "none"))
    (folder / "labels.tif").unlink()
    with pytest.raises(SomaNetError, match="changed or removed"):
        export_for_idtracker(folder, tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))
    with pytest.raises(SomaNetError, match="found none: its tracks were given without them"):
        export_for_idtracker(folder, tmp_path / "out")
    with pytest.raises(SomaNetError, match="somanet analyze"):
        export_for_idtracker(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
