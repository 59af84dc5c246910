"""The files of a training and of a stage: figures, tables and JSON, for people and for later stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from somanet.core.files import write_json
from somanet.core.plots import save_figure
from somanet.io.tables import write_table
from somanet.provenance.mlflow import DECIDING_SCORES, weights_of
from somanet.provenance.stage_code import code_of_stage

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


def write_training(
    folder: Path, results: Mapping[int, TrainingResult], checkpoints: Mapping[int, Path], *, stage: str | None = None
) -> None:
    """Write the tables, `training.json` and `curves.png` of trainings that differ in their seed.

    `history.csv` has one row per seed and epoch; `validation.csv` only the validated epochs, for `dvc plots`, which
    draws an empty cell as 0.

    Args:
        folder: to write to.
        results: seed → its result.
        checkpoints: seed → the network's folder; `training.json` has the hash of its weights.
        stage: of the pipeline, without `@KEY`, whose outputs these are: `training.json` has the hashes of its code
            instead of the time of a training, as outputs are the same each time the same code runs.
    """
    from somanet.core import plots

    tables = [history_table(result).assign(seed=seed) for seed, result in results.items()]
    history = pd.concat(tables, ignore_index=True)
    write_table(folder / "history.csv", history)
    write_table(
        folder / "validation.csv", history.dropna(subset=["val_loss"])[["epoch", "val_loss", "val_iou", "seed"]]
    )
    first = next(iter(results.values()))
    train_ious = {str(seed): result.train_images_iou for seed, result in results.items()}
    seconds = sum(result.seconds for result in results.values()) / len(results)
    write_json(
        folder / "training.json",
        {
            "trainable_blocks": list(first.trainable_blocks),
            "trainable_parameters": first.trainable_parameters,
            "best_epochs": {str(seed): result.best_epoch for seed, result in results.items()},
            "weights_sha256": {str(seed): weights_of(checkpoint) for seed, checkpoint in checkpoints.items()},
            **({"code": code_of_stage(stage)} if stage else {"seconds_per_seed": round(seconds, 1)}),
            **({"train_images_iou": train_ious} if all(iou == iou for iou in train_ious.values()) else {}),
        },
    )
    save_figure(plots.curves(history), folder / "curves.png")


SCORES_OF = Path("reports/scores")
"""Folder of the small files of scores that `dvc metrics` and `dvc exp` show, a row each."""

NETWORK_SCORES = (*DECIDING_SCORES, "mean_ap")
"""The scores in a network's row."""


def write_scores(name: str, numbers: Mapping[str, float | None]) -> None:
    """Write `reports/scores/NAME.json`: the few numbers by which people compare a stage's results.

    Everything else is in the stage's own outputs. Files with the same keys share columns, so that the table of all
    stages fits a screen.

    Args:
        name: of the row, with folders.
        numbers: name → value; NaN and None are undefined.
    """
    defined = {key: None if value is None or math.isnan(value) else round(value, 6) for key, value in numbers.items()}
    write_json(SCORES_OF / f"{name}.json", defined)
