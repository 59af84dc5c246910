"""For outages of the tracking store: records wait in ``mlruns/spool`` and are sent later, in order.

A tracking outage must not stop a training: its own files are authoritative, tracking is best effort.

Every record is a separate numbered file, written atomically, and removed once it has arrived. A process may therefore
be killed while it keeps or sends records, and another one may send while records are being kept: nothing is lost. A
record that is sent again, because its arrival went unnoticed, changes nothing: MLflow's database recognises a metric
row, tags and files replace themselves, a model is looked up first.

Records are kept rather than reconstructed from a training's files: the load of the machine, the times of epochs and
how a run ended are in no file, and runs of movies, evaluations, sweeps and studies are not trainings. Files are also
overwritten under the same name, so that a late `somanet sync` would give one run the network of the next training.
"""

from __future__ import annotations

import json
import math
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from somanet.core.errors import SomaNetError, first_line
from somanet.core.files import make_folder, read_json, write_text
from somanet.core.foreign import parsing
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.missing import UNKNOWN, get_run, not_here, why_not_active
from somanet.provenance.mlflow.models import NotSaved, ServedModel, log_served_model
from somanet.provenance.mlflow.outages import outage_reason
from somanet.provenance.mlflow.store import public_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 500
_LEFT_AFTER_S = 3600.0
_FILES = {"artifact": ("path",), "model": ("path", "code", "package")}
"""Files named by a record that must be copied: they may be gone when the record is sent."""


class RunRefused(SomaNetError):
    """The store responds, but does not accept this run's records."""


def spool_folder(root: Path | str) -> Path:
    """The folder of pending records, with a folder for each run."""
    return Path(root).resolve() / "mlruns" / "spool"


def pending_runs(root: Path | str) -> list[str]:
    """Runs with pending records."""
    return sorted(folder.name for folder in spool_folder(root).glob("*") if folder.is_dir() and _records_in(folder))


def waiting(root: Path | str, run_id: str) -> list[Path]:
    """The pending records of one run, in order."""
    return _records_in(spool_folder(root) / run_id)


def _records_in(folder: Path) -> list[Path]:
    """Whole records, in order; not one that another thread is writing under a hidden name."""
    return sorted(path for path in folder.glob("*.json") if path.name[0] != ".")


def has_end(root: Path | str, run_id: str) -> bool:
    """Whether the end of a run is among its pending records."""
    return any(_read(file)["kind"] == "end" for file in waiting(root, run_id))


def send(client: MlflowClient, record: Mapping[str, Any]) -> None:
    """Send one record: ``metrics``, ``tags``, ``artifact``, ``model`` or ``end``."""
    from mlflow.entities import Metric, RunTag

    run_id, kind = record["run_id"], record["kind"]
    if kind == "metrics":
        rows = record["rows"]
        for first in range(0, len(rows), _BATCH):
            batch = [
                Metric(*row) for row in rows[first : first + _BATCH]
            ]  # key, value, time, step, optionally a model's id
            client.log_batch(run_id, metrics=batch)
    elif kind == "tags":
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in record["tags"].items()])
    elif kind == "artifact":
        source, folder = Path(record["path"]), record["folder"]
        if source.is_dir():
            client.log_artifacts(run_id, str(source), f"{folder}/{source.name}" if folder else source.name)
        else:
            client.log_artifact(run_id, str(source), folder)
    elif kind == "model":
        served = ServedModel(*(Path(record[key]) for key in _FILES["model"]))
        log_served_model(client, run_id, record["experiment_id"], served, name=record["name"])
    elif kind == "end":
        client.set_terminated(run_id, record["status"], end_time=record["time_ms"])
    else:
        raise ValueError(f"unknown kind of record: {kind}")


def keep(root: Path | str, record: Mapping[str, Any]) -> None:
    """Add a record to the pending ones of its run.

    Raises:
        SomaNetError: it cannot be written, for example on a full disk.
    """
    root = Path(root).resolve()
    folder = make_folder(spool_folder(root) / record["run_id"])
    number = max((int(path.name.partition("-")[0]) for path in _records_in(folder)), default=0) + 1
    name = f"{number:08d}-{secrets.token_hex(4)}"
    copies: dict[str, str] = {}
    try:
        for key in _FILES.get(record["kind"], ()):
            copies[key] = _copy(Path(record[key]), make_folder(folder / name / key)).relative_to(folder).as_posix()
        # The copies first: a record exists once its file does. Python's JSON, with NaN and infinity.
        _write(folder / f"{name}.json", json.dumps({**record, **copies, "store": public_uri(tracking_uri(root), root)}))
    except BaseException:
        shutil.rmtree(folder / name, ignore_errors=True)
        raise


def _write(file: Path, text: str) -> None:
    try:
        write_text(file, text)
    except SomaNetError:
        if file.parent.exists():
            raise
        write_text(file, text)  # the sender of the last record removed the folder at this very moment


def _copy(source: Path, folder: Path) -> Path:
    copy = folder / source.name
    try:
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy2(source, copy)
    except OSError as error:
        raise SomaNetError(f"{source} cannot be kept in {folder}: {error.strerror or error}.") from error
    return copy


