"""The trainings: crops, additional data, length, and the name of a finished training in the table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from somanet.core.settings import override, parse, with_setting
from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop.selection import choose_images
from somanet.training.settings import FinetuneParams

SIZES = (2, 4, 8, 16, 32)
SEEDS = (0, 1, 2)

BUDGET = {
    "training.epochs": 5,
    "training.samples_per_epoch": 160,
    "training.batch_size": 8,
    "training.size_px": 128,
    "training.validate_every": 5,  # once, at the end: no epoch is chosen on the reported crops
    "training.early_stopping_epochs": None,
    "images": None,
}
"""Settings of every training, overriding the recipe: 100 steps of 8 patches of 128 px."""
UNLABELLED = {"training.unlabelled.batch_size": 8}
"""Unlabelled patches in addition to the labelled ones of each step."""


@dataclass(frozen=True)
class Method:
    """Data used in addition to the labelled crops."""

    name: str
    what: str
    simulated: bool = False
    unlabelled: bool = False
    putative: bool = False
    """Unlabelled frames get labels by :mod:`benchmarks.few_labels.putative`, in place of the mean teacher."""


METHODS = (
    Method("plain", "labelled crops only"),
    Method("simulated", "+ simulated crops", simulated=True),
    Method("teacher", "+ unlabelled frames, mean teacher", unlabelled=True),
    Method("both", "+ both", simulated=True, unlabelled=True),
)
PUTATIVE = Method("putative", "+ unlabelled frames, putative labels", unlabelled=True, putative=True)
"""An experiment, not part of the curve unless it is named."""
ALL_METHODS = (*METHODS, PUTATIVE)


@dataclass(frozen=True)
class PlannedTraining:
    """One training."""

    method: Method
    crops: int
    seed: int


@dataclass(frozen=True)
class World:
    """All data of the curve.

    Attributes:
        labelled: from which each seed draws its own crops.
        held_out: crops for scoring, in no training.
        simulated: crops of simulated movies.
        unlabelled: frames without labels, as stored, none from the region of the held-out crops.
        start: checkpoint that every training starts from.
        start_sha256: hash of its weights.
    """

    labelled: Sequence[LabelledImage]
    held_out: Sequence[LabelledImage]
    simulated: Sequence[LabelledImage]
    unlabelled: Sequence[NDArray[Any]]
    start: Path
    start_sha256: str

    def train_items(self, planned: PlannedTraining) -> list[LabelledImage]:
        """Labelled crops; with simulated ones, repeated so that both kinds are drawn about equally often."""
        crops = choose_images(self.labelled, planned.crops, drawn="by_seed", seed=planned.seed)
        if not planned.method.simulated:
            return crops
        return crops * max(1, len(self.simulated) // len(crops)) + list(self.simulated)

    def frames(self, planned: PlannedTraining) -> Sequence[NDArray[Any]]:
        """Its unlabelled images."""
        return self.unlabelled if planned.method.unlabelled else ()


def planned_trainings(methods: Sequence[Method], sizes: Sequence[int], seeds: Sequence[int]) -> list[PlannedTraining]:
    """All trainings, one whole curve per seed: an interrupted plan is a curve with fewer seeds."""
    return [PlannedTraining(method, crops, seed) for seed in seeds for crops in sizes for method in methods]


def recipe(variant: Mapping[str, Any], assignments: Sequence[str], method: Method) -> FinetuneParams:
    """A variant's settings within the curve's budget, with the teacher if the method has one.

    Args:
        variant: of a parameter file's `finetune` section.
        assignments: `key=value`, applied last.
        method: the additional data.
    """
    values: dict[str, Any] = dict(variant)
    for name, value in {**BUDGET, **UNLABELLED}.items():
        values = with_setting(values, name, value)
    values = override(values, assignments)
    if not method.unlabelled:
        values = with_setting(values, "training.unlabelled", None)
    return parse(FinetuneParams, values, source="settings")


def content_of(world: World) -> str:
    """SHA-256 of all data and of the weights that the trainings start from."""
    digest = hashlib.sha256(world.start_sha256.encode())
    for item in (*world.labelled, *world.held_out, *world.simulated):
        digest.update(f"{item.name}{item.image.shape}{item.image.dtype}".encode())
        digest.update(item.image.tobytes() + item.labels.tobytes())
    for frame in world.unlabelled:
        digest.update(f"{frame.shape}{frame.dtype}".encode() + frame.tobytes())
    return digest.hexdigest()


def key_of(planned: PlannedTraining, settings: FinetuneParams, content: str) -> str:
    """Key of a training, from everything that determines it, so that rows of the table are not confused."""
    content_of_key = [planned.method.name, planned.crops, planned.seed, settings.model_dump(mode="json"), content]
    return hashlib.sha256(json.dumps(content_of_key).encode()).hexdigest()[:20]
