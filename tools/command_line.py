"""The command line of a tool."""

from __future__ import annotations

import sys
from collections.abc import Callable

from somanet.core.errors import SomaNetError


def run(main: Callable[[], object]) -> None:
    """Run a tool as a process: an error that its user can fix becomes one line on stderr and exit status 1."""
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
