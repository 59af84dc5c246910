"""When the tracking store is away: records wait in ``mlruns/spool`` and are sent later, in order.

Training must not die of a tracking outage: its own files are the truth, tracking is best effort.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.errors import SomaNetError
from somanet.files import make_folder
from somanet.mlops.client import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 500


def spool_folder(root: Path | str) -> Path:
    """Where records wait."""
    return Path(root).resolve() / "mlruns" / "spool"


def outage_errors() -> tuple[type[Exception], ...]:
    """What MLflow raises when its store does not answer."""
    from mlflow.exceptions import MlflowException

    return (MlflowException, OSError)  # errors of requests are OSErrors


def send(client: MlflowClient, record: Mapping[str, Any]) -> None:
    """Send one record: ``metrics``, ``tags``, ``artifact`` or ``end``."""
    from mlflow.entities import Metric, RunTag

    run_id, kind = record["run_id"], record["kind"]
    if kind == "metrics":
        rows = record["rows"]
        for first in range(0, len(rows), _BATCH):
            batch = [Metric(key, value, time_ms, step) for key, value, time_ms, step in rows[first : first + _BATCH]]
            client.log_batch(run_id, metrics=batch)
    elif kind == "tags":
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in record["tags"].items()])
    elif kind == "artifact":
        source, folder = Path(record["path"]), record["folder"]
        if source.is_dir():
            client.log_artifacts(run_id, str(source), f"{folder}/{source.name}" if folder else source.name)
        else:
            client.log_artifact(run_id, str(source), folder)
    elif kind == "end":
        client.set_terminated(run_id, record["status"], end_time=record["time_ms"])
    else:
        raise ValueError(f"unknown kind of record: {kind}")


def keep(root: Path | str, record: Mapping[str, Any]) -> None:
    """Append a record to its run's spool; an artifact is copied, since its file may not live that long."""
    folder = make_folder(spool_folder(root))
    if record["kind"] == "artifact":
        source = Path(record["path"])
        copy = make_folder(folder / f"{record['run_id']}.{secrets.token_hex(4)}") / source.name
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy2(source, copy)
        record = {**record, "path": copy.relative_to(folder).as_posix()}
    with (folder / f"{record['run_id']}.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")


def pending_runs(root: Path | str) -> list[str]:
    """Runs with records that wait."""
    return sorted(path.stem for path in spool_folder(root).glob("*.jsonl"))


def replay_spool(root: Path | str) -> dict[str, int]:
    """Send what waits, in order; the number of records sent for each run.

    A metric row that arrived before the outage was noticed is sent again unchanged, which MLflow's database
    recognises: a replay never duplicates. A spool is removed once all of it has arrived.

    Raises:
        SomaNetError: the store is still away, or refuses a record; nothing is lost.
    """
    if not pending_runs(root):
        return {}
    client = open_client(root)
    return {run_id: replay_run(client, root, run_id) for run_id in pending_runs(root)}


def replay_run(client: MlflowClient, root: Path | str, run_id: str) -> int:
    """Send what waits for one run; see :func:`replay_spool`."""
    folder = spool_folder(root)
    path = folder / f"{run_id}.jsonl"
    if not path.exists():
        return 0
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break  # only the last line can be torn: the process died while it wrote it
    for record in records:
        if record["kind"] == "artifact":
            record["path"] = str(folder / record["path"])
        try:
            send(client, record)
        except outage_errors() as error:
            raise SomaNetError(
                f"The tracking store does not take the {len(records)} waiting records of run {run_id}: "
                f"{first_line(error)} They stay in {path}; try again when it is back."
            ) from error
    path.unlink()
    for copy in folder.glob(f"{run_id}.*"):
        shutil.rmtree(copy, ignore_errors=True)
    return len(records)


def first_line(error: BaseException) -> str:
    """An error's first line, for a message of one line."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return line if line.endswith(".") else line + "."
