"""Steps and noise: answers derived by hand, and laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.migration.kinematics import over, slow_steps, steps_of
from tests.migration.worlds import along_x, simulated, track


def test_steps_of_three_right_and_four_down() -> None:
    """3 µm right and 4 µm down at 2 frames an hour: lengths 3 and 4, speeds 6 and 8 µm/h."""
    steps = steps_of(track([[0, 0], [0, 3], [4, 3]], interval_h=0.5))
    np.testing.assert_allclose(steps.displacement_yx_um, [[0, 3], [4, 0]])
    np.testing.assert_allclose(steps.length_um, [3, 4])
    np.testing.assert_allclose(steps.speed_um_per_h, [6, 8])
    assert steps.interval_h == 0.5


def test_a_gap_is_flagged_and_parts_the_track() -> None:
    """Frames 0 1 . 3 4 of cell 7, 2 3 of cell 9: the step 1 → 3 is a gap, and no step joins the cells."""
    first = along_x([0, 1, 3, 4], frames=[0, 1, 3, 4], track_id=7)
    steps = steps_of(pd.concat([along_x([5, 6], frames=[2, 3], track_id=9), first[::-1]]))
    assert steps.track_id.tolist() == [7, 7, 7, 9]
    assert steps.gap.tolist() == [False, True, False, False]
    assert steps.segment.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(steps.duration_h, [1, 2, 1, 1])


def test_a_track_of_one_position_has_no_step() -> None:
    assert len(steps_of(along_x([5]))) == 0
    assert np.isnan(steps_of(along_x([5])).interval_h)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999), angle=st.floats(0, 6.28), shift=st.floats(-1e3, 1e3), faster=st.sampled_from([0.5, 3.0])
)
def test_rotation_and_translation_change_no_length_and_time_scales_speed(
    seed: int, angle: float, shift: float, faster: float
) -> None:
    place = np.random.default_rng(seed).normal(0, 5, (9, 2)).cumsum(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    old, new = steps_of(track(place)), steps_of(track(place @ turn.T + shift, interval_h=1 / faster))
    np.testing.assert_allclose(new.length_um, old.length_um, atol=1e-8)
    np.testing.assert_allclose(new.speed_um_per_h, old.speed_um_per_h * faster, atol=1e-7)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda t: t.drop(columns="y_um"), "lacks"),
        (lambda t: pd.concat([t, t[:1]]), "has two points in frame 0"),
        (lambda t: t.assign(x_um=np.nan), "lacks a position or time"),
        (lambda t: t.assign(t_h=0.0), "does not increase"),
    ],
)
def test_bad_tracks_are_refused(broken, message: str) -> None:
    good = along_x([0, 1, 2])
    steps_of(good)
    with pytest.raises(SomaNetError, match=message):
        steps_of(broken(good))


def test_a_quotient_is_nan_where_it_is_undefined() -> None:
    """0/0 and 3/0 are NaN, and so are quotients by less than nothing or by NaN; a table's index stays."""
    top, bottom = np.array([0.0, 3.0, 6.0, 1.0, 1.0]), np.array([0.0, 0.0, 4.0, -1.0, np.nan])
    expected = [np.nan, np.nan, 1.5, np.nan, np.nan]
    np.testing.assert_array_equal(over(top, bottom), expected)
    cells = pd.Index([3, 5, 7, 9, 11], name="track_id")
    found = over(pd.Series(top, cells), pd.Series(bottom, cells))
    pd.testing.assert_series_equal(found, pd.Series(expected, cells))


@pytest.mark.parametrize("sigma", [0.1, 0.8])
def test_slow_steps_of_resting_cells_have_the_scale_of_their_error(sigma: float) -> None:
    """About 2300 resting steps: 3 sd of the estimate are 4.5 %."""
    tracks, _ = simulated(seed=3, sigma_um=sigma)
    slow = slow_steps(steps_of(tracks))
    assert slow.scale_um == pytest.approx(sigma, rel=0.06)
    assert slow.warnings == ()


def test_slow_steps_warn_of_being_few() -> None:
    assert "Only" in slow_steps(steps_of(along_x([0, 0.1, 0]))).warnings[0]
    assert np.isnan(slow_steps(steps_of(along_x([0]))).scale_um)


def test_steps_of_a_steady_creep_are_slow_and_no_error() -> None:
    """All steps are 0.5 µm: s² = 0.25/(4 ln 2), however well positions are known."""
    slow = slow_steps(steps_of(along_x(0.5 * np.arange(80))))
    assert slow.scale_um == pytest.approx(0.5 / np.sqrt(4 * np.log(2)))


def test_a_late_frame_is_a_gap_and_mixed_intervals_are_said() -> None:
    """Frames at 0, 1, 2, 4, 5 h in a row: one is missing at 3 h. Five steps of 1 h and four of 2 h: said."""
    late = steps_of(along_x([0, 1, 2, 3, 4]).assign(t_h=[0, 1, 2, 4, 5]))
    assert late.gap.tolist() == [False, False, True, False]
    many = steps_of(along_x(range(60)).assign(t_h=[*range(58), 58, 59.1]))
    assert many.even
    assert many.warnings == ()
    mixed = steps_of(along_x(range(10)).assign(t_h=[0, 1, 2, 3, 4, 5, 7, 9, 11, 13]))
    assert not mixed.even
    assert mixed.interval_h == 1
    assert "(60 to 120 min)" in mixed.warnings[0]
    minutes = np.cumsum([0, *[10, 10, 15, 10, 20] * 12])
    pattern = steps_of(along_x(range(61)).assign(t_h=minutes / 60))
    assert not pattern.even
    assert pattern.usual.duration_h[~pattern.usual.gap] == pytest.approx(1 / 6)
    missing = steps_of(along_x([0, 1, 2, 3], frames=[0, 1, 3, 4]))
    assert missing.even
