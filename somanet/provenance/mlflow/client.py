"""The only access to MLflow: a client of the project's store, and the errors it raises in an outage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from somanet.provenance.mlflow.environment import load_mlflow
from somanet.provenance.mlflow.store import ensure_store

if TYPE_CHECKING:
    from mlflow import MlflowClient


def open_client(root: Path | str) -> MlflowClient:
    """A client of the project's store, which is created at first use.

    Raises:
        SomaNetError: the store cannot be opened.
    """
    uri = ensure_store(Path(root))
    client: MlflowClient = load_mlflow().MlflowClient(uri)
    return client


def outage_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The exceptions that MLflow raises when its store does not respond, and others."""
    from mlflow.exceptions import MlflowException

    return (*others, MlflowException, OSError)  # errors of requests are OSErrors
