"""Names of scores in MLflow: one rule for the runs of every origin.

`iou`, `precision`, `accuracy` … are those on the data set that decides about a run, which its tag `scored_on` names:
the validation images of a training, the images of an evaluation without one. Scores on further data have its name at
their end: `iou_nuclei`.
"""

from __future__ import annotations

from collections.abc import Mapping

from somanet.provenance.mlflow.runfile import RunRecord

SCORED_ON = "scored_on"
"""Tag of a run: the name of the data set that decides."""

DECIDING_SCORES = ("iou", "precision", "accuracy")
"""What every training and every evaluation has."""

VALIDATION_IMAGES = "data.validation.sha256"
"""Parameter of a training: a hash of its validation images, by which an evaluation on them is recognised."""


def score_name(score: str, on: str | None = None) -> str:
    """The metric of a score: on the deciding data set if none is named, else on that one."""
    return score if on is None else f"{score}_{on}"


def score_of(run: RunRecord, score: str, data: str) -> float | None:
    """A run's score on a data set, by its name; None if it has none.

    Runs recorded before this rule had the data set's name in front: `neurons_iou`.
    """
    metrics: Mapping[str, float] = run.metrics
    if run.tags.get(SCORED_ON) == data and score in metrics:
        return metrics[score]
    return metrics.get(score_name(score, data), metrics.get(f"{data}_{score}"))
