"""One training of the curve, scored on the held-out crops; and an estimate of its duration."""

from __future__ import annotations

import math
import time

import pandas as pd

from benchmarks.few_labels.plan import PlannedTraining, World
from benchmarks.few_labels.putative import train_in_rounds
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import score_both
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import train
from somanet.training.settings import FinetuneParams

THRESHOLD = 0.5
PARTS = ("everything", "interior")
"""With all objects, and without those cut by a crop's edge."""


def train_and_score(planned: PlannedTraining, world: World, settings: FinetuneParams) -> pd.DataFrame:
    """A row per held-out crop and part: scores of :func:`somanet.evaluation.masks.score_image`, and `seconds`."""
    began = time.perf_counter()
    model, spec, _ = start_network(ModelSpec(), seed=planned.seed, checkpoint=world.start, weights=settings.weights)
    spec = settings.adapt(spec)
    items, frames = world.train_items(planned), world.frames(planned)
    if planned.method.putative:
        train_in_rounds(model, spec, items, frames, settings.training, seed=planned.seed)
    else:
        task = TrainingTask(model, spec, items, world.held_out, settings.training, seed=planned.seed, unlabelled=frames)
        train(task, progress=False)
    pairs = [(item.name, item.labels, Segmenter.of(model, spec).labels(item.image)) for item in world.held_out]
    scores = score_both(pairs, thresholds=(THRESHOLD,))
    tables = [one.per_image.assign(part=part) for part, one in zip(PARTS, scores, strict=True)]
    return pd.concat(tables, ignore_index=True).assign(seconds=round(time.perf_counter() - began, 1))


def expected_seconds(planned: PlannedTraining, world: World, settings: FinetuneParams) -> float:
    """Estimated seconds of one training with its scoring, from trainings of 1 and 11 steps."""
    whole = settings.training
    _seconds(planned, world, settings, 1)  # the first one compiles kernels
    # the better of two each: a burst of other load would otherwise be multiplied by 10
    short, longer = (min(_seconds(planned, world, settings, steps) for _ in range(2)) for steps in (1, 11))
    n_steps = whole.epochs * math.ceil((whole.samples_per_epoch or len(world.train_items(planned))) / whole.batch_size)
    return max(longer, short + (n_steps - 1) * (longer - short) / 10)


def _seconds(planned: PlannedTraining, world: World, settings: FinetuneParams, steps: int) -> float:
    began = time.perf_counter()
    cut: TrainSettings = settings.training.model_copy(
        update={"epochs": 1, "samples_per_epoch": steps * settings.training.batch_size, "validate_every": 1}
    )
    train_and_score(planned, world, settings.model_copy(update={"training": cut}))
    return time.perf_counter() - began
