"""Circular statistics, persistence of direction and straightness."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from somanet.core.errors import SomaNetError
from somanet.migration.direction import (
    autocorrelation_estimates,
    axis_columns,
    direction_autocorrelation,
    direction_of,
    headings,
    relative_to,
    resultant_without_chance,
    straightness,
    turn_sums,
)
from somanet.migration.kinematics import steps_of
from tests.migration.worlds import along_x, track


def test_headings_are_zero_right_and_ninety_down() -> None:
    np.testing.assert_allclose(headings(np.array([[0, 3], [4, 0], [0, -1], [0, 0]])), [0, 90, 180, math.nan])


def test_degrees_are_never_averaged_as_numbers() -> None:
    """350° and 10° mean 0°, not 180°; R = cos 10°."""
    found = direction_of(np.array([350.0, 10.0, math.nan]))
    assert found.n == 2
    assert found.mean_deg == pytest.approx(0, abs=1e-9)
    assert found.resultant == pytest.approx(math.cos(math.radians(10)))


def test_opposite_directions_have_no_mean_length() -> None:
    found = direction_of(np.array([90.0, -90.0]), axis_deg=90)
    assert found.resultant == pytest.approx(0, abs=1e-9)


def test_direction_is_counted_from_the_axis() -> None:
    """Down, along an axis that points down: 0°, cosine 1; right against it: -90°, cosine 0; up: cosine -1."""
    assert relative_to(np.array([90.0, 0.0, 300.0]), axis_deg=90).tolist() == [0, -90, -150]
    for angle, along in ((90.0, 1), (0.0, 0), (-90.0, -1)):
        assert direction_of(np.array([angle]), axis_deg=90).along_axis == pytest.approx(along, abs=1e-9)


@pytest.mark.parametrize("kappa", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("n", [5, 30])
def test_r_without_chance_does_not_depend_on_the_number_of_directions(kappa: float, n: int) -> None:
    """Its signed square is R² on average, which is (I₁(κ)/I₀(κ))² of the von Mises distribution; R̂² itself is not."""
    true = (special.iv(1, kappa) / special.iv(0, kappa)) ** 2
    angles = np.random.default_rng(0).vonmises(0.0, kappa, (20000, n)) if kappa else None
    if angles is None:
        angles = np.random.default_rng(0).uniform(-math.pi, math.pi, (20000, n))
    seen = np.abs(np.exp(1j * angles).mean(axis=1))
    corrected = resultant_without_chance(seen, np.full(seen.shape, float(n)))
    assert np.mean(np.sign(corrected) * corrected**2) == pytest.approx(true, abs=0.006)
    assert np.mean(seen**2) == pytest.approx(true + (1 - true) / n, abs=0.006)


def test_r_of_one_direction_says_nothing() -> None:
    assert np.isnan(resultant_without_chance(np.ones(2), np.array([0.0, 1.0]))).all()


def test_no_directions_give_nothing() -> None:
    found = direction_of(np.array([math.nan]))
    assert found.n == 0
    assert math.isnan(found.resultant)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), turn=st.floats(-720, 720))
def test_turning_everything_turns_the_mean_only(seed: int, turn: float) -> None:
    angles = np.random.default_rng(seed).vonmises(0.3, 2.0, 12) * 57.3
    a, b = direction_of(angles), direction_of(angles + turn, axis_deg=turn)
    assert b.resultant == pytest.approx(a.resultant)
    assert relative_to(np.array([b.mean_deg]), axis_deg=a.mean_deg)[0] == pytest.approx(0, abs=1e-6)
    assert math.radians(a.mean_deg) == pytest.approx(stats.circmean(np.radians(angles), high=np.pi, low=-np.pi))


def test_straightness_of_three_right_and_four_down() -> None:
    """Path 7, net 5: 5/7. A cell that stands still has none."""
    values = straightness(steps_of(track([[0, 0], [0, 3], [4, 3]], track_id=4)))
    assert values.loc[4] == pytest.approx(5 / 7)
    assert np.isnan(straightness(steps_of(track([[1, 1], [1, 1]]))).loc[1])


def test_autocorrelation_of_a_square_walk() -> None:
    """Right, down, left, up, right ...: 1 at lag 0, 0 at 1, -1 at 2; straight on: 1 at every lag."""
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]] * 3, float)
    found = direction_autocorrelation(steps_of(track(square, interval_h=0.5)), max_lag=3)
    np.testing.assert_allclose(found.correlation, [1, 0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(found.lag_h, [0, 0.5, 1, 1.5])
    assert found.n_pairs.tolist() == [11, 10, 9, 8]
    np.testing.assert_allclose(direction_autocorrelation(steps_of(along_x(range(5))), max_lag=2).correlation, 1)


def test_velocity_and_cosine_are_counted_from_the_axis() -> None:
    """3 µm right and 4 down in an hour: along an axis that points down 4 and across it -3, at a cosine of 0.8."""
    cells = pd.DataFrame(
        {"velocity_y_um_per_h": [4.0, 0.0], "velocity_x_um_per_h": [3.0, 0.0], "direction_deg": [53.1301, math.nan]}
    )
    found = axis_columns(cells, axis_deg=90)
    assert found["velocity_along_um_per_h"].tolist() == pytest.approx([4, 0])
    assert found["velocity_across_um_per_h"].tolist() == pytest.approx([-3, 0])
    assert found["heading_cosine"].tolist() == pytest.approx([0.8, 0])
    assert found["heading_sine"].tolist() == pytest.approx([-0.6, 0])
    assert found["n_headings"].tolist() == [1, 0]


def test_turns_leave_out_the_shortest_and_do_not_go_around() -> None:
    """From 170° to -170° are 20°; a saltation of 1.5 least lengths counts half, one of the least length not at all."""
    events = pd.DataFrame(
        {
            "track_id": [1, 1, 1, 1, 2],
            "direction_deg": [170.0, -170.0, 100.0, 0.0, 50.0],
            "length_um": [20.0, 7.5, 20.0, 5.0, 20.0],
            "censored": ["", "", "", "", ""],
        }
    )
    found = turn_sums(events, cells=pd.Index([1, 2, 3]), min_length_um=5.0)
    assert found["turn_weight"].tolist() == [1.0, 0, 0]
    assert found["weighted_turn_deg"].tolist() == pytest.approx([0.5 * 20 + 0.5 * 90, 0, 0])


def test_autocorrelation_is_covered_over_cells() -> None:
    """Cells that each turn by a normal angle from step to step: mean cosine exp(-s²/2) at lag 1; 60 movies."""
    rng, sd, held = np.random.default_rng(8), 0.8, []
    for seed in range(60):
        tracks = []
        for cell in range(1, 13):
            angle = np.cumsum(rng.normal(0, sd, 12)) + rng.uniform(0, 6.28)
            place = np.cumsum(10 * np.stack([np.sin(angle), np.cos(angle)], axis=1), axis=0)
            tracks.append(track(place, track_id=cell))
        steps = steps_of(pd.concat(tracks))
        found = autocorrelation_estimates(steps, max_lag=2, use=np.ones(len(steps), bool), resamples=200, seed=seed)
        assert (found[0].low, found[0].high) == (1, 1)
        held.append(found[1].low <= math.exp(-(sd**2) / 2) <= found[1].high)
    assert np.mean(held) >= 0.85


def test_autocorrelation_leaves_gaps_and_unused_steps_out() -> None:
    """Frames 0 1 . 3 4: the two gap-free steps are in different stretches. And lag 9 has no pairs."""
    steps = steps_of(along_x([0, 1, 3, 4], frames=[0, 1, 3, 4]))
    found = direction_autocorrelation(steps, max_lag=9)
    assert found.n_pairs.tolist() == [2] + [0] * 9
    assert np.isnan(found.correlation[9])
    assert direction_autocorrelation(steps, max_lag=0, use=np.array([True, True, False])).n_pairs.tolist() == [1]
    with pytest.raises(SomaNetError, match="0 or more"):
        direction_autocorrelation(steps, max_lag=-1)


def test_noise_at_rest_turns_back() -> None:
    """Independent positions: a step's wrong end bends both its neighbours, cosine about -0.5 at one lag."""
    place = np.random.default_rng(0).normal(size=(4000, 2))
    found = direction_autocorrelation(steps_of(track(place)), max_lag=2)
    assert -0.55 < found.correlation[1] < -0.35
    assert found.correlation[2] == pytest.approx(0, abs=0.05)
