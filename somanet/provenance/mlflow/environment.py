"""MLflow's first import, after setting the environment variables that it needs."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

ENVIRONMENT = {
    # MLflow reports usage from its first import on.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A model from somebody else must not be able to run code when it is loaded.
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    # MLflow waits for 7 retries of up to 120 s each if a server is down; training must not stall that long: the
    # spool is our way of retrying.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # With a server, it prints the address of every run at its end.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow imports GitPython, which complains at length on a machine without git.
    "GIT_PYTHON_REFRESH": "quiet",
}


def set_environment() -> None:
    """Set MLflow's switches; values set by the user take precedence."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def load_mlflow() -> Any:
    """Import MLflow (about 2 s the first time) with its switches set."""
    set_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation notes of MLflow's own dependencies
        import mlflow
    for name in ("mlflow.system_metrics", "mlflow.pyfunc", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs the traceback of every database error before raising it; ours become one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow
