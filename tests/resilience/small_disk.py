"""A small disk in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """Mount a disk in memory on a folder. Linux, root only.

    Args:
        place: the folder.
        size: of the disk, as `mount` takes it: `50m`.

    Yields:
        How to mount it with other options, such as `size=100m` or `ro`.
    """

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True, capture_output=True)

    mount(f"size={size}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def used_bytes(place: Path) -> int:
    """How much of the disk at a folder is taken."""
    state = os.statvfs(place)
    return (state.f_blocks - state.f_bavail) * state.f_frsize
