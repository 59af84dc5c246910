"""Runs and experiments that the store does not have, or that somebody deleted: what to say, and how they come back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.provenance.mlflow.store import public_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for an id that it does not have, or that cannot be one."""


def get_run(client: MlflowClient, run_id: str) -> Run | None:
    """A run, also a deleted one; None if the store does not have it."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in UNKNOWN:
            return None
        raise


def not_here(run_id: str, root: Path | str) -> str:
    """What to say of a run that the store does not have."""
    root = Path(root).resolve()
    return (
        f"The run {run_id} is not in {public_uri(tracking_uri(root), root)}. Was it removed, or recorded elsewhere "
        "(MLFLOW_TRACKING_URI; a checkpoint brings its run's id, not the run)?"
    )


def why_not_active(client: MlflowClient, run: Run, root: Path) -> str | None:
    """Why a run cannot be written to, with the command that brings it back; None if it can."""
    # Deleting an experiment deletes its runs with it, and restoring it restores them.
    experiment = client.get_experiment(run.info.experiment_id)
    if experiment.lifecycle_stage != "active":
        return (
            f"The run {run.info.run_id} belongs to the experiment {experiment.name!r}, which was deleted in MLflow. "
            f"Bring it back with {restore_experiment(experiment, root)}."
        )
    if run.info.lifecycle_stage != "active":
        restore = _command(f"mlflow runs restore --run-id {run.info.run_id}", root)
        return f"The run {run.info.run_id} was deleted in MLflow. Bring it back with {restore}."
    return None


def restore_experiment(experiment: Experiment, root: Path) -> str:
    """The command that brings a deleted experiment back."""
    return _command(f"mlflow experiments restore --experiment-id {experiment.experiment_id}", root)


def remove_experiment(experiment: Experiment, root: Path) -> str:
    """The command that removes a deleted experiment for good, so that its name is free."""
    return _command(f"mlflow gc --experiment-ids {experiment.experiment_id}", root)


def _command(command: str, root: Path) -> str:
    """MLflow's commands look into ./mlflow.db unless they are told where the project's runs are."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return f"`{command}`"
    return f"`MLFLOW_TRACKING_URI={public_uri(tracking_uri(root), root)} {command}` (in the project's folder)"
