"""Videos: a player shows what was written."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from somanet.analysis.report import write_overlay
from somanet.analysis.report.overlay import nice_length_um
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.io.video_writing import write_video
from tests.analysis.report import worlds


def shown(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


def flat(*, n_frames: int = 5, rows: int = 34, columns: int = 50) -> list[np.ndarray]:
    """Each frame of one grey, 40 brighter than the one before."""
    return [np.full((rows, columns, 3), 40 * (t + 1), np.uint8) for t in range(n_frames)]


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", iter(flat()), fps=7.5)
    frames = shown(tmp_path / "a.mp4")
    assert len(frames) == 5
    assert np.allclose([frame.mean() for frame in frames], [40, 80, 120, 160, 200], atol=3)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 7.5


def test_odd_sizes_get_one_more_row_and_column(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", flat(rows=33, columns=51), fps=5)
    assert shown(tmp_path / "a.mp4")[0].shape == (34, 52, 3)


def test_equal_frames_give_equal_pictures(tmp_path: Path) -> None:
    """A second run's files are only nearly equal: x264 sometimes differs in a byte or two."""
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", flat(rows=68, columns=100), fps=5)
    pairs = list(zip(shown(tmp_path / "a.mp4"), shown(tmp_path / "b.mp4"), strict=True))
    assert max(np.abs(a.astype(int) - b.astype(int)).max() for a, b in pairs) <= 2


