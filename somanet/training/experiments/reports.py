"""A stage's files: figures, tables and JSON, for people and for later stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from somanet.core.files import write_json
from somanet.core.plots import save_figure
from somanet.io.tables import write_table

if TYPE_CHECKING:
    from somanet.training.loop.training import TrainingResult


def history_table(result: TrainingResult) -> pd.DataFrame:
    """One row per epoch, without the scores of objects.

    A stage's files depend on its training alone; how labels are made from a network's output may change without
    repeating it. MLflow has those scores.
    """
    from somanet.training.loop.training import OBJECT_SCORES

    rows = (epoch.as_dict() for epoch in result.history)
    return pd.DataFrame([{name: row[name] for name in row if name not in OBJECT_SCORES} for row in rows])


def write_training(folder: Path, results: Mapping[int, TrainingResult]) -> None:
    """Write `history.csv` (one row per seed and epoch), `training.json` and `curves.png` of a stage's trainings."""
    from somanet.core import plots

    tables = [history_table(result).assign(seed=seed) for seed, result in results.items()]
    history = pd.concat(tables, ignore_index=True)
    write_table(folder / "history.csv", history)
    first = next(iter(results.values()))
    train_ious = {str(seed): result.train_images_iou for seed, result in results.items()}
    write_json(
        folder / "training.json",
        {
            "trainable_blocks": list(first.trainable_blocks),
            "trainable_parameters": first.trainable_parameters,
            "best_epochs": {str(seed): result.best_epoch for seed, result in results.items()},
            "seconds_per_seed": round(sum(r.seconds for r in results.values()) / len(results), 1),
            **({"train_images_iou": train_ious} if all(iou == iou for iou in train_ious.values()) else {}),
        },
    )
    save_figure(plots.curves(history), folder / "curves.png")
