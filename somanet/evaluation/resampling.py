"""Resampling of images: bootstrap intervals, patterns of a paired permutation test, and Holm's correction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from somanet.evaluation.scores import RESAMPLES

Floats = NDArray[np.float64]

MAX_EXACT = 14
"""Up to this number of images all patterns are enumerated (2^14 = 16,384); beyond, they are drawn at random."""
DRAWN_PATTERNS = 20_000
_BLOCK = 2048  # patterns at a time, so that memory stays at a few megabytes


def bootstrap_counts(n_images: int, *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """How often each resample contains each image, resamples × images.

    The resamples are those of :func:`somanet.evaluation.scores.bootstrap_intervals` with the same seed.
    """
    drawn = np.random.default_rng(seed).integers(n_images, size=(resamples, n_images))
    cells = np.arange(resamples)[:, None] * n_images + drawn
    return np.bincount(cells.ravel(), minlength=resamples * n_images).reshape(resamples, n_images).astype(float)


def percentile_interval(drawn_RV: Floats) -> tuple[Floats, Floats]:
    """2.5 % and 97.5 % quantiles of each column; resamples in which it is undefined are left out."""
    if np.isfinite(drawn_RV).all():
        low, high = np.quantile(drawn_RV, (0.025, 0.975), axis=0)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value gives NaN, as intended
            low, high = np.nanquantile(drawn_RV, (0.025, 0.975), axis=0)
    return low, high


def mean_intervals(values_VN: Floats, counts_RN: Floats) -> tuple[Floats, Floats]:
    """95 % percentile bootstrap intervals (Efron 1979) of the means over images with defined values.

    Args:
        values_VN: networks × images.
        counts_RN: see :func:`bootstrap_counts`; all networks share the draws.

    Returns:
        Lower and upper bound of each network; NaN where fewer than two images have a value: one image does not
        show how images differ.
    """
    defined_VN = np.isfinite(values_VN)
    n_drawn = counts_RN @ defined_VN.T.astype(float) if not defined_VN.all() else float(values_VN.shape[1])
    with np.errstate(invalid="ignore"):
        means_RV = (counts_RN @ np.where(defined_VN, values_VN, 0).T) / n_drawn
    low, high = percentile_interval(means_RV)
    few = defined_VN.sum(axis=1) < 2
    return np.where(few, np.nan, low), np.where(few, np.nan, high)


def exchange_patterns(n_images: int, *, seed: int, drawn_patterns: int = DRAWN_PATTERNS) -> Iterator[Floats]:
    """Yield on which images two networks are exchanged: blocks of patterns × images, 1 = exchanged.

    Up to :data:`MAX_EXACT` images each of the 2^n patterns occurs once. Beyond, ``drawn_patterns`` − 1 are drawn at
    random, which leaves one for the observed pattern.
    """
    exact = n_images <= MAX_EXACT
    n_patterns = 2**n_images if exact else drawn_patterns - 1
    rng = np.random.default_rng(seed)
    for first in range(0, n_patterns, _BLOCK):
        size = min(_BLOCK, n_patterns - first)
        if exact:
            yield (np.arange(first, first + size)[:, None] >> np.arange(n_images) & 1).astype(float)
        else:
            yield rng.integers(2, size=(size, n_images)).astype(float)


def least_p(n_images: int, n_comparisons: int) -> float:
    """The smallest p of a permutation test with this many images, corrected by Holm's method; at most 1."""
    smallest = 2 / 2**n_images if n_images <= MAX_EXACT else 1 / DRAWN_PATTERNS
    return min(1.0, n_comparisons * smallest)


def holm(p: Floats) -> Floats:
    """P values corrected for multiple comparisons: the probability of any false positive stays below the level.

    The step-down method of Holm (1979, Scand. J. Statist. 6, 65–70): the smallest of m values times m, the next times
    m − 1 and so on, never below the previous one, at most 1. NaNs are kept and not counted.
    """
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN sorts last
    steps = p[order] * np.arange(order.size, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if order.size else steps
    return corrected
