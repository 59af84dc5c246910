"""The only code that uses MLflow: the store, runs, models and the web page.

Importing it is cheap; MLflow is imported by the first call that needs it.
"""

from somanet.provenance.mlflow.artifacts import add_files, read_tables
from somanet.provenance.mlflow.datasets import DatasetRef
from somanet.provenance.mlflow.experiments import SIMULATED, score_addresses
from somanet.provenance.mlflow.lifecycle import StoppedEarly, Terminated, reap_stale_runs, settle_run, sigterm_raises
from somanet.provenance.mlflow.listing import child_runs, finished_runs, read_runs, study_runs
from somanet.provenance.mlflow.marking import PARENT, STUDY, mark_runs, study_tag
from somanet.provenance.mlflow.models import load_logged_model, logged_checkpoint
from somanet.provenance.mlflow.registry import (
    Version,
    describe_version,
    list_aliases,
    list_run_tables,
    read_run_table,
    read_version,
    register_run,
    set_alias,
    set_version_tags,
    version_by_alias,
    version_of_run,
)
from somanet.provenance.mlflow.resolve import resolve_checkpoint, run_checkpoint
from somanet.provenance.mlflow.resume import TRAINING, interrupted_run
from somanet.provenance.mlflow.run import track_run
from somanet.provenance.mlflow.runfile import (
    MANIFEST_SHA256,
    RUN_FILE,
    RunInput,
    RunRecord,
    names_a_run,
    read_run,
    run_id_from,
    run_of_results,
    weights_of,
    write_run_file,
)
from somanet.provenance.mlflow.scoring import (
    DECIDING_SCORES,
    SCORED_ON,
    VALIDATION_IMAGES,
    score_name,
    score_of,
)
from somanet.provenance.mlflow.search import find_run, training_of
from somanet.provenance.mlflow.spool import pending_runs, replay_spool
from somanet.provenance.mlflow.store import ensure_store, store_exists, tracking_uri
from somanet.provenance.mlflow.tracked import TrackedRun
from somanet.provenance.mlflow.turns import promotion_turn
from somanet.provenance.mlflow.ui import page_of_server, serve_ui

__all__ = [
    "DECIDING_SCORES",
    "MANIFEST_SHA256",
    "PARENT",
    "RUN_FILE",
    "SCORED_ON",
    "SIMULATED",
    "STUDY",
    "TRAINING",
    "VALIDATION_IMAGES",
    "DatasetRef",
    "RunInput",
    "RunRecord",
    "StoppedEarly",
    "Terminated",
    "TrackedRun",
    "Version",
    "add_files",
    "child_runs",
    "describe_version",
    "ensure_store",
    "find_run",
    "finished_runs",
    "interrupted_run",
    "list_aliases",
    "list_run_tables",
    "load_logged_model",
    "logged_checkpoint",
    "mark_runs",
    "names_a_run",
    "page_of_server",
    "pending_runs",
    "promotion_turn",
    "read_run",
    "read_run_table",
    "read_runs",
    "read_tables",
    "read_version",
    "reap_stale_runs",
    "register_run",
    "replay_spool",
    "resolve_checkpoint",
    "run_checkpoint",
    "run_id_from",
    "run_of_results",
    "score_addresses",
    "score_name",
    "score_of",
    "serve_ui",
    "set_alias",
    "set_version_tags",
    "settle_run",
    "sigterm_raises",
    "store_exists",
    "study_runs",
    "study_tag",
    "track_run",
    "tracking_uri",
    "training_of",
    "version_by_alias",
    "version_of_run",
    "weights_of",
    "write_run_file",
]
