"""How far and how fast cells travel, without the noise and the frame interval in it.

**Distance.** A mobile step of length d is σ²/d too long on average, as noise across it adds to its length (Rice's
distribution, d well above σ). The steps before and after a saltation hold the rest of it; they count by their
projection on the step that they adjoin, and half where two saltations share one. The projection errs by -σ²/d, as the
noise of the shared position turns the one and lengthens the other, and by as much again as noise decides which step is
the first mobile one. Within a saltation the distance follows its turns.

**Speed.** "Length over duration" needs the moments at which a jump starts and ends, which frames do not show if it
speeds up and slows down. What they do show is the speed weighted by distance, ∫v² dt over ∫v dt: the speed at which the
average micrometre is covered. It is length over duration for a jump of even speed, and more otherwise. With squared
displacements over a lag τ, Q(τ) = ∫|d|² dt/(τ² · distance) has this speed as its limit for short lags; a jump of even
speed v and duration D has Q = v(1 - τ/(3D)), so that 2Q(Δt) - Q(2Δt) is free of τ. It falls short where jumps last
less than two frames. The other estimate takes the durations of runs of mobile steps less the partial steps at their
ends (:mod:`somanet.migration.sampling`): it errs high there, as slow ends are below the threshold, but less; where
jumps last several frames, the threshold finds their slow ends, and it lies between the two speeds. The number is the
geometric mean of both, with the greater weight on runs in short jumps and on squares in long ones
(:func:`_runs_share`), and the interval includes their ratio, so that it holds both, :data:`SPEED_ERROR`,
:data:`CUT_ERROR` and :data:`COARSE_ERROR`.

**Pause.** Time without motion per jump, of cells that jump: the exposed time of cells with a saltation, plus that of
cells that might have had one but were not seen to, over the jumps, less a jump's length over its speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from somanet.core.calibration import LONGEST_STEP
from somanet.migration.kinematics import Floats, Ints, Steps, over, per_cell
from somanet.migration.saltation import Saltations
from somanet.migration.sampling import Jumps

SPEED_ERROR = 0.04
CUT_ERROR = 0.35
"""Relative error of the speed that neither estimate shows, on its own and per share of a step that the threshold cuts
off (noise makes runs of mobile steps too long); set on simulated jumps of even and uneven speed, those of
docs/trust.md among them."""
COARSE_ERROR = 0.12
"""The same where jumps last one frame; none where they last two."""
DISTANCE_ERROR = 0.06
"""Relative error of distance, and so of average speed and straightness, that resampling does not show: corners that are
cut within a frame and in hidden pauses, and what noise adds to single steps."""
SLOWEST_ENDS = 0.7
"""Slow starts and stops may make jumps this much longer than length over speed; with a raised cosine it is 0.5."""
SCALE_H = 1.0
MOST_ROUNDS = 60


def travel_sums(
    tracks: pd.DataFrame, steps: Steps, saltations: Saltations, *, cells: pd.Index, sigma_um: float
) -> pd.DataFrame:
    """One row per cell: the sums that distance, speed and the hourly displacement are computed from.

    Args:
        tracks: in order of cell and frame.
        steps: of these tracks.
        saltations: found in them.
        cells: the rows.
        sigma_um: localisation noise per axis.

    Returns:
        ``distance_um`` and ``n_parts`` of all saltations, ``complete_distance_um`` and ``speed_moment_um2_per_h`` of
        those seen whole, ``square_1h_um2`` (less the noise) over ``n_1h`` pairs of positions an hour apart,
        ``observed_net_um`` without gaps.
    """
    first, last = step_range(steps, saltations.events)
    moved, length = steps.displacement_yx_um, steps.length_um
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(length > 0, np.nan_to_num(sigma_um) ** 2 / length, 0.0)
        unit = np.where(length[:, None] > 0, moved / length[:, None], 0.0)
    taken = np.zeros(len(steps) + 2, np.int64)
    before, after = _neighbours(steps, first, last)
    np.add.at(taken, before[before >= 0], 1)
    np.add.at(taken, after[after >= 0], 1)
    inner = np.concatenate([[0.0], np.cumsum(length - excess)])
    distance = inner[last + 1] - inner[first]
    for side, edge in ((before, first), (after, last)):
        seen = side >= 0
        at, mobile = side[seen], edge[seen]
        projected = (moved[at] * unit[mobile]).sum(axis=1) / taken[at]
        distance[seen] += projected + 2 * excess[mobile]
    whole = (saltations.events["censored"] == "").to_numpy()
    moment = _speed_moments(steps, first[whole] - 1, last[whole] + 1, sigma_um)
    ids = saltations.events["track_id"].to_numpy(np.int64)
    table = {
        "distance_um": per_cell(distance, ids, cells),
        "complete_distance_um": per_cell(distance[whole], ids[whole], cells),
        "speed_moment_um2_per_h": per_cell(moment, ids[whole], cells),
        **_hourly(tracks, steps.interval_h, cells, sigma_um),
        "observed_net_um": _observed_net(steps, cells),
    }
    return pd.DataFrame(table, index=cells)


def _observed_net(steps: Steps, cells: pd.Index) -> Floats:
    """Net displacement less that in gaps, whose path is not among the distances either."""
    seen = ~steps.gap
    moved = steps.displacement_yx_um[seen]
    return np.asarray(np.hypot(*(per_cell(axis, steps.track_id[seen], cells) for axis in moved.T)), np.float64)


def step_range(steps: Steps, events: pd.DataFrame) -> tuple[Ints, Ints]:
    """Numbers of the first and last step of each event."""
    ids = events["track_id"].to_numpy(np.int64)
    # Steps are in order of cell and time, which is the order of complex numbers.
    first = np.searchsorted(steps.track_id + 1j * steps.start_h, ids + 1j * events["start_h"].to_numpy(np.float64))
    last = np.searchsorted(steps.track_id + 1j * steps.end_h, ids + 1j * events["end_h"].to_numpy(np.float64))
    return first.astype(np.int64), last.astype(np.int64)


def _neighbours(steps: Steps, first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """The step before the first and after the last of each event in the same stretch, or -1."""
    segment = np.concatenate([steps.segment, [-1]])  # index -1 and len(steps) both lead to the sentinel
    before = np.where(segment[first - 1] == segment[first], first - 1, -1)
    after = np.where(segment[last + 1] == segment[last], last + 1, -1)
    return before.astype(np.int64), after.astype(np.int64)


def _speed_moments(steps: Steps, start: Ints, stop: Ints, sigma_um: float) -> Floats:
    """2∫|d|²dt/τ² over one step less that over two, of the steps from each start to stop, at rest beyond them."""
    moved, time = steps.displacement_yx_um, steps.duration_h
    noise = 4 * np.nan_to_num(sigma_um) ** 2
    single = ((moved**2).sum(axis=1) - noise) / time
    lag = time[1:] + time[:-1]
    double = (((moved[1:] + moved[:-1]) ** 2).sum(axis=1) - noise) / (2 * lag)
    singles, doubles = (np.concatenate([[0.0], np.cumsum(values)]) for values in (single, double))
    beyond = (single[start] + single[stop]) / 4  # with the rest before and after: a lag of two steps, halved
    return np.asarray(2 * (singles[stop + 1] - singles[start]) - (doubles[stop] - doubles[start]) - beyond, np.float64)


def _hourly(tracks: pd.DataFrame, interval_h: float, cells: pd.Index, sigma_um: float) -> dict[str, Floats]:
    """Squared displacement over an hour; between frames that have no hour between them, of the lags around it.

    Pairs of frames with a pause of the movie between them are further apart, and do not count.
    """
    frames_per_hour = SCALE_H / interval_h
    if not math.isfinite(frames_per_hour) or round(frames_per_hour, 3) < 1:
        return {name: np.zeros(len(cells)) for name in ("square_1h_um2", "n_1h")}
    lower = math.floor(round(frames_per_hour, 3))
    upper_share = frames_per_hour - lower if frames_per_hour - lower > 1e-3 else 0.0
    ids, frame = tracks["track_id"].to_numpy(np.int64), tracks["frame"].to_numpy(np.int64)
    place, time = tracks[["y_um", "x_um"]].to_numpy(np.float64), tracks["t_h"].to_numpy(np.float64)
    key = np.searchsorted(cells.to_numpy(np.int64), ids) * (int(frame.max(initial=0)) + lower + 2) + frame

    def squared(lag: int) -> Floats:
        later = np.minimum(np.searchsorted(key, key + lag), len(key) - 1)
        moved = ((place[later] - place) ** 2).sum(axis=1)
        paused = time[later] - time > (lag + LONGEST_STEP - 1) * interval_h
        return np.asarray(np.where((key[later] == key + lag) & ~paused, moved, math.nan), np.float64)

    found = squared(lower)
    if upper_share:
        found = (1 - upper_share) * found + upper_share * squared(lower + 1)
    seen = np.isfinite(found)
    square = per_cell(found[seen] - 4 * np.nan_to_num(sigma_um) ** 2, ids[seen], cells)
    return {"square_1h_um2": square, "n_1h": per_cell(seen, ids, cells)}


def hourly_problem(cells: pd.DataFrame) -> str:
    """Why no cell has two positions an hour apart, in words; empty where one has.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`, at least one.
    """
    if cells["n_1h"].sum() > 0:
        return ""
    if (cells["frame_interval_h"] > SCALE_H).all():
        return "frames are more than an hour apart"
    if ((cells["end_h"] - cells["start_h"]) < SCALE_H).all():
        return "no cell is seen for an hour"
    return (
        "no cell is seen twice an hour apart without a frame missing or far longer than the usual interval in between"
    )


def speed_estimates(cells: pd.DataFrame, weights: Floats, jumps: Jumps) -> tuple[Floats, Floats]:
    """(B,) the speed weighted by distance, from the durations of runs and from squared displacements."""
    moment = weights @ cells["speed_moment_um2_per_h"].to_numpy(float)
    distance = weights @ cells["complete_distance_um"].to_numpy(float)
    path = np.where(jumps.path_um > 0, jumps.path_um, math.nan)
    return over(path, jumps.moving_h), over(np.where(moment > 0, moment, math.nan), distance)


def travel_numbers(cells: pd.DataFrame, weights: Floats, jumps: Jumps) -> Mapping[str, Floats]:
    """Distance, speed, pauses and straightness of weighted cells, corrected; (B,) each, NaN where undefined."""

    def total(values: pd.Series) -> Floats:
        return np.asarray(weights @ values.to_numpy(np.float64), np.float64)

    by_runs, by_squares = speed_estimates(cells, weights, jumps)
    share = _runs_share(cells, weights, over(over(jumps.travel_um, jumps.whole), by_runs))
    speed = by_runs**share * by_squares ** (1 - share)
    average = over(total(cells["distance_um"]), total(cells["observed_h"]))
    jump_h = over(over(jumps.travel_um, jumps.whole), speed)
    pause = _pause(cells, weights, jumps.started, jump_h)
    rests = np.isfinite(pause)
    moves = cells["distance_um"] > 0
    squared = over(total(cells["square_1h_um2"]), total(cells["n_1h"]))
    return {
        "mobile_speed_corrected_um_per_h": speed,
        "mean_pause_corrected_h": pause,
        "pause_fraction_corrected": np.where(rests, 1 - over(average, speed), math.nan),
        "average_speed_corrected_um_per_h": average,
        "rms_speed_1h_um_per_h": np.sqrt(np.where(squared > 0, squared, math.nan)) / SCALE_H,
        "straightness_corrected": over(total(cells["observed_net_um"].where(moves, 0.0)), total(cells["distance_um"])),
    }


def _runs_share(cells: pd.DataFrame, weights: Floats, jump_h: Floats) -> Floats:
    """Weight of the estimate from runs: 0.85 for jumps of a frame, 0.35 for two, 1/4 for longer ones.

    The errors of squares are the greater for the former, those of runs for the latter.
    """
    return np.asarray(np.clip(1.35 - frames_per_jump(cells, weights, jump_h) / 2, 1 / 4, 0.9), np.float64)


def frames_per_jump(cells: pd.DataFrame, weights: Floats, jump_h: Floats) -> Floats:
    """(B,) how many frames a jump of the given mean duration lasts, at the frame interval of its movie."""
    times = (cells["frame_interval_h"] * cells["n_complete"]).fillna(0.0)
    interval_h = over(weights @ times.to_numpy(float), weights @ cells["n_complete"].to_numpy(float))
    return np.asarray(jump_h / interval_h, np.float64)


def _pause(cells: pd.DataFrame, weights: Floats, jumps: Floats, jump_h: Floats) -> Floats:
    """Mean pause p of cells that jump, from p + D = exposed time of jumping cells over their jumps.

    A cell that jumps starts no jump in the time T with the chance p/(p + D)·exp(-T/p), if its pauses end at one rate,
    so the time of cells that were seen to start one is too short by that. T is long against p in most movies, and the
    correction small.
    """
    exposed = cells["exposed_h"].where(cells["n_saltations"] > 0, 0.0).to_numpy(float)
    order = np.argsort(np.round(exposed, 3), kind="stable")
    hours, first = np.unique(np.round(exposed, 3)[order], return_index=True)
    counts = np.add.reduceat(weights[:, order], first, axis=1) if hours.size else np.zeros((len(weights), 0))
    pause = over(counts @ hours, jumps) - jump_h
    for _ in range(MOST_ROUNDS):
        p = np.where(pause > 0, pause, math.nan)[:, None]
        silent = p / (p + jump_h[:, None]) * np.exp(-hours[None] / p)
        updated = over((counts * hours / np.maximum(1 - silent, 1e-3)).sum(axis=1), jumps) - jump_h
        if np.allclose(updated, pause, rtol=1e-6, equal_nan=True):
            break
        pause = updated
    return np.where(pause > 0, pause, math.nan)
