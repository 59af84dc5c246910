"""Which process this is, and whether another one still lives: who owns a file that is being written, a run, a trial."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from functools import cache
from pathlib import Path

_START_TOLERANCE_S = 2.0
"""The start is counted from the computer's start by a clock that may be set meanwhile."""

OWNER = re.compile(r"(?P<machine>[0-9a-f]{6})-(?P<pid>\d+)-(?P<start>\d+)")
"""How :func:`owner_mark` looks within a file name."""


def started_at(pid: int | None = None) -> float:
    """When a process began, in seconds since 1970; this one unless told.

    Raises:
        psutil.NoSuchProcess: there is none of that number.
    """
    import psutil

    return float(psutil.Process(pid).create_time())


def is_alive(pid: int, started_s: float) -> bool:
    """Whether the process of this machine with that number and start still lives.

    A number is given again to later processes; the start tells them apart. Where nothing can be found out about a
    process, which is somebody else's then, it counts as alive.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - started_s) <= _START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def owner_mark() -> str:
    """This process in a form that a file name can carry: machine, process number, start in hundredths of a second."""
    return _mark(os.getpid())


def mark_is_dead(mark: str) -> bool:
    """Whether the process that an :func:`owner_mark` names ran on this machine and is gone."""
    found = OWNER.fullmatch(mark)
    if found is None or found["machine"] != _machine():
        return False
    return not is_alive(int(found["pid"]), int(found["start"]) / 100)


@cache
def _mark(pid: int) -> str:
    return f"{_machine()}-{pid}-{round(started_at(pid) * 100)}"


@cache
def _machine() -> str:
    """Of the place where process numbers mean the same: a computer, or a container on it."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:6]