def replay_spool(root: Path | str) -> dict[str, int]:
    """Send pending records in order; returns the number sent for each run.

    Each record is removed once it has arrived, so that an interrupted replay continues where it stopped.

    Raises:
        SomaNetError: the store is still away, or does not accept a run's records; those are kept, the others are sent.
    """
    if not pending_runs(root):
        return {}
    client = open_client(root)
    sent, refused = {}, []
    for run_id in pending_runs(root):
        try:
            sent[run_id] = replay_run(client, root, run_id)
        except RunRefused as error:
            refused.append(str(error))
    if refused:
        others = f" (And {len(refused) - 1} more runs.)" if len(refused) > 1 else ""
        raise SomaNetError(f"{refused[0]}{others}")
    return sent


def replay_run(client: MlflowClient, root: Path | str, run_id: str, *, limit_s: float | None = None) -> int:
    """Send the pending records of one run, with an optional time limit in seconds; see :func:`replay_spool`."""
    root = Path(root).resolve()
    folder = spool_folder(root) / run_id
    ends, n_sent = math.inf if limit_s is None else time.monotonic() + limit_s, 0
    with _alone(folder, run_id):
        while files := waiting(root, run_id):  # repeated, since more may have been kept in the meantime
            for group, record in _grouped(files):
                _send_kept(client, root, group, record)
                n_sent += len(group)
                if time.monotonic() > ends:
                    break
            if time.monotonic() > ends:
                break
        if not waiting(root, run_id):
            _remove_empty(folder)
    return n_sent


@contextmanager
def _alone(folder: Path, run_id: str) -> Iterator[None]:
    """Allow one sender at a time: two would mix up the order."""
    lock = FileLock(folder / ".lock")
    try:
        if folder.is_dir():
            lock.acquire(timeout=0)
    except Timeout as error:
        raise RunRefused(f"The records of run {run_id} are being sent by another process. Wait for it.") from error
    except OSError as error:
        if folder.is_dir():
            raise SomaNetError(f"The records in {folder} cannot be sent: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def _remove_empty(folder: Path) -> None:
    """Remove a folder whose records were all sent, with half-kept files of a killed process; not those being kept."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name != ".lock" and not path.with_suffix(".json").exists() and _age_s(path) > _LEFT_AFTER_S:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / ".lock").unlink(missing_ok=True)
    with suppress(OSError):  # a new record has arrived
        folder.rmdir()


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _grouped(files: Sequence[Path]) -> Iterator[tuple[list[Path], dict[str, Any]]]:
    """Records with their files; consecutive metrics are combined, since every call costs time."""
    group: list[Path] = []
    rows: list[Any] = []
    last: dict[str, Any] = {}
    for file in files:
        record = _read(file)
        if group and (record["kind"] != "metrics" or len(rows) >= _BATCH or record["store"] != last["store"]):
            yield group, {**last, "rows": rows}
            group, rows = [], []
        if record["kind"] == "metrics":
            group, rows, last = [*group, file], [*rows, *record["rows"]], record
        else:
            yield [file], record
    if group:
        yield group, {**last, "rows": rows}


def _read(file: Path) -> dict[str, Any]:
    try:
        with parsing(file, "a record"):
            record = read_json(file, expected="a record of a run", keys=("kind", "store", "run_id"))
            for key in _FILES.get(record["kind"], ()):
                record[key] = str(file.parent / record[key])
    except SomaNetError as error:
        raise RunRefused(
            f"{file} is not a valid record ({error}). Was it edited? Move it away to send the others."
        ) from error
    return record


def _send_kept(client: MlflowClient, root: Path, files: Sequence[Path], record: Mapping[str, Any]) -> None:
    here = public_uri(tracking_uri(root), root)
    if record["store"] != here:
        raise RunRefused(
            f"The records of run {record['run_id']} wait for {record['store']}, but runs are now recorded in {here}. "
            "Set MLFLOW_TRACKING_URI as it was (or unset it), then run `somanet sync`."
        )
    try:
        send(client, record)
    except NotSaved as error:
        raise RunRefused(f"{error} Deleting {files[0]} discards this record and lets the others through.") from error
    except outage_errors() as error:
        raise _explain(client, root, record["run_id"], error) from error
    for file in files:
        file.unlink()
        shutil.rmtree(file.with_suffix(""), ignore_errors=True)


def _explain(client: MlflowClient, root: Path, run_id: str, error: Exception) -> SomaNetError:
    """The error for a store that is away, or a run that is missing from it, with the next step."""
    folder = f"mlruns/spool/{run_id}"
    n = len(waiting(root, run_id))
    if getattr(error, "error_code", None) in UNKNOWN:
        try:
            run = get_run(client, run_id)
            reason = None if run is None else why_not_active(client, run, root)
        except outage_errors() as away:
            return _away(root, run_id, n, away)
        if run is None:
            return RunRefused(f"{not_here(run_id, root)} Deleting {folder} discards its {n} waiting records.")
        if reason is not None:
            return RunRefused(f"{reason} Then `somanet sync` sends the {n} records that wait in {folder}.")
        return RunRefused(
            f"MLflow refuses a record of run {run_id}: {first_line(error)} It is {waiting(root, run_id)[0]}: move it "
            "away to send the others."
        )
    return _away(root, run_id, n, error)


def _away(root: Path, run_id: str, n: int, error: Exception) -> SomaNetError:
    return SomaNetError(
        f"The tracking store {public_uri(tracking_uri(root), root)} does not accept the {n} waiting records of run "
        f"{run_id}: {outage_reason(error)} They stay in mlruns/spool; run `somanet sync` again when it is back."
    )
