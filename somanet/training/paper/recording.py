"""The study in MLflow: a parent run with its table and figures; the trainings' runs are its children."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from somanet.provenance.mlflow import adopt_runs, find_run, track_run
from somanet.training.paper.results import Result

KEY = "somanet.study"
"""Tag of the parent run: a hash of its children, so that an unchanged study is recorded once."""


def record_study(
    title: str,
    results: Mapping[str, Result],
    pictures: Sequence[Path],
    comparison: Sequence[Path],
    *,
    experiment: str,
    root: Path,
) -> str:
    """Record the study; return the id of its run.

    Its children stay unchanged but for the tag by which MLflow nests them. Runs that this store lacks, such
    as those of results from a remote cache, are left out.

    Args:
        title: of the study.
        results: row name → its result.
        pictures: the study's figures, for the run's artifacts.
        comparison: files of the comparison of the same networks, as stored by `somanet compare --log-to`.
        experiment: that of the trainings; MLflow nests runs only within an experiment.
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
    """A row per network. As metrics of the parent, so many numbers would bury its children's in MLflow's page."""
    scores = ("iou", "precision", "recall", "accuracy", "mean_ap")
    rows = [
        {"row": name, **{score: result.network.metrics[score] for score in scores}, "train_iou": result.train_iou}
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)
