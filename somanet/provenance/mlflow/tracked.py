"""The open run that a stage writes to; it survives an outage of the tracking store."""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.machine import PREFIX
from somanet.provenance.mlflow.models import NotSaved, logged_model_of
from somanet.provenance.mlflow.outbox import Outbox
from somanet.provenance.mlflow.store import artifacts_folder
from somanet.provenance.wheel import NotInstalled, write_wheel

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

_log = logging.getLogger(__name__)


class TrackedRun:
    """An MLflow run that is open for writing; made by :func:`somanet.provenance.mlflow.track_run`.

    If the store stops responding or gets slow, records are kept in ``mlruns/spool`` and sent when it is back, or later
    by :func:`somanet.provenance.mlflow.replay_spool`. The surrounding work never fails because of it, and hardly waits.

    Attributes:
        run_id: MLflow's id.
        experiment: the experiment's name.
        experiment_id: the experiment's id.
        root: the project.
        started: when the run was first started, in UTC.
        outbox: the channel to the store.
        next_machine_step: number of the next point of system metrics.
    """

    def __init__(self, client: MlflowClient, run: Run, *, experiment: str, root: Path, resumed: bool) -> None:
        self.run_id: str = run.info.run_id
        self.experiment = experiment
        self.experiment_id: str = run.info.experiment_id
        self.root = root
        self.started = datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC)
        self.outbox = Outbox(client, root, self.run_id)
        self.next_machine_step = 0
        self._client = client
        self._last_values: dict[str, float] = dict(run.data.metrics)
        self._steps: dict[str, set[int]] = {}
        if resumed:
            self._read_steps()

    def _read_steps(self) -> None:
        """Read which steps of each metric the store has; of system metrics only the last."""
        for key in self._last_values:
            machine = key.startswith(PREFIX)
            if machine and self.next_machine_step:
                continue
            steps = {metric.step for metric in self._client.get_metric_history(self.run_id, key)}
            if machine:
                self.next_machine_step = max(steps, default=-1) + 1
            else:
                self._steps[key] = steps

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch, once: values that the run already has for this epoch are left out."""
        new = {key: value for key, value in metrics.items() if epoch not in self._steps.get(key, ())}
        if self._log_metrics(new, epoch):
            for key in new:
                self._steps.setdefault(key, set()).add(epoch)

    def log_epochs(self, epochs: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Log missing metrics of these epochs: a process may be killed between saving an epoch and logging it."""
        for epoch, metrics in epochs:
            self.log_epoch(epoch, metrics)

    def log_metrics(self, metrics: Mapping[str, float], *, of_model: bool = False) -> None:
        """Log final scores, once: a value that the run already has is not sent again.

        Args:
            metrics: name → value.
            of_model: show them on the page of the run's logged network too, if there is one.
        """
        new = {key: value for key, value in metrics.items() if not _same(self._last_values.get(key), value)}
        model = logged_model_of(self._client, self.run_id, self.experiment_id) if of_model and new else None
        by_step: dict[int, dict[str, float]] = defaultdict(dict)  # one call per step, since calls cost time
        for key, value in new.items():
            by_step[max(self._steps.get(key, ()), default=0)][key] = value
        for step, values in by_step.items():
            self._log_metrics(values, step, model)

    def _log_metrics(self, metrics: Mapping[str, float], step: int, model: str | None = None) -> bool:
        """Log metrics; returns whether the store or the spool has them now."""
        now_ms = int(time.time() * 1000)
        shown_by = [model.removeprefix("models:/")] if model else []
        rows = [[key, float(value), now_ms, step, *shown_by] for key, value in metrics.items()]
        if rows and self.outbox.deliver({"kind": "metrics", "rows": rows}) == "lost":
            return False
        self._last_values |= {key: float(value) for key, value in metrics.items()}
        return True

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; later values replace earlier ones."""
        self.outbox.deliver({"kind": "tags", "tags": {key: str(value) for key, value in tags.items()}})

    def log_file(self, path: Path | str, folder: str | None = None) -> None:
        """Store a file or a folder as it is."""
        path = Path(path)
        if not path.exists():
            raise SomaNetError(f"Cannot log {path}: there is no such file.")
        artifacts = artifacts_folder(self.root)
        if artifacts is not None and artifacts.is_relative_to(path.resolve()):
            raise SomaNetError(f"Cannot log {path}: it contains the MLflow store itself. Choose a subfolder.")
        self.outbox.deliver({"kind": "artifact", "path": str(path), "folder": folder})

    def log_figure(self, figure: Any, name: str) -> None:
        """Store a matplotlib figure (PNG unless the name has another suffix) or a file as ``figures/<name>``."""
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

    def log_model(self, checkpoint: Path, code: Path, name: str = "model") -> None:
        """Log a network for serving, once.

        The checkpoint folder is stored under ``checkpoint/`` of the run in any case. If the network cannot be stored as
        an MLflow model, there is only a warning.

        Args:
            checkpoint: the network's folder.
            code: Python file that calls `mlflow.models.set_model` on a model reading that folder.
            name: the model's name in the run and in MLflow's list of models.
        """
        self.log_file(checkpoint, "checkpoint")
        try:
            with tempfile.TemporaryDirectory(prefix="somanet-wheel-") as scratch:
                record = {"kind": "model", "experiment_id": self.experiment_id, "name": name}
                files = {"path": str(checkpoint), "code": str(code), "package": str(write_wheel(Path(scratch)))}
                self.outbox.deliver({**record, **files})
        except (NotSaved, NotInstalled) as error:
            _log.warning("%s Its checkpoint is in the run's checkpoint/ and nothing else is affected.", error)

    def end(self, status: str) -> None:
        """Close the run; :func:`track_run` calls this."""
        self.outbox.close({"kind": "end", "status": status, "time_ms": int(time.time() * 1000)})


def _same(old: float | None, new: float) -> bool:
    return old is not None and (old == float(new) or (old != old and float(new) != float(new)))
