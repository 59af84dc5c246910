"""Bias and coverage: on made-up numbers, and of a small experiment."""

import math

import numpy as np
import pytest

from somanet.analysis.validation.conditions import (
    BASE,
    TrackCondition,
    donor_conditions,
    factor_conditions,
    interval_conditions,
)
from somanet.analysis.validation.tracks import bias_of, coverage_of, score_condition


def test_bias_is_that_of_the_mean_with_what_replicates_leave() -> None:
    """8, 10 and 12 against 8: mean 10, + 25 %; sd 2, ± 1.96·2/√3 = 2.263 µm, 28 %. A missing one is not counted."""
    found = bias_of(np.array([8.0, 10.0, 12.0, math.nan]), true_value=8.0)
    assert found["bias"] == pytest.approx(0.25)
    assert (found["bias_low"], found["bias_high"]) == pytest.approx((0.25 - 0.2829, 0.25 + 0.2829), abs=1e-3)
    assert found["defined"] == 0.75


def test_nothing_measured_has_no_bias() -> None:
    found = bias_of(np.array([math.nan, math.nan]), true_value=8.0)
    assert math.isnan(found["bias"])
    assert found["defined"] == 0
    assert math.isnan(bias_of(np.array([9.0]), true_value=8.0)["bias_low"])


def test_coverage_is_a_share_with_its_own_interval() -> None:
    """19 of 20: Wilson's interval (0.764, 0.991)."""
    found = coverage_of(np.arange(20) > 0)
    assert found["coverage"] == 0.95
    assert (found["coverage_low"], found["coverage_high"]) == pytest.approx((0.764, 0.991), abs=1e-3)
    assert math.isnan(coverage_of(np.zeros(0, bool))["coverage"])


def test_a_condition_gives_a_row_per_quantity_as_seen_and_corrected() -> None:
    """10 min frames hide about one saltation in eight: the raw frequency is low, the corrected one is closer."""
    table = score_condition(TrackCondition(n_cells=40, hours=8), replicates=4, resamples=60)
    assert table[["quantity", "kind"]].to_numpy().tolist() == [
        [quantity, kind] for quantity in ("frequency", "length", "speed") for kind in ("raw", "corrected")
    ]
    by = table.set_index(["quantity", "kind"])
    assert by.loc[("frequency", "raw"), "bias"] < by.loc[("frequency", "corrected"), "bias"]
    assert abs(by.loc[("length", "corrected"), "bias"]) < by.loc[("length", "raw"), "bias"]
    assert by.loc[("speed", "raw"), "bias"] < -0.15 < by.loc[("speed", "corrected"), "bias"]
    assert by.loc[("speed", "raw"), "coverage"] == 0
    assert (table["recall"] > 0.75).all()
    assert (table["precision"] > 0.95).all()
    assert (table["replicates"] == 4).all()


def test_one_thing_is_changed_at_a_time() -> None:
    base = TrackCondition(n_cells=20)
    same = interval_conditions(base, intervals_min=(5, 20))
    assert [(c.interval_min, c.detector) for c in same] == [(5, "rule"), (20, "rule"), (5, "model"), (20, "model")]
    assert {c.factor for c in same} == {BASE}
    others = factor_conditions(base, intervals_min=(10, 15))
    for condition in others:
        names = ("noise_um", "n_cells", "hours", "detector", "donor_cv", "pause_cv", "settings")
        assert sum(getattr(condition, name) != getattr(base, name) for name in names) == 1, condition
    assert len({(c.factor, c.level, c.interval_min) for c in others}) == len(others)
    assert all(c.donor_cv > 0 and c.n_donors >= 4 for c in donor_conditions(base, intervals_min=(10,)))
