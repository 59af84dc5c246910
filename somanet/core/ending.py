"""The end of a process: its last acts, and then nothing more that takes time.

Python takes the libraries of a training apart for two seconds before a process is gone. A kill in that time would look
like a kill of the work itself, so a command that has succeeded ends directly after its last act instead.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from collections.abc import Callable

_last_acts: list[Callable[[], None]] | None = None
"""None in a process that others run, such as a notebook or a test."""


def last_act(act: Callable[[], None]) -> None:
    """Call a function when everything else is done and has succeeded: directly before this process ends.

    In a process that :func:`end_with` does not run, it is called at once.
    """
    if _last_acts is None:
        act()
    else:
        _last_acts.append(act)


def end_with(main: Callable[[], None]) -> None:
    """Run a whole process: ``main``, what libraries registered for the exit, the last acts, and the end.

    The last acts belong to success. If ``main`` raises, :class:`SystemExit` with a status included, this function
    raises the same, and what the last acts would have cleared away serves the next start.
    """
    global _last_acts
    _last_acts = []
    try:
        main()
    except BaseException as ended:
        if not isinstance(ended, SystemExit) or ended.code not in (None, 0):
            _last_acts = None
            warnings.simplefilter("ignore")  # of what libraries do on their way out, `-W error` included
            raise
    warnings.simplefilter("ignore")
    atexit._run_exitfuncs()  # Python offers no other way to run them before something else
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the reader of a pipe is gone, or the disk is full: Python's exit status for that
        os._exit(120)
    for act in _last_acts:
        act()
    os._exit(0)
