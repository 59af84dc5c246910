"""The run behind a result: named in the ``mlflow_run.json`` that commands write, or found by a network's weights.

Stages of the pipeline write no such file, as a run's id differs each time and their outputs do not. A stage that DVC
restores from its cache starts no process and gets no MLflow run; its weights still lead to the run that trained them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, read_json, write_json
from somanet.core.hashing import sha256_file
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.missing import get_run, not_here
from somanet.provenance.mlflow.search import find_run, training_of
from somanet.provenance.mlflow.store import public_uri, store_exists, tracking_uri, unreachable
from somanet.provenance.mlflow.tracked import TrackedRun

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

RUN_FILE = "mlflow_run.json"
MANIFEST_SHA256 = "manifest_sha256"
"""Tag of the run of an analysis: the hash of the record in the folder of its results."""


@dataclass(frozen=True)
class RunInput:
    """A data set as a run recorded it.

    Attributes:
        name: its name in the run.
        digest: its hash.
        kind: kind of digest: ``given``, ``dvc-md5`` or ``sha256-36``.
        context: its role.
        uri: its path relative to the project; only its name if it lies outside.
    """

    name: str
    digest: str
    kind: str
    context: str
    uri: str


@dataclass(frozen=True)
class RunRecord:
    """A run as recorded in the store.

    Attributes:
        run_id: MLflow's id.
        name: the run's name.
        experiment: the experiment's name.
        status: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``.
        started: when it first started, in UTC.
        params: settings, flat.
        metrics: the last value of each metric.
        tags: tags, provenance among them.
        datasets: data set name to digest.
        inputs: the data sets with all recorded details.
        deleted: whether it, or its experiment, was deleted in MLflow.
        artifact_uri: location of its files.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: Mapping[str, str]
    inputs: tuple[RunInput, ...] = ()
    deleted: bool = False
    artifact_uri: str = ""


def write_run_file(path: Path | str, run: TrackedRun) -> None:
    """Write the run's identity, without machine paths."""
    write_json(
        path,
        {
            "run_id": run.run_id,
            "experiment": run.experiment,
            "tracking_uri": public_uri(tracking_uri(run.root), run.root),
            "started": run.started.isoformat(timespec="seconds"),
        },
    )


def run_id_from(run: Path | str, *, root: Path | str | None = None) -> str:
    """A run id from the id itself, a ``mlflow_run.json``, the folder that holds one, or a checkpoint's folder.

    Args:
        run: what names the run.
        root: the project in whose store the run that trained a checkpoint is searched for; None searches for none.

    Raises:
        SomaNetError: there is no such folder, the file does not name a run, or no run of the store trained the
            checkpoint.
    """
    path = Path(run)
    if path.is_dir():
        if root is not None and not (path / RUN_FILE).exists() and (weights := weights_of(path)):
            return _training_of(path, weights, root)
        path = path / RUN_FILE
    if path.suffix != ".json":
        if len(path.parts) > 1:
            raise SomaNetError(
                f"{run} not found: expected a network's folder, an mlflow_run.json or a run's id. `dvc pull` or `dvc "
                "repro` brings the pipeline's networks; `somanet ui` lists the runs."
            )
        return str(run)
    expected = "the run_id of an MLflow run that a stage (pretrain, finetune) or a training wrote"
    return str(read_json(path, expected=expected, keys=("run_id",))["run_id"])


def run_of_results(folder: Path, manifest: str, *, root: Path | str) -> str | None:
    """The run of an analysis: named beside its results, else that with the hash of their record; None if there is none.

    Args:
        folder: of the results.
        manifest: the name of their record, such as `manifest.json`.
        root: the project.
    """
    file = folder / RUN_FILE
    if file.is_file() and names_a_run(file):
        return run_id_from(file)
    record = folder / manifest
    return find_run({MANIFEST_SHA256: sha256_file(record)}, root=root) if record.is_file() else None


def weights_of(folder: Path) -> str:
    """The SHA-256 of a checkpoint's weights, as its config.json has it; empty for what is no checkpoint."""
    weights = json_object(folder / "config.json").get("weights")
    sha256 = weights.get("sha256") if isinstance(weights, dict) else None
    return sha256 if isinstance(sha256, str) else ""


def _training_of(checkpoint: Path, weights_sha256: str, root: Path | str) -> str:
    if run_id := training_of(weights_sha256, root=root):
        return run_id
    raise SomaNetError(
        f"No finished run in the store of {Path(root).resolve()} trained the network in {checkpoint} (weights "
        f"{weights_sha256[:12]}…). Was it trained elsewhere? Train it here, or set MLFLOW_TRACKING_URI to its store."
    )


def names_a_run(path: Path) -> bool:
    """Whether a JSON file is an `mlflow_run.json`, under whatever name."""
    return {"run_id", "experiment", "tracking_uri"} <= set(json_object(path))


def read_run(run: Path | str, *, root: Path | str) -> RunRecord:
    """Look a run up by its id, its ``mlflow_run.json``, the folder that holds one, or its checkpoint's folder.

    Raises:
        SomaNetError: the file names no run, or the store does not have it or does not respond.
    """
    root = Path(root).resolve()
    run_id = run_id_from(run, root=root)
    if not store_exists(root):
        raise SomaNetError(f"{not_here(run_id, root)} There is no such store yet: start in the run's project.")
    client = open_client(root)
    try:
        found = get_run(client, run_id)
        if found is None:
            raise SomaNetError(not_here(run_id, root))
        experiment = client.get_experiment(found.info.experiment_id).name
    except outage_errors() as error:
        raise unreachable(root, error) from error
    return record_of(found, experiment)


def record_of(run: Run, experiment: str) -> RunRecord:
    """An MLflow run of the named experiment as a record."""
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        experiment=experiment,
        status=run.info.status,
        started=datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
        datasets={one.dataset.name: one.dataset.digest for one in inputs},
        inputs=tuple(_input(one) for one in inputs),
        deleted=run.info.lifecycle_stage != "active",
        artifact_uri=run.info.artifact_uri or "",
    )


def _input(found: DatasetInput) -> RunInput:
    tags = {tag.key: tag.value for tag in found.tags}
    try:
        uri = str(json.loads(found.dataset.source)["uri"])
    except (ValueError, KeyError, TypeError):  # logged by other code than ours
        uri = ""
    kind, context = tags.get("somanet.digest_kind", ""), tags.get("mlflow.data.context", "")
    return RunInput(found.dataset.name, found.dataset.digest, kind, context, uri)
