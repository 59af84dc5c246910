"""Ranks of networks over the same images, and intervals of their means: one row per network."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.evaluation.resampling import Floats, percentile_interval


def ranks(scores_VN: Floats) -> Floats:
    """Rank of each network per image, 1 = highest score; ties share the mean rank, NaN has none."""
    ranked: Floats = pd.DataFrame(scores_VN).rank(axis=0, ascending=False, method="average").to_numpy(float)
    return ranked


def mean_intervals(values_VN: Floats, counts_RN: Floats) -> tuple[Floats, Floats]:
    """95 % percentile bootstrap intervals (Efron 1979) of the means over images with defined values.

    Args:
        values_VN: networks × images.
        counts_RN: see :func:`somanet.evaluation.resampling.bootstrap_counts`; all networks share the draws.

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
