"""Scores of a data set from its per-image table, for any number of resamples of the images in one matrix product.

The definitions are those of :func:`somanet.evaluation.masks.pool`. The tables lack the sizes of matched objects, so
`size_bias` is not among the scores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.resampling import Floats, percentile_interval
from somanet.evaluation.scores import mean_of_defined

SCORES = ("iou", "precision", "recall", "accuracy", "mean_ap")
"""Scores shown in comparisons; higher is better for all of them."""
_MEANS = {
    "iou": "iou",
    "noise_per_image": "noise_objects",
    "merges_per_image": "merges",
    "splits_per_image": "splits",
}
"""Scores that are means over images, and their columns; all others are ratios of counts pooled over all images."""


@dataclass(frozen=True)
class ImageValues:
    """The per-image values from which the scores of a data set are computed.

    Attributes:
        images: names of the images.
        n_true: number of ground-truth objects in each image.
        columns: names of the values.
        values_CSN: columns × seeds × images.
        thresholds: object IoU thresholds as written in the column names, ascending.
    """

    images: tuple[str, ...]
    n_true: Floats
    columns: tuple[str, ...]
    values_CSN: Floats
    thresholds: tuple[str, ...]

    def only(self, columns: Sequence[str]) -> ImageValues:
        """The same with fewer columns."""
        kept = [self.columns.index(name) for name in columns]
        return replace(self, columns=tuple(columns), values_CSN=self.values_CSN[kept])

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that can be computed from these values."""
        means = tuple(name for name, column in _MEANS.items() if column in self.columns)
        aps = tuple(f"ap_{level}" for level in self.thresholds)
        return (*means, "precision", "recall", "f1", "accuracy", *aps, "mean_ap")

    def sums(self, weights_RN: Floats) -> Floats:
        """Columns × seeds × resamples: sums over the images, each with its weight."""
        sums: Floats = self.values_CSN @ weights_RN.T
        return sums

    def score(self, name: str, sums_CSR: Floats, *, n_images: int | Floats | None = None) -> Floats:
        """A score of each seed and resample; NaN where undefined, such as the precision without predictions.

        Args:
            name: one of :attr:`scores`.
            sums_CSR: see :meth:`sums`.
            n_images: number of images per resample, or in each; None: all of them.
        """
        if name in _MEANS:
            each = len(self.images) if n_images is None else n_images
            means: Floats = sums_CSR[self.columns.index(_MEANS[name])] / each
            return means
        if name == "mean_ap":
            mean: Floats = np.mean([self.score(f"ap_{level}", sums_CSR) for level in self.thresholds], axis=0)
            return mean
        level = name.removeprefix("ap_") if name.startswith("ap_") else self.thresholds[0]
        tp, fp, fn = (sums_CSR[self.columns.index(f"{kind}_{level}")] for kind in ("tp", "fp", "fn"))
        if name == "f1":
            return _ratio(2 * tp, 2 * tp + fp + fn)
        wrong = {"precision": fp, "recall": fn}.get(name)
        return _ratio(tp, tp + fp + fn if wrong is None else tp + wrong)

    def of_images(self, name: str) -> Floats:
        """A score of every single image, mean over the seeds in which it is defined."""
        return mean_of_defined(self.score(name, self.values_CSN, n_images=1))

    def seed_means(self, names: Sequence[str], sums_CSR: Floats, *, n_images: int | Floats | None = None) -> Floats:
        """Resamples × scores: means over the seeds in which a score is defined; ``n_images`` as for :meth:`score`."""
        return np.column_stack([mean_of_defined(self.score(name, sums_CSR, n_images=n_images)) for name in names])


def image_values(per_image: pd.DataFrame, source: str, *, by_name: bool = False) -> ImageValues:
    """A per-image table as arrays.

    Args:
        per_image: as `per_image.csv`: a row per image, and per seed if there are several.
        source: where it came from, for the message.
        by_name: sort the images by name, instead of keeping the table's order.

    Raises:
        SomaNetError: columns are missing, an image occurs twice, or seeds were scored on different images.
    """
    check_columns(per_image, source)
    places, images = pd.factorize(per_image["name"].astype(str), sort=by_name)
    seeds = per_image["seed"].to_numpy() if "seed" in per_image else np.zeros(len(per_image))
    numbers = np.unique(seeds, return_inverse=True)[1]
    _check_seeds(places, numbers, len(images), source)
    levels = thresholds(per_image)
    counts = [f"{kind}_{level}" for level in levels for kind in ("tp", "fp", "fn")]
    columns = (*(column for column in _MEANS.values() if column in per_image), *counts)
    values_CSN = np.empty((len(columns) + 1, numbers.max() + 1, len(images)))
    values_CSN[:, numbers, places] = per_image[[*columns, "n_true"]].to_numpy(float).T
    return ImageValues(
        images=tuple(map(str, images)),
        n_true=values_CSN[-1].mean(axis=0),
        columns=columns,
        values_CSN=values_CSN[:-1],
        thresholds=levels,
    )


def thresholds(per_image: pd.DataFrame) -> tuple[str, ...]:
    """The object IoU thresholds of a per-image table, as written in its column names, ascending."""
    found = {match[1] for name in per_image.columns if (match := re.fullmatch(r"tp_([\d.]+)", str(name)))}
    return tuple(sorted(found, key=float))


def check_columns(per_image: pd.DataFrame, source: str, *further: str) -> None:
    """Refuse a per-image table that lacks columns.

    Args:
        per_image: as `per_image.csv`.
        source: where it came from, for the message.
        further: columns needed in addition to those that all scores need.

    Raises:
        SomaNetError: naming the missing columns.
    """
    counts = [f"{kind}_{level}" for level in thresholds(per_image) or ("0.5",) for kind in ("tp", "fp", "fn")]
    missing = [name for name in dict.fromkeys(("name", "n_true", "iou", *further, *counts)) if name not in per_image]
    if missing:
        raise SomaNetError(
            f"{source}: the per-image table lacks {missing}. Was it written by `somanet evaluate --per-image` or by "
            "the stage evaluate?"
        )


def _check_seeds(places: NDArray[np.intp], numbers: NDArray[np.intp], n_images: int, source: str) -> None:
    times = np.bincount(numbers * n_images + places)
    if (times > 1).any():
        raise SomaNetError(f"{source}: the per-image table has an image twice for one seed. Score it again.")
    if times.size % n_images or (times == 0).any():
        raise SomaNetError(f"{source}: its seeds were scored on different images. Score them all on one data set.")


def pooled_metrics(table: ImageValues, counts_RN: Floats) -> dict[str, Any]:
    """Mean over seeds, spread and intervals, under the names in `metrics.json`.

    Args:
        table: the images in the order in which they were scored, to which the resamples refer.
        counts_RN: see :func:`somanet.evaluation.resampling.bootstrap_counts`.
    """
    names = [*SCORES, "noise_per_image"]
    once = table.sums(np.ones((1, len(table.images))))
    values = table.seed_means(names, once)[0]
    low, high = percentile_interval(table.seed_means(SCORES, table.sums(counts_RN)))
    return {
        **dict(zip(names, values.tolist(), strict=True)),
        "n_images": len(table.images),
        "n_seeds": table.values_CSN.shape[1],
        "spread_over_seeds": {name: _spread(table.score(name, once)[:, 0]) for name in names},
        "interval95": {name: [float(low[i]), float(high[i])] for i, name in enumerate(SCORES)},
    }


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: a denominator counts what the numerator does, and more
        ratio: Floats = numerator / denominator
    return ratio


def _spread(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(np.std(defined, ddof=1)) if defined.size > 1 else float("nan")
