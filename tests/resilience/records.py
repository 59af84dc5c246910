"""What a training left: its files, and its run as the store has it, in a form that can be compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from somanet.core.hashing import sha256_file
from somanet.provenance.mlflow.client import open_client

PER_EPOCH = ("train_loss", "train_iou", "val_loss", "val_iou", "learning_rate")
ONCE = ("best_val_iou", "best_epoch", "trainable_parameters", "parameters", "train_seconds")


def files_of(project: Path) -> dict[str, str]:
    """The network and its history, by their bytes; durations are not compared."""
    files = ("models/small/model.safetensors", "models/small/config.json", "models/small_report/history.csv")
    return {name: sha256_file(project / name) for name in files}


def all_runs(client: MlflowClient, experiment: str = "train") -> list[Any]:
    """Every run of the experiment."""
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id]))


def only_run(client: MlflowClient, experiment: str = "train") -> Any:
    """The one run of an experiment."""
    [run] = all_runs(client, experiment)
    return run


def rows(client: MlflowClient, run_id: str, metric: str) -> list[tuple[int, float]]:
    """Every stored value of a metric, with its step, in the order of steps."""
    return sorted((row.step, row.value) for row in client.get_metric_history(run_id, metric))


def artifacts(client: MlflowClient, run_id: str, folder: str | None = None) -> Counter[str]:
    """Every file of a run."""
    found: Counter[str] = Counter()
    for entry in client.list_artifacts(run_id, folder):
        found += artifacts(client, run_id, entry.path) if entry.is_dir else Counter([entry.path])
    return found


def facts(client: MlflowClient, run_id: str) -> dict[str, Any]:
    """What a run holds of a training, durations and the machine left out."""
    run = client.get_run(run_id)
    [output] = run.outputs.model_outputs
    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'")
    assert [model.model_id for model in models] == [output.model_id]
    assert models[0].status == "READY"
    tags = ("weights_sha256", "trainable_blocks", "start_weights_sha256", "somanet.training", "mlflow.runName")
    return {
        "status": run.info.status,
        "params": run.data.params,
        "tags": {name: run.data.tags[name] for name in tags},
        "epochs": {metric: rows(client, run_id, metric) for metric in PER_EPOCH},
        "once": {metric: rows(client, run_id, metric) for metric in ONCE if metric != "train_seconds"},
        "n_train_seconds": len(rows(client, run_id, "train_seconds")),
        "datasets": sorted((one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs),
        "artifacts": artifacts(client, run_id),
    }


def leftovers(project: Path) -> list[str]:
    """What must not be there after a training: half-written files, saved state, records that wait."""
    hidden = [path for path in project.rglob(".*") if path.name.endswith(".old") or ".part" in path.name]
    kept = [path for name in ("resume", "spool") for path in (project / "mlruns" / name).glob("*")]
    return sorted(path.relative_to(project).as_posix() for path in (*hidden, *kept))


def check_whole(
    project: Path, epochs: int, client: MlflowClient | None = None, experiment: str = "train"
) -> dict[str, Any]:
    """One finished run with each epoch and each final number once, and nothing left over; gives its facts."""
    client = client or open_client(project)
    run = only_run(client, experiment)
    found = facts(client, run.info.run_id)
    assert found["status"] == "FINISHED"
    for metric, values in found["epochs"].items():
        assert [step for step, _ in values] == list(range(1, epochs + 1)), (metric, values)
    for metric, values in found["once"].items():
        assert len(values) == 1, (metric, values)
    assert found["n_train_seconds"] == 1
    assert leftovers(project) == []
    return found
