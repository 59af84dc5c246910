"""What is compared: one network, its scores, its scores image by image, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from somanet.core.errors import SomaNetError

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


def check_names(networks: Sequence[Network]) -> None:
    """Refuse two networks of one name: the table would not tell which is which.

    Raises:
        SomaNetError: naming them.
    """
    names = [network.name for network in networks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SomaNetError(f"Two files have one name ({', '.join(twice)}): rename them, so that the table tells which.")
