"""Scores of a data set, with intervals, from per-image tables alone, as fast as hundreds of runs need it.

The definitions are those of :func:`somanet.evaluation.masks.pool`, and the same tables give the same figures; there a
resample costs a function call, here all resamples are one matrix product. Sizes of matched objects are in no table:
`size_bias` comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from somanet.comparison.networks import SCORES, thresholds
from somanet.comparison.statistics import Floats, percentile_interval


def pooled_metrics(tables: Sequence[pd.DataFrame], counts_RN: Floats) -> dict[str, Any]:
    """Mean over seeds, spread and intervals, under the names that `metrics.json` has.

    Args:
        tables: one whole per-image table per seed, of the same images in the same order.
        counts_RN: see :func:`somanet.comparison.statistics.bootstrap_counts`.
    """
    every_image_once = np.ones((1, counts_RN.shape[1]))
    seeds = [_pool(table, np.concatenate([every_image_once, counts_RN])) for table in tables]
    means = {name: _mean([seed[name] for seed in seeds]) for name in seeds[0]}
    low, high = percentile_interval(np.column_stack([means[name][1:] for name in SCORES]))
    return {
        **{name: float(values[0]) for name, values in means.items()},
        "n_images": counts_RN.shape[1],
        "n_seeds": len(tables),
        "spread_over_seeds": {name: _spread([float(seed[name][0]) for seed in seeds]) for name in means},
        "interval95": {name: [float(low[i]), float(high[i])] for i, name in enumerate(SCORES)},
    }


def _pool(table: pd.DataFrame, weights_RN: Floats) -> Mapping[str, Floats]:
    """The scores of some draws of the images: `iou` is the mean over images, object scores count all objects."""
    columns = [f"{kind}_{level}" for level in thresholds(table) for kind in ("tp", "fp", "fn")]
    sums = weights_RN @ np.column_stack([table[name].to_numpy(float) for name in ("iou", "noise_objects", *columns)])
    n_images = weights_RN.shape[1]
    tp, fp, fn = (sums[:, 2 + i :: 3] for i in range(3))
    accuracies = _ratio(tp, tp + fp + fn)
    return {
        "iou": sums[:, 0] / n_images,
        "precision": _ratio(tp[:, 0], tp[:, 0] + fp[:, 0]),
        "recall": _ratio(tp[:, 0], tp[:, 0] + fn[:, 0]),
        "accuracy": accuracies[:, 0],
        "mean_ap": accuracies.mean(axis=1),
        "noise_per_image": sums[:, 1] / n_images,
    }


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out: Floats = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _mean(seeds: Sequence[Floats]) -> Floats:
    """Mean of the defined values: a seed without any prediction has no precision."""
    if len(seeds) == 1:
        return seeds[0]
    values = np.array(seeds)
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(float))


def _spread(values: Sequence[float]) -> float:
    defined = [value for value in values if value == value]
    return float(np.std(defined, ddof=1)) if len(defined) > 1 else float("nan")
