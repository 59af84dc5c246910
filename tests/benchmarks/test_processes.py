"""The figures of docs/processes.md: scores by hand, the second world's truth, the count of what was judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.processes import second_world as world_module
from benchmarks.processes.__main__ import judged_share
from benchmarks.processes.score import joined, summary
from benchmarks.processes.second_world import CALIBRATION, second_world

ROOT = Path(__file__).resolve().parents[2]


def traced(*rows: tuple[int, str, float, float]) -> pd.DataFrame:
    """Rows of a cell in frames: frame, role, direction and length."""
    table = pd.DataFrame(rows, columns=["frame", "role", "direction_deg", "length_um"])
    return table.assign(track_id=1, confidence=0.9, motion_deg=0.0)


def true(*rows: tuple[int, str, float, float]) -> pd.DataFrame:
    return traced(*rows).assign(in_view=1)


def test_scores_by_hand() -> None:
    """Four frames of a cell: one right, 10° off and 10 % short; one 40° off; one none; one with swapped roles."""
    truth = true(*((t, "leading", 0.0, 50.0) for t in range(4)), (3, "trailing", 180.0, 20.0))
    found = traced(
        (0, "leading", 10.0, 45.0),
        (1, "leading", -40.0, 50.0),
        (2, "none", np.nan, np.nan),
        (3, "trailing", 0.0, 50.0),
        (3, "leading", 170.0, 20.0),
    )
    scores = summary(joined(found, truth))
    assert scores["n"] == 4
    assert scores["given"] == pytest.approx(3 / 4)
    assert scores["median_deg"] == pytest.approx(40)
    assert scores["within_30"] == pytest.approx(1 / 3)
    assert scores["within_30_of_all"] == pytest.approx(1 / 4)
    assert scores["length_error"] == pytest.approx(0.1)
    assert scores["length_bias"] == pytest.approx(-0.1)
    assert scores["told"] == pytest.approx(1 / 3)


def test_a_cell_without_motion_or_view_is_not_scored() -> None:
    truth = true((0, "leading", 0.0, 50.0), (1, "leading", 0.0, 50.0))
    found = traced((0, "unknown", 0.0, 50.0), (1, "leading", 0.0, 50.0))
    assert joined(found.assign(motion_deg=[np.nan, 0.0]), truth.assign(in_view=[1, 0])).empty


def test_the_second_world_has_its_truth_where_its_light_is() -> None:
    """Along the trace from the soma towards the tip it is brighter than as far away on the other side, mostly."""
    world = second_world(3, n_frames=2, shape=(170, 210), n_cells=2, haze=0.0)
    assert world.frames_TYX.shape == (2, 170, 210)
    assert set(world.true.columns) >= {"track_id", "frame", "role", "length_um", "direction_deg", "in_view"}
    for row in world.true[world.true["role"] == "leading"].itertuples():
        cell = world.tracks[(world.tracks["track_id"] == row.track_id) & (world.tracks["frame"] == row.frame)].iloc[0]
        towards = (row.tip_y_px - cell["y_px"], row.tip_x_px - cell["x_px"])
        assert np.degrees(np.arctan2(*towards)) == pytest.approx(row.direction_deg, abs=1e-6)
        assert np.hypot(*towards) * CALIBRATION.pixel_size_um <= row.length_um + 15


def test_the_second_world_shares_no_code_with_the_simulation() -> None:
    source = Path(str(world_module.__file__)).read_text(encoding="utf-8")
    assert "somanet.simulation" not in source
    assert [line for line in source.splitlines() if line.startswith("from somanet")] == [
        "from somanet.core.calibration import Calibration"
    ]


def test_the_count_of_what_was_judged_is_on_the_page() -> None:
    """60 strips, each with a judgement; the interval contains the share, and cells are what is resampled."""
    both = pd.read_csv(ROOT / "docs" / "processes_judged.csv")
    judged = both[both["sample"] == "second"]
    assert list(judged["strip"]) == list(range(1, 61))
    assert set(judged["judgement"]) <= {"right", "wrong", "cannot tell"}
    right, told, low, high = judged_share(judged)
    assert low < right / told < high
    page = (ROOT / "docs" / "processes.md").read_text(encoding="utf-8")
    assert f"{right} of {told} right, {100 * right / told:.0f} % [{100 * low:.0f}, {100 * high:.0f}]" in page


def test_one_cell_alone_has_an_interval_without_width() -> None:
    """Strips of one cell say nothing of others: resampled cells are always that one."""
    judged = pd.DataFrame({"track_id": 1, "judgement": ["right", "right", "wrong", "cannot tell"]})
    assert judged_share(judged) == (2, 3, pytest.approx(2 / 3), pytest.approx(2 / 3))
