"""What a process says when it ends by an error: one line that its user can act on, and no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from somanet.core.errors import SomaNetError, first_line
from somanet.core.mending import library_trouble, missing_library
from somanet.core.text import printable

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""

_NO_MEMORY = "error: The memory does not suffice. Close other programs, use a larger computer, or smaller input."
_OUT_OF_MEMORY = (
    "std::bad_alloc",
    "an't allocate memory",
    "Failed to allocate memory",
    "Insufficient memory",
    "out of memory",
    "can't start new thread",
)
"""How compiled libraries (PyTorch, ONNX Runtime, OpenCV, CUDA) word it that memory or threads do not suffice."""


def in_one_line(work: Callable[[], None]) -> None:
    """Do a command's or a stage's work; an error the user can mend becomes one line on stderr and exit status 1.

    Errors of SomaNet's own code keep their traceback.
    """
    try:
        work()
    except SomaNetError as error:
        sys.exit(f"error: {printable(str(error))}")
    except OSError as error:
        if trouble := library_trouble(error):
            sys.exit(f"error: {printable(trouble.line)}")
        if _folder_is_gone():
            sys.exit("error: The current folder no longer exists. Change to another one (`cd`), then run again.")
        # Of the system, the standard output, or a library's own files: no traceback helps.
        place = error.filename or ("what this command prints" if error.errno is not None else "a library")
        reason = error.strerror or first_line(error).removesuffix(".")
        sys.exit(f"error: {printable(str(place))}: {reason}. Check its permissions and the free space, then run again.")
    except MemoryError:
        sys.exit(_NO_MEMORY)
    except ImportError as error:
        if trouble := library_trouble(error) or missing_library(error):
            sys.exit(f"error: {printable(trouble.line)}")
        sys.exit(
            f"error: A library cannot be loaded ({printable(first_line(error).removesuffix('.'))}). Does the memory "
            "suffice (`ulimit -v`)? If so, the installation is damaged: install somanet again, and check it with "
            "`somanet doctor`."
        )
    except (KeyboardInterrupt, SystemExit) as ended:  # Typer makes one into the other
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        sys.stderr.write("\nInterrupted: outputs that were complete stay, nothing is half-written.\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if any(words in str(error) for words in _OUT_OF_MEMORY):
            sys.exit(_NO_MEMORY)
        raise


def _folder_is_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is this
    except OSError:
        return True
    return False
