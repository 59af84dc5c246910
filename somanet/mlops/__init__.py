"""The only code that knows MLflow: the store, runs, models and the web page.

Importing it is cheap; MLflow is imported by the first call that needs it.
"""

from somanet.mlops.datasets import DatasetRef
from somanet.mlops.lifecycle import Terminated, reap_stale_runs, sigterm_raises
from somanet.mlops.models import ServedModel, load_logged_model, logged_checkpoint
from somanet.mlops.run import track_run
from somanet.mlops.runfile import RunRecord, read_run, run_id_from, write_run_file
from somanet.mlops.search import find_run
from somanet.mlops.spool import pending_runs, replay_spool
from somanet.mlops.store import ensure_store, tracking_uri
from somanet.mlops.tracked import TrackedRun
from somanet.mlops.ui import serve_ui

__all__ = [
    "DatasetRef",
    "RunRecord",
    "ServedModel",
    "Terminated",
    "TrackedRun",
    "ensure_store",
    "find_run",
    "load_logged_model",
    "logged_checkpoint",
    "pending_runs",
    "read_run",
    "reap_stale_runs",
    "replay_spool",
    "run_id_from",
    "serve_ui",
    "sigterm_raises",
    "track_run",
    "tracking_uri",
    "write_run_file",
]
