"""Where cells go: circular statistics relative to an axis, persistence of direction, straightness.

Angles are degrees, 0 = +x and 90 = +y (down in the image). They are averaged as vectors, never as numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.migration.intervals import Estimate, Resampling, not_estimated
from somanet.migration.kinematics import Bools, Floats, Ints, Steps, over, per_cell

HALF_TURN = 180.0


def headings(displacement_yx: Floats) -> Floats:
    """(N,) direction in degrees of (N, 2) displacements; NaN for one of length 0."""
    moved = np.asarray(displacement_yx, np.float64)
    angle = np.degrees(np.arctan2(moved[:, 0], moved[:, 1]))
    return np.where((moved != 0).any(axis=1), angle, math.nan)


def relative_to(angles_deg: Floats, *, axis_deg: float) -> Floats:
    """Angles counted from the axis, in [-180, 180)."""
    return (np.asarray(angles_deg, np.float64) - axis_deg + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN


def axis_columns(cells: pd.DataFrame, *, axis_deg: float) -> pd.DataFrame:
    """Velocity along and across the axis, and the cosine and sine of each cell's direction to it.

    Args:
        cells: with ``velocity_y_um_per_h``, ``velocity_x_um_per_h`` and ``direction_deg``.
        axis_deg: direction, for example away from the explant, that angles are counted from.

    Returns:
        Columns of :data:`somanet.migration.tables.MIGRATION`; cosine and sine are 0 where ``n_headings`` is 0. Across
        is a quarter turn further than along: down if the axis points to the right.
    """
    axis = np.radians(axis_deg)
    y, x = cells["velocity_y_um_per_h"], cells["velocity_x_um_per_h"]
    angle = np.radians(cells["direction_deg"]) - axis
    return pd.DataFrame(
        {
            "axis_deg": float(axis_deg),
            "velocity_along_um_per_h": x * np.cos(axis) + y * np.sin(axis),
            "velocity_across_um_per_h": y * np.cos(axis) - x * np.sin(axis),
            "n_headings": angle.notna().astype("int64"),
            "heading_cosine": np.cos(angle).fillna(0.0),
            "heading_sine": np.sin(angle).fillna(0.0),
        },
        index=cells.index,
    )


def turn_sums(events: pd.DataFrame, *, cells: pd.Index, min_length_um: float) -> pd.DataFrame:
    """Sums over pairs of saltations in a row, with a pause seen between them: weights, and angles times weights.

    A saltation's weight grows from 0 at the least length to 1 at twice of it: noise alone makes short ones, in any
    direction.

    Args:
        events: :data:`somanet.migration.tables.SALTATION_EVENTS`, in order of cell and time.
        cells: the rows.
        min_length_um: the least length of an event.
    """
    pair, turn = turns_of(events)
    clear = np.clip(events["length_um"].to_numpy(float) / min_length_um - 1, 0.0, 1.0)
    weight = (clear[1:] * clear[:-1])[pair]
    ids = events["track_id"].to_numpy(np.int64)[1:][pair]
    turned = np.abs(relative_to(turn[pair], axis_deg=0.0))
    sums = {"turn_weight": per_cell(weight, ids, cells), "weighted_turn_deg": per_cell(weight * turned, ids, cells)}
    return pd.DataFrame(sums, index=cells)


def turns_of(events: pd.DataFrame) -> tuple[Bools, Floats]:
    """Of each saltation but the first: whether it follows the one before after a pause that is seen, and the turn.

    Args:
        events: :data:`somanet.migration.tables.SALTATION_EVENTS`, in order of cell and time.

    Returns:
        (N - 1,) each, the turn in degrees.
    """
    ids, seen = events["track_id"].to_numpy(np.int64), events["censored"]
    starts, ends = seen.isin(["", "end"]).to_numpy(), seen.isin(["", "start"]).to_numpy()
    return (ids[1:] == ids[:-1]) & starts[1:] & ends[:-1], np.diff(events["direction_deg"].to_numpy(float))


def direction_numbers(cells: pd.DataFrame, weights: Floats) -> dict[str, Floats]:
    """Velocity, direction and turning of weighted cells; (B,) each, NaN where undefined.

    Velocity is net displacement over time of all cells together; directions count each cell once that moved further
    than noise. The mean turn from a saltation to the next leaves out the shortest: see :func:`turn_sums`.
    """

    def total(values: pd.Series) -> Floats:
        return np.asarray(weights @ values.fillna(0.0).to_numpy(np.float64), np.float64)

    hours = cells["end_h"] - cells["start_h"]
    cosine, sine = (over(total(cells[f"heading_{name}"]), total(cells["n_headings"])) for name in ("cosine", "sine"))
    return {
        "velocity_along_um_per_h": over(total(cells["velocity_along_um_per_h"] * hours), total(hours)),
        "velocity_across_um_per_h": over(total(cells["velocity_across_um_per_h"] * hours), total(hours)),
        "mean_cosine": cosine,
        "resultant": np.minimum(np.hypot(cosine, sine), 1.0),
        "resultant_corrected": resultant_without_chance(np.hypot(cosine, sine), total(cells["n_headings"])),
        "mean_direction_deg": np.where(np.hypot(cosine, sine) > 0, np.degrees(np.arctan2(sine, cosine)), math.nan),
        "mean_turn_deg": over(total(cells["weighted_turn_deg"]), total(cells["turn_weight"])),
    }


def resultant_without_chance(resultant: Floats, n: Floats) -> Floats:
    """R less what the number of directions adds to it; NaN for fewer than two.

    Directions at random have a mean R² of 1/n, and others of (1 - R²)/n more than their own, so (nR̂² - 1)/(n - 1) is R²
    on average, whatever n. This is its root, with its sign: below 0 where directions are more even than random ones.
    Means of it over donors can be compared between groups whose donors have different numbers of cells.

    Args:
        resultant: (B,) R̂.
        n: (B,) of how many directions.
    """
    squared = over(n * resultant**2 - 1, np.where(n > 1, n - 1, math.nan))
    return np.asarray(np.sign(squared) * np.sqrt(np.abs(np.minimum(squared, 1.0))), np.float64)


@dataclass(frozen=True)
class Direction:
    """Directions of a number of cells or saltations.

    Attributes:
        n: how many directions.
        axis_deg: the axis that the user gave.
        mean_deg: circular mean counted from the axis, in [-180, 180); NaN without directions.
        resultant: length R of the mean vector, 0 (every way) to 1 (all one way). Random directions give about
            0.89/√n, so compare R only at like n.
        along_axis: mean cosine of the angle to the axis: 1 along it, -1 against it, 0 across or at random.
    """

    n: int
    axis_deg: float
    mean_deg: float
    resultant: float
    along_axis: float


def direction_of(angles_deg: Floats, *, axis_deg: float = 0.0) -> Direction:
    """Circular mean and resultant length of directions; NaNs are left out.

    Args:
        angles_deg: 0 = +x, 90 = +y (down).
        axis_deg: direction, for example away from the explant, that angles are counted from.
    """
    angles = relative_to(angles_deg, axis_deg=axis_deg)
    angles = angles[~np.isnan(angles)]
    if not angles.size:
        return Direction(0, axis_deg, math.nan, math.nan, math.nan)
    mean = complex(np.exp(1j * np.radians(angles)).mean())
    length = min(abs(mean), 1.0)
    return Direction(angles.size, axis_deg, math.degrees(math.atan2(mean.imag, mean.real)), length, mean.real)


@dataclass(frozen=True)
class Autocorrelation:
    """Mean cosine between the directions of two steps of a cell, by the time between them.

    Attributes:
        lag_h: times from 0.
        correlation: 1 at lag 0 and in straight motion; 0 once direction is forgotten; NaN without pairs.
        n_pairs: pairs of steps; those of one cell overlap and are not independent.
    """

    lag_h: Floats
    correlation: Floats
    n_pairs: Ints


def direction_autocorrelation(steps: Steps, *, max_lag: int, use: Bools | None = None) -> Autocorrelation:
    """Persistence of direction (Gorelik & Gautreau 2014), unlike straightness not biased by track length.

    Noise pulls it down, and between steps at rest to -0.5 at one lag, as a wrong position bends the steps before
    and after it opposite ways. Give the mobile steps as ``use`` to see the direction of motion only.

    Args:
        steps: of one movie; pairs across gaps are left out.
        max_lag: longest lag in frames, at least 0.
        use: steps that count; all if None.
    """
    cosines, pairs = _lagged_cosines(steps, max_lag=max_lag, use=use)
    total = pairs.sum(axis=0, dtype=np.int64)
    correlation = over(cosines.sum(axis=0), total)
    return Autocorrelation(np.arange(max_lag + 1, dtype=np.float64) * steps.interval_h, correlation, total)


def autocorrelation_estimates(steps: Steps, *, max_lag: int, use: Bools, resamples: int, seed: int) -> list[Estimate]:
    """The correlation at each lag with its interval, over cells that have used steps."""
    cosines, pairs = _lagged_cosines(steps, max_lag=max_lag, use=use)
    cell = pairs[:, 0] > 0
    cosines, pairs = cosines[cell], pairs[cell]
    sets = Resampling.of(np.arange(len(pairs)), level="cell", resamples=resamples, seed=seed)
    values = over(cosines.sum(axis=0), pairs.sum(axis=0))
    drawn = over(sets.weights @ cosines, sets.weights @ pairs)
    exact = Estimate(1.0, 1.0, 1.0)  # a direction agrees with itself
    return [exact] + [
        sets.interval(float(value), drawn[:, lag], scale="cosine")
        if np.isfinite(value)
        else not_estimated(math.nan, "there are no pairs of mobile steps so far apart")
        for lag, value in enumerate(values)
        if lag
    ]


def _lagged_cosines(steps: Steps, *, max_lag: int, use: Bools | None) -> tuple[Floats, Ints]:
    """(cells, lags) summed cosines between the directions of two steps, and the number of pairs."""
    if max_lag < 0:
        raise SomaNetError(f"The longest lag must be 0 or more frames, found {max_lag}.")
    moved = steps.displacement_yx_um
    length = np.hypot(moved[:, 0], moved[:, 1])
    counts = ~steps.gap & (length > 0) & (True if use is None else use)
    unit = np.divide(moved, length[:, None], out=np.zeros_like(moved), where=counts[:, None])
    ids, row = np.unique(steps.track_id, return_inverse=True)
    cosines, pairs = np.zeros((ids.size, max_lag + 1)), np.zeros((ids.size, max_lag + 1), np.int64)
    for lag in range(min(max_lag + 1, len(steps))):
        a, b = slice(0, len(steps) - lag), slice(lag, None)
        both = counts[a] & counts[b] & (steps.segment[a] == steps.segment[b])
        pairs[:, lag] = np.bincount(row[a][both], minlength=ids.size)
        cosines[:, lag] = np.bincount(row[a][both], (unit[a][both] * unit[b][both]).sum(axis=1), minlength=ids.size)
    return cosines, pairs


def straightness(steps: Steps) -> pd.Series:
    """Net displacement over path of each track, 0 to 1; NaN if it does not move.

    Biased by sampling: noise and fine motion lengthen the path at short intervals, long intervals and gaps
    cut its corners, and long tracks turn more. Compare only at one frame interval and duration, and look at
    :func:`direction_autocorrelation` too.
    """
    moved = pd.DataFrame(steps.displacement_yx_um).groupby(steps.track_id).sum()
    path = pd.Series(steps.length_um).groupby(steps.track_id).sum()
    net = pd.Series(np.hypot(moved[0].to_numpy(), moved[1].to_numpy()), index=moved.index)
    # Rounding may take a straight track to 1 + 1e-16.
    return (net / path.where(path > 0)).clip(upper=1.0).rename("straightness").rename_axis("track_id")
