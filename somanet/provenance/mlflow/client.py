"""The only access to MLflow: a client of the project's store, and the errors it raises in an outage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.checked import checked_client
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
    return checked_client(load_mlflow().MlflowClient(uri))


def outage_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The exceptions that MLflow raises when its store does not respond, and others."""
    from mlflow.exceptions import MlflowException

    return (*others, MlflowException, OSError)  # errors of requests are OSErrors


@contextmanager
def reaching_files(failed: str) -> Iterator[None]:
    """Turn whatever MLflow raises at a run's files into one line.

    They may lie anywhere: MLflow gives places such as `s3:` to other packages, each with exceptions of its own.

    Args:
        failed: what cannot be done, for the message.

    Raises:
        SomaNetError: instead of any exception.
    """
    try:
        yield
    except SomaNetError:
        raise
    except outage_errors() as error:
        raise SomaNetError(f"{failed}: {first_line(error)}") from error
    except Exception as error:
        reason = first_line(error).removesuffix(".")
        raise SomaNetError(
            f"{failed}: MLflow cannot use the place that its store names for them ({reason}). Is it another "
            "computer's, or is the package missing that reaches it?"
        ) from error
