"""Projects with drawn neurons and small sweeps, and an instant training whose result is a formula."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from somanet.core.files import write_json
from somanet.core.settings import read_yaml
from somanet.io.datasets.writers import write_pairs
from somanet.provenance.mlflow import RunRecord, TrackedRun, child_runs, track_run, write_run_file
from somanet.provenance.mlflow.client import open_client
from somanet.training.experiments import Recording
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import Epoch
from somanet.training.sweep.plan import plan_sweep
from somanet.training.sweep.report import Report
from somanet.training.sweep.run import run_sweep
from somanet.training.sweep.settings import SweepParams
from somanet.training.sweep.trial import Job
from tests.worlds import make_project, save_bright_network, scene

ROOT = Path(__file__).resolve().parents[3]
TINY = {
    "start": "paper",
    "weights": "random",
    "training": {"epochs": 3, "batch_size": 4, "size_px": 32, "learning_rate": 1e-3, "device": "cpu"},
}
RATES = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "training.batch_size": [2, 4]}


def sweep_values(**changes: Any) -> dict[str, Any]:
    return {"base": "tiny", "trials": 4, "space": RATES, **changes}


@cache
def _params() -> dict[str, Any]:
    return read_yaml(ROOT / "params.yaml")


def make_sweep_project(folder: Path, base: Path, **sweeps: Mapping[str, Any]) -> Path:
    """A project as the stages `manifest` and `pretrain` leave it: packed neurons, a network, and its sweeps."""
    project = make_project(folder, base)
    params = copy.deepcopy(_params())
    params["finetune"]["tiny"] = TINY
    params["sweep"] = dict(sweeps)
    (project / "params.yaml").write_text(yaml.dump(params, Dumper=yaml.CSafeDumper, sort_keys=False))
    write_pairs(project / "data/packed/target_train", [scene(name) for name in "abcdefgh"])
    save_bright_network(project / "models/pretrain/paper")
    return project


def make_job(project: Path, name: str = "rates", **changes: Any) -> Job:
    """A planned sweep of the project."""
    return plan_sweep(
        name,
        SweepParams.model_validate(sweep_values(**changes)),
        TINY,
        starts={"paper": project / "models/pretrain/paper"},
        data=project / "data/packed/target_train",
        seed=0,
        thresholds=(0.5,),
        root=project,
        source="params.yaml: sweep.rates.space",
    )


def formula(settings: TrainSettings, epoch: int) -> float:
    """IoU after an epoch: best at a learning rate of 1e-3 and batches of 2, half of the final value at epoch 1."""
    distance = abs(math.log10(settings.learning_rate / 1e-3)) + 0.1 * (settings.batch_size - 2)
    final = 1 / (1 + distance)
    return final * (1 - 0.5**epoch)


class Paper:
    """Instead of a sweep's MLflow run: keeps what is logged."""

    run_id = "parent"

    def __init__(self) -> None:
        self.metrics: dict[int, Mapping[str, float]] = {}
        self.tags: dict[str, Any] = {}
        self.files: list[str] = []

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.metrics[epoch] = metrics

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self.tags |= tags

    def log_table(self, _table: object, name: str) -> None:
        self.files.append(name)

    def log_file(self, path: Path) -> None:
        self.files.append(path.name)

    def log_figure(self, _figure: object, name: str) -> None:
        self.files.append(name)


class Trainings:
    """Instead of real trainings: instant epochs.

    Attributes:
        recorded: whether in MLflow, as real ones are.
        before_epoch: called with the run's name, the epoch and the settings; may raise.
        parent: what was logged to the sweep's run, unless it is recorded.
        begun: names of the runs that were started, in order.
        seeds: of each training.
    """

    def __init__(self, *, recorded: bool) -> None:
        self.recorded = recorded
        self.before_epoch: Callable[[str, int, TrainSettings], None] = lambda *_: None
        self.parent = Paper()
        self.begun: list[str] = []
        self.seeds: list[int] = []

    def __call__(
        self,
        task: TrainingTask,
        *,
        checkpoint: Path,
        run_file: Path,
        recording: Recording,
        on_epoch: Callable[[Epoch], None],
        run_id: str | None,
        **_other: object,
    ) -> SimpleNamespace:
        settings, seed = task.settings, task.seed
        self.begun.append(recording.name)
        self.seeds.append(seed)
        if not self.recorded:
            self._epochs(recording, settings, on_epoch, None)
            write_json(run_file, {"run_id": recording.name})
        else:
            with track_run(
                recording.name,
                experiment=recording.experiment,
                root=recording.root,
                params={"training": settings.model_dump(mode="json"), "seed": seed},
                tags=recording.tags,
                run_id=run_id,
                parent_run_id=recording.parent_run_id,
                system_metrics=False,
            ) as run:
                self._epochs(recording, settings, on_epoch, run)
                write_run_file(run_file, run)
        checkpoint.mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(best_val_iou=formula(settings, settings.epochs))

    def _epochs(
        self, recording: Recording, settings: TrainSettings, on_epoch: Callable[[Epoch], None], run: TrackedRun | None
    ) -> None:
        for epoch in range(1, settings.epochs + 1):
            self.before_epoch(recording.name, epoch, settings)
            iou = formula(settings, epoch)
            if run is not None:
                run.log_epoch(epoch, {"val_iou": iou})
            on_epoch(Epoch(epoch, 1 - iou, iou, 1 - iou, iou, settings.learning_rate))


def use_formula(patch: pytest.MonkeyPatch, *, recorded: bool) -> Trainings:
    """No network is built, trained or scored, and unless recorded nothing is drawn or logged to MLflow."""
    trainings = Trainings(recorded=recorded)
    scores = dict.fromkeys(("iou", "precision", "recall", "f1", "accuracy", "mean_ap", "size_bias"), 0.5)
    patch.setattr("somanet.training.sweep.trial.start_network", lambda spec, **_: (None, spec, "0" * 64))
    patch.setattr("somanet.training.sweep.trial.run_training", trainings)
    patch.setattr(
        "somanet.training.sweep.trial.evaluate_checkpoint",
        lambda *_, **__: SimpleNamespace(everything=SimpleNamespace(values=scores)),
    )
    patch.setattr("somanet.training.sweep.trial.record_evaluation", lambda *_, **__: None)
    if not recorded:
        patch.setattr("somanet.training.sweep.run._parent_run", lambda _: contextlib.nullcontext(trainings.parent))
        for place in ("run", "trial"):
            patch.setattr(f"somanet.training.sweep.{place}.children", lambda *_: {})
        for picture in ("history", "slices", "importance"):
            patch.setattr(f"somanet.training.sweep.figures.{picture}", lambda *_: Figure())
    return trainings


def runs_below(project: Path, parent_run_id: str) -> list[RunRecord]:
    return child_runs(parent_run_id, root=project)


def steps(project: Path, run_id: str, metric: str = "val_iou") -> list[int]:
    return [one.step for one in open_client(project).get_metric_history(run_id, metric)]


def start_sweep(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, its output in one stream."""
    return subprocess.Popen(
        [sys.executable, "-u", "-W", "ignore", "-m", "somanet", "sweep", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def go(project: Path, job: Job, trials: int | None = 3, **how: Any) -> Report:
    return run_sweep(job, project / "reports/sweeps/rates", trials=trials, minutes=how.pop("minutes", None), **how)


def states(job: Job) -> list[str]:
    return [trial.state.name for trial in job.open().trials()]


def table(project: Path) -> pd.DataFrame:
    return pd.read_csv(project / "reports/sweeps/rates/trials.csv")
