"""Whether a window can be opened here, before Qt ends the program because it cannot."""

from __future__ import annotations

import os
import subprocess
import sys

from somanet.core.errors import SomaNetError
from somanet.core.processes import python_command

PROBE = "from qtpy.QtWidgets import QApplication; QApplication([])"
PROBE_S = 120.0
WITHOUT = "Correct where there is one; `somanet correct` applies corrections without a window."


def check_display() -> None:
    """Refuse to open a window where there is none to open it on.

    Raises:
        SomaNetError: no display, one that does not answer, or libraries of the system that Qt lacks.
    """
    if sys.platform == "linux" and not _named():
        raise SomaNetError(
            "There is no display to open a window on: DISPLAY and WAYLAND_DISPLAY are not set. Run it on a desktop, or "
            f"log in with `ssh -X`. {WITHOUT}"
        )
    # Qt aborts the program that asks, so another one asks
    try:
        done = subprocess.run(
            python_command("-c", PROBE),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PROBE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise SomaNetError(
            f"The display does not answer within {PROBE_S:g} s. Is the connection to it alive?"
        ) from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = next(
            (line for line in reversed(said) if "error" in line.lower() or "could not" in line), "it gives no reason"
        )
        raise SomaNetError(
            f"Qt cannot open a window on {_named() or 'this computer'}: {why[:200].rstrip('.')}. Is the display alive, "
            "and are Qt's libraries installed (Debian: apt install libegl1 libxkbcommon-x11-0 libxcb-cursor0)? "
            f"{WITHOUT}"
        )


def _named() -> str:
    """The display by its name; also where Qt is told to do without."""
    return next(filter(None, map(os.environ.get, ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"))), "")
