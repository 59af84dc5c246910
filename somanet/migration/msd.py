"""Mean squared displacement, and the persistent random walk that describes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from somanet.core.errors import SomaNetError
from somanet.core.schema import check_tracks
from somanet.migration.kinematics import Floats, Ints, steps_of

LONGEST_LAG_SHARE = 4
"""Lags up to a quarter of the movie: beyond, few and overlapping pairs make the curve wander (Saxton 1997)."""
TINY = 1e-12


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


def msd_of(tracks: pd.DataFrame, *, max_lag: int | None = None) -> Msd:
    """Mean squared displacement; pairs across a gap count, as both their positions are known.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie, drift removed: drift adds its square times τ².
        max_lag: longest lag in frames; a quarter of the movie if None.

    Raises:
        SomaNetError: ``max_lag`` below 1, or a bad table.
    """
    if max_lag is not None and max_lag < 1:
        raise SomaNetError(f"The longest lag must be at least 1 frame, found {max_lag}.")
    interval = steps_of(tracks).interval_h
    if math.isnan(interval):
        return Msd(np.empty(0), np.empty(0), np.empty(0, np.int64))
    ordered = check_tracks(tracks, "The tracks")
    frame = ordered["frame"].to_numpy(np.int64)
    row = np.unique(ordered["track_id"], return_inverse=True)[1]
    n_frames = int(np.ptp(frame)) + 1
    place = np.full((row.max() + 1, n_frames, 2), math.nan)
    place[row, frame - frame.min()] = ordered[["y_um", "x_um"]].to_numpy(float)
    longest = min(n_frames - 1, max(1, n_frames // LONGEST_LAG_SHARE) if max_lag is None else max_lag)
    msd, pairs = np.full(longest, math.nan), np.zeros(longest, np.int64)
    for lag in range(1, longest + 1):
        squared = ((place[:, lag:] - place[:, :-lag]) ** 2).sum(axis=2)
        seen = ~np.isnan(squared)
        pairs[lag - 1] = seen.sum()
        if pairs[lag - 1]:
            msd[lag - 1] = squared[seen].mean()
    return Msd(np.arange(1, longest + 1, dtype=np.float64) * interval, msd, pairs)


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


def _furth(lag_h: Floats, speed: float, persistence: float, sigma: float) -> Floats:
    x = lag_h / persistence
    # x + expm1(-x) cancels for small x; its series does not.
    turned = np.where(x < 1e-4, x**2 / 2 - x**3 / 6, x + np.expm1(-x))
    return np.asarray(2 * speed**2 * persistence**2 * turned + 4 * sigma**2, np.float64)


def fit_persistent_walk(msd: Msd, *, sigma_um: float | None = None) -> PersistentWalk:
    """Fit the persistent random walk, each lag weighted by its relative error, √pairs.

    Saltating cells are no persistent walkers: S mixes pauses and jumps, P is about the length of a jump.

    Args:
        msd: the measured curve.
        sigma_um: localisation noise if known; fitted too if None, which needs lags well below P.

    Raises:
        SomaNetError: fewer lags with pairs and motion than unknowns.
    """
    good = (msd.n_pairs > 0) & (np.nan_to_num(msd.msd_um2) > 0)
    lag, seen, weight = msd.lag_h[good], msd.msd_um2[good], np.sqrt(msd.n_pairs[good])
    unknown = 2 if sigma_um is not None else 3
    if lag.size < unknown:
        raise SomaNetError(
            f"The persistent walk has {unknown} unknowns, but the MSD has {lag.size} usable lags. "
            "Use longer tracks, or longer lags."
        )
    weight = weight / weight.max()

    def walk(parameters: Floats) -> tuple[float, float, float]:
        speed, persistence = np.exp(parameters[:2])
        return float(speed), float(persistence), float(np.exp(parameters[2])) if sigma_um is None else sigma_um

    def misfit(parameters: Floats) -> Floats:
        curve = _furth(lag, *walk(parameters)) + TINY
        return np.asarray((np.log(curve) - np.log(seen)) * weight, np.float64)

    start = [math.log(math.sqrt(seen[0]) / lag[0]), math.log(lag[lag.size // 2]), math.log(math.sqrt(seen[0] / 8))]
    low, high = np.log([1e-6, lag[0] * 1e-2, 1e-6]), np.log([1e6, lag[-1] * 1e2, 1e6])
    fitted = least_squares(misfit, np.clip(start, low, high)[:unknown], bounds=(low[:unknown], high[:unknown]))
    speed, persistence, sigma = walk(fitted.x)
    warnings = []
    if persistence < lag[0]:
        warnings.append(
            f"The persistence time is shorter than the shortest lag ({lag[0]:.2g} h): only S²P = "
            f"{speed**2 * persistence:.3g} µm²/h is known, not S and P apart."
        )
    if persistence > lag[-1]:
        warnings.append(f"The persistence time is longer than the longest lag ({lag[-1]:.2g} h): it is not known.")
    return PersistentWalk(speed, persistence, sigma, tuple(warnings))
