"""Leases: which process runs a trial, and whether it is alive; a trial changes hands only when its process is dead."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from filelock import FileLock
from optuna.trial import FrozenTrial

from somanet.core.files import make_folder
from somanet.provenance.mlflow.lifecycle import HOST, process_is_alive, process_tags
from somanet.training.sweep.trial_store import TrialStore

LEASE = "owner"
BEAT_EVERY_S = 15.0
DEAD_AFTER_S = 120.0
"""Age of the last heartbeat after which a process on another computer counts as dead; here its process id decides."""

Claim = Literal["mine", "taken", "finished"]


def me() -> Mapping[str, str]:
    """This process, as recorded in a trial's lease."""
    return _tags(os.getpid())


@cache
def _tags(_pid: int) -> Mapping[str, str]:
    return process_tags()  # once: the start time depends on the clock, which may be set meanwhile


def trial_folder(sweep_folder: Path, number: int) -> Path:
    """The folder of a trial's networks."""
    return sweep_folder / f"trial_{number:04d}"


def claim(trial_store: TrialStore, number: int, sweep_folder: Path) -> Claim:
    """Take a trial's lease if it is free; return who holds it now."""
    with FileLock(sweep_folder / "claims.lock"):
        trial = trial_store.trial(number)
        if trial.state.is_finished():
            return "finished"
        if runs_elsewhere(trial, sweep_folder):
            return "taken"
        trial_store.note(number, LEASE, me())
        beat(sweep_folder, number)
    return "mine"


def lease_of(trial: FrozenTrial) -> Mapping[str, str]:
    """Host, process id and start time of the process that last took the lease; empty if none did."""
    lease: Mapping[str, str] = trial.user_attrs.get(LEASE, {})
    return lease


def is_mine(trial: FrozenTrial) -> bool:
    """Whether this process holds the lease."""
    return lease_of(trial) == me()


def runs_elsewhere(trial: FrozenTrial, sweep_folder: Path) -> bool:
    """Whether another live process holds the lease."""
    lease = lease_of(trial)
    if not lease or is_mine(trial) or trial.state.is_finished():
        return False
    if lease.get(HOST) == socket.gethostname():
        return process_is_alive(lease)
    return heartbeat_age_s(sweep_folder, trial.number) < DEAD_AFTER_S


def beat(sweep_folder: Path, number: int) -> None:
    """Write one heartbeat, for other computers."""
    (make_folder(trial_folder(sweep_folder, number)) / "heartbeat").touch()


def heartbeat_age_s(sweep_folder: Path, number: int) -> float:
    """Seconds since the last heartbeat, by the clock of the shared disk; infinite if there is none."""
    clock = sweep_folder / f".clock-{socket.gethostname()}-{os.getpid()}"
    clock.touch()
    try:
        return clock.stat().st_mtime - (trial_folder(sweep_folder, number) / "heartbeat").stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    finally:
        clock.unlink(missing_ok=True)


@contextmanager
def heartbeat(sweep_folder: Path, number: int) -> Iterator[None]:
    """Write heartbeats from a thread while a block runs."""
    stop = threading.Event()

    def keep_beating() -> None:
        while not stop.wait(BEAT_EVERY_S):
            beat(sweep_folder, number)

    thread = threading.Thread(target=keep_beating, name=f"heartbeat-{number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
