"""A stage as a process ends by an error in one line, as a command does."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        ("OSError(28, 'No space left on device', 'labels.tif')", 1, "error: labels.tif: No space left on device."),
        ("MemoryError()", 1, "error: The memory does not suffice."),
        ("RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')", 1, "error: The memory does not suffice."),
        ("SomaNetError('two\\x1b[2J lines')", 1, "error: two\\\\x1b[2J lines"),
        ("KeyboardInterrupt()", 130, "Interrupted: outputs that were complete stay, nothing is half-written."),
    ],
)
def test_an_error_is_one_line(error: str, status: int, line: str) -> None:
    code = (
        "import warnings\n"
        "from somanet.core.errors import SomaNetError\n"
        "from somanet.training.experiments import stage\n"
        "def main():\n"
        "    warnings.warn('of a library')\n"
        f"    raise {error}\n"
        "stage(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    said = done.stderr.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith(line.replace("\\\\", "\\"))


def test_an_error_of_the_code_keeps_its_traceback() -> None:
    code = "from somanet.training.experiments import stage\nstage(lambda: {}['gone'])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'gone'" in done.stderr
