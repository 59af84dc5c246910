"""Files are tried in another process first where a library's defects would take the memory of this one, or end it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from somanet.core.problems import FileProblem
from somanet.core.processes import has_crashed, python_command

MEMORY_BYTES = 1 << 30
"""Addresses that the process may take, beside those of the libraries it has loaded."""
_PATIENCE_S = 300
_START = f"""
import sys
def bound():
    try:
        import resource
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY_BYTES},) * 2)
    except (ImportError, OSError, ValueError):
        pass  # no Linux; or there is a lower limit already
"""
_END = """
except MemoryError:
    sys.exit(3)
except Exception as error:
    sys.exit(3 if "bad_alloc" in str(error) else 0)  # the caller will meet it again, and name it
"""
_NO_MEMORY = 3
_sound: set[tuple[str, int, int]] = set()
"""Path, size and time of change of the files that were opened without a crash."""


def try_opening(path: Path, kind: str, imports: str, attempt: str) -> None:
    """Refuse a file that a library cannot open without a crash, or in bounded memory.

    Takes half a second, once for each file.

    Args:
        path: the file.
        kind: what it should be, for messages: `CZI`.
        imports: the statement that loads the library.
        attempt: an expression that opens the file `path` and reads what it says of itself.

    Raises:
        FileProblem: naming the file.
    """
    state = path.stat()
    known = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    if known in _sound:
        return
    code = f"{_START}{imports}\nbound()\npath = sys.argv[1]\ntry:\n    {attempt}{_END}"
    try:
        tried = subprocess.run(python_command("-c", code, str(path)), capture_output=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise FileProblem(f"{path}: the {kind} cannot be opened within {_PATIENCE_S} s. Is it damaged?") from error
    if has_crashed(tried.returncode):
        raise FileProblem(f"{path}: the {kind} is damaged: its reader crashes on it. Fetch it again.")
    if tried.returncode == _NO_MEMORY:
        raise FileProblem(
            f"{path}: opening the {kind} takes over {MEMORY_BYTES >> 30} GB of memory. Is it damaged? Fetch it again.",
            "too large",
        )
    _sound.add(known)
