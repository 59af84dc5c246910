"""One network in a comparison: its scores, its per-image scores, and its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from somanet.core.errors import SomaNetError

TITLES = {"iou": "IoU", "mean_ap": "mean AP 0.5–0.9"}
SPEED = "inference_mpx_per_s"
"""Metric: megapixels segmented per second, where a run or a file has it."""


@dataclass(frozen=True)
class Cost:
    """The cost of a network; NaN where it was not recorded.

    Attributes:
        train_seconds: of one training, on whatever machine and under whatever load it ran.
        trainable_parameters: number of parameters that were trained.
        inference_mpx_per_s: megapixels segmented per second.
    """

    train_seconds: float = math.nan
    trainable_parameters: float = math.nan
    inference_mpx_per_s: float = math.nan


@dataclass(frozen=True)
class ComparedNetwork:
    """One row of a comparison.

    Attributes:
        name: network or variant.
        what: short description.
        metrics: content of its evaluation's `metrics.json`: means over seeds.
        per_image: content of `per_image.csv`: a row per image, and per seed where there are several; None if unknown.
        cost: see :class:`Cost`.
        runs: MLflow run ids of the trainings, by seed, where they were named.
        weights: SHA-256 of the networks' weights, by seed, if known: it leads to the run in every store that has it.
    """

    name: str
    what: str
    metrics: Mapping[str, Any]
    per_image: pd.DataFrame | None = None
    cost: Cost = field(default_factory=Cost)
    runs: Mapping[int, str] = field(default_factory=dict)
    weights: Mapping[int, str] = field(default_factory=dict)


def title(score: str) -> str:
    """A score's display name."""
    return TITLES.get(score, score)


def check_names(networks: Sequence[ComparedNetwork]) -> None:
    """Refuse two networks of the same name, which a table could not tell apart.

    Raises:
        SomaNetError: naming them.
    """
    names = [network.name for network in networks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SomaNetError(
            f"Two networks share a name ({', '.join(twice)}): rename the files, so that the table tells them apart."
        )
