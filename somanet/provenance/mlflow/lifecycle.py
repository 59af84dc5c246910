"""The end of runs whose process does not end normally: termination signals, and runs left by dead processes."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError, first_line
from somanet.core.processes import is_alive, started_at
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.machine import PREFIX
from somanet.provenance.mlflow.spool import has_end, replay_run, waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

PID, HOST, PROCESS_START, ENDED_BY = (
    "somanet.pid",
    "somanet.host",
    "somanet.process_start",
    "somanet.ended_by",
)
_REPLAY_S = 60.0
"""Maximum time for sending a dead run's pending records before the next run begins."""


class Terminated(SystemExit):
    """SIGTERM arrived: a batch system, ``docker stop`` or a shutdown ends the process. Exit status 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StoppedEarly(Exception):
    """Work that was stopped on purpose, such as a training that can no longer win: its run is FINISHED."""


@contextmanager
def sigterm_raises(*, hold: bool = False) -> Iterator[Callable[[], None]]:
    """Turn SIGTERM into :class:`Terminated` inside a block, so that ``finally`` runs; main thread only.

    Args:
        hold: defer a signal until the block calls the yielded function, for a part that must not be interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    creator_pid = os.getpid()
    holding, arrived = hold, False

    def handler(_number: int, _frame: FrameType | None) -> None:
        nonlocal arrived
        if os.getpid() != creator_pid:
            # A forked DataLoader worker inherits the handler; its termination must not end the run.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        arrived = True
        if not holding:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
            raise Terminated

    def release() -> None:
        nonlocal holding
        holding = False
        if arrived:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise Terminated

    previous = signal.signal(signal.SIGTERM, handler)
    try:
        yield release
    finally:
        signal.signal(signal.SIGTERM, previous if previous is not None else signal.SIG_DFL)
        if arrived and holding:  # the protected part failed on its own
            os.kill(os.getpid(), signal.SIGTERM)


def status_of(error: BaseException | None) -> str:
    """MLflow's status for the way a run ended."""
    if error is None or isinstance(error, StoppedEarly) or (isinstance(error, SystemExit) and not error.code):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt | Terminated) else "FAILED"


def process_tags() -> dict[str, str]:
    """Tags of the process that writes a run. The start time distinguishes it from a later process with the same id."""
    return {PID: str(os.getpid()), HOST: socket.gethostname(), PROCESS_START: f"{started_at():.2f}"}


def process_is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process in a run's tags is still alive; a run of another host or without tags counts as alive."""
    if tags.get(HOST) != socket.gethostname():
        return True
    try:
        return is_alive(int(tags[PID]), float(tags[PROCESS_START]))
    except (KeyError, ValueError):
        return True


def reap_stale_runs(root: Path | str, *, keep: str | None = None) -> list[str]:
    """End runs that are RUNNING although their process is gone as KILLED; returns their ids.

    Args:
        root: the project.
        keep: the run that is about to be resumed.

    Raises:
        SomaNetError: the store cannot be opened.
    """
    return reap(open_client(root), Path(root).resolve(), keep=keep)


def settle_run(run_id: str, *, status: str | None, tags: Mapping[str, str], root: Path | str) -> None:
    """Record how a run of another process, which is gone, ended; without a status only tag it.

    Raises:
        SomaNetError: the store does not accept it.
    """
    client = open_client(root)
    try:
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
        if status is not None:
            run = client.get_run(run_id)
            ended = run.info.end_time or _last_sign(client, run_id, run.data.metrics)
            client.set_terminated(run_id, status, end_time=ended)
    except outage_errors() as error:
        raise SomaNetError(f"The end of run {run_id} cannot be recorded: {first_line(error)}") from error


def reap(client: MlflowClient, root: Path, *, keep: str | None = None) -> list[str]:
    """:func:`reap_stale_runs` on an open client. Pending records are sent first: they may contain the run's end."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    mine = f"attributes.status = 'RUNNING' AND tags.`{HOST}` = '{socket.gethostname()}'"
    reaped = []
    for run in client.search_runs(experiments, mine, max_results=1000):
        run_id = run.info.run_id
        if run_id == keep or process_is_alive(run.data.tags) or _ended_in_spool(client, root, run_id):
            continue
        client.set_tag(run_id, ENDED_BY, f"reaped: process {run.data.tags[PID]} was gone")
        client.set_terminated(run_id, "KILLED", end_time=_last_sign(client, run_id, run.data.metrics))
        reaped.append(run_id)
    return reaped


def _ended_in_spool(client: MlflowClient, root: Path, run_id: str) -> bool:
    """Whether the end of a run was among its pending records, and has now been sent or is still pending."""
    if not waiting(root, run_id):
        return False
    try:
        replay_run(client, root, run_id, limit_s=_REPLAY_S)
    except SomaNetError:  # `somanet sync` reports the reason
        return has_end(root, run_id)
    return has_end(root, run_id) or client.get_run(run_id).info.status != "RUNNING"


def _last_sign(client: MlflowClient, run_id: str, metrics: Mapping[str, float]) -> int | None:
    """When the run last logged anything, in ms: the best estimate of its end (now could be days later)."""
    # System metrics arrive every few seconds and are the most recent; one key of each kind is enough.
    keys = [
        *[key for key in metrics if key.startswith(PREFIX)][:1],
        *[key for key in metrics if not key.startswith(PREFIX)][:1],
    ]
    times = [metric.timestamp for key in keys for metric in client.get_metric_history(run_id, key)[-1:]]
    return max(times, default=None)
