"""What a worker does with one movie of many, once it is sure that it does what is asked.

What is wrong with a worker is a refusal (:mod:`somanet.analysis.asked`); what is wrong with a movie costs only that
movie, as without workers.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from somanet.analysis.asked import Asked, NoLongerWanted, Refused, ready_for
from somanet.analysis.movie import Options
from somanet.analysis.outcome import Outcome, outcome_of
from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.progress import told_to
from somanet.io.movies import sha256_movie


@dataclass(frozen=True, kw_only=True)
class Task(Asked):
    """One movie for a worker. Paths are absolute.

    Attributes:
        sha256: of the movie, as the asking process sees it.
        folder: for its results.
        options: how it is analysed.
        replace: files that SomaNet did not write may be replaced.
    """

    sha256: str
    folder: Path
    options: Options
    replace: bool

    @property
    def place(self) -> Path:
        """The study."""
        return self.folder.parent


@dataclass(frozen=True)
class Done:
    """What a worker says of its task.

    Attributes:
        outcome: how the movie fared; None if it was not analysed.
        refusal: why this worker cannot analyse any movie.
        kept: files of the user's that results replaced, by where they are now.
        removed: files of earlier results that these do not have.
    """

    outcome: Outcome | None = None
    refusal: str | None = None
    kept: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()


def run_task(task: Task) -> Done:
    """Analyse one movie in this process, once it is sure that it does what is asked.

    Returns:
        how the movie fared, with messages in which paths are as the user wrote them.
    """
    try:
        with ready_for(task) as (networks, report):
            if problem := _other_movie(task):
                return Done(Outcome(problem=task.as_shown(problem)))
            inputs = [path for path in (task.source.path, task.source.times) if path is not None]
            guarded = guard.guarded(inputs=inputs, outputs=[task.folder], replace=task.replace, command="analyze")
            with guarded as replaced, told_to(report):
                outcome = outcome_of(task.source, task.folder, network=networks, options=task.options)
    except Refused as refusal:
        return Done(refusal=str(refusal))
    except SomaNetError as error:  # of the guard
        return Done(Outcome(problem=task.as_shown(str(error))))
    except NoLongerWanted:
        return Done()
    if outcome.problem is not None:
        outcome = Outcome(problem=task.as_shown(outcome.problem))
    return Done(outcome, kept=tuple(replaced.kept), removed=tuple(replaced.removed))


def _other_movie(task: Task) -> str | None:
    """That the movie is another one here, or None."""
    try:
        found = sha256_movie(task.source.path)
    except OSError as error:
        return f"{error.filename or task.source.path} cannot be read ({error.strerror or error}). Check the path."
    if found == task.sha256:
        return None
    return (
        f"{task.source.path} is another file on {socket.gethostname()} (SHA-256 {found[:8]}, expected "
        f"{task.sha256[:8]}). Is it still being copied, or has that computer another disk at this place?"
    )
