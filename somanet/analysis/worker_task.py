"""What a worker does with one movie of many, once it is sure that it does what is asked.

A worker runs its own SomaNet and opens the networks itself, so it first checks that code, networks, movie and output
are those of the process that asks. What is wrong with a worker is a refusal; what is wrong with a movie costs only
that movie, as without workers.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import somanet
from somanet.analysis.movie import AnalysisNetworks, Options
from somanet.analysis.network import BUNDLED, OpenedNetworks, open_networks
from somanet.analysis.outcome import Outcome, outcome_of
from somanet.analysis.source import MovieSource
from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.foreign import quiet_libraries
from somanet.core.installation import PACKAGE
from somanet.core.machine import using_processors
from somanet.core.processes import process_mark
from somanet.core.progress import Listener, told_to
from somanet.io.movie_files import movie_exists
from somanet.io.movies import sha256_movie
from somanet.provenance.code import code_digest
from somanet.segmentation.inference.record import record_of
from somanet.segmentation.inference.video import usual_workers

REPORT_S = 1.0
"""Between two reports of a worker on its progress, at which it also looks whether it shall stop."""
_ONE_AT_A_TIME = threading.Lock()
"""A process guards the inputs of one command, and torch has one number of threads."""


@dataclass(frozen=True)
class NetworksToOpen:
    """What a worker opens, and what it must find.

    Attributes:
        folders: checkpoints; None is the bundled network, which every installation has.
        options: of :func:`somanet.analysis.network.open_networks`.
        record: :func:`somanet.segmentation.inference.record.record_of` of these networks, their SHA-256 included.
        about: their metadata for the manifest.
    """

    folders: tuple[Path | None, ...]
    options: Mapping[str, Any]
    record: Mapping[str, Any]
    about: Mapping[str, Any]


def networks_to_open(opened: OpenedNetworks, about: Mapping[str, Any], **options: Any) -> NetworksToOpen:
    """The networks that this process has opened with these options, for workers to open too."""
    folders = tuple(None if folder.resolve() == BUNDLED else folder.absolute() for folder in opened.folders)
    return NetworksToOpen(folders, options, record_of(opened.segmenter), about)


@dataclass(frozen=True)
class Task:
    """One movie for a worker. Paths are absolute.

    Attributes:
        source: the movie.
        sha256: of the movie, as the asking process sees it.
        folder: for its results.
        networks, options: how it is analysed.
        replace: files that SomaNet did not write may be replaced.
        token: a file that exists as long as the analysis is wanted.
        topic: of Dask's events, for progress.
        processors: that the worker may use; None = as many as it has threads.
        shown: paths as the user wrote them, by how they are written here, for messages.
        version, code: of the asking SomaNet.
    """

    source: MovieSource
    sha256: str
    folder: Path
    networks: NetworksToOpen
    options: Options
    replace: bool
    token: Path
    topic: str = ""
    processors: int | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    version: str = somanet.__version__
    code: str = field(default_factory=lambda: code_digest(PACKAGE))


@dataclass(frozen=True)
class Done:
    """What a worker says of its task.

    Attributes:
        outcome: how the movie fared; None if it was not analysed.
        refusal: why this worker cannot analyse any movie.
        kept: files of the user's that results replaced, by where they are now.
    """

    outcome: Outcome | None = None
    refusal: str | None = None
    kept: tuple[Path, ...] = ()


class _NoLongerWanted(BaseException):
    """The process that asked for the analysis has stopped."""


def run_task(task: Task) -> Done:
    """Analyse one movie in this process, once it is sure that it does what is asked.

    Returns:
        how the movie fared, with messages in which paths are as the user wrote them.
    """
    if refusal := _refusal(task):
        return Done(refusal=refusal)
    quiet_libraries()
    with _ONE_AT_A_TIME, using_processors(task.processors or _threads_of_worker()):
        try:
            networks = _networks(task.networks)
        except SomaNetError as error:
            return Done(refusal=f"The worker on {socket.gethostname()} cannot open the network: {error}")
        report = _reporter(task)
        report("", 0, 0)
        try:
            if problem := _other_movie(task):
                return Done(Outcome(problem=_as_shown(problem, task)))
            inputs = [path for path in (task.source.path, task.source.times) if path is not None]
            with (
                guard.guarded(inputs=inputs, outputs=[task.folder], replace=task.replace) as kept,
                told_to(report),
            ):
                outcome = outcome_of(task.source, task.folder, network=networks, options=task.options)
        except SomaNetError as error:  # of the guard
            return Done(Outcome(problem=_as_shown(str(error), task)))
        except _NoLongerWanted:
            return Done()
        if outcome.problem is not None:
            outcome = Outcome(problem=_as_shown(outcome.problem, task))
        return Done(outcome, kept=tuple(kept))


def _refusal(task: Task) -> str | None:
    """Why this process cannot do what is asked, or None."""
    host = socket.gethostname()
    if other := other_code(f"The worker on {host}", somanet.__version__, code_digest(PACKAGE), task):
        return other
    if not task.token.is_file():
        return (
            f"The worker on {host} does not see {task.folder.parent}: the movies, the networks and the output must lie "
            "on a disk that all workers share, at the same place. Choose such an --output, or use --workers alone."
        )
    needed = [path for path in (task.source.times, *task.networks.folders) if path is not None and not path.exists()]
    if not movie_exists(task.source.path):
        needed.insert(0, task.source.path)
    if needed:
        return (
            f"The worker on {host} does not see {_as_shown(str(needed[0]), task)}: the movies, the networks and the "
            "output must lie on a disk that all workers share, at the same place."
        )
    return None


def other_code(who: str, version: str | None, code: str | None, here: Task | None = None) -> str | None:
    """Why results of another SomaNet cannot be part of the same study; None if it is the same."""
    own_version = somanet.__version__ if here is None else here.version
    own_code = code_digest(PACKAGE) if here is None else here.code
    if version is None:
        return f"{who} has no SomaNet; here it is {own_version}. Install the same version there."
    if version != own_version:
        return (
            f"{who} has SomaNet {version}, here it is {own_version}: one study needs one version. Install the same "
            "version on both."
        )
    if code != own_code:
        return (
            f"{who} has other code than here under the same version {version} (SHA-256 {str(code)[:8]} there, "
            f"{own_code[:8]} here): one study needs one version. Install the same commit on both."
        )
    return None


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


_opened: list[tuple[NetworksToOpen, AnalysisNetworks]] = []
"""The networks of this process: opening them takes seconds, so they stay until others are asked for."""


def _networks(wanted: NetworksToOpen) -> AnalysisNetworks:
    """Open what is asked for, once per process.

    Raises:
        SomaNetError: it cannot be opened, or is not what the asking process has.
    """
    for known, networks in _opened:
        if known == wanted:
            return networks
    _opened.clear()
    opened = open_networks(wanted.folders, **wanted.options, at_once=usual_workers())
    found = record_of(opened.segmenter)
    for name, expected in wanted.record.items():
        if found.get(name) != expected:
            raise SomaNetError(
                f"expected {name} {_brief(expected)}, as on the computer that asks, found {_brief(found.get(name))}. "
                "Install the same packages on all computers, or choose --engine and --device that all of them have."
            )
    _opened.append((wanted, AnalysisNetworks(opened.segmenter, dict(wanted.about))))
    return _opened[0][1]


def _brief(value: Any) -> str:
    words = " ".join(map(str, value.values())) if isinstance(value, Mapping) else str(value)
    return words if len(words) < 80 else f"{words[:77]}…"


def _threads_of_worker() -> int | None:
    """Number of threads of the Dask worker that this is; None in another process."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return None


def _reporter(task: Task) -> Listener:
    """A function that tells the asking process how far the task is, now and then, and stops it once nobody asks."""
    from distributed import get_worker

    told = -REPORT_S
    try:
        worker: Any = get_worker()
    except ValueError:
        worker = None

    def report(doing: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told < REPORT_S:
            return
        told = time.monotonic()
        if not task.token.is_file():
            raise _NoLongerWanted
        if worker is not None:
            words = f"{doing}, {done} of {total}" if doing else ""
            worker.log_event(task.topic, {"name": task.source.name, "words": words, "mark": process_mark()})

    return report


def _as_shown(message: str, task: Task) -> str:
    for here, shown in task.shown.items():
        message = message.replace(here, shown)
    return message
