"""The run in which an interrupted training is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.lifecycle import process_is_alive
from somanet.provenance.mlflow.machine import PREFIX
from somanet.provenance.mlflow.missing import get_run, not_here, why_not_active
from somanet.provenance.mlflow.runfile import run_id_from
from somanet.provenance.mlflow.store import store_exists, unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRAINING = "somanet.training"
"""Tag of a run: the name of its training, derived from all that determines it."""


def interrupted_run(
    training: str, *, note: Path, has_state: bool, experiment: str, name: str, root: Path
) -> str | None:
    """The run in which an interrupted training is resumed; None if a new one must be started.

    A process may be killed after the start of its run and before the run's id is written: such a run is found by its
    tag. Without a saved state, only a run without epochs is used, since the training starts over.

    Args:
        training: its name, as in the tag.
        note: the file that names the run, if its process got that far.
        has_state: whether the training's state was saved.
        experiment, name: experiment and name of the run.
        root: the project.

    Raises:
        SomaNetError: the store does not respond, or no longer has the run of a saved state.
    """
    if not store_exists(root):
        return None
    client = open_client(root)
    try:
        if note.exists():
            return _noted(client, run_id_from(note), note, root) if has_state else _fresh(client, run_id_from(note))
        return _tagged(client, training, experiment, name)
    except outage_errors() as error:
        raise unreachable(root, error) from error


def _noted(client: MlflowClient, run_id: str, note: Path, root: Path) -> str:
    run = get_run(client, run_id)
    if reason := not_here(run_id, root) if run is None else why_not_active(client, run, root):
        shown = note.relative_to(root) if note.is_relative_to(root) else note
        raise SomaNetError(
            f"{reason} An interrupted training belongs to it. Delete {shown} to continue in a new run, which gets "
            "all epochs."
        )
    return run_id


def _fresh(client: MlflowClient, run_id: str) -> str | None:
    run = get_run(client, run_id)
    return run_id if run is not None and run.info.lifecycle_stage == "active" and not _has_epochs(run) else None


def _tagged(client: MlflowClient, training: str, experiment: str, name: str) -> str | None:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return None
    for run in client.search_runs([found.experiment_id], f"tags.`{TRAINING}` = '{training}'", max_results=100):
        killed = run.info.status == "KILLED" or (run.info.status == "RUNNING" and not process_is_alive(run.data.tags))
        if killed and run.info.run_name == name and not _has_epochs(run):
            return str(run.info.run_id)
    return None


def _has_epochs(run: Run) -> bool:
    return any(not key.startswith(PREFIX) for key in run.data.metrics)
