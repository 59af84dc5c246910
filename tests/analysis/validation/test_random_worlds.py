"""Worlds drawn at random: coverage by hand from drawn scores, and one small world end to end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation import corrected, random_worlds
from somanet.analysis.validation.random_worlds import (
    COUNTED,
    coverage,
    coverage_markdown,
    score_random,
)
from somanet.analysis.validation.worlds import BASE
from tests.markdown_tables import unpadded

SPEED = "mobile_speed_corrected_um_per_h"


def scores() -> pd.DataFrame:
    """True value 10. In scope are four movies: 9 to 12 and 12 to 13 supported, 8 to 11 not, one not estimated."""
    rows = [
        {"value": 10.5, "low": 9.0, "high": 12.0, "supported": True, "in_scope": True},
        {"value": 12.5, "low": 12.0, "high": 13.0, "supported": True, "in_scope": True},
        {"value": 9.0, "low": 8.0, "high": 11.0, "supported": False, "in_scope": True},
        {"value": np.nan, "low": np.nan, "high": np.nan, "supported": False, "in_scope": True},
        {"value": 99.0, "low": 98.0, "high": 100.0, "supported": False, "in_scope": False},
    ]
    table = pd.DataFrame(rows)
    found = table[["supported", "in_scope"]].assign(seed=[1, 1, 2, 2, 3], world=["a", "a", "b", "b", "c"])
    found = found.assign(interval_min=10.0)
    for name in COUNTED:
        found = found.assign(**{name: table["value"], f"{name}_true": 10.0})
        found = found.assign(**{f"{name}_{end}": table[end] for end in ("low", "high")})
    return found


def test_coverage_is_of_the_intervals_given_in_scope() -> None:
    """Two of three hold, one of the two in supported movies; three of four movies have one; errors 5, 25 and -10 %."""
    row = coverage(scores()).set_index("number").loc[SPEED]
    assert (row["n"], row["estimated"], row["coverage"]) == (3, 0.75, pytest.approx(2 / 3))
    assert (row["n_supported"], row["coverage_supported"]) == (2, 0.5)
    assert row["error"] == pytest.approx(0.05)
    line = next(text for text in unpadded(coverage_markdown(scores())).splitlines() if "speed when mobile" in text)
    assert line == "| speed when mobile | 75 % of movies | 0.67 (0.21–0.94) of 3 | +5 % | 0.50 (0.09–0.91) of 2 |"


def test_a_world_is_scored_with_its_true_values(monkeypatch: pytest.MonkeyPatch) -> None:
    world = replace(BASE, n_cells=8, hours=8.0, interval_min=12.0, kappa=4.0, axis_deg=70.0)
    monkeypatch.setattr(corrected, "TRUE_CELLS", 200)
    monkeypatch.setattr(random_worlds, "random_world", lambda rng, name: replace(world, name=name))
    corrected.truth.cache_clear()
    found = score_random(3, movies=1).iloc[0]
    assert found["in_scope"]
    assert found["world"] == "random 3"
    assert found["mean_cosine_true"] > 0.7
    assert found["mean_cosine"] == pytest.approx(found["mean_cosine_true"], abs=0.3)
    assert found[f"{SPEED}_true"] == pytest.approx(75, rel=0.1)
