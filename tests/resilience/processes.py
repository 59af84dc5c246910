"""Commands that run in a project, to be killed and judged by what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.resilience import child
from tests.resilience.scenarios import ROOT

LIMIT_S = 600.0


class Broken(AssertionError):
    """A trial that did not end as an undisturbed command ends."""


class Process:
    """A command that runs in a project, in a process group of its own."""

    def __init__(self, arguments: Sequence[str], project: Path, *, scratch: str = "../tmp") -> None:
        self._log = Path(tempfile.mkdtemp(dir=project.parent, prefix="log")) / "output.txt"
        self.began = time.monotonic()
        variables = {"OMP_NUM_THREADS": "1", "TMPDIR": str(project / scratch), "PYTHONPATH": str(ROOT)}
        Path(variables["TMPDIR"]).mkdir(exist_ok=True)
        if arguments[0] == sys.executable:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            with self._log.open("wb") as written:
                started = subprocess.Popen(
                    arguments, cwd=project, env={**os.environ, **variables, "PATH": path},
                    stdout=written, stderr=written, start_new_session=True,
                )  # fmt: skip
            self._process: Any = started
        else:
            self._process = child.context().Process(
                target=child.run_command, args=(list(arguments), str(project), str(self._log), (), variables)
            )
            self._process.start()

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def kill(self, number: int) -> None:
        """Send a signal, if it still runs; to a program's children as well, as a scheduler or a shutdown does."""
        if isinstance(self._process, subprocess.Popen):
            if self._process.poll() is None:
                os.killpg(self._process.pid, number)
        elif self._process.is_alive():
            os.kill(self._process.pid, number)

    def runs(self) -> bool:
        """Whether it has not ended."""
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll() is None
        return bool(self._process.is_alive())

    def end(self) -> int:
        """Wait; gives the exit status."""
        if isinstance(self._process, subprocess.Popen):
            try:
                return self._process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill(signal.SIGKILL)
                raise Broken(f"runs for more than {LIMIT_S:.0f} s:\n{self.text}") from None
        self._process.join(LIMIT_S)
        if self._process.exitcode is None:
            self._process.kill()
            raise Broken(f"runs for more than {LIMIT_S:.0f} s:\n{self.text}")
        return int(self._process.exitcode)


def error_line(process: Process) -> str:
    """The first error that a command has printed; empty if none."""
    return next((line for line in process.text.splitlines() if line.startswith("error: ")), "")


def says_one_line(process: Process, status: int) -> bool:
    """Whether a command ended with success and no error, or with one line that says why not."""
    errors = [line for line in process.text.splitlines() if line.startswith("error: ")]
    return status in (0, 1) and len(errors) == status and "Traceback" not in process.text
