"""Scores of a data set with intervals, for files and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import (
    THRESHOLDS,
    Labels,
    count_columns,
    counted,
    interior,
    overlap,
    pool,
    score_image,
    size_ratios,
)

MAIN_SCORES = ("iou", "precision", "recall", "f1", "accuracy", "mean_ap", "size_bias")
RESAMPLES = 2000


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions.

    Attributes:
        values: `iou` (mean over images), `precision`, `recall`, `f1`, `accuracy`, `ap_T`, `mean_ap`, `size_bias`,
            `noise_per_image`, `merges_per_image`, `splits_per_image`; NaN where undefined.
        intervals: 95 % percentile bootstrap intervals over images, with the same keys. With few images they are crude.
        per_image: one row per image: name and the values of :func:`score_image`, plus its own object scores.
        ratios: per image, predicted over true area of the matched objects.
        thresholds: object IoU thresholds; precision, recall, F1 and accuracy are at the first.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    per_image: pd.DataFrame
    ratios: tuple[tuple[float, ...], ...]
    thresholds: tuple[float, ...]

    def pooled(self, index: NDArray[np.intp]) -> dict[str, float]:
        """The scores of some of the images, given by row; a row may occur more than once."""
        columns = {name: values[index] for name, values in self._columns.items()}
        return pool(columns, [self._ratios[i] for i in index], thresholds=self.thresholds)

    @cached_property
    def _columns(self) -> dict[str, NDArray[np.float64]]:
        """The columns that :func:`pool` sums, converted to arrays once: the bootstrap needs them thousands of times."""
        return {name: self.per_image[name].to_numpy(float) for name in count_columns(self.thresholds)}

    @cached_property
    def _ratios(self) -> list[NDArray[np.float64]]:
        return [np.asarray(image, float) for image in self.ratios]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the scores flat, `ap` as threshold -> value, and the intervals beside them."""
        return {
            **_nested(self.values),
            "n_images": len(self.per_image),
            "n_objects": int(self.per_image["n_true"].sum()),
            "interval95": {key: list(bounds) for key, bounds in self.intervals.items()},
        }


def _nested(values: Mapping[str, float]) -> dict[str, Any]:
    """Scores for JSON, with `ap` as threshold -> value."""
    ap = {name.removeprefix("ap_"): value for name, value in values.items() if name.startswith("ap_")}
    return {**{name: value for name, value in values.items() if not name.startswith("ap_")}, "ap": ap}


def score_dataset(
    pairs: Iterable[tuple[str, Labels, Labels]],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    ignore_edge: bool = False,
    ignored: Mapping[str, NDArray[np.bool_]] | None = None,
    intervals: bool = True,
    seed: int = 0,
) -> Scores:
    """Score predictions against the ground truth.

    Args:
        pairs: (name, ground-truth labels YX, predicted labels YX) of every image.
        thresholds: object IoU thresholds, ascending.
        ignore_edge: leave out objects cut by the image border, see :func:`somanet.evaluation.masks.interior`.
        ignored: name → pixels YX that are neither object nor background, see :func:`somanet.evaluation.masks.counted`.
        intervals: whether to compute bootstrap intervals, which takes most of the time.
        seed: seed of the bootstrap.

    Raises:
        SomaNetError: there are no images, or a prediction differs in shape from its ground truth.
    """
    images = []
    for name, true, pred in pairs:
        try:
            overlap(true, pred)  # checks the shapes
            true, pred = counted(true, pred, (ignored or {}).get(name))
            images.append((name, *(interior(true, pred) if ignore_edge else (true, pred))))
        except SomaNetError as error:
            raise SomaNetError(f"{name}: {error}") from error
    if not images:
        raise SomaNetError("There is nothing to score: no image has both a ground truth and a prediction.")
    areas = np.concatenate([np.unique(true[true > 0], return_counts=True)[1] for _, true, _ in images])
    noise_area = float(np.median(areas)) if areas.size else None
    rows = [
        {"name": name, **score_image(true, pred, thresholds=thresholds, noise_area_px=noise_area)}
        for name, true, pred in images
    ]
    ratios = [size_ratios(true, pred, min_iou=thresholds[0]) for _, true, pred in images]
    table = pd.DataFrame(rows)
    scores = Scores({}, {}, _with_object_scores(table, thresholds[0]), tuple(map(tuple, ratios)), tuple(thresholds))
    return replace(
        scores,
        values=scores.pooled(np.arange(len(table))),
        intervals=bootstrap_intervals(len(table), scores.pooled, seed=seed) if intervals else {},
    )


