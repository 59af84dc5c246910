"""The Optuna study of a sweep: a journal file that several processes append to, and that survives their crashes."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder

JOURNAL = "journal.log"


def trial_store_key(name: str, metadata: Mapping[str, Any]) -> str:
    """Name of an Optuna study: the sweep's name and a hash of everything that makes its trials comparable."""
    return f"{name}-{hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()[:10]}"


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from printing a line per trial and from warning about its experimental parts."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


class _SystemLock(JournalFileOpenLock):
    """The operating system's file lock: released when its process ends, so a killed worker blocks nobody."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


@dataclass(frozen=True)
class TrialStore:
    """An open Optuna study.

    Attributes:
        optuna: the Optuna object.
        storage: its Optuna storage.
    """

    optuna: optuna.Study
    storage: JournalStorage

    def trials(self) -> list[FrozenTrial]:
        """The current state of all trials, by number."""
        return self.optuna.get_trials(deepcopy=False)

    def trial(self, number: int) -> FrozenTrial:
        """The current state of one trial."""
        return self.storage.get_trial(self.trial_id(number))

    def trial_id(self, number: int) -> int:
        """The storage's id of a trial."""
        study_id = self.storage.get_study_id_from_name(self.optuna.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def note(self, number: int, key: str, value: Any) -> None:
        """Store a user attribute of an open trial."""
        self.storage.set_trial_user_attr(self.trial_id(number), key, value)


def open_trial_store(folder: Path, key: str) -> TrialStore:
    """Open an Optuna study's journal, or create it.

    Raises:
        SomaNetError: the journal is damaged, or the file system has no locks.
    """
    journal = make_folder(folder) / JOURNAL
    lock = journal.with_suffix(".lock")
    try:
        with FileLock(lock):
            _mend(journal)
        storage = JournalStorage(JournalFileBackend(str(journal), _SystemLock(lock)))
        study = optuna.create_study(study_name=key, storage=storage, direction="maximize", load_if_exists=True)
    except NotImplementedError as error:
        raise SomaNetError(
            f"The file system of {folder} has no file locks, which a sweep needs. Keep the project on a local disk, or "
            "on a network disk with locks (NFS 4)."
        ) from error
    except (ValueError, KeyError, AssertionError) as error:
        raise SomaNetError(
            f"The journal {journal} is damaged ({error}). Start the sweep again with --restart; MLflow keeps its runs."
        ) from error
    return TrialStore(study, storage)


def _mend(journal: Path) -> None:
    """Cut off a last line left incomplete by a full disk or a power cut: the next line would be appended to it."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    if content and not content.endswith(b"\n"):
        with journal.open("r+b") as handle:
            handle.truncate(content.rfind(b"\n") + 1)
