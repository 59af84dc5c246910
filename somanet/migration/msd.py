"""Mean squared displacement, and the persistent random walk that describes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from somanet.core.errors import SomaNetError
from somanet.core.schema import check_tracks
from somanet.migration.intervals import Estimate, Resampling, not_estimated
from somanet.migration.kinematics import Floats, Ints, over, steps_of

LONGEST_LAG_SHARE = 4
"""Lags up to a quarter of the movie: beyond, few and overlapping pairs make the curve wander (Saxton 1997)."""
MOST_LAGS = 1000
"""Of a longer movie, which only a table can say to have 100,000 frames; each lag is a pass over all positions."""
SEARCH_POINTS = 33
SEARCHED = 1e-4
"""Relative precision to which the persistence time is searched for."""
MOST_UNRESOLVED = 0.1
LONGEST_KNOWN = LONGEST_LAG_SHARE
"""Longest lags to the longest persistence time that is known: about the movie's length. Up to there the bend of the
curve tells it. A limit of one longest lag, set on the estimate, left the low half of the estimates of times near it."""
LEAST_MOTION_UM2 = 1e-18
AT_ONCE = 1 << 22
"""Numbers of one array while walks are fitted: curves × persistence times × lags."""


@dataclass(frozen=True)
class Msd:
    """Mean squared displacement by lag, over all cells and start times.

    Attributes:
        lag_h: τ, from one frame interval.
        msd_um2: mean of |x(t + τ) - x(t)|² in µm²; NaN without pairs. Long tracks count more than short ones.
        n_pairs: pairs of positions.
    """

    lag_h: Floats
    msd_um2: Floats
    n_pairs: Ints


@dataclass(frozen=True)
class CellMsd:
    """What the mean squared displacement of any set of cells is computed from.

    Attributes:
        lag_h: (K,) mean time between the positions of a pair; of frames at equal times whole intervals.
        squared_um2: (cells, K) summed squared displacements, sparse: most cells are seen for a part of the movie.
        n_pairs: (cells, K) pairs of positions, sparse as well.
    """

    lag_h: Floats
    squared_um2: sparse.csr_array
    n_pairs: sparse.csr_array

    @property
    def n_cells(self) -> int:
        """How many there are."""
        return int(self.n_pairs.shape[0])

    def curves(self, weights: Floats) -> Floats:
        """(B, K) curves of cells that count as often as (B, cells) weights say; NaN without pairs."""
        return over(weights @ self.squared_um2, weights @ self.n_pairs)

    def pooled(self) -> Msd:
        """The curve of all cells."""
        curve = self.curves(np.ones((1, self.n_cells)))[0]
        return Msd(self.lag_h, curve, np.asarray(self.n_pairs.sum(axis=0), np.int64))


def cell_msd_of(tracks: pd.DataFrame, *, max_lag: int | None = None) -> CellMsd:
    """Squared displacements of each cell; pairs across a gap count, as both their positions are known.

    A pair belongs to the lag of as many frame intervals as its time is nearest to, so that a pause of the movie is no
    short lag. Lags stand at the mean time between their positions, which frames at unequal times need.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie, drift removed: drift adds its square times τ².
        max_lag: longest lag in frame intervals; of as many as a quarter of the movie's frames, and at most
            :data:`MOST_LAGS`, if None.

    Raises:
        SomaNetError: ``max_lag`` below 1, or a bad table.
    """
    if max_lag is not None and max_lag < 1:
        raise SomaNetError(f"The longest lag must be at least 1 frame, found {max_lag}.")
    interval = steps_of(tracks).interval_h
    if math.isnan(interval):
        none = sparse.csr_array((0, 0), dtype=np.int64)
        return CellMsd(np.empty(0), none.astype(np.float64), none)
    ordered = check_tracks(tracks, "The tracks")
    row = np.unique(ordered["track_id"], return_inverse=True)[1]
    place, clock_h = ordered[["y_um", "x_um"]].to_numpy(np.float64), ordered["t_h"].to_numpy(np.float64)
    n_frames = int(np.ptp(ordered["frame"].to_numpy(np.int64))) + 1
    longest = min(n_frames - 1, max(1, min(n_frames // LONGEST_LAG_SHARE, MOST_LAGS)) if max_lag is None else max_lag)
    shape = (int(row.max()) + 1, longest)
    elapsed_h = np.zeros(longest)
    squared, pairs = [], []
    for apart in range(1, len(row)):  # positions of a cell; a longer way is no shorter time
        time = clock_h[apart:] - clock_h[:-apart]
        lag = np.maximum(np.rint(time / interval), 1)
        use = (row[apart:] == row[:-apart]) & (lag <= longest)
        if not use.any():
            break
        moved = place[apart:][use] - place[:-apart][use]
        at = row[apart:][use], lag[use].astype(np.int64) - 1
        squared.append(_summed((moved**2).sum(axis=1), at, shape))
        pairs.append(_summed(np.ones(len(moved), np.int64), at, shape))
        elapsed_h += np.bincount(at[1], time[use], minlength=longest)
    n_pairs = _together(pairs, shape, np.int64)
    seen = n_pairs.sum(axis=0)
    mean_h = elapsed_h / np.maximum(seen, 1)
    lag_h = np.arange(1, longest + 1, dtype=np.float64) * interval
    uneven = (seen > 0) & ~np.isclose(mean_h, lag_h, rtol=1e-6)
    return CellMsd(np.where(uneven, mean_h, lag_h), _together(squared, shape, np.float64), n_pairs)


def _summed(values: Floats | Ints, at: tuple[Ints, Ints], shape: tuple[int, int]) -> sparse.coo_array:
    """Values at rows and columns, those of one place summed."""
    return sparse.coo_array(sparse.csr_array((values, at), shape=shape))


def _together(parts: list[sparse.coo_array], shape: tuple[int, int], dtype: type) -> sparse.csr_array:
    """The sum of sparse matrices."""
    if not parts:
        return sparse.csr_array(shape, dtype=dtype)
    values, row, column = (
        np.concatenate([np.asarray(getattr(part, name)) for part in parts]) for name in ("data", "row", "col")
    )
    return sparse.csr_array((values.astype(dtype), (row, column)), shape=shape)


def msd_of(tracks: pd.DataFrame, *, max_lag: int | None = None) -> Msd:
    """Mean squared displacement of all cells: :func:`cell_msd_of`, pooled."""
    return cell_msd_of(tracks, max_lag=max_lag).pooled()


@dataclass(frozen=True)
class PersistentWalk:
    """MSD(τ) = 2S²P(τ - P(1 - exp(-τ/P))) + 4σ² (Fürth 1920), with localisation noise.

    Attributes:
        speed_um_per_h: S, root mean square speed, pauses included.
        persistence_h: P, time over which direction is kept.
        sigma_um: localisation noise per axis.
        warnings: what the lags cannot tell, in words.
    """

    speed_um_per_h: float
    persistence_h: float
    sigma_um: float
    warnings: tuple[str, ...] = ()

    def msd_um2(self, lag_h: Floats) -> Floats:
        """The curve at given lags."""
        return _furth(np.asarray(lag_h, np.float64), self.speed_um_per_h, self.persistence_h, self.sigma_um)


def _usable(msd: Msd) -> np.ndarray:
    """Lags with pairs and motion; what is shorter than a millionth of a nanometre is rounding."""
    return np.asarray((msd.n_pairs > 0) & (np.nan_to_num(msd.msd_um2) > LEAST_MOTION_UM2), bool)


def _furth(lag_h: Floats, speed: float, persistence: float, sigma: float) -> Floats:
    return np.asarray(speed**2 * _shape(lag_h, np.full_like(lag_h, persistence)) + 4 * sigma**2, np.float64)


def _shape(lag_h: Floats, persistence: Floats) -> Floats:
    """2P(τ - P(1 - exp(-τ/P))), the curve of unit speed without noise."""
    x = lag_h / persistence
    # x + expm1(-x) cancels for small x; its series does not.
    turned = np.where(x < 1e-4, x**2 / 2 - x**3 / 6, x + np.expm1(-x))
    return np.asarray(2 * persistence**2 * turned, np.float64)


def fit_persistent_walk(msd: Msd, *, sigma_um: float | None = None) -> PersistentWalk:
    """Fit the persistent random walk by least squares of relative errors.

    The relative variance of a lag of k frames is about as k over its pairs, as overlapping pairs share their path (Qian
    1991). For a given persistence the curve is linear in S² and 4σ², so only the persistence is searched for. Saltating
    cells are no persistent walkers: S mixes pauses and jumps, P is about the length of a jump.

    Args:
        msd: the measured curve.
        sigma_um: localisation noise if known; fitted too if None, which needs lags well below P.

    Raises:
        SomaNetError: fewer lags with pairs and motion than unknowns.
    """
    good = _usable(msd)
    lag, curve = msd.lag_h[good], msd.msd_um2[good]
    unknown = 2 if sigma_um is not None else 3
    if lag.size < unknown:
        raise SomaNetError(
            f"The persistent walk has {unknown} unknowns, but the MSD has {lag.size} usable lags. "
            "Use longer tracks, or longer lags."
        )
    weight = msd.n_pairs[good] / (np.arange(1, good.size + 1)[good] * curve**2)
    speed, persistence, sigma = (float(v[0]) for v in _fit(lag, curve[None], weight, sigma_um))
    warnings = []
    if math.isnan(speed):
        warnings.append("The mean squared displacement is not above the noise: there is no persistent walk to fit.")
    elif persistence < lag[0]:
        warnings.append(
            f"The persistence time is shorter than the shortest lag ({lag[0]:.2g} h): only S²P = "
            f"{speed**2 * persistence:.3g} µm²/h is known, not S and P apart."
        )
    elif persistence > LONGEST_KNOWN * lag[-1]:
        warnings.append(
            f"The fitted persistence time is beyond {LONGEST_KNOWN * lag[-1]:.2g} h, four times the longest lag: only "
            "what it is at least is known (persistent_walk in summary.json)."
        )
    return PersistentWalk(speed, persistence, sigma, tuple(warnings))


def walk_estimates(
    cells: CellMsd, walk: PersistentWalk, sets: Resampling, *, sigma_um: float | None = None
) -> dict[str, Estimate]:
    """Speed and persistence of a fitted walk with intervals, refitted to each set of cells.

    A persistence time is not estimated where its interval goes beyond what a movie can tell
    (:data:`LONGEST_KNOWN`), with what it is at least in the reason: the estimate itself decides nothing there. The
    speed is known whatever the persistence, unless that is shorter than the shortest lag.

    Args:
        cells: what the walk was fitted to, pooled.
        walk: by :func:`fit_persistent_walk`.
        sets: of these cells.
        sigma_um: the noise that the walk was fitted with.
    """
    values = {"speed_um_per_h": walk.speed_um_per_h, "persistence_h": walk.persistence_h}
    pooled = cells.pooled()
    good = _usable(pooled)
    lag, curve = pooled.lag_h[good], pooled.msd_um2[good]
    if math.isnan(walk.speed_um_per_h) or walk.persistence_h < lag[0]:
        return {name: not_estimated(value, walk.warnings[0]) for name, value in values.items()}
    weight = pooled.n_pairs[good] / (np.arange(1, good.size + 1)[good] * curve**2)
    curves = cells.curves(sets.weights)[:, good]
    speeds, persistences, _ = _fit(lag, curves, weight, sigma_um)
    if len(curves) and (persistences >= lag[0]).mean() < 1 - MOST_UNRESOLVED:
        unresolved = "in many resamples the persistence time is shorter than the shortest lag"
        return {name: not_estimated(value, unresolved) for name, value in values.items()}
    return {
        "speed_um_per_h": sets.interval(walk.speed_um_per_h, speeds, scale="positive"),
        "persistence_h": _persistence(walk.persistence_h, persistences, sets, LONGEST_KNOWN * float(lag[-1])),
    }


def _persistence(value: float, drawn: Floats, sets: Resampling, longest_h: float) -> Estimate:
    """A persistence time, or the reason why there is none, with its lower bound where it may be too long to tell."""
    found = sets.interval(value, drawn, scale="positive")
    defined = drawn[np.isfinite(drawn)]
    if not defined.size:
        return found
    factor = math.exp(sets.reach * float(np.log(defined).std()))
    if value * factor <= longest_h:
        return found
    reaches = f"its interval reaches beyond {longest_h:.3g} h, four times the longest lag"
    return not_estimated(value, f"{reaches}: it is at least {min(value / factor, longest_h):.2g} h")


def _fit(lag_h: Floats, curves: Floats, weight: Floats, sigma_um: float | None) -> tuple[Floats, Floats, Floats]:
    """Speed, persistence and noise (B,) each of (B, K) curves; NaN where a curve is not above the noise."""
    some = max(1, AT_ONCE // (SEARCH_POINTS * max(lag_h.size, 1)))
    if len(curves) > some:
        parts = [_fit(lag_h, curves[at : at + some], weight, sigma_um) for at in range(0, len(curves), some)]
        speed, persistence, sigma = (np.concatenate(column) for column in zip(*parts, strict=True))
        return speed, persistence, sigma
    low, high = math.log(lag_h[0] * 1e-2), math.log(lag_h[-1] * 1e2)
    centre, half = np.full(len(curves), (low + high) / 2), (high - low) / 2
    best = (np.full(len(curves), math.nan),) * 3
    while half > SEARCHED:
        tried = np.clip(centre[:, None] + np.linspace(-half, half, SEARCH_POINTS), low, high)
        squared_speed, noise, misfit = _linear(lag_h, curves, weight, sigma_um, np.exp(tried))
        chosen = np.nanargmin(np.where(np.isnan(misfit), math.inf, misfit), axis=1)
        rows = np.arange(len(curves))
        centre = tried[rows, chosen]
        best = np.sqrt(squared_speed[rows, chosen]), np.exp(centre), np.sqrt(noise[rows, chosen]) / 2
        half *= 4 / SEARCH_POINTS
    return best


def _linear(
    lag_h: Floats, curves: Floats, weight: Floats, sigma_um: float | None, persistence: Floats
) -> tuple[Floats, Floats, Floats]:
    """Best S² and 4σ² at (B, G) persistence times, and their misfits; S² is NaN where it is not positive."""
    shape = _shape(lag_h, persistence[..., None])

    def mean(values: Floats) -> Floats:
        return np.asarray((values * weight).sum(axis=-1) / weight.sum(), np.float64)

    seen = np.broadcast_to(curves[:, None, :], shape.shape)
    if sigma_um is None:
        spread = mean(shape**2) - mean(shape) ** 2
        slope = (mean(shape * seen) - mean(shape) * mean(seen)) / np.where(spread > 0, spread, math.nan)
        noise = mean(seen) - slope * mean(shape)
        # Noise is not negative; without it the curve goes through the origin.
        slope = np.where(noise < 0, mean(shape * seen) / mean(shape**2), slope)
        noise = np.maximum(noise, 0.0)
    else:
        noise = np.full(persistence.shape, 4 * sigma_um**2)
        slope = mean(shape * (seen - noise[..., None])) / mean(shape**2)
    slope = np.where(slope > 0, slope, math.nan)
    return slope, noise, mean((seen - slope[..., None] * shape - noise[..., None]) ** 2)
