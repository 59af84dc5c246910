"""The study's results, gathered from the reports of earlier stages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.core.schema import Column, Schema
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.tables import read_table
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.sources import TRAINING, read_baseline, read_variant
from somanet.training.experiments import EVALUATION_SEED, score_both
from somanet.training.loop.settings import TrainSettings
from somanet.training.paper.settings import StudyRow, ThresholdSettings

HISTORY = Schema(
    "training history",
    (
        Column("epoch", "int64", "", "counted from 1"),
        Column("train_loss", "float64", "", "mean loss of the epoch"),
        Column("seed", "int64", "", "of the training"),
    ),
)
THRESHOLD = "threshold and opening"


@dataclass(frozen=True)
class Result:
    """A row of the study.

    Attributes:
        row: its definition.
        network: its scores on the validation neurons, cost and weights.
        training: its settings; None without fine-tuning.
        history: one row per seed and epoch; None without fine-tuning.
        train_iou: mean over seeds of the IoU of its training images without augmentation; NaN if unknown.
    """

    row: StudyRow
    network: ComparedNetwork
    training: TrainSettings | None = None
    history: pd.DataFrame | None = field(default=None, repr=False)
    train_iou: float = math.nan

    @property
    def last_loss(self) -> float:
        """Training loss of the last epoch, mean over seeds; NaN without fine-tuning."""
        if self.history is None:
            return math.nan
        return float(self.history.groupby("seed")["train_loss"].last().mean())


def read_result(row: StudyRow, reports: Path, *, settings: Mapping[str, TrainSettings]) -> Result:
    """A row's result from the reports of the stages `pretrain`, `baseline`, `finetune` and `evaluate`.

    Args:
        row: the row's definition.
        reports: the profile's reports.
        settings: variant → its training.

    Raises:
        SomaNetError: a report is missing or incomplete.
    """
    if row.variant is None:
        return Result(row, read_baseline(str(row.network), reports, what=row.what))
    network = read_variant(row.variant, reports, what=row.what)
    folder = reports / "finetune" / row.variant
    ious = read_json(folder / "training.json", expected=TRAINING).get("train_images_iou")
    if not ious:
        raise SomaNetError(
            f"{folder / 'training.json'} lacks train_images_iou: it was written by an older stage. `dvc repro` "
            "rebuilds it."
        )
    return Result(
        row,
        network,
        settings[row.variant],
        read_table(folder / "history.csv", HISTORY),
        sum(ious.values()) / len(ious),
    )


def threshold_network(
    items: Sequence[LabelledImage], settings: ThresholdSettings, thresholds: Sequence[float]
) -> ComparedNetwork:
    """The baseline without learning, scored like the networks.

    Args:
        items: the validation neurons.
        settings: the threshold and the opening.
        thresholds: IoU at which objects match.
    """
    from somanet.evaluation.scores import average_seeds
    from somanet.training.paper.threshold import threshold_all

    predicted = threshold_all(items, settings)
    pairs = [(item.name, item.labels, labels) for item, labels in zip(items, predicted, strict=True)]
    whole, inside = score_both(pairs, thresholds=thresholds)
    return ComparedNetwork(
        name=THRESHOLD,
        what=f"no learning: grey value {settings.threshold:g}, disk of {settings.opening_radius_px} px",
        metrics={
            **average_seeds([whole], seed=EVALUATION_SEED).as_dict(),
            "interior": average_seeds([inside], seed=EVALUATION_SEED).as_dict(),
        },
        per_image=whole.per_image,
    )
