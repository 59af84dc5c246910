"""The study in MLflow: a run with its table and figures, which its trainings' runs name in a tag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from somanet.provenance.mlflow import STUDY, find_run, mark_runs, study_tag, track_run, training_of
from somanet.training.paper.results import Result


def record_study(
    title: str,
    results: Mapping[str, Result],
    pictures: Sequence[Path],
    comparison: Sequence[Path],
    *,
    experiment: str,
    root: Path,
) -> str:
    """Record the study; return its key, the value of its run's tag :data:`somanet.provenance.mlflow.STUDY`.

    Its trainings get a tag with the study's run id in its name, :func:`somanet.provenance.mlflow.study_tag`: one may
    belong to several studies, and its parent stays. Runs that this store lacks, such as those of results from a remote
    cache, are left out.

    Args:
        title: of the study.
        results: row name → its result.
        pictures: the study's figures, for the run's artifacts.
        comparison: files of the comparison of the same networks, as stored by `somanet compare --log-to`.
        experiment: that of the trainings.
        root: the project.
    """
    weights = sorted({sha256 for result in results.values() for sha256 in result.network.weights.values()})
    trainings = [run_id for sha256 in weights if (run_id := training_of(sha256, root=root))]
    # A hash of its networks, so that an unchanged study is recorded once.
    key = hashlib.sha256("\n".join([title, *weights]).encode()).hexdigest()[:20]
    known = find_run({STUDY: key}, root=root)
    tags = {STUDY: key}
    with track_run(title, experiment=experiment, root=root, tags=tags, run_id=known, system_metrics=False) as run:
        run.log_table(_table(results), "study.csv")
        for folder, files in (("study", pictures), ("comparison", comparison)):
            for file in files:
                run.log_file(file, folder)
        tag = study_tag(run.run_id)
        mark_runs(trainings, {tag: title}, root=root)
        run.set_tags({"mlflow.note.content": f"Its trainings: search for `tags.{tag} != ''`."})
    return key


def _table(results: Mapping[str, Result]) -> pd.DataFrame:
    """A row per network. As metrics of the run, so many numbers would bury its trainings' in MLflow's page."""
    scores = ("iou", "precision", "recall", "accuracy", "mean_ap")
    rows = [
        {"row": name, **{score: result.network.metrics[score] for score in scores}, "train_iou": result.train_iou}
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)
