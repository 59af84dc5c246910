"""How runs refer to each other: a run's parent is given at its start and never changes; others refer to it by tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.client import open_client, outage_errors

PARENT = "mlflow.parentRunId"
"""Tag of a run: the id of its parent run, by which MLflow's page nests runs."""


STUDY = "somanet.study"
"""Tag of a study's run: a hash of its trainings."""


def study_tag(study_run_id: str) -> str:
    """The tag of the trainings of a study; its value is the study's title."""
    return f"study_{study_run_id}"


def mark_runs(run_ids: Sequence[str], tags: Mapping[str, str], *, root: Path | str) -> list[str]:
    """Add tags to finished runs; returns those that the store has.

    Raises:
        SomaNetError: the store does not respond.
    """
    from mlflow.exceptions import MlflowException

    client = open_client(root)
    marked = []
    try:
        for run_id in run_ids:
            try:
                for key, value in tags.items():
                    client.set_tag(run_id, key, value)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                marked.append(run_id)
    except outage_errors() as error:
        raise SomaNetError(f"The runs cannot be marked with {', '.join(tags)}: {first_line(error)}") from error
    return marked
