"""What a worker is asked for, and how it makes sure that it would do the same as the process that asks.

A worker runs its own SomaNet and opens the networks itself, so it first checks that code, networks, movie and output
are those of the process that asks. What is wrong with a worker is a refusal.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import somanet
from somanet.analysis.movie import AnalysisNetworks
from somanet.analysis.network import BUNDLED, OpenedNetworks, open_networks
from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.core.foreign import quiet_libraries
from somanet.core.installation import PACKAGE
from somanet.core.machine import using_processors
from somanet.core.processes import process_mark
from somanet.core.progress import Listener
from somanet.io.movie_files import movie_exists
from somanet.provenance.code import code_digest
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.record import record_of

REPORT_S = 1.0
"""Between two reports of a worker on its progress, at which it also looks whether it shall stop."""
SUCH_AN_OUTPUT = "Choose such an --output, or use --workers alone."
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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every task for a worker has. Paths are absolute.

    Attributes:
        source: the movie.
        networks: that segment it.
        token: a file that exists as long as the analysis is wanted.
        name: of the task, in its reports.
        topic: of Dask's events, for progress.
        processors: that the worker may use; None = as many as it has threads.
        shown: paths as the user knows them, by how they are written here, for messages.
        version, code: of the asking SomaNet.
    """

    source: MovieSource
    networks: NetworksToOpen
    token: Path
    name: str = ""
    topic: str = ""
    processors: int | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    version: str = somanet.__version__
    code: str = field(default_factory=lambda: code_digest(PACKAGE))

    @property
    def place(self) -> Path:
        """The folder in which results appear, for messages."""
        return self.token.parent.parent

    def as_shown(self, message: str) -> str:
        """A message with paths as the user knows them."""
        for here, shown in self.shown.items():
            message = message.replace(here, shown)
        return message


class Refused(Exception):
    """This worker cannot do any such task as the asking process would: why, in one line."""


class NoLongerWanted(BaseException):
    """The process that asked for the work has stopped."""


@contextmanager
def ready_for(task: Asked) -> Iterator[tuple[AnalysisNetworks, Listener]]:
    """The networks that a task needs, and whom to tell how far it is; one task at a time in a process.

    Raises:
        Refused: this process would not do what is asked.
        NoLongerWanted: by the listener, within the block, once nobody asks any more.
    """
    if refusal := _refusal(task):
        raise Refused(refusal)
    quiet_libraries()
    with _ONE_AT_A_TIME, using_processors(task.processors or _threads_of_worker()):
        try:
            networks = _networks(task.networks)
        except SomaNetError as error:
            raise Refused(f"The worker on {socket.gethostname()} cannot open the network: {error}") from error
        report = _reporter(task)
        report("", 0, 0)
        yield networks, report


def unseen(who: str, what: Path | str) -> str:
    """That a worker does not see a file or folder, in one line."""
    return (
        f"{who} does not see {what}: the movies, the networks and the output must lie on a disk that all workers "
        "share, at the same place."
    )


def _refusal(task: Asked) -> str | None:
    """Why this process cannot do what is asked, or None."""
    who = f"The worker on {socket.gethostname()}"
    if other := other_code(who, somanet.__version__, code_digest(PACKAGE), task):
        return other
    if not task.token.is_file():
        return f"{unseen(who, task.as_shown(str(task.place)))} {SUCH_AN_OUTPUT}"
    needed = [path for path in (task.source.times, *task.networks.folders) if path is not None and not path.exists()]
    if not movie_exists(task.source.path):
        needed.insert(0, task.source.path)
    return unseen(who, task.as_shown(str(needed[0]))) if needed else None


def other_code(who: str, version: str | None, code: str | None, here: Asked | None = None) -> str | None:
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


def _reporter(task: Asked) -> Listener:
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
            raise NoLongerWanted
        if worker is not None:
            words = f"{doing}, {done} of {total}" if doing else ""
            told_of = {"name": task.name, "words": words, "done": done, "mark": process_mark()}
            worker.log_event(task.topic, told_of)

    return report
