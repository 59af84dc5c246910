"""The resources of this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_most: int | None = None


def available_processors() -> int:
    """Number of processors that this process may use: those the system gives it, and :func:`using_processors`."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return found if _most is None else min(found, _most)


@contextmanager
def using_processors(most: int | None) -> Iterator[None]:
    """Within the block this process computes on so many processors at most, as others use the rest; None: on all."""
    global _most
    before, _most = _most, most
    try:
        yield
    finally:
        _most = before
