"""Verdicts by bias: counted by hand from drawn signs, and of one small world end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from somanet.analysis.validation import random_worlds, verdicts
from somanet.analysis.validation.verdicts import (
    judged,
    power,
    power_markdown,
    scatter_markdown,
    score_verdicts,
    signs_in,
    verdicts_markdown,
    world_movies,
)
from somanet.analysis.validation.worlds import BASE
from tests.markdown_tables import unpadded
from tests.migration.test_signs import signs


def scores(*worlds: tuple[float, tuple[float, ...]]) -> pd.DataFrame:
    """Worlds of a bias whose movies have these shares of saltations cut, over the limit of 0.1."""
    return pd.DataFrame(
        {
            "seed": range(len(worlds)),
            "bias": [bias for bias, _ in worlds],
            "signs": [json.dumps([signs(cut_share=0.1 * one).as_dict() for one in near]) for _, near in worlds],
        }
    )


def test_verdicts_are_counted_by_bias_and_pooled_over_movies() -> None:
    """A small bias that one movie has wrong and four have right, another that is right; a large one, found by both."""
    table = scores((0.01, (2.4, 0.0, 0.0, 0.1)), (0.04, (0.0,) * 4), (0.3, (2.8, 3.0, 3.0, 2.8)))
    assert judged(table, 1)["verdict"].tolist() == ["do not hold", "hold", "do not hold"]
    assert judged(table, 4)["verdict"].tolist() == ["hold", "hold", "do not hold"]
    lines = unpadded(verdicts_markdown(table)).splitlines()
    assert lines[2] == "| one movie | below 5 %, 2 worlds | 0.50 (0.09–0.91) | 0.00 (0.00–0.66) | 0.50 (0.09–0.91) |"
    assert lines[3] == "| one movie | 5 to 15 %, 0 worlds | – | – | – |"
    shares = ("0.00 (0.00–0.66)", "0.00 (0.00–0.66)", "1.00 (0.34–1.00)")
    assert lines[5] == f"| 4 movies together | below 5 %, 2 worlds | {' | '.join(shares)} |"


def test_the_best_limit_lets_a_tenth_of_the_small_biases_through() -> None:
    """Ten small ones at 0.1 to 1.0: the limit is the second highest, 0.9; two of three large ones are above it.

    Of the thirty pairs, 0.95 beats nine, 2.0 ten and 0.35 three: 22/30.
    """
    small = [(0.0, (0.1 * k,)) for k in range(1, 11)]
    found = power(scores(*small, (0.5, (0.95,)), (0.5, (2.0,)), (0.5, (0.35,))), counts=(1,)).iloc[0]
    assert found["limit"] == pytest.approx(0.9)
    assert found["found"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx(22 / 30)
    assert "0.67" in power_markdown(scores(*small, (0.5, (0.95,)), (0.5, (2.0,)), (0.5, (0.35,))))


def test_scatter_is_that_between_movies_of_a_world() -> None:
    """Changes of 0.1 and 0.3 in one world and of 0 and 0.4 in the other: √2/2 of 0.2 and of 0.4, the median of both."""
    rows = []
    for changes, errors in (((0.1, 0.3), ([0.0, 0.1], [0.0, 0.1])), ((0.0, 0.4), ([0.0, 0.1], [0.0, 0.1]))):
        found = [signs(change_of_frequency=one).as_dict() for one in changes]
        rows.append({"errors": json.dumps(errors), "signs": json.dumps(found)})
    lines = unpadded(scatter_markdown(pd.DataFrame(rows))).splitlines()
    assert lines[2:4] == ["| error of frequency | 0 % |", "| error of length | 0 % |"]
    assert lines[4] == "| change of frequency, half of the frames | 21 % |"


def test_a_world_is_scored_with_the_bias_of_further_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    world = replace(BASE, n_cells=8, hours=6.0, interval_min=12.0)
    monkeypatch.setattr(random_worlds, "random_world", lambda rng, name: replace(world, name=name))
    monkeypatch.setattr(verdicts, "RESAMPLES", 20)
    row = score_verdicts(4, world_movies(4), full=1, more=1).iloc[0]
    assert len(signs_in(row.to_dict())) == 1
    errors = []
    for tracks, error_of in world_movies(4):
        errors.append(error_of(verdicts.migration_of(tracks, drift="none").cells))
        if len(errors) == 2:
            break
    assert errors[0] != errors[1]
    mean = [abs(errors[0][name] + errors[1][name]) / 2 for name in ("frequency", "length")]
    assert row["bias"] == pytest.approx(max(mean), rel=1e-6)
