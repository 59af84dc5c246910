"""What files say about the times of their frames: intervals that are stated, and the planes' own times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.datasets.movie_manifest import check_movies
from somanet.io.frame_times import FrameTimes, frame_times
from somanet.io.movies import open_movie, write_movie

FRAMES = np.random.default_rng(1).integers(0, 4000, (7, 12, 17)).astype(np.uint16)
EVERY_12 = {t: 12.0 * t for t in range(7)}
PAUSED = {t: 12.0 * t + 120.0 * (t > 3) for t in range(7)}
PAUSED_H = tuple(minutes / 60 for minutes in PAUSED.values())


def test_planes_that_agree_leave_the_stated_interval_as_it_is() -> None:
    """Half a percent is how well a microscope keeps time."""
    assert frame_times({"TimeIncrement": 12.0}, {t: 12.05 * t for t in range(7)}, 7) == FrameTimes(12.0)


def test_without_a_stated_interval_the_planes_say_it() -> None:
    assert frame_times({"TimeIncrement": None}, EVERY_12, 7) == FrameTimes(12.0)
    assert frame_times({}, {}, 7) == FrameTimes()


def test_times_may_start_at_any_moment() -> None:
    late = {t: 1000.0 + minutes for t, minutes in PAUSED.items()}
    assert frame_times({}, late, 7) == FrameTimes(12.0, tuple(m / 60 for m in PAUSED.values()))


def test_a_contradiction_has_both_numbers() -> None:
    found = frame_times({"TimeIncrement": 5.0}, EVERY_12, 7)
    assert found.interval_min is None
    assert found.times_h is None
    assert "TimeIncrement says 5 min" in found.problem
    assert "(DeltaT) 12 min" in found.problem


def test_two_statements_are_compared_too() -> None:
    found = frame_times({"finterval": 12.0, "Info": 5.0}, {}, 7)
    assert "finterval says 12 min" in found.problem
    assert "Info 5 min" in found.problem
    assert frame_times({"finterval": 12.0, "Info": 12.01}, {}, 7) == FrameTimes(12.0)


def test_a_microscope_that_is_a_little_slow_is_believed_by_its_planes() -> None:
    """5 min were asked for, a round of positions took 5.2."""
    found = frame_times({"TimeIncrement": 5.0}, {t: 5.2 * t for t in range(7)}, 7)
    assert found.interval_min == pytest.approx(5.2)
    assert found.times_h is None
    assert "5 min" in found.note
    assert "5.2 min" in found.note


def test_a_pause_makes_real_times() -> None:
    found = frame_times({"TimeIncrement": 12.0}, PAUSED, 7)
    assert found == FrameTimes(12.0, PAUSED_H)


def test_small_differences_that_add_up_are_real_times() -> None:
    """Each step is 8 % longer or shorter than the usual one, three in a row: 0.6 of an interval after eight."""
    steps = [10.0] * 5 + [10.8] * 8 + [10.0] * 4
    found = frame_times({}, dict(enumerate(np.cumsum([0, *steps]).tolist())), 18)
    assert found.times_h is not None
    assert found.times_h[-1] == pytest.approx(sum(steps) / 60)


def test_times_that_say_nothing_are_no_times() -> None:
    """Programs that know no times write zeros."""
    assert frame_times({"TimeIncrement": 12.0}, dict.fromkeys(range(7), 0.0), 7) == FrameTimes(12.0)


def test_uneven_times_of_some_frames_are_refused() -> None:
    some = {t: minutes for t, minutes in PAUSED.items() if t != 2}
    assert "of 6 of 7" in frame_times({}, some, 7).problem
    assert frame_times({}, {t: 12.0 * t for t in (0, 1, 4, 6)}, 7) == FrameTimes(12.0)


def test_times_that_go_back_are_refused() -> None:
    assert "do not increase at frame 5" in frame_times({"TimeIncrement": 12.0}, EVERY_12 | {5: 40.0}, 7).problem


def of_file(path: Path) -> FileCalibration:
    with open_movie(path) as movie:
        return movie.file_calibration


def test_ome_with_two_clocks_is_refused_until_an_interval_is_given(tmp_path: Path) -> None:
    planes = {"DeltaT": [720.0 * t for t in range(7)], "DeltaTUnit": ["s"] * 7, "TheT": list(range(7))}
    metadata = {"axes": "TYX", "PhysicalSizeX": 1.5, "TimeIncrement": 300.0, "TimeIncrementUnit": "s", "Plane": planes}
    tifffile.imwrite(tmp_path / "m.ome.tif", FRAMES, ome=True, photometric="minisblack", metadata=metadata)
    scale = of_file(tmp_path / "m.ome.tif")
    with pytest.raises(SomaNetError, match=r"5 min between frames.*12 min\. .*--frame-interval-min"):
        scale.complete()
    assert scale.complete(frame_interval_min=12.0) == Calibration(1.5, 12.0)


def test_times_of_planes_are_written_and_read_back(tmp_path: Path) -> None:
    scale = Calibration(0.65, 12.0, PAUSED_H)
    write_movie(tmp_path / "m.ome.tif", FRAMES, scale)
    found = of_file(tmp_path / "m.ome.tif").complete()
    assert found.frame_interval_min == 12.0
    np.testing.assert_allclose(found.times_h, PAUSED_H, rtol=1e-12)
    np.testing.assert_allclose(found.hours([0, 3, 4, 6]), [0, 0.6, 2.8, 3.2])


def test_imagej_has_no_place_for_uneven_times(tmp_path: Path) -> None:
    write_movie(tmp_path / "m.tif", FRAMES, Calibration(0.65, 12.0, PAUSED_H))
    assert of_file(tmp_path / "m.tif") == FileCalibration(0.65, None)


def micro_manager(path: Path, finterval_s: float, elapsed_ms: list[float]) -> None:
    """An ImageJ stack with Micro-Manager's JSON in a tag of each page."""
    with tifffile.TiffWriter(path) as tiff:
        for t, frame in enumerate(FRAMES):
            about = json.dumps({"FrameIndex": t, "ChannelIndex": 0, "SliceIndex": 0, "ElapsedTime-ms": elapsed_ms[t]})
            described = f"ImageJ=1.53\nimages=7\nframes=7\nfinterval={finterval_s}\n" if t == 0 else None
            tiff.write(
                frame,
                contiguous=False,
                photometric="minisblack",
                description=described,
                metadata=None,
                extratags=[(51123, 2, 0, about, True)],
            )