def test_a_file_does_not_say_which_library_wrote_it(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", flat(), fps=5)
    assert b"Lavf" not in (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "frames", "fps", "words"),
    [
        ("a.avi", flat(), 5, "suffix"),
        ("a.mp4", [], 5, "found none"),
        ("a.mp4", flat(), 0, "positive"),
        ("a.mp4", [*flat(), *flat(rows=40)], 5, "found one of"),
        ("a.mp4", [np.zeros((10, 12), np.uint8)], 5, "YXC"),
        ("a.mp4", [np.zeros((10, 12, 3))], 5, "uint8"),
    ],
)
def test_what_cannot_be_a_video_is_refused(
    tmp_path: Path, name: str, frames: list[np.ndarray], fps: float, words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        write_video(tmp_path / name, frames, fps=fps)
    assert list(tmp_path.iterdir()) == []


def colourful(picture: np.ndarray) -> tuple[bool, bool]:
    """Whether blue and orange are on a picture."""
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    return bool((blue - red > 60).any()), bool((red - blue > 60).any())


@pytest.mark.parametrize("with_labels", [True, False])
def test_the_overlay_marks_cells_and_their_jumps(tmp_path: Path, with_labels: bool) -> None:
    """80 px grow fourfold. Before the jump all is blue; during it, around cell 2, there is orange."""
    report = worlds.report()
    path = tmp_path / "overlay.mp4"
    write_overlay(
        path,
        report.frames,
        report.labels if with_labels else None,
        report.tracks,
        calibration=report.calibration,
        saltations=report.measures.migration.saltations.events,
    )
    frames = shown(path)
    assert len(frames) == worlds.N_FRAMES
    assert frames[0].shape == (4 * worlds.ROWS, 4 * worlds.COLUMNS, 3)
    assert colourful(frames[2]) == (True, False)
    assert colourful(frames[10]) == (True, True)
    y, x = 4 * 30, 4 * (10 + 8 * 2)  # cell 2 in frame 10
    around = frames[10][y - 20 : y + 20, x - 20 : x + 20]
    assert colourful(around)[1]


CLOCK_AND_SCALE = np.s_[:, :110]
"""Columns of the enlarged world in which the clock and the scale bar lie."""


def lit(picture: np.ndarray) -> np.ndarray:
    """Where a picture is not black, beside the clock and the scale bar; lossy videos have a little grey everywhere."""
    bright = picture.min(axis=2) > 60
    bright[CLOCK_AND_SCALE] = False
    return bright


def square(y: int, x: int) -> np.ndarray:
    """The pixels, in the world enlarged fourfold, of a soma of 5 × 5 px around a pixel."""
    found = np.zeros((4 * worlds.ROWS, 4 * worlds.COLUMNS), bool)
    found[4 * (y - 2) : 4 * (y + 3), 4 * (x - 2) : 4 * (x + 3)] = True
    return found


def widened(mask: np.ndarray, by: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def test_a_masked_video_has_the_somas_and_nothing_else(tmp_path: Path) -> None:
    """Frame 4: cell 7 at 12, 60; frame 20: cell 2 at 30, 34. The background, 500–900 of 4000, is gone."""
    report = worlds.report()
    path = tmp_path / "overlay.mp4"
    write_overlay(path, report.frames, report.labels, report.tracks, calibration=report.calibration, style="somas")
    frames = shown(path)
    assert len(frames) == worlds.N_FRAMES
    for t, soma in ((4, square(12, 60)), (20, square(30, 34))):
        inside = ~widened(~soma, 2)
        assert lit(frames[t])[inside].all()
        assert not lit(frames[t])[~widened(soma, 2)].any()
        assert colourful(frames[t]) == (False, False)


def test_a_masked_video_leaves_out_what_no_track_has(tmp_path: Path) -> None:
    report = worlds.report()
    others = report.tracks[report.tracks["track_id"] != worlds.BRIEF]
    path = tmp_path / "overlay.mp4"
    write_overlay(path, report.frames, report.labels, others, calibration=report.calibration, style="somas")
    assert not lit(shown(path)[4]).any()


def test_a_masked_video_of_tracks_without_masks_has_circles(tmp_path: Path) -> None:
    """Without an area a soma has 7 µm, here 3.5 px of 2 µm: 14 px of the enlarged picture."""
    report = worlds.report()
    path = tmp_path / "overlay.mp4"
    write_overlay(path, report.frames, None, report.tracks, calibration=report.calibration, style="somas")
    rows, columns = np.nonzero(lit(shown(path)[4]))
    centre_y, centre_x = 4 * 12 + 1.5, 4 * 60 + 1.5
    assert np.hypot(rows - centre_y, columns - centre_x).max() == pytest.approx(14, abs=2)
    assert len(rows) == pytest.approx(np.pi * 14**2, rel=0.15)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_a_masked_video_without_a_soma_is_black_but_for_clock_and_scale(tmp_path: Path, n_frames: int) -> None:
    report = worlds.empty_report()
    path = tmp_path / "a.mp4"
    frames, labels = report.frames[:n_frames], np.zeros((n_frames, worlds.ROWS, worlds.COLUMNS), np.int32)
    write_overlay(path, frames, labels, report.tracks, calibration=report.calibration, style="somas")
    pictures = shown(path)
    assert len(pictures) == n_frames
    assert not lit(pictures[0]).any()
    assert pictures[0][CLOCK_AND_SCALE].max() > 200


def test_a_large_movie_is_masked_after_it_is_reduced(tmp_path: Path) -> None:
    """2401 columns become 1920, an odd 61 rows 49 and one more; the soma's 40 × 20 px become 32 × 16."""
    frames = np.full((2, 61, 2401), 900, np.uint16)
    frames[:, 20:40, 1000:1040] = 4000
    labels = np.where(frames == 4000, 1, 0)
    scale = worlds.CALIBRATION
    rows = [
        {"track_id": 1, "frame": t, "t_h": t * scale.frame_interval_h, "y_px": 29.5, "x_px": 1019.5, "y_um": 59.0,
         "x_um": 2039.0}
        for t in range(2)
    ]  # fmt: skip
    write_overlay(tmp_path / "a.mp4", frames, labels, TRACKS.frame(rows), calibration=scale, style="somas")
    pictures = shown(tmp_path / "a.mp4")
    assert pictures[1].shape == (50, 1920, 3)
    bright = pictures[1][:, 600:].min(axis=2) > 60
    assert bright.sum() == pytest.approx(32 * 16, rel=0.15)


def test_an_overlay_of_nothing_is_the_movie(tmp_path: Path) -> None:
    report = worlds.empty_report()
    write_overlay(tmp_path / "a.mp4", report.frames, None, report.tracks, calibration=report.calibration)
    assert colourful(shown(tmp_path / "a.mp4")[0]) == (False, False)


@pytest.mark.parametrize(("most", "length"), [(178.0, 100.0), (50.0, 50.0), (49.9, 20.0), (0.3, 0.2)])
def test_scale_bars_are_round(most: float, length: float) -> None:
    assert nice_length_um(most) == pytest.approx(length)
