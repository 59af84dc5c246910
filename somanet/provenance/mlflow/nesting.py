"""Make existing runs children of another: a study's trainings, which existed before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.client import open_client, outage_errors

PARENT = "mlflow.parentRunId"
"""Tag of a run: the id of its parent run, by which MLflow's page nests runs."""


def adopt_runs(parent_run_id: str, run_ids: Sequence[str], *, root: Path | str) -> list[str]:
    """Make runs children of another, as MLflow's page nests them; returns those that the store has.

    A run has one parent: that of the last call.

    Raises:
        SomaNetError: the store has no such parent, or does not respond.
    """
    from mlflow.exceptions import MlflowException

    client = open_client(root)
    adopted = []
    try:
        client.get_run(parent_run_id)
        for run_id in run_ids:
            try:
                client.set_tag(run_id, PARENT, parent_run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                adopted.append(run_id)
    except outage_errors() as error:
        raise SomaNetError(f"The runs cannot become children of {parent_run_id}: {first_line(error)}") from error
    return adopted