@dataclass(frozen=True)
class SeedScores:
    """Scores of several trainings that differ in their seed, on the same images.

    Attributes:
        values: mean over the seeds.
        spread: standard deviation over the seeds (n - 1); NaN for one seed.
        intervals: 95 % bootstrap intervals over images of the mean over seeds.
        n_images, n_seeds: number of images and of seeds.
    """

    values: Mapping[str, float]
    spread: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    n_images: int
    n_seeds: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **_nested(self.values),
            "n_images": self.n_images,
            "n_seeds": self.n_seeds,
            "spread_over_seeds": dict(self.spread),
            "interval95": {key: list(bounds) for key, bounds in self.intervals.items()},
        }


def average_seeds(scores: Sequence[Scores], *, seed: int = 0) -> SeedScores:
    """Average trainings over their seeds; each resample uses the same images for all of them.

    Raises:
        SomaNetError: the trainings were scored on different images.
    """
    names = [tuple(s.per_image["name"]) for s in scores]
    if len(set(names)) != 1:
        raise SomaNetError("Scores can be averaged only over the same images; these are from different ones.")

    def mean(index: NDArray[np.intp]) -> dict[str, float]:
        return mean_scores([s.pooled(index) for s in scores])

    values = pd.DataFrame([dict(s.values) for s in scores])
    return SeedScores(
        values=mean(np.arange(len(names[0]))),
        spread={str(key): float(column.std(ddof=1)) for key, column in values.items()},
        intervals=bootstrap_intervals(len(names[0]), mean, seed=seed),
        n_images=len(names[0]),
        n_seeds=len(scores),
    )


def mean_scores(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the seeds that define a score: a seed without any prediction has no precision."""
    names = list(seeds[0])
    values_SK = np.array([[seed[name] for name in names] for seed in seeds], float)
    return dict(zip(names, mean_of_defined(values_SK).tolist(), strict=True))


def mean_of_defined(values_SK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the defined values over the first axis; NaN where there are none."""
    if len(values_SK) == 1:
        only: NDArray[np.float64] = values_SK[0]
        return only
    defined = np.isfinite(values_SK)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
        mean: NDArray[np.float64] = np.where(defined, values_SK, 0).sum(axis=0) / defined.sum(axis=0)
    return mean


def bootstrap_intervals(
    n: int,
    statistic: Callable[[NDArray[np.intp]], Mapping[str, float]],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals (Efron 1979) of statistics of ``n`` exchangeable units.

    Args:
        n: number of units.
        statistic: values from an array of unit indices, drawn with replacement. NaNs are left out of the quantiles.
        seed: seed of the resampling.
        resamples: number of resamples.
    """
    rng = np.random.default_rng(seed)
    drawn = pd.DataFrame([dict(statistic(rng.integers(n, size=n))) for _ in range(resamples)])
    return {
        str(key): (math.nan, math.nan)
        if column.isna().all()
        else (float(column.quantile(0.025)), float(column.quantile(0.975)))
        for key, column in drawn.items()
    }


def _with_object_scores(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    tp, fp, fn = (table[f"{kind}_{threshold:g}"].astype(float) for kind in ("tp", "fp", "fn"))
    undefined = {0.0: math.nan}
    return table.assign(
        precision=tp / (tp + fp).replace(undefined),
        recall=tp / (tp + fn).replace(undefined),
        f1=2 * tp / (2 * tp + fp + fn).replace(undefined),
        accuracy=tp / (tp + fp + fn).replace(undefined),
    )
