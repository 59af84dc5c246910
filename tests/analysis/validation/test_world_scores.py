"""Scores of worlds: rates and tables from drawn scores, and one small world end to end."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from somanet.analysis.validation.world_scores import at_interval, score_world, worlds_markdown
from somanet.analysis.validation.worlds import BASE

SCORES = pd.DataFrame(
    {
        "world": ["a", "a", "b", "b", "c", "c"],
        "interval_min": 10.0,
        "rests": True,
        "frequency_error": [0.3, 0.5, 0.10, -0.10, 0.08, 0.08],
        "length_error": [0.0, 0.0, 0.02, -0.04, -0.09, -0.09],
        "sigma_um": 0.5,
        "verdict": ["do not hold", "do not hold", "hold", "hold", "hold", "cannot tell"],
    }
)


def test_the_table_has_a_line_per_world_and_says_where_there_is_nothing_to_find() -> None:
    never = SCORES.assign(frequency_error=float("inf"), length_error=float("nan"))
    lines = worlds_markdown(SCORES).splitlines()
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["a", "10 min", "+40 %", "0 %", "0.50", "do not hold: 2"]
    one = worlds_markdown(SCORES.iloc[[0, 5]]).splitlines()
    assert [line.strip("| ").split("|")[-1].strip() for line in one[2:]] == ["do not hold", "cannot tell"]
    assert "no saltations" in worlds_markdown(never)


def test_a_world_is_scored_end_to_end() -> None:
    world = at_interval(replace(BASE, n_cells=12, hours=8.0), 12.0)
    scores = score_world(world, replicates=1, seed=3)
    assert scores["interval_min"].tolist() == [12.0]
    assert scores["sigma_um"].iloc[0] == pytest.approx(0.5, rel=0.1)
    assert scores["best_model"].iloc[0] == "saltatory"
    both = score_world(world, replicates=2, seed=3)
    assert scores["frequency_error"].iloc[0] == pytest.approx(both["frequency_error"].iloc[0])
    assert len(both) == 2
    assert both["frequency_error"].nunique() == 2
