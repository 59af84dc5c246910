"""Trackers of another package beside SomaNet's linker, with a stand-in that follows boxes as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.yolo import linkers, scoring, seeds, sets, tracker_table
from benchmarks.yolo.box_scores import boxes_of
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.io.images import write_labels
from tests.benchmarks.yolo.worlds import N_FRAMES
from tests.markdown_tables import unpadded

SCALE = Calibration(2.0, 30.0)
GOOD = 4
"""The candidate that the stand-in follows without a mistake."""


def detected(centres: list[list[float]]) -> linkers.Detected:
    boxes = pd.DataFrame({"frame": range(len(centres))})
    return linkers.Detected("x", "boxes", 0.5, boxes, np.array(centres, float).reshape(-1, 2))


@pytest.fixture(scope="module")
def compared(
    scored: tuple[dict[str, Any], Path], data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ground truth masks and boxes, by a stand-in that breaks tracks; only one candidate follows the truth."""
    _, output = scored
    labels = [item.labels for item in sets.scored_sets(data)[sets.MOVIE]]
    truth = [(t, label) for t, labels_YX in enumerate(labels) for label in np.unique(labels_YX[labels_YX > 0]).tolist()]
    jobs: list[dict[str, Any]] = []

    def follow(python: Path, module: str, *arguments: str, threads: int) -> None:
        assert (module, arguments[0]) == ("following", "--jobs")
        jobs.extend(json.loads(Path(arguments[1]).read_text())["jobs"])
        for job in jobs:
            boxes = pd.read_csv(job["boxes"])
            assert boxes["frame"].tolist() == [t for t, _ in truth]
            right = (
                job["settings"] == linkers.candidates(job["tracker"], job["settings"].get(linkers.OF_THE_CUT[0]))[GOOD]
            )
            track = [label if right else row for row, (_, label) in enumerate(truth)]
            boxes.assign(track=track)[["frame", "row", "track"]].to_csv(job["output"], index=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linkers, "run_apart", follow)
        systems = [scoring.System("SomaNet", output / "SomaNet", "own"), scoring.System("right", output / "right")]
        cuts = {"SomaNet": 0.0, "right": 0.3}
        movie = data / sets.MOVIE
        folder = tmp_path_factory.mktemp("compared")
        (folder / "tracks").symlink_to(output / "tracks")
        return linkers.compare(systems, cuts, movie, Path("pictures"), folder, python=Path("python")), jobs


def test_a_masks_place_is_its_own_and_its_row_that_of_its_box() -> None:
    """An L of three pixels: its box's centre is at (2.5, 4.5) - ½, its own at a third of a pixel from the corner."""
    labels = np.zeros((5, 7), np.int32)
    labels[[2, 3, 3], [4, 4, 5]] = 9
    labels[0, 1] = 4
    np.testing.assert_allclose(linkers.centres_of(labels), [[0, 1], [8 / 3, 13 / 3]])
    np.testing.assert_array_equal(boxes_of(labels), [[1, 0, 2, 1], [4, 2, 6, 4]])
    assert linkers.centres_of(np.zeros((5, 7), np.int32)).shape == (0, 2)


def test_rows_become_places_and_times() -> None:
    """Row 2 at (y, x) = (3, 5) px: 6 and 10 µm; frame 2 of 30 minutes: an hour."""
    answer = pd.DataFrame({"frame": [2, 0], "row": [2, 0], "track": [7, 7]})
    tracks = linkers.tracks_of(detected([[1, 1], [2, 2], [3, 5]]), answer, SCALE)
    assert tracks["frame"].tolist() == [0, 2]
    assert tracks.iloc[1].to_dict() == {
        "track_id": 8, "frame": 2, "t_h": 1.0, "y_px": 3.0, "x_px": 5.0, "y_um": 6.0, "x_um": 10.0,
    }  # fmt: skip
    assert len(linkers.tracks_of(detected([]), answer[:0], SCALE)) == 0
    with pytest.raises(SomaNetError, match="names box 2 of 2"):
        linkers.tracks_of(detected([[1, 1], [2, 2]]), answer, SCALE)


def test_a_detectors_unsure_boxes_are_followed_too(scored: tuple[dict[str, Any], Path]) -> None:
    """The scores of each frame go from 0.9 to 0.5: ByteTrack links those below the cut as well."""
    _, output = scored
    one = linkers.detections_of(scoring.System("right", output / "right"), cut=0.8, n_frames=N_FRAMES)
    assert one.boxes["score"].min() == pytest.approx(0.5)
    assert one.boxes["row"].tolist() == list(range(len(one.boxes)))
    x0, x1 = one.boxes[["x0_px", "x1_px"]].to_numpy()[3]
    assert one.centres[3, 1] == (x0 + x1 - 1) / 2


