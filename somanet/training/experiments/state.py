"""Saved states of unfinished trainings, and of finished ones in an unfinished command: `mlruns/resume/KEY.*`.

`KEY.pt` is the state after the last epoch, `KEY.json` names its MLflow run, `KEY.done.json` marks it as finished, and
`KEY.lock` is locked by the process that works on it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from somanet.core.ending import last_act
from somanet.core.errors import SomaNetError, explain
from somanet.core.locks import Locks
from somanet.core.swapping import remove_leftovers
from somanet.provenance.mlflow import run_id_from


@dataclass(frozen=True)
class SavedTraining:
    """The files of one training.

    Attributes:
        state: its state after the last epoch; the others have the same name.
    """

    state: Path

    @classmethod
    def of(cls, root: Path, key: str) -> SavedTraining:
        """Those of a project's training, by its name: see :func:`somanet.training.loop.task.name_of`."""
        return cls(root / "mlruns" / "resume" / f"{key}.pt")

    @classmethod
    def of_file(cls, path: Path) -> SavedTraining:
        """Those that a file belongs to."""
        return cls(path.with_name(f"{path.name.partition('.')[0]}.pt"))

    @property
    def note(self) -> Path:
        """Names its MLflow run."""
        return self.state.with_suffix(".json")

    @property
    def done(self) -> Path:
        """Marks it as finished, with the content of its run file."""
        return self.state.with_suffix(".done.json")

    @property
    def locks(self) -> Locks:
        """Where its name is locked by the process that works on it."""
        folder = self.state.parent
        return Locks(folder, door=folder.parent / ".resume.lock")

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

    wait_s: float = 0.0
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
        folder = saved.state.parent
        try:
            self._locks[saved] = saved.locks.take(saved.state.stem, wait_s=self.wait_s)
        except Timeout as error:
            raise SomaNetError(
                f"{name}: another process is running this training, with the same data, settings and seed. "
                "Wait for it or stop it; if it is killed, the same command resumes it."
            ) from error
        except OSError as error:
            raise explain(error, folder) from error
        remove_leftovers(folder)
        for mark in folder.glob("*.done.json"):
            other = SavedTraining.of_file(mark)
            if not other.state.exists():
                other.remove()

    def release(self, *, remove: bool) -> None:
        """Let other processes have the trainings.

        Args:
            remove: all that they were for is written, so their saved states are removed.
        """
        for saved, lock in self._locks.items():
            with saved.locks.giving_back(saved.state.stem, lock):
                if remove:
                    saved.remove()
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
            SavedTraining.of_file(file).remove()
