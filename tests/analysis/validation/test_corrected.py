"""Corrected numbers in the worlds of a second simulator: their true values by formula, and the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special

from somanet.analysis.validation import corrected
from somanet.analysis.validation.corrected import (
    TRAVEL,
    Condition,
    conditions,
    corrected_markdown,
    score_corrected,
    truth,
)
from somanet.analysis.validation.worlds import BASE
from tests.markdown_tables import unpadded

ONE = replace(BASE, name="", n_cells=1, interval_min=1.0)


@pytest.fixture(autouse=True)
def fewer_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrected, "TRUE_CELLS", 300)
    truth.cache_clear()


def test_true_speeds_are_weighted_by_distance() -> None:
    """Even jumps: the mean of speeds that do not depend on length, 75 µm/h. Speed ∝ u^0.4·(1 - u)^2 is
    B(1.8, 5)/B(1.4, 3)² times as fast for the average micrometre."""
    even = truth(ONE)
    assert even["mobile_speed_corrected_um_per_h"] == pytest.approx(75, rel=0.02)
    faster = special.beta(1.8, 5) / special.beta(1.4, 3) ** 2
    uneven = truth(replace(ONE, rise=1.4, fall=3.0))
    assert uneven["mobile_speed_corrected_um_per_h"] == pytest.approx(75 * faster, rel=0.02)


def test_true_distances_leave_creep_out_and_directions_are_those_of_the_axis() -> None:
    """0.85 of the cells cover 25 µm per cycle of 1.5 h and 25/72 h; creep changes it little."""
    per_h = 0.85 * 25 / (1.5 + 25 / 72)
    assert truth(ONE)["average_speed_corrected_um_per_h"] == pytest.approx(per_h, rel=0.05)
    assert truth(replace(ONE, creep_um_per_h=5.0))["average_speed_corrected_um_per_h"] == pytest.approx(per_h, rel=0.05)
    directed = truth(replace(ONE, kappa=8.0, axis_deg=30.0))
    assert directed["mean_cosine"] == pytest.approx(directed["resultant_corrected"], rel=1e-3)
    assert directed["resultant_corrected"] > 0.95
    assert truth(ONE)["resultant_corrected"] == 0


def test_a_movie_of_accelerating_jumps_is_measured_as_the_table_has_it() -> None:
    """Six movies: speed within 10 %, where length over duration would be half as fast; the intervals hold in most."""
    world = replace(BASE, name="accelerating", rise=1.4, fall=3.0)
    table = score_corrected(Condition("travel", "accelerating", world, TRAVEL), replicates=6).set_index("number")
    assert abs(table.loc["mobile_speed_corrected_um_per_h", "bias"]) < 0.1
    assert abs(table.loc["average_speed_corrected_um_per_h", "bias"]) < 0.15
    assert (table["coverage"] > 0.6).all()
    assert (table["estimated"] == 1).all()


def test_every_condition_has_a_row_of_its_own_and_a_table() -> None:
    found = conditions()
    assert len({(c.part, c.level, c.world.interval_min) for c in found}) == len(found)
    assert {c.part for c in found} == {"travel", "directed", "few"}
    assert sum(c.drift == "cells" for c in found) == 8


def test_cells_say_bias_coverage_and_how_often() -> None:
    """A number never estimated says so; one in 30 % of experiments says so; a bias of a cosine is absolute."""
    rows = [
        ("mobile_speed_corrected_um_per_h", -0.034, 0.95, 1.0),
        ("mean_cosine", -0.034, 0.95, 0.3),
        ("straightness_corrected", np.nan, np.nan, 0.0),
    ]
    table = pd.DataFrame(rows, columns=["number", "bias", "coverage", "estimated"])
    table = table.assign(factor="travel", level="base", interval_min=10.0)
    lines = unpadded(corrected_markdown(table, "travel")).splitlines()
    assert lines[0] == "| world | frames | speed when mobile | mean cosine | straightness |"
    assert lines[2] == "| base | 10 min | −3 %, 0.95 | −0.034, 0.95 (in 30 %) | not estimated |"
