"""Made-up results."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from somanet.training.comparison.networks import ComparedNetwork, Cost
from somanet.training.loop.settings import TrainSettings
from somanet.training.paper.results import Result
from somanet.training.paper.settings import StudyParams, StudyRow
from tests.training.comparison.worlds import image_table, metrics


def history(losses: dict[int, Sequence[float]]) -> pd.DataFrame:
    """Seed → loss of each epoch."""
    rows = [
        {"epoch": epoch, "train_loss": loss, "seed": seed}
        for seed, values in losses.items()
        for epoch, loss in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows)


def network(name: str, iou: Sequence[float], **more: object) -> ComparedNetwork:
    value = sum(iou) / len(iou)
    return ComparedNetwork(
        name, "", metrics(value, n_images=len(iou), **more), image_table(iou), Cost(10, 500), {0: f"{name[:1]}" * 32}
    )


def result(row: StudyRow, iou: Sequence[float], **settings: object) -> Result:
    """Two seeds; losses end at 0.2 and 0.4."""
    if row.variant is None:
        return Result(row, network(row.name, iou))
    training = TrainSettings.model_validate(settings)
    losses = history({0: [1.0, 0.2], 1: [1.0, 0.4]})
    return Result(row, network(row.name, iou, n_seeds=2, spread=0.05), training, losses, train_iou=0.75)


def small_study() -> tuple[StudyParams, dict[str, Result], ComparedNetwork]:
    """A network without fine-tuning, the paper's best, its higher learning rate and a better network, on 8 images."""
    params = StudyParams.model_validate(
        {
            "title": "A study",
            "threshold": {"threshold": 70, "opening_radius_px": 4},
            "reference": "best",
            "sections": [
                {
                    "title": "The paper's",
                    "rows": [
                        {"network": "n", "what": "untouched", "paper": "baseline"},
                        {"variant": "best", "what": "retrained", "paper": "run 1"},
                        {"variant": "fast", "what": "faster", "paper": "run 2"},
                    ],
                },
                {"title": "Beyond", "rows": [{"variant": "other", "what": "every layer"}]},
            ],
        }
    )
    untouched, best, fast, other = params.rows
    results = [
        result(untouched, [0.2] * 8),
        result(best, [0.5] * 8, learning_rate=1e-3),
        result(fast, [0.3] * 4 + [0.7] * 4, learning_rate=1e-2),
        result(other, [0.8] * 8),
    ]
    threshold = network("threshold and opening", [0.6] * 7 + [0.92])
    return params, {one.row.name: one for one in results}, threshold
