"""Runs and experiments that are missing from the store or were deleted: messages, and how to restore them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.provenance.mlflow.store import public_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for an unknown or invalid id."""


def get_run(client: MlflowClient, run_id: str) -> Run | None:
    """A run, also a deleted one; None if it is not in the store."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in UNKNOWN:
            return None
        raise


def not_here(run_id: str, root: Path | str) -> str:
    """The message for a run that is not in the store."""
    root = Path(root).resolve()
    return (
        f"The run {run_id} is not in {public_uri(tracking_uri(root), root)}. Was it removed, or recorded elsewhere "
        "(MLFLOW_TRACKING_URI; a checkpoint contains its run's id, not the run)?"
    )


def why_not_active(client: MlflowClient, run: Run, root: Path) -> str | None:
    """Why a run cannot be written to, with the command that restores it; None if it can."""
    # Deleting an experiment deletes its runs with it, and restoring it restores them.
    experiment = client.get_experiment(run.info.experiment_id)
    if experiment.lifecycle_stage != "active":
        return (
            f"The run {run.info.run_id} belongs to the experiment {experiment.name!r}, which was deleted in MLflow. "
            f"Restore it with {restore_experiment(experiment, root)}."
        )
    if run.info.lifecycle_stage != "active":
        restore = _command(f"mlflow runs restore --run-id {run.info.run_id}", root)
        return f"The run {run.info.run_id} was deleted in MLflow. Restore it with {restore}."
    return None


def restore_experiment(experiment: Experiment, root: Path) -> str:
    """The command that restores a deleted experiment."""
    return _command(f"mlflow experiments restore --experiment-id {experiment.experiment_id}", root)


def remove_experiment(experiment: Experiment, root: Path) -> str:
    """The command that removes a deleted experiment permanently, which frees its name."""
    return _command(f"mlflow gc --experiment-ids {experiment.experiment_id}", root)


def _command(command: str, root: Path) -> str:
    """MLflow's commands use ./mlflow.db unless the variable points to the project's store."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return f"`{command}`"
    return f"`MLFLOW_TRACKING_URI={public_uri(tracking_uri(root), root)} {command}` (in the project's folder)"
