"""The open run that a stage writes to; it survives an outage of the tracking store."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.errors import SomaNetError
from somanet.mlops.models import ServedModel, log_served_model
from somanet.mlops.spool import first_line, keep, pending_runs, replay_run, send
from somanet.mlops.store import artifacts_folder

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

RETRY_AFTER_S = 60.0
_log = logging.getLogger(__name__)


class TrackedRun:
    """An MLflow run that is open for writing; made by :func:`somanet.mlops.track_run`.

    If the store stops answering, records are kept in ``mlruns/spool`` and sent when it is back, or later by
    :func:`somanet.mlops.replay_spool`. The work around it never fails for that.

    Attributes:
        run_id: MLflow's id.
        experiment: the experiment's name.
        experiment_id: the experiment's id.
        root: the project.
        started: when the run was first started, in UTC.
    """

    def __init__(self, client: MlflowClient, run: Run, *, experiment: str, root: Path, resumed: bool) -> None:
        self.run_id: str = run.info.run_id
        self.experiment = experiment
        self.experiment_id: str = run.info.experiment_id
        self.root = root
        self.started = datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC)
        self._client = client
        self._retry_at = 0.0
        self._warned = False
        self._last_values: dict[str, float] = dict(run.data.metrics)
        self._last_steps: dict[str, int] = {}
        if resumed:
            for key in self._last_values:
                if not key.startswith("system/"):
                    history = client.get_metric_history(self.run_id, key)
                    self._last_steps[key] = max(metric.step for metric in history)

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; values that the run has from this or a later epoch are left out."""
        new = {key: value for key, value in metrics.items() if epoch > self._last_steps.get(key, -1)}
        self._log_metrics(new, epoch)
        self._last_steps |= dict.fromkeys(new, epoch)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final scores, once: a value that the run already shows is not sent again."""
        new = {key: value for key, value in metrics.items() if not _same(self._last_values.get(key), value)}
        for key, value in new.items():
            self._log_metrics({key: value}, self._last_steps.get(key, 0))

    def _log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        now_ms = int(time.time() * 1000)
        rows = [[key, float(value), now_ms, step] for key, value in metrics.items()]
        if rows:
            self._deliver({"kind": "metrics", "rows": rows})
            self._last_values |= {key: float(value) for key, value in metrics.items()}

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; later values replace earlier ones."""
        self._deliver({"kind": "tags", "tags": {key: str(value) for key, value in tags.items()}})

    def log_file(self, path: Path | str, folder: str | None = None) -> None:
        """Store a file or a folder as it is."""
        path = Path(path)
        if not path.exists():
            raise SomaNetError(f"Cannot log {path}: there is no such file.")
        artifacts = artifacts_folder(self.root)
        if artifacts is not None and artifacts.is_relative_to(path.resolve()):
            raise SomaNetError(f"Cannot log {path}: it contains the MLflow store itself. Choose a folder inside.")
        self._deliver({"kind": "artifact", "path": str(path), "folder": folder})

    def log_figure(self, figure: Any, name: str) -> None:
        """Store a matplotlib figure (PNG unless the name says otherwise) or a file as ``figures/<name>``."""
        with tempfile.TemporaryDirectory(prefix="somanet-figure-") as scratch:
            target = Path(scratch) / name
            if isinstance(figure, str | Path):
                source = Path(figure)
                target = target if target.suffix else target.with_name(target.name + source.suffix)
                if not source.is_file():
                    raise SomaNetError(f"Cannot log the figure {source}: there is no such file.")
                target.write_bytes(source.read_bytes())
            else:
                target = target if target.suffix else target.with_name(target.name + ".png")
                figure.savefig(target, dpi=150, bbox_inches="tight")
            self.log_file(target, "figures")

    def log_table(self, table: pd.DataFrame, name: str) -> None:
        """Store a table as ``tables/<name>.csv``: per-image and per-class numbers go here, not to metrics."""
        with tempfile.TemporaryDirectory(prefix="somanet-table-") as scratch:
            target = Path(scratch) / f"{name.removesuffix('.csv')}.csv"
            table.to_csv(target, index=False, lineterminator="\n")
            self.log_file(target, "tables")

    def log_model(self, served: ServedModel, name: str = "model") -> str | None:
        """Log a network for serving; its ``models:/`` address, or ``None`` with one warning if the store is away.

        The checkpoint folder is stored under ``checkpoint/`` of the run in any case.

        Args:
            served: checkpoint, serving code and channels.
            name: the model's name in the run.
        """
        from mlflow.exceptions import MlflowException

        self.log_file(served.checkpoint, "checkpoint")
        try:
            return log_served_model(self._client, self.run_id, self.experiment_id, served, name=name)
        except (MlflowException, OSError) as error:
            _log.warning(
                "The network was not logged as an MLflow model: %s Its checkpoint is in the run's checkpoint/ and "
                "nothing else is affected.",
                first_line(error),
            )
            return None

    def end(self, status: str) -> None:
        """Close the run; :func:`track_run` calls this."""
        self._retry_at = 0.0  # the last chance to hand over what waits
        self._deliver({"kind": "end", "status": status, "time_ms": int(time.time() * 1000)})

    def _deliver(self, record: dict[str, Any]) -> None:
        """Send a record, or keep it for later; older records that wait go first, so that the order stands."""
        from mlflow.exceptions import MlflowException

        record = {"run_id": self.run_id, **record}
        if time.monotonic() < self._retry_at:
            self._keep(record)
            return
        try:
            if self.run_id in pending_runs(self.root):
                replay_run(self._client, self.root, self.run_id)
            send(self._client, record)
        except (SomaNetError, MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and error.error_code == "INVALID_PARAMETER_VALUE":
                raise SomaNetError(f"MLflow refuses a record of run {self.run_id}: {first_line(error)}") from error
            self._retry_at = time.monotonic() + RETRY_AFTER_S
            self._keep(record)
            if not self._warned:
                _log.warning(
                    "The tracking store does not answer (%s) The work goes on; records wait in mlruns/spool "
                    "and are sent when it is back.",
                    first_line(error),
                )
                self._warned = True

    def _keep(self, record: dict[str, Any]) -> None:
        try:
            keep(self.root, record)
        except (SomaNetError, OSError) as error:  # disk full as well: still no reason to stop the work
            _log.warning("A record of run %s is lost: %s", self.run_id, first_line(error))


def _same(old: float | None, new: float) -> bool:
    return old is not None and (old == float(new) or (old != old and float(new) != float(new)))
