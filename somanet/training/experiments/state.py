"""Saved states of unfinished trainings, and of finished ones in an unfinished command: `mlruns/resume/KEY.*`.

`KEY.pt` is the state after the last epoch, `KEY.json` names its MLflow run, `KEY.done.json` marks it as finished, and
`KEY.lock` is locked by the process that works on it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from somanet.core.ending import last_act
from somanet.core.errors import SomaNetError, explain
from somanet.core.files import make_folder
from somanet.core.swapping import remove_leftovers
from somanet.provenance.mlflow import run_id_from

_LOCK_WAIT_S = 6.0
"""The processes that load a killed training's data may hold its lock for up to 5 s."""


@dataclass(frozen=True)
class SavedTraining:
    """The files of one training.

    Attributes:
        state: its state after the last epoch; the others have the same name.
    """

    state: Path

    @classmethod
    def of(cls, root: Path, key: str) -> SavedTraining:
        """Those of a project's training, by its name: see :func:`somanet.training.loop.saved_state.training_key`."""
        return cls(root / "mlruns" / "resume" / f"{key}.pt")

    @property
    def note(self) -> Path:
        """Names its MLflow run."""
        return self.state.with_suffix(".json")

    @property
    def done(self) -> Path:
        """Marks it as finished, with the content of its run file."""
        return self.state.with_suffix(".done.json")

    @property
    def lock(self) -> Path:
        """Locked by the process that works on it."""
        return self.state.with_suffix(".lock")

    def is_done(self) -> bool:
        """Whether it only needs to be written out."""
        return self.done.exists() and self.state.exists()

    def remove(self) -> None:
        """Remove its state and what belongs to it.

        The state decides: as long as it exists, a finished training counts as such; without it the rest means nothing.
        """
        for path in (self.note, self.state, self.done):
            path.unlink(missing_ok=True)


@dataclass
class Trainings:
    """The trainings of a command or stage; meanwhile no other process works on one of them.

    Attributes:
        wait_s: how long to wait for a training that another process works on.
    """

    wait_s: float = _LOCK_WAIT_S
    _locks: dict[SavedTraining, FileLock] = field(default_factory=dict)

    def claim(self, saved: SavedTraining, *, name: str) -> None:
        """Take a training on, after removing what killed processes left.

        Args:
            saved: its files.
            name: its name in messages.

        Raises:
            SomaNetError: another process works on it, or `mlruns/` cannot be written.
        """
        if saved in self._locks:
            return
        folder = make_folder(saved.state.parent)
        lock = FileLock(saved.lock)
        deadline = time.monotonic() + self.wait_s
        while not lock.is_locked:
            try:
                with _exclusive(folder):
                    _clear(folder)
                    lock.acquire(timeout=0)
            except Timeout as error:
                if time.monotonic() > deadline:
                    raise SomaNetError(
                        f"{name}: another process is running this training, with the same data, settings and seed. "
                        "Wait for it or stop it; if it is killed, the same command resumes it."
                    ) from error
                time.sleep(0.2)
            except OSError as error:
                raise explain(error, folder) from error
        self._locks[saved] = lock

    def release(self, *, remove: bool) -> None:
        """Let other processes have the trainings.

        Args:
            remove: all that they were for is written, so their saved states are removed.
        """
        for saved, lock in self._locks.items():
            with _exclusive(saved.state.parent):
                saved.lock.unlink(missing_ok=True)
                if remove:
                    saved.remove()
                lock.release()
        self._locks.clear()


@contextmanager
def several_trainings(*, at_exit: bool) -> Iterator[Trainings]:
    """The trainings of a command or stage: if one is killed, those before it need not run again.

    DVC deletes a stage's outputs before it runs, so a finished training's state is kept until the block succeeds.

    Args:
        at_exit: the block is the process's whole work: states are removed as its last act, so that a kill before its
            end does not cost a second training. Otherwise (a trial of a sweep) the block removes them, and a training
            that another process works on is waited for rather than refused.
    """
    trainings = Trainings() if at_exit else Trainings(wait_s=math.inf)
    try:
        yield trainings
    except BaseException:
        trainings.release(remove=False)
        raise
    if at_exit:
        last_act(lambda: trainings.release(remove=True))
    else:
        trainings.release(remove=True)


def forget_trainings(root: Path, run_ids: Collection[str]) -> None:
    """Remove the saved state of these runs' trainings: they will not be resumed."""
    for file in (root / "mlruns" / "resume").glob("*.json"):
        try:
            run_id = run_id_from(file)
        except SomaNetError:  # another process has just removed its own
            continue
        if run_id in run_ids:
            SavedTraining.of(root, file.name.partition(".")[0]).remove()


def _exclusive(folder: Path) -> FileLock:
    """For the moments in which locks appear and disappear, so that no two processes hold locks of one name."""
    return FileLock(folder.parent / ".resume.lock")


def _clear(folder: Path) -> None:
    """Remove half-written states of dead processes, locks that nobody holds, and marks whose state is gone."""
    remove_leftovers(folder)
    for path in folder.glob("*.lock"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        path.unlink(missing_ok=True)
        lock.release()
    for path in folder.glob("*.done.json"):
        saved = SavedTraining(path.with_name(f"{path.name.partition('.')[0]}.pt"))
        if not saved.state.exists():
            saved.remove()
