"""Named locks between processes. The system releases a lock however its process ends; children do not inherit it.

Each name has an empty file, which is locked; files that nobody holds are removed. Files appear and disappear only while
a further lock, the door, is held: otherwise two processes could hold two files of one name. They are released before
they are removed, as Windows removes no open file; nobody can take them in between, before the door.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from somanet.core.errors import SomaNetError, explain

_POLL_S = 0.2


@dataclass(frozen=True)
class Locks:
    """The locks in a folder.

    Attributes:
        folder: of the locked files; made if it does not exist.
        door: a file that is locked for moments; it stays.
    """

    folder: Path
    door: Path

    def take(self, name: str, *, wait_s: float = 0.0) -> FileLock:
        """Lock a name.

        Raises:
            Timeout: another process holds it; or this one does.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._file(name))
        deadline = time.monotonic() + wait_s
        while not lock.is_locked:
            try:
                with FileLock(self.door):
                    self._clear()
                    lock.acquire(timeout=0)
            except Timeout:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)
        return lock

    @contextmanager
    def giving_back(self, name: str, lock: FileLock) -> Iterator[None]:
        """Release a lock after a block, during which no other process takes or gives back any."""
        with FileLock(self.door):
            yield
            lock.release()
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    def _clear(self) -> None:
        """Remove the files of killed processes."""
        for path in self.folder.glob("*.lock"):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            lock.release()
            path.unlink(missing_ok=True)


def make_own_folder(folder: Path) -> None:
    """Make a folder for locks where every user may make one, and refuse one that another user has made.

    Who made it could hold the locks in it, and stop every command for ever.

    Raises:
        SomaNetError: it is another user's, a link, or no folder.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
    except FileExistsError:
        state = folder.lstat()
    except OSError as error:
        raise explain(error, folder) from error
    if not stat.S_ISDIR(state.st_mode) or (hasattr(os, "getuid") and state.st_uid != os.getuid()):
        raise SomaNetError(
            f"{folder}: expected a folder of this user, in which SomaNet locks its outputs, found another user's, a "
            "link or a file. Ask whoever made it, or the computer's administrator, to remove it."
        )
