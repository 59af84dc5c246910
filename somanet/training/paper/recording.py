"""The study in MLflow: one run that holds its table and pictures, and that its trainings' runs are children of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from somanet.provenance.mlflow import adopt_runs, find_run, track_run
from somanet.training.paper.results import Result

KEY = "somanet.study"
"""Tag of the parent run: a hash of its children, so that a study that changed nothing is recorded once."""


def record_study(
    title: str,
    results: Mapping[str, Result],
    pictures: Sequence[Path],
    comparison: Sequence[Path],
    *,
    experiment: str,
    root: Path,
) -> str:
    """Record the study; gives the id of its run.

    Its children keep what they are; they gain the tag by which MLflow nests them. Those that this store lacks, such
    as those of results that came from a remote cache, stay out.

    Args:
        title: of the study.
        results: row name → its result.
        pictures: its own, for the run's artifacts.
        comparison: the files of the comparison of the same networks, as `somanet compare --log-to` stores them.
        experiment: where the trainings are recorded; MLflow nests runs of one experiment.
        root: the project.
    """
    children = sorted({run for result in results.values() for run in result.network.runs.values()})
    key = hashlib.sha256("\n".join([title, *children]).encode()).hexdigest()[:20]
    known = find_run({KEY: key}, root=root)
    with track_run(title, experiment=experiment, root=root, tags={KEY: key}, run_id=known, system_metrics=False) as run:
        run.log_table(_table(results), "study.csv")
        for folder, files in (("study", pictures), ("comparison", comparison)):
            for file in files:
                run.log_file(file, folder)
        adopt_runs(run.run_id, children, root=root)
    return run.run_id


def _table(results: Mapping[str, Result]) -> pd.DataFrame:
    """A row per network: as metrics of the parent, so many numbers would bury its children's in MLflow's page."""
    scores = ("iou", "precision", "recall", "accuracy", "mean_ap")
    rows = [
        {"row": name, **{score: result.network.metrics[score] for score in scores}, "train_iou": result.train_iou}
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)