def test_masks_of_another_run_are_refused(scored: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    _, output = scored
    table = (output / "SomaNet" / f"{sets.MOVIE}.csv").read_text()
    (tmp_path / f"{sets.MOVIE}.csv").write_text(table)
    for t in range(N_FRAMES):
        write_labels(tmp_path / sets.MOVIE / f"{t:04d}.tif", np.ones((96, 600), np.int32))
    with pytest.raises(SomaNetError, match="a box for each object of each mask"):
        linkers.detections_of(scoring.System("x", tmp_path, "own"), cut=0.0, n_frames=N_FRAMES)


def test_settings_are_chosen_where_nothing_is_scored(
    compared: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    found, jobs = compared
    assert len(jobs) == 2 * sum(1 + len(linkers.candidates(tracker, 0.0)) for tracker in linkers.TRACKERS)
    assert (linkers.CHOSEN_ON.x_to_px, linkers.WINDOWS[tracker_table.PART].x_from_px) == (440, 440)
    for tracker, one in found["chosen"].items():
        assert one["number"] == GOOD
        assert one["HOTA"] == max(one["HOTA_of_all"]) > 0.8
        assert not set(one["settings"]) & set(linkers.OF_THE_CUT)  # each system's own
        assert one["settings"].items() <= linkers.candidates(tracker, 0.0)[GOOD].items()
    given = [job["settings"].get(linkers.OF_THE_CUT[0]) for job in jobs if job["settings"]]
    assert set(given) == {0.0, 0.3}


def test_broken_tracks_score_less_and_have_no_motion(compared: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    found, _ = compared
    rows = {(row["system"], row["linked"], row["linker"], row["settings"]): row for row in found["rows"]}
    assert len(rows) == 2 * 3 * 2 + 3
    part = tracker_table.PART
    for system, linked in (("SomaNet", "masks"), ("right", "boxes")):
        good = rows[system, linked, "ByteTrack", linkers.CELLS]
        bad = rows[system, linked, "ByteTrack", linkers.DEFAULT]
        assert good["scores"][part]["identity_switches"] == 0
        assert good["scores"][part]["HOTA"] > 0.9 > 0.5 > bad["scores"][part]["HOTA"]
        assert bad["motion"]["average_speed_um_per_h"]["value"] is None
        assert good["motion"]["average_speed_um_per_h"]["value"] > 0
    assert rows["SomaNet", "masks", "SomaNet", ""]["scores"][part]["HOTA"] > 0.8


def test_the_table_has_a_row_for_every_group(compared: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    found, _ = compared
    seed = [{**row, "system": f"net seed {n}"} for n in (0, 1) for row in found["rows"] if row["system"] == "right"]
    lines = unpadded(tracker_table.as_table({**found, "rows": [*found["rows"], *seed]})).splitlines()
    assert len(lines) == 2 + 1 + 8 + 7 + 7
    assert lines[2].startswith("| reference | – | – | – | – |")
    assert sum("| net | boxes | BoT-SORT |" in line for line in lines) == 2
    text = tracker_table.settings_text(found)
    assert "- ByteTrack: `lost_track_buffer=3`, `iou=" in text
    assert "the best of 10" in text


def test_an_interval_of_several_seeds_holds_all_of_theirs() -> None:
    one, other = {"value": 1.0, "interval95": [0.5, 1.5]}, {"value": 2.0, "interval95": [1.2, 3.0]}
    unknown = {"value": None, "interval95": None}
    assert tracker_table.numbers_of([one, other], ".1f") == "1.5 [0.5, 3.0]"
    assert tracker_table.numbers_of([one, unknown], ".1f") == "1.0 [0.5, 1.5]"
    assert tracker_table.numbers_of([one, {"value": 2.0, "interval95": None}], ".1f") == "1.5"
    assert tracker_table.numbers_of([unknown], ".1f") == "–"


def test_seeds_are_grouped_by_name() -> None:
    names = [seeds.name_of("a-b c", 1), "SomaNet", seeds.name_of("a-b c", 12)]
    assert seeds.by_group(dict.fromkeys(names, 0)) == {"a-b c": [0, 0], "SomaNet": [0]}
    assert seeds.first_of_each(names) == ["a-b c seed 1", "SomaNet"]
    assert seeds.spread([0.5, None, 1.0]) == "0.750 (0.50–1.00)"
    assert seeds.spread([None, float("nan")]) == "–"
    assert seeds.spread([-0.25]) == "−0.250"
