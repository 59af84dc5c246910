"""Identify processes and check whether they are alive: which one writes a file, or works on a run or a trial."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from functools import cache
from pathlib import Path

_START_TOLERANCE_S = 2.0
"""Start times are computed from the boot time, by a clock that may have been adjusted in the meantime."""

_FIRST_ERROR_OF_WINDOWS = 0xC0000000
"""Of the NTSTATUS values that name errors: 0xC0000005 is an access violation."""

PROCESS_MARK = re.compile(r"(?P<machine>[0-9a-f]{6})-(?P<pid>\d+)-(?P<start>\d+)")
"""The pattern of a :func:`process_mark` within a file name."""


def python_command(*arguments: str) -> list[str]:
    """This Python with arguments, which imports nothing from the current folder: that may hold files of others.

    Without ``-P``, a `json.py` that lies there runs in place of the library, under ``-c`` and ``-m``.
    """
    return [sys.executable, "-P", *arguments]


def has_crashed(exit_status: int) -> bool:
    """Whether the system ended a process, as its status says: a signal's negative number, or one of Windows' errors."""
    return exit_status < 0 or exit_status >= _FIRST_ERROR_OF_WINDOWS


def started_at(pid: int | None = None) -> float:
    """Start time of a process in seconds since 1970; by default of this one.

    Raises:
        psutil.NoSuchProcess: no process has that id.
    """
    import psutil

    return float(psutil.Process(pid).create_time())


def is_alive(pid: int, started_s: float) -> bool:
    """Whether the process of this machine with that id and start time is still alive.

    Process ids are reused; the start time tells the processes apart. A process that may not be inspected, because it
    belongs to another user, counts as alive.
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


def process_mark() -> str:
    """This process as part of a file name: machine, process id, start time in hundredths of a second."""
    return _mark(os.getpid())


def mark_is_dead(mark: str) -> bool:
    """Whether the process that a :func:`process_mark` names ran on this machine and is gone."""
    found = PROCESS_MARK.fullmatch(mark)
    if found is None or found["machine"] != _machine():
        return False
    return not is_alive(int(found["pid"]), int(found["start"]) / 100)


@cache
def _mark(pid: int) -> str:
    return f"{_machine()}-{pid}-{round(started_at(pid) * 100)}"


@cache
def _machine() -> str:
    """Id of the process namespace: a computer, or a container on it."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:6]
