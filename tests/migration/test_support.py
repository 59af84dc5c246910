"""Which movies support saltations per hour: whole movies of cells that saltate, walk, or are exchanged."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.worlds import BASE
from somanet.migration.cells import migration_of
from somanet.migration.exchanges import n_exchanges
from somanet.migration.frame_dropping import frame_dropping
from somanet.migration.kinematics import steps_of
from somanet.migration.measures import measure_movie
from somanet.migration.pooling import UNITS
from somanet.migration.requirements import EXCHANGED, NEEDS_SALTATIONS, UNSUPPORTED
from somanet.migration.signs import MOST_CUT, MOST_EXCHANGES
from somanet.migration.summary import summarize
from somanet.migration.support import Support, flagged, without_unsupported
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD
from tests.migration.test_motion_modes import movie
from tests.migration.test_signs import signs
from tests.migration.worlds import along_x, simulated, track


def test_saltating_cells_support_saltations_and_walks_do_not() -> None:
    saltating, _ = simulated(seed=11, n_cells=20, hours=10)
    found = measure_movie(saltating, drift="none").support
    assert found.saltations
    assert found.reasons == ()
    assert found.signs.moving_share < 0.1
    walking = measure_movie(movie("w" * 15, seed=12), drift="none")
    assert not walking.support.saltations
    assert "keep moving" in walking.support.reasons[0]
    assert "every second frame" in walking.support.reasons[1]
    assert walking.support.verdict == FAIL
    assert walking.warnings[0].startswith("Saltation numbers are not supported")


def test_exchanged_cells_are_counted_and_two_that_jump_side_by_side_are_not() -> None:
    """Cells at 0 and 20 µm exchange after frame 3; cells at 100 and 120 both jump 20 µm to the right, in step."""
    exchanged = [along_x([a] * 4 + [b] * 4, track_id=i) for i, (a, b) in enumerate([(0, 20), (20, 0)], 1)]
    aside = [along_x([a] * 4 + [a + 20.0] * 4, track_id=i) for i, a in ((3, 100.0), (4, 120.0))]
    assert n_exchanges(steps_of(pd.concat(exchanged))) == 1
    assert n_exchanges(steps_of(pd.concat(aside))) == 0
    assert n_exchanges(steps_of(pd.concat([*exchanged, *aside]))) == 1


def test_exchanges_are_a_reason() -> None:
    tracks, _ = simulated(seed=13, n_cells=12, hours=8)
    first = tracks[["y_um", "x_um"]].groupby(tracks["track_id"]).transform("first")
    # pairs of cells start 15 µm apart, so that an exchange is two steps of about that
    base = np.repeat(np.arange(6) * 300.0, 2)[tracks["track_id"] - 1] + 15.0 * ((tracks["track_id"] - 1) % 2)
    tracks = tracks.assign(y_um=tracks["y_um"] - first["y_um"] + base, x_um=tracks["x_um"] - first["x_um"])
    partner = np.where(tracks["track_id"] % 2 == 1, tracks["track_id"] + 1, tracks["track_id"] - 1)
    late = tracks["t_h"] > 0.05
    swapped = tracks.assign(track_id=np.where(late, partner, tracks["track_id"]))
    support = measure_movie(swapped, drift="none").support
    assert support.signs.exchanges >= 3
    assert any("exchange" in reason for reason in support.reasons)


def test_a_movie_without_enough_saltations_does_not_support_them() -> None:
    """Cells that rest, errors with outliers: nothing jumps, whatever the models of motion say."""
    rng = np.random.default_rng(4)
    error = 0.8 / np.sqrt(3) * rng.standard_t(3, (6, 30, 2))
    resting = pd.concat([track(one, track_id=i + 1, interval_h=1 / 6) for i, one in enumerate(error)])
    support = measure_movie(resting, drift="none").support
    assert not support.saltations
    assert support.reasons[0] == "the frequency counts 0 saltations, and it takes 20 to describe them"
    assert support.verdict == UNTOLD
    assert support.warnings[0].startswith(
        "Whether saltation numbers hold, this movie alone cannot tell: the frequency "
    )


def test_what_rests_on_saltations_is_not_estimated_where_they_are_not_supported() -> None:
    """Walks: distance, speed and pauses of saltations have no meaning; the net speed over an hour has."""
    found = measure_movie(movie("w" * 15, seed=12), drift="none")
    assert not found.support.travel
    for name in NEEDS_SALTATIONS:
        assert found.summary.numbers[name].problem == UNSUPPORTED
        assert math.isnan(found.summary.numbers[name].value)
    for name in ("rms_speed_1h_um_per_h", "frequency_corrected_per_h", "mean_length_corrected_um"):
        assert not found.summary.numbers[name].problem
    assert (found.migration.cells["saltations_supported"] == 0).all()
    assert found.support.identities


def test_jumps_that_noise_cuts_into_pieces_do_not_hold_at_once() -> None:
    """At 4 min with errors of 1 µm it was warned of, and said to hold at once."""
    fast = replace(BASE, interval_min=4.0, noise_um=1.0, n_cells=20, hours=8.0)
    found = measure_movie(simulate_world(fast, seed=1)[0], drift="none", resamples=50)
    assert replace(found.support.signs, in_pieces=0.0).verdict() == HOLD
    assert any("found in pieces, too many and too short (" in text for text in found.warnings)
    assert found.support.verdict == UNTOLD
    assert any("are found in pieces" in reason for reason in found.support.reasons)


def test_few_saltations_alone_leave_speed_and_pauses_to_their_intervals() -> None:
    tracks, _ = simulated(seed=17, n_cells=5, hours=6)
    support = measure_movie(tracks, drift="none").support
    assert not support.saltations
    assert support.travel == (len(support.reasons) == 1)
    assert support.travel


def test_no_number_of_exchanged_tracks_is_estimated() -> None:
    """Two of 100 saltations are the limit; the cells are the same, with and without exchanges of pairs."""
    world = replace(BASE, n_cells=20, hours=8.0, swaps_per_h=0.15)
    swapped, _ = simulate_world(world, seed=2)
    kept, _ = simulate_world(replace(world, swaps_per_h=0.0), seed=2)
    found, plain = (measure_movie(tracks, drift="none") for tracks in (swapped, kept))
    assert found.support.signs.exchanges > MOST_EXCHANGES * found.summary.n_events
    assert not found.support.identities
    assert all(number.problem for number in found.summary.numbers.values())
    assert found.summary.numbers["rms_speed_1h_um_per_h"].problem == EXCHANGED
    assert plain.support.identities
    assert not plain.summary.numbers["rms_speed_1h_um_per_h"].problem


def test_tracks_that_break_in_motion_are_counted_and_a_reason() -> None:
    """Each fifth saltation's cell is lost in it: its track ends there, and goes on under another id two frames later.

    That one track of all ends before the movie does is no reason: its cell was at rest.
    """
    tracks, _ = simulated(seed=13, n_cells=15, hours=12)
    whole = measure_movie(tracks, drift="none")
    events = whole.migration.saltations.events
    cut = events[(events["end_h"] - events["start_h"] > 0.3) & (events["censored"] == "")].iloc[::5]
    for place, (track_id, start) in enumerate(zip(cut["track_id"], cut["start_h"], strict=True)):
        here = tracks["track_id"] == track_id
        tracks.loc[here & (tracks["t_h"] > start + 0.4), "track_id"] = 1000 + place
        tracks = tracks[~(here & (tracks["t_h"] > start + 0.2) & (tracks["t_h"] < start + 0.4))]
    broken = measure_movie(tracks, drift="none").support
    assert whole.support.signs.cut_share == 0
    assert broken.signs.cut_share > MOST_CUT
    assert any("the cell is lost before they end" in reason for reason in broken.reasons)
    assert not broken.travel


@pytest.mark.parametrize(("where", "cut"), [("anywhere", False), ("in motion", True)])
def test_frames_that_are_missing_at_random_cut_saltations_without_a_reason(where: str, cut: bool) -> None:
    """Cells are not found in 8 % of all frames, which censors every fourth saltation, or in a fifth of those in motion.

    The first changes frequency and length by less than their intervals; the second loses a fifth of the saltations.
    """
    tracks, truth = simulated(seed=21, n_cells=40, hours=12)
    rng = np.random.default_rng(5)
    if where == "anywhere":
        missing = rng.random(len(tracks)) < 0.08
    else:
        times = tracks[["track_id", "t_h"]].to_numpy()
        jumps = truth[["track_id", "start_h", "end_h"]].to_numpy()
        in_motion = [np.any((jumps[:, 0] == i) & (jumps[:, 1] - 0.1 < t) & (t < jumps[:, 2] + 0.1)) for i, t in times]
        missing = np.array(in_motion) & (rng.random(len(tracks)) < 0.2)
    whole, found = (measure_movie(one, drift="none") for one in (tracks, tracks[~missing]))
    censored = found.migration.saltations.events["censored"]
    assert (censored.isin(["end", "both"])).mean() > 0.15
    assert found.migration.cells["n_cut"].sum() <= whole.migration.cells["n_cut"].sum() + 1
    assert (found.support.signs.cut_share > MOST_CUT) == cut
    assert any("the cell is lost before they end" in reason for reason in found.support.reasons) == cut
    numbers = found.summary.numbers["frequency_corrected_per_h"], whole.summary.numbers["frequency_corrected_per_h"]
    assert (numbers[0].value < 0.85 * numbers[1].value) == cut
    if not cut:
        assert numbers[0].low < numbers[1].value < numbers[0].high


def test_noise_that_hides_much_of_the_saltations_is_a_reason() -> None:
    """An error of 2 µm: what is shorter than 8 µm is not seen, of jumps of 12 µm on average; of 45 it matters not."""
    words = "saltations of less than"
    for length_um, hidden in ((12.0, True), (45.0, False)):
        world = replace(BASE, length_um=length_um, noise_um=2.0, interval_min=20.0, hours=16.0)
        support = measure_movie(simulate_world(world, seed=3)[0], drift="none").support
        assert any(words in reason for reason in support.reasons) == hidden


def test_numbers_that_follow_the_frame_interval_are_not_estimated_by_the_detector_whose_they_are() -> None:
    """Pauses of even length at 20 min: no pause is as short as the correction has it (by a third too many jumps)."""
    world = replace(BASE, pause_cv=0.4, pause_h=1.0, interval_min=20.0, n_cells=20)
    tracks, _ = simulate_world(world, seed=1)

    def cells(some: pd.DataFrame) -> pd.DataFrame:
        return migration_of(some, drift="none", sigma_um=0.5).cells

    measured = migration_of(tracks, drift="none", sigma_um=0.5)
    thinned = frame_dropping(tracks, measured.cells, cells, resamples=50)
    supported = Support(True, (), signs(), travel=True, identities=True)
    followed = flagged(measured, supported, thinned)
    assert (followed.cells["saltations_supported"] == 0).all()
    assert (flagged(measured, supported, ()).cells["saltations_supported"] == 1).all()
    summary = summarize(measured.cells, resamples=200)
    checked = without_unsupported(summary, followed.cells)
    assert all(checked.numbers[name].problem == UNSUPPORTED for name in NEEDS_SALTATIONS)
    rest = set(UNITS) - set(NEEDS_SALTATIONS)
    assert {name: checked.numbers[name] for name in rest} == {name: summary.numbers[name] for name in rest}
    assert without_unsupported(summary, measured.cells) is summary
