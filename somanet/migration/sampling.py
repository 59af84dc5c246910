"""What whole frames hide of saltations, and the true jumps behind the seen ones.

The model, with times in frame intervals: jumps are straight and of even speed v, and a step is mobile if the cell moves
more than u in it, which takes the share f = u/v of a step. Then

- a jump of duration D fills D + 1 - 2f mobile steps on average: each end adds half a step less f;
- a pause shows if it leaves a step with less than f of motion. Pauses that end at the rate r show with the chance P of
  :func:`shown_share`; the others join two jumps, so that a saltation holds 1/P jumps on average;
- a seen pause ends in its next step with the chance 1 - exp(-r), whatever went before;
- a reach is 2·σ²/v too short: the more noise shortens the step that a jump begins in, the likelier it counts as rest,
  and the reach starts at that step's first position, which then errs towards the jump; likewise at the end.

r is taken from the first two steps of the seen pauses, not from the mean pause: it is the short pauses that hide, and
long ones say little about them unless all pauses end at one rate. f is taken from the saltations' own mean reach and
duration. A saltation that is seen whole counts as often as its duration is rarely seen whole (Hanisch 1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.migration.direction import turns_of
from somanet.migration.kinematics import Floats, Steps, over, per_cell
from somanet.migration.saltation import Saltations

LENGTH_ERROR = 0.1
"""Relative error of the length that resampling does not show: of jumps that are neither straight nor of even speed, as
the model has them. Set on simulated worlds drawn at random."""
FIRST_STEPS = 2
"""Steps of a pause that its rate of ending is taken from: fewer see too little, more see ever longer pauses."""
# Tells 10 min from 11 min, not 10 min from the 10.003 min that a microscope writes.
INTERVAL_DIGITS = 2
SUMMED = (
    "n_saltations", "exposed_h", "n_complete", "complete_weight", "complete_reach_um", "weighted_reach_um",
    "complete_h", "n_rest_steps", "n_rest_ends", "n_turns", "turn_cosine",
)  # fmt: skip


@dataclass(frozen=True)
class Jumps:
    """The true jumps of sets of cells, as far as the frames allow to tell; (B,) each, NaN where they do not.

    Attributes:
        started: jumps that start within the exposed time.
        whole: jumps within the saltations that are seen whole, each weighted by its rarity.
        travel_um: their summed lengths, weighted alike.
        path_um, moving_h: summed lengths and durations of the jumps in whole saltations, not weighted.
        cut: share of a step that a jump may fill unseen, the greatest of the frame intervals. From 0.5 on the threshold
            is near the jumps' own speed: noise cuts them into pieces, which nothing here mends.
    """

    started: Floats
    whole: Floats
    travel_um: Floats
    path_um: Floats
    moving_h: Floats
    cut: Floats


def shown_share(end_rate: Floats, cut: Floats) -> Floats:
    """Chance that a pause leaves an immobile step.

    A pause that starts s into a step, 0 ≤ s < 1, makes this step immobile if s < f and it lasts 1 - f, and else the
    next one if it lasts until f before its end, 2 - f - s. Over all s, with a = 1 - f:
    P = f·exp(-ra) + exp(-ra)·(1 - exp(-ra))/r, or 1 - r(a + a²/2) for short intervals.

    Args:
        end_rate: chance per frame interval, r, that a pause ends; 0 or more.
        cut: f, 0 to 1.
    """
    rate, a = np.asarray(end_rate, np.float64), 1 - np.asarray(cut, np.float64)
    shrunk = np.where(rate > 0, -np.expm1(-rate * a) / np.where(rate > 0, rate, 1.0), a)
    return np.asarray(np.exp(-rate * a) * (1 - a + shrunk), np.float64)


def true_jumps(cells: pd.DataFrame, weights: Floats) -> Jumps:
    """Undo the sampling, movies of each frame interval on their own.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        weights: (B, cells) how often each cell counts in each of B sets.
    """
    minutes = cells["frame_interval_h"].mul(60).round(INTERVAL_DIGITS).to_numpy(float)
    parts = []
    for minute in np.unique(minutes[~np.isnan(minutes)]):
        chosen = minutes == minute
        some = cells[chosen]
        n = some["n_complete"]
        columns = some[list(SUMMED)].assign(
            threshold_um=some["mobile_step_um"] * n,
            lone_um=some["rest_step_um"] * n,
            noise_um2=some["noise_um"] ** 2 * n,
        )
        summed = weights[:, chosen] @ columns.fillna(0.0).to_numpy(np.float64)
        parts.append(_jumps(dict(zip(columns, summed.T, strict=True)), float(minute) / 60))
    return Jumps(
        started=_sum([part.started for part in parts], len(weights)),
        whole=_sum([part.whole for part in parts], len(weights)),
        travel_um=_sum([part.travel_um for part in parts], len(weights)),
        path_um=_sum([part.path_um for part in parts], len(weights)),
        moving_h=_sum([part.moving_h for part in parts], len(weights)),
        cut=np.max([np.zeros(len(weights)), *(part.cut for part in parts)], axis=0),
    )


def _sum(parts: list[Floats], n_sets: int) -> Floats:
    return np.asarray(np.sum([np.zeros(n_sets), *parts], axis=0), np.float64)


def _jumps(sums: dict[str, Floats], interval_h: float) -> Jumps:
    n, n_complete = sums["n_saltations"], sums["n_complete"]
    cut = _cut(sums, interval_h)
    ends = over(sums["n_rest_ends"], sums["n_rest_steps"])
    shown = _shown(sums, -np.log1p(-np.where(ends < 1, ends, math.nan)), cut)
    joined = np.where(n > 0, 1 / shown, 1.0)
    a = 1 - cut
    # Mean hidden pause where their durations are spread evenly: the first moment over a + a²/2 of the chance to hide.
    hidden_pause = (a / 2 + 2 * a**2 / 3) / (1 + a / 2)
    straight = joined / (1 + (joined - 1) * _kept_in_turns(sums))
    full_steps = np.maximum(sums["complete_h"] / interval_h - n_complete * (1 - 2 * cut), 0.0)
    lost = np.nan_to_num(2 * over(sums["noise_um2"] * full_steps, n_complete * sums["complete_reach_um"]))
    inside = interval_h * (1 - 2 * cut + (joined - 1) * hidden_pause)
    return Jumps(
        started=n * joined,
        whole=sums["complete_weight"] * joined,
        travel_um=(sums["weighted_reach_um"] + lost * sums["complete_weight"]) * straight,
        path_um=(sums["complete_reach_um"] + lost * n_complete) * straight,
        moving_h=np.maximum(sums["complete_h"] - n_complete * inside, 0.0),
        cut=cut,
    )


def _shown(sums: dict[str, Floats], end_rate: Floats, cut: Floats) -> Floats:
    """Share of pauses that show, if a step at rest alone between two jumps has a threshold of its own.

    Noise takes such a step beyond it with the chance exp(-u²/(4σ²)); the pause then has to last a step more.
    """
    lone = np.nan_to_num(over(sums["lone_um"], sums["threshold_um"]), nan=1.0)
    squared = over(sums["lone_um"] ** 2, 4 * sums["noise_um2"] * sums["n_complete"])
    seen = np.where(np.isnan(squared), 1.0, -np.expm1(-np.nan_to_num(squared)))
    longer = np.exp(-end_rate) * shown_share(end_rate, cut)
    return np.asarray(seen * shown_share(end_rate, cut * lone) + (1 - seen) * longer, np.float64)


def _cut(sums: dict[str, Floats], interval_h: float) -> Floats:
    """Share f, from K = D + 1 - 2u/v steps and the reach R = vD: v = (R - 2u)/(K - 1); 0 if all have one step."""
    n = sums["n_complete"]
    threshold = sums["threshold_um"]
    beyond = np.maximum(sums["complete_h"] / interval_h - n, 0.0)
    clear = sums["complete_reach_um"] - 2 * threshold
    share = np.where(n > 0, over(threshold * beyond, n * clear), 0.0)
    return np.asarray(np.clip(np.where(clear > 0, share, np.where(n > 0, 1.0, 0.0)), 0.0, 1.0), np.float64)


def _kept_in_turns(sums: dict[str, Floats]) -> Floats:
    """What a joined jump adds to the net displacement, over its length, if it turns as jumps in a row do.

    Two equal jumps with the mean cosine C between them reach √(2 + 2C) jumps: the second adds √(2 + 2C) - 1.
    """
    cosine = np.where(sums["n_turns"] > 0, over(sums["turn_cosine"], sums["n_turns"]), 1.0)
    return np.asarray(np.sqrt(2 + 2 * np.clip(cosine, -1, 1)) - 1, np.float64)


def sampling_sums(
    steps: Steps, saltations: Saltations, *, cells: pd.Index, long: pd.Index, first_step: int = 1
) -> pd.DataFrame:
    """One row per cell: the columns of :data:`SUMMED` that only the correction needs.

    Args:
        steps: of one movie.
        saltations: found in them.
        cells: the rows.
        long: the cells whose stretches say how often a saltation of some duration is seen whole.
        first_step: of a pause that its rate of ending is taken from.
    """
    free = ~steps.gap
    segments, at, row = np.unique(steps.segment[free], return_index=True, return_inverse=True)
    hours = np.asarray(np.bincount(row, steps.duration_h[free], minlength=segments.size), np.float64)
    owner = steps.track_id[free][at]

    events, pauses = saltations.events, saltations.pauses
    whole = events[events["censored"] == ""]
    ids = whole["track_id"]
    available = hours[np.isin(owner, long)]
    duration = (whole["end_h"] - whole["start_h"]).to_numpy(float)
    places = _room(available, duration + steps.interval_h)
    weight = over(np.full(places.shape, available.sum()), places)
    reach = whole["reach_um"].to_numpy(float)

    pauses = pauses[pauses["censored"].isin(["", "end"])]
    complete = (pauses["censored"] == "").to_numpy()
    n_steps = np.round(pauses["duration_h"].to_numpy(float) / steps.interval_h)
    last_step = first_step + FIRST_STEPS - 1
    followed = np.clip(np.where(complete, n_steps, n_steps - 1), first_step - 1, last_step) - (first_step - 1)
    ended = complete & (n_steps >= first_step) & (n_steps <= last_step)

    pair, turn = turns_of(events)
    later = events["track_id"].to_numpy(np.int64)[1:][pair]
    table = {
        "exposed_h": per_cell(np.maximum(hours - steps.interval_h, 0.0), owner, cells),
        # A saltation that fits into no stretch by its duration has no weight.
        "complete_weight": per_cell(np.nan_to_num(weight), ids, cells),
        "complete_reach_um": per_cell(reach, ids, cells),
        "weighted_reach_um": per_cell(np.nan_to_num(weight * reach), ids, cells),
        "n_rest_steps": per_cell(followed, pauses["track_id"], cells),
        "n_rest_ends": per_cell(ended, pauses["track_id"], cells),
        "n_turns": per_cell(np.ones(later.size), later, cells),
        "turn_cosine": per_cell(np.cos(np.radians(turn[pair])), later, cells),
    }
    return pd.DataFrame(table, index=cells)


def _room(available: Floats, needed: Floats) -> Floats:
    """Σ max(0, available - needed) over all stretches, each needed time; sorted, as large movies have 10⁴ of both."""
    ordered = np.sort(available)
    above = np.append(np.cumsum(ordered[::-1])[::-1], 0.0)
    first = np.searchsorted(ordered, needed, side="right")
    return np.asarray(np.maximum(above[first] - (len(ordered) - first) * needed, 0.0), np.float64)
