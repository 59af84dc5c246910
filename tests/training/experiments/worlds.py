"""A project with a small training, and what its run has."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from somanet.io.datasets.writers import write_pairs
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import (
    Recording,
    dataset_ref,
    load_items,
    run_training,
    several_trainings,
)
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask
from tests.worlds import make_project, scene

SETTINGS = TrainSettings(epochs=2, size_px=32, batch_size=2, loss="bce+dice", learning_rate=2e-3)


def make_training_project(folder: Path, base: Path) -> Path:
    """A repository with a data set tracked by DVC."""
    project = make_project(folder, base)
    write_pairs(project / "nuclei", [scene(name) for name in "abcd"])
    (project / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  data:\n    cmd: x\n    outs:\n    - {path: nuclei, md5: " + "0" * 32 + ".dir}\n"
    )
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "dvc.yaml"], [*identity, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


def train_here(project: Path, settings: TrainSettings = SETTINGS):
    items = load_items(project / "nuclei")
    model, spec, _ = start_network(ModelSpec(), seed=5)
    datasets = [dataset_ref(project / "nuclei", "training", items[:3])]
    with several_trainings(at_exit=True) as trainings:
        return run_training(
            TrainingTask(model, spec, items[:3], items[3:], settings, seed=5),
            checkpoint=project / "model",
            run_file=project / "report" / "mlflow_run.json",
            recording=Recording(project, "pretrain", "small", datasets, {"variant": "v1"}),
            trainings=trainings,
        )


def weights_sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def steps(project: Path, run_id: str, metric: str) -> list[int]:
    return [m.step for m in open_client(project).get_metric_history(run_id, metric)]


def artifacts(project: Path, run_id: str) -> set[str]:
    """The run's files, one folder deep."""
    client = open_client(project)
    folders = [entry.path for entry in client.list_artifacts(run_id) if entry.is_dir]
    return {entry.path for folder in folders for entry in client.list_artifacts(run_id, folder)}
