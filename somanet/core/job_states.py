"""What becomes of the jobs of a batch system: submitted or refused, pending, joined by their worker, ended without."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass, field

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError, first_line

_LOOK_S = 10.0
"""Between two questions to the batch system, which others use too."""
_LOOK_AT_WORK_S = 60.0
_ANSWERS_S = 20.0
MOST_ENDED = 3
"""So many jobs may end before their worker has joined: one node may be broken, but not each."""
_ENDED = frozenset(
    (
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    )
)
"""States of a job that will never have a worker; SLURM forgets such jobs after some minutes."""
_PENDING = frozenset(("PENDING", "CONFIGURING"))


@dataclass
class Jobs:
    """What is known of a cluster's jobs, by the names of their workers.

    Dask's thread notes what becomes of them, and that of the command asks why nobody works.

    Attributes:
        source: the file about jobs, for messages.
        logs: folder for what jobs print.
        asked: whose submission is not answered yet.
        submitted: the numbers of those that were accepted.
        joined: whose worker was there.
        refused: what the batch system said of those that were not accepted.
        ended: that have ended before their worker joined.
        n_ended: their number since a worker joined, or since the last one left.
        at_work: whether a worker was there at the last look.
        said, looked: the latest answer of the batch system in words, and its time.
        lock: of all of this.
    """

    source: str
    logs: str
    asked: set[str] = field(default_factory=set)
    submitted: dict[str, str] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    n_ended: int = 0
    at_work: bool = False
    said: str = ""
    looked: float = -_LOOK_S
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, name: str) -> None:
        """A job is about to be submitted."""
        with self.lock:
            self.asked.add(name)

    def submit(self, name: str, job: str) -> None:
        """A job was accepted."""
        with self.lock:
            self.asked.discard(name)
            self.submitted[name] = job
            self.refused.pop(name, None)

    def refuse(self, name: str, words: str) -> None:
        """A job was not."""
        with self.lock:
            self.asked.discard(name)
            self.refused[name] = words

    def join(self, name: str) -> None:
        """The worker of a job is there."""
        with self.lock:
            self.joined.add(name)
            self.n_ended = 0

    def close(self, name: str) -> None:
        """A job is no longer wanted."""
        with self.lock:
            for names in (self.submitted, self.refused):
                names.pop(name, None)
            for marks in (self.asked, self.joined, self.ended):
                marks.discard(name)

    def look(self, n_workers: int) -> tuple[str, list[str]]:
        """See what has become of jobs without a worker: every 10 s at most, every minute where somebody works.

        Args:
            n_workers: that are there.

        Returns:
            Why no worker is there, empty if one is, and the names of those whose jobs have ended before they joined,
            to be submitted anew: not for ever while others work.

        Raises:
            SomaNetError: no worker is there, and no job is accepted, or they end again and again.
        """
        with self.lock:
            submitted, refused = dict(self.submitted), list(self.refused.values())
            asked = bool(self.asked)
            starting = {name: job for name, job in submitted.items() if name not in self.joined | self.ended}
        if refused and not (submitted or asked or n_workers):
            raise SomaNetError(
                f"SLURM refused the job: {refused[-1]} Check partition, account and directives in {self.source}."
            )
        if time.monotonic() - self.looked < (_LOOK_AT_WORK_S if n_workers else _LOOK_S):
            return ("" if n_workers else self.said), []
        states = _states() if starting else None
        ended = [name for name, job in starting.items() if states is not None and states.get(job, "FAILED") in _ENDED]
        with self.lock:
            again: list[str] = []
            if self.at_work and not n_workers:  # all have left: what was given up is tried again
                again, self.n_ended = sorted(self.ended), 0
            self.at_work = n_workers > 0
            self.ended.update(ended)
            self.n_ended += len(ended)
        if n_workers:
            self.looked, self.said = time.monotonic(), ""
            return "", ended if self.n_ended < MOST_ENDED else []
        where = f"their output is in {self.logs}/"
        if self.n_ended >= MOST_ENDED:
            raise SomaNetError(
                f"{self.n_ended} jobs ended before their worker joined, and no worker is there: {where}. Check `setup` "
                f"in {self.source}, and that nodes reach this computer (`interface`)."
            )
        self.looked = time.monotonic()
        if not starting:
            self.said = "no worker is there; waiting for jobs to be submitted"
            return self.said, again
        n_pending = sum(states.get(job) in _PENDING for job in starting.values()) if states is not None else 0
        n_others = len(starting) - len(ended) - n_pending
        about = [
            f"{counted(n, 'job')} {'is' if n == 1 else 'are'} {word}"
            for n, word in ((n_pending, "pending"), (n_others, "submitted" if states is None else "starting"))
            if n
        ]
        about += [f"{counted(len(ended), 'job')} ended before"] if ended else []
        about += [f"SLURM refused {len(refused)}: {refused[-1].rstrip('.')}"] if refused else []
        self.said = f"0 of {len(starting) + len(refused)} workers have joined; {', '.join(about)}; {where}"
        return self.said, [*ended, *again]


def _states() -> dict[str, str] | None:
    """States of this user's jobs by their numbers, those of the last minutes included; None if nothing tells."""
    if not hasattr(os, "getuid"):  # on Windows there is no such batch system
        return None
    command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%A %T"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=_ANSWERS_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode != 0:
        return None
    return dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)


def words_of(error: Exception) -> str:
    """What the batch system said, of an error of dask-jobqueue."""
    said = str(error).rpartition("stderr:\n")[2].strip().splitlines()
    words = "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in said)
    return first_line(RuntimeError(words or type(error).__name__))