def test_micro_managers_elapsed_times_are_compared(tmp_path: Path) -> None:
    micro_manager(tmp_path / "same.tif", 720.0, [1000.0 * 720 * t + 350 for t in range(7)])
    assert of_file(tmp_path / "same.tif").frame_interval_min == 12.0
    micro_manager(tmp_path / "other.tif", 300.0, [1000.0 * 720 * t + 350 for t in range(7)])
    assert "ElapsedTime) 12 min" in of_file(tmp_path / "other.tif").time_problem
    micro_manager(tmp_path / "pause.tif", 720.0, [60_000.0 * PAUSED[t] + 350 for t in range(7)])
    np.testing.assert_allclose(of_file(tmp_path / "pause.tif").times_h, PAUSED_H)


def test_a_check_of_movies_says_what_an_analysis_will(tmp_path: Path) -> None:
    """One movie with a pause, one whose clocks disagree, one that is even."""
    write_movie(tmp_path / "a.ome.tif", FRAMES, Calibration(1.5, 12.0, PAUSED_H))
    planes = {"DeltaT": [720.0 * t for t in range(7)], "DeltaTUnit": ["s"] * 7, "TheT": list(range(7))}
    metadata = {"axes": "TYX", "TimeIncrement": 300.0, "TimeIncrementUnit": "s", "Plane": planes}
    tifffile.imwrite(tmp_path / "b.ome.tif", FRAMES + 1, ome=True, photometric="minisblack", metadata=metadata)
    write_movie(tmp_path / "c.ome.tif", FRAMES + 2, Calibration(1.5, 12.0))
    paused, contradictory, even = check_movies(tmp_path).to_dict("records")
    assert (paused["frame_interval_min"], paused["note"]) == (12, "frames are uneven in time")
    assert np.isnan(contradictory["frame_interval_min"])
    assert "TimeIncrement says 5 min" in contradictory["note"]
    assert even["note"] == ""
