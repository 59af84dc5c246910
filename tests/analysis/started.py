"""A command in a session of its own, as a terminal starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def started(command: Sequence[str], lab: Path, *, path: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """The running command, killed at the end; what it says is added to `said.txt`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if path is not None:
        environment["PATH"] = path
    with (lab / "said.txt").open("a") as said:
        process = subprocess.Popen(
            command, cwd=lab, env=environment, text=True, stdout=said, stderr=said, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
