"""Resampling statistics of scores on the same images: arrays in, arrays out, one row per network.

Undefined scores are NaN and are left out; what stays undefined is NaN.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.evaluation.scores import RESAMPLES

Floats = NDArray[np.float64]

MAX_EXACT = 14
"""Up to so many images every pattern of signs is counted (2^14 = 16,384); beyond, patterns are drawn."""
DRAWN_PATTERNS = 20_000
_BLOCK = 2048  # patterns at a time: 500 networks then take 8 MB


def bootstrap_counts(n_images: int, *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """How often each resample holds each image, resamples × images.

    The draws are those of :func:`somanet.evaluation.scores.bootstrap_intervals` with the same seed.
    """
    drawn = np.random.default_rng(seed).integers(n_images, size=(resamples, n_images))
    cells = np.arange(resamples)[:, None] * n_images + drawn
    return np.bincount(cells.ravel(), minlength=resamples * n_images).reshape(resamples, n_images).astype(float)


def mean_intervals(values_VN: Floats, counts_RN: Floats) -> tuple[Floats, Floats]:
    """95 % percentile bootstrap intervals (Efron 1979) of the means over images.

    Args:
        values_VN: networks × images.
        counts_RN: see :func:`bootstrap_counts`; the same images are drawn for all networks.

    Returns:
        Lower and upper bound of each network; NaN where fewer than two images have a value: one image says nothing
        of how images differ.
    """
    defined_VN = np.isfinite(values_VN)
    n_drawn = counts_RN @ defined_VN.T.astype(float) if not defined_VN.all() else float(values_VN.shape[1])
    with np.errstate(invalid="ignore"):
        means_RV = (counts_RN @ np.where(defined_VN, values_VN, 0).T) / n_drawn
    low, high = percentile_interval(means_RV)
    few = defined_VN.sum(axis=1) < 2
    return np.where(few, np.nan, low), np.where(few, np.nan, high)


def percentile_interval(drawn_RV: Floats) -> tuple[Floats, Floats]:
    """2.5 % and 97.5 % quantiles of each column; resamples in which it is undefined are left out."""
    if np.isfinite(drawn_RV).all():
        low, high = np.quantile(drawn_RV, (0.025, 0.975), axis=0)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value gives NaN, as it should
            low, high = np.nanquantile(drawn_RV, (0.025, 0.975), axis=0)
    return low, high


def sign_flip_p(differences_VN: Floats, *, seed: int, drawn_patterns: int = DRAWN_PATTERNS) -> Floats:
    """Two-sided p of the paired permutation test that networks and reference are exchangeable on every image.

    If they are, each image's difference is as likely with the other sign (Fisher 1935); p is the share of the sign
    patterns whose mean is at least as far from 0 as the observed one. Up to :data:`MAX_EXACT` images all patterns
    are counted, so that n images of one sign and size give 2/2^n. Beyond, patterns are drawn, and the observed one
    counts among them (Phipson and Smyth 2010), so that p is never 0. `scipy.stats.permutation_test` gives the same
    for one network; here all networks share the patterns, which makes hundreds of them affordable.

    Args:
        differences_VN: network minus reference, networks × images; NaN where either is undefined.
        seed: of the drawn patterns.
        drawn_patterns: how many, the observed one included.
    """
    n_images = differences_VN.shape[1]
    defined_VN = np.isfinite(differences_VN)
    # A zero has no sign: every pattern of the defined images comes equally often.
    flipped_NV = np.where(defined_VN, differences_VN, 0).T
    # Patterns that tie with the observed one must count, whatever the rounding of their sums.
    least_V = np.abs(flipped_NV.sum(axis=0)) - 1e-9 * np.abs(flipped_NV).sum(axis=0)
    exact = n_images <= MAX_EXACT
    n_patterns = 2**n_images if exact else drawn_patterns
    as_far_V = np.zeros(flipped_NV.shape[1]) if exact else np.ones(flipped_NV.shape[1])
    rng = np.random.default_rng(seed)
    for first in range(0, n_patterns if exact else n_patterns - 1, _BLOCK):
        size = min(_BLOCK, (n_patterns if exact else n_patterns - 1) - first)
        if exact:
            bits = (np.arange(first, first + size)[:, None] >> np.arange(n_images)) & 1
        else:
            bits = rng.integers(2, size=(size, n_images))
        as_far_V += (np.abs((2.0 * bits - 1) @ flipped_NV) >= least_V).sum(axis=0)
    return np.where(defined_VN.any(axis=1), as_far_V / n_patterns, np.nan)


def least_p(n_images: int, n_comparisons: int) -> float:
    """The smallest p that :func:`sign_flip_p` can give for so many images, corrected by Holm's method; at most 1."""
    smallest = 2 / 2**n_images if n_images <= MAX_EXACT else 1 / DRAWN_PATTERNS
    return min(1.0, n_comparisons * smallest)


def holm(p: Floats) -> Floats:
    """P values corrected for many comparisons: the chance of even one false alarm stays below the level.

    The step-down method of Holm (1979, Scand. J. Statist. 6, 65–70): the smallest of m values times m, the next times
    m − 1 and so on, never below the one before, at most 1. NaNs stay and do not count.
    """
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN sorts last
    steps = p[order] * np.arange(order.size, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if order.size else steps
    return corrected


def ranks(scores_VN: Floats) -> Floats:
    """Each image's order of the networks, 1 = highest score; equal scores share the mean rank, NaN has none."""
    ranked: Floats = pd.DataFrame(scores_VN).rank(axis=0, ascending=False, method="average").to_numpy(float)
    return ranked
