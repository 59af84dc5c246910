"""What is compared: one network, its scores, its scores image by image, and what it cost."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.errors import SomaNetError

SCORES = ("iou", "precision", "recall", "accuracy", "mean_ap")  # the last is in no table, its counts are
"""Scores that have intervals and paired differences; all are better when higher."""
TITLES = {"iou": "IoU", "mean_ap": "mean AP 0.5–0.9"}
SPEED = "inference_mpx_per_s"
"""Megapixels per second that a network labels, where a run or a file says so."""


@dataclass(frozen=True)
class Cost:
    """What a network costs; NaN where it was not recorded.

    Attributes:
        train_seconds: of one training, on the machine and beside the work that it happened to have.
        trainable_parameters: how many the training could change.
        inference_mpx_per_s: megapixels labelled per second.
    """

    train_seconds: float = math.nan
    trainable_parameters: float = math.nan
    inference_mpx_per_s: float = math.nan


@dataclass(frozen=True)
class Network:
    """One line of a comparison.

    Attributes:
        name: network or variant.
        what: in words.
        metrics: as `metrics.json` of its evaluation: means over seeds.
        per_image: as `per_image.csv`: a row per image, and per seed where there are several; None if unknown.
        cost: see :class:`Cost`.
        runs: MLflow run ids of the trainings, by seed, if known.
    """

    name: str
    what: str
    metrics: Mapping[str, Any]
    per_image: pd.DataFrame | None = None
    cost: Cost = field(default_factory=Cost)
    runs: Mapping[int, str] = field(default_factory=dict)


def title(score: str) -> str:
    """A score's name for people."""
    return TITLES.get(score, score)


def thresholds(per_image: pd.DataFrame) -> tuple[str, ...]:
    """The object IoU thresholds that a per-image table was scored at, as its columns write them, ascending."""
    found = {match[1] for name in per_image.columns if (match := re.fullmatch(r"tp_([\d.]+)", str(name)))}
    return tuple(sorted(found, key=float))


def image_scores(per_image: pd.DataFrame, source: str) -> pd.DataFrame:
    """:data:`SCORES` of every image, averaged over seeds, in the order of the images' names.

    A seed in which a score is undefined is left out of that image's mean: where nothing is predicted there is no
    precision.

    Args:
        per_image: as `per_image.csv`.
        source: where it came from, for the message.

    Returns:
        Index: image; columns: :data:`SCORES` and `n_true`, the objects of its truth.

    Raises:
        SomaNetError: columns are missing, an image stands there twice, or seeds were scored on different images.
    """
    check_columns_of(per_image, source)
    images, places = np.unique(per_image["name"].astype(str).to_numpy(), return_inverse=True)
    seeds = per_image["seed"].to_numpy() if "seed" in per_image else np.zeros(len(per_image))
    _check_seeds(places, seeds, len(images), source)
    accuracies = [_accuracy(per_image, level) for level in thresholds(per_image)]
    columns = {name: per_image[name].to_numpy(float) for name in (*SCORES[:-1], "n_true")}
    columns["mean_ap"] = np.mean(accuracies, axis=0)
    return pd.DataFrame(
        {name: _mean_by(places, columns[name], len(images)) for name in (*SCORES, "n_true")}, index=images
    )


def check_columns_of(per_image: pd.DataFrame, source: str, *further: str) -> None:
    """Refuse a per-image table that lacks columns.

    Args:
        per_image: as `per_image.csv`.
        source: where it came from, for the message.
        further: columns that are needed besides those of :func:`image_scores`.

    Raises:
        SomaNetError: naming the missing columns.
    """
    counts = [f"{kind}_{level}" for level in thresholds(per_image) or ("0.5",) for kind in ("tp", "fp", "fn")]
    missing = [name for name in ("name", "n_true", *SCORES[:-1], *counts, *further) if name not in per_image]
    if missing:
        raise SomaNetError(
            f"{source}: the per-image table lacks {missing}. Was it written by `somanet evaluate --per-image` or the "
            "stage evaluate?"
        )


def _check_seeds(places: NDArray[np.intp], seeds: NDArray[np.generic], n_images: int, source: str) -> None:
    numbers = np.unique(seeds, return_inverse=True)[1]
    times = np.bincount(numbers * n_images + places)
    if (times > 1).any():
        raise SomaNetError(f"{source}: the per-image table has an image twice for one seed. Score it again.")
    if times.size % n_images or (times == 0).any():
        raise SomaNetError(f"{source}: its seeds were scored on different images. Score them all on one data set.")


def _accuracy(per_image: pd.DataFrame, level: str) -> NDArray[np.float64]:
    """TP/(TP+FP+FN) of every row at a threshold; NaN where there is no object on either side."""
    found, false, missed = (per_image[f"{kind}_{level}"].to_numpy(float) for kind in ("tp", "fp", "fn"))
    share: NDArray[np.float64] = found / np.where(found + false + missed > 0, found + false + missed, np.nan)
    return share


def _mean_by(places: NDArray[np.intp], values: NDArray[np.float64], n_places: int) -> NDArray[np.float64]:
    """Mean of the defined values at each place."""
    defined = np.isfinite(values)
    n = np.bincount(places[defined], minlength=n_places)
    sums = np.bincount(places[defined], weights=values[defined], minlength=n_places)
    means: NDArray[np.float64] = sums / np.where(n > 0, n, np.nan)
    return means


def check_names(networks: Sequence[Network]) -> None:
    """Refuse two networks of one name: the table would not tell which is which.

    Raises:
        SomaNetError: naming them.
    """
    names = [network.name for network in networks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SomaNetError(f"Two files have one name ({', '.join(twice)}): rename them, so that the table tells which.")
