"""Videos: a player shows what was written."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from somanet.analysis.report import write_overlay
from somanet.analysis.report.overlay import nice_length_um
from somanet.core.errors import SomaNetError
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


def test_an_overlay_of_nothing_is_the_movie(tmp_path: Path) -> None:
    report = worlds.empty_report()
    write_overlay(tmp_path / "a.mp4", report.frames, None, report.tracks, calibration=report.calibration)
    assert colourful(shown(tmp_path / "a.mp4")[0]) == (False, False)


@pytest.mark.parametrize(("most", "length"), [(178.0, 100.0), (50.0, 50.0), (49.9, 20.0), (0.3, 0.2)])
def test_scale_bars_are_round(most: float, length: float) -> None:
    assert nice_length_um(most) == pytest.approx(length)
