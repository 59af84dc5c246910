"""The resources of this computer."""

from __future__ import annotations

import os

_most: int | None = None


def available_processors() -> int:
    """Number of processors that this process may use: those the system gives it, and :func:`use_processors`."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return found if _most is None else min(found, _most)


def use_processors(most: int | None) -> None:
    """Let this process compute on so many processors at most, as others of its kind use the rest; None lifts it."""
    global _most
    _most = most
