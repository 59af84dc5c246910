"""Movies analysed by other processes, here or on other computers: one Dask task per movie.

A worker that would not do what this process does ends the work with one line (:mod:`somanet.analysis.worker_task`).
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from somanet.analysis.asked import SUCH_AN_OUTPUT, NetworksToOpen, other_code, unseen
from somanet.analysis.movie import Options
from somanet.analysis.outcome import Outcome
from somanet.analysis.source import MovieSource
from somanet.analysis.worker_task import Done, Task, run_task
from somanet.core import guard
from somanet.core.cluster import Work, run_tasks, unique_key
from somanet.core.errors import SomaNetError, first_line
from somanet.core.machine import available_processors
from somanet.core.processes import process_mark
from somanet.core.progress import Overview
from somanet.core.swapping import remove_unfinished, scratch_folder
from somanet.io.movie_files import movie_files
from somanet.io.movies import sha256_movie

if TYPE_CHECKING:
    from distributed import Client

_TOKEN = "token"  # noqa: S105 - a file by which a worker sees that it sees the study


class OnWorkers:
    """Analyses movies on a cluster's workers; the argument of :meth:`somanet.analysis.batch.Batch.run_elsewhere`.

    Args:
        client: the cluster's.
        shared: a hidden folder in the study, from :func:`shared_folder`.
        folders: by name, of the results.
        networks, options: how movies are analysed.
        at_once: movies at once; None = one per worker.
        processors: that a worker may use; None = as many as it has threads.
    """

    def __init__(
        self,
        client: Client,
        shared: Shared,
        *,
        folders: Mapping[str, Path],
        networks: NetworksToOpen,
        options: Options,
        at_once: int | None = None,
        processors: int | None = None,
    ) -> None:
        self._client, self._shared, self._folders = client, shared, folders
        self._networks, self._options = networks, options
        self._at_once, self._processors = at_once, processors

    def __call__(self, sources: Sequence[MovieSource], ended: Callable[[MovieSource, Outcome], None]) -> None:
        """Analyse movies, the largest first, so that no worker begins the longest one when the others are done.

        Raises:
            SomaNetError: a worker cannot analyse any movie as this process would, or the cluster is lost.
        """
        if not sources:
            return
        check_workers(self._client, self._shared.token)
        topic = unique_key("somanet-progress")
        waiting = sorted(sources, key=_size, reverse=True)
        in_work: dict[str, MovieSource] = {}
        with Overview(len(sources), unit="movie") as overview:

            def tell(said: Mapping[str, Any]) -> None:
                if said["name"] in in_work:
                    self._shared.marks.setdefault(said["name"], set()).add(said["mark"])
                    overview.now(said["name"], said["words"])

            def over(source: MovieSource, outcome: Outcome) -> None:
                in_work.pop(source.name, None)
                for mark in self._shared.marks.pop(source.name, ()):  # of attempts whose process is gone
                    remove_unfinished(self._folders[source.name].absolute(), mark)
                overview.over(source.name)
                with overview.aside():
                    ended(source, outcome)

            def next_task() -> Work | None:
                while waiting:
                    source = waiting.pop(0)
                    try:
                        task = self._task(source, topic)
                    except OSError as error:
                        place = error.filename or source.path
                        over(source, Outcome(problem=f"{place} cannot be read ({error.strerror}). Check the path."))
                        continue
                    in_work[source.name] = source
                    return Work(source, unique_key("somanet-movie", source.name), (task,))
                return None

            def take(source: MovieSource, done: Done | None, problem: str | None) -> None:
                if done is None:
                    over(source, Outcome(problem=f"{problem} Analyse this movie alone, or several with fewer workers."))
                    return
                if done.refusal is not None:
                    raise SomaNetError(done.refusal)
                if done.outcome is None:
                    raise SomaNetError("The work was stopped from outside. The same command takes up the rest.")
                for path in done.kept:
                    guard.keep(path)
                for path in done.removed:
                    guard.drop(path)
                over(source, done.outcome)

            work_on(
                self._client,
                self._shared,
                run_task,
                at_once=self._at_once,
                next_task=next_task,
                ended=take,
                topic=topic,
                tell=tell,
                waits=overview.waits,
                next_step="Finished movies stay. Start it again; the same command takes up the rest.",
            )

    def _task(self, source: MovieSource, topic: str) -> Task:
        folder = self._folders[source.name]
        path, times = source.path.absolute(), None if source.times is None else source.times.absolute()
        given = {here: shown for here, shown in ((path, source.path), (folder.absolute(), folder)) if here != shown}
        return Task(
            source=replace(source, path=path, times=times),
            sha256=sha256_movie(source.path),
            folder=folder.absolute(),
            networks=self._networks,
            options=self._options,
            replace=guard.replacing(),
            token=self._shared.token,
            name=source.name,
            topic=topic,
            processors=self._processors,
            shown={str(here): str(shown) for here, shown in given.items()},
        )


class Workers(NamedTuple):
    """Where workers are, and how many of them take part.

    Attributes:
        open: the cluster, with a folder that this process shares with its workers, for a number of tasks.
        at_once: tasks at once; None = one per worker.
        processors: that each may use, for a number of tasks; None = as many as it has threads.
        workers_end: they are gone when the cluster is closed.
    """

    open: Callable[[Path, int], AbstractContextManager[Client]]
    at_once: int | None
    processors: Callable[[int], int | None]
    workers_end: bool


@dataclass
class Shared:
    """What this process and its workers share besides movies and results.

    Attributes:
        folder: hidden, in the study, on the disk that all of them see; only this user can read it.
        token: a file that exists as long as the analysis is wanted.
        marks: by movie, the processes that have begun it.
    """

    folder: Path
    token: Path
    marks: dict[str, set[str]] = field(default_factory=dict)


@contextmanager
def shared_folder(study: Path, folders: Mapping[str, Path], *, workers_end: bool) -> Iterator[Shared]:
    """A hidden folder in a study, for the time of an analysis; what ended workers left half-written is removed too.

    Args:
        study: where all results lie.
        folders: by name, of the results.
        workers_end: the workers are gone when the block ends, and whatever they have not finished is left-over.
    """
    with scratch_folder(study.absolute() / "workers") as folder:
        folder.chmod(0o700)
        shared = Shared(folder, folder / _TOKEN)
        shared.token.write_text(process_mark(), encoding="utf-8", newline="\n")
        try:
            yield shared
        finally:
            for name, marks in shared.marks.items() if workers_end else ():
                for mark in marks:
                    remove_unfinished(folders[name].absolute(), mark)


def work_on(
    client: Client,
    shared: Shared,
    function: Callable[..., Any],
    *,
    at_once: int | None,
    next_task: Callable[[], Work | None],
    ended: Callable[[Any, Any, str | None], None],
    topic: str,
    tell: Callable[[Mapping[str, Any]], None],
    waits: Callable[[str], None],
    next_step: str,
) -> None:
    """:func:`somanet.core.cluster.run_tasks` with reports of workers, which stop when this process does.

    Args:
        client, function, at_once, next_task, ended, waits, next_step: as there.
        shared: what workers share with this process.
        topic: of the workers' reports.
        tell: takes each report, in another thread.

    Raises:
        SomaNetError: the cluster is lost, no worker will come, or one failed.
    """
    cluster: Any = client
    cluster.subscribe_topic(topic, lambda event: tell(event[1]))
    try:
        run_tasks(
            client,
            function,
            next_step=next_step,
            at_once=at_once,
            next_task=next_task,
            ended=ended,
            waits=waits,
            stop=lambda: shared.token.unlink(missing_ok=True),
        )
    except SomaNetError:
        raise
    except Exception as error:
        check_workers(client)  # one that came later may be another
        raise SomaNetError(
            f"A worker failed: {type(error).__name__}: {first_line(error)} What is finished stays; the same "
            "command takes up the rest."
        ) from error
    finally:
        with contextlib.suppress(Exception):  # the cluster may be lost
            cluster.unsubscribe_topic(topic)


def check_workers(client: Client, token: Path | None = None) -> None:
    """Refuse a cluster on which an analysis would not be the one that this process would do.

    Args:
        client: the cluster's.
        token: a file in the study that workers have to see; None if only their code counts.

    Raises:
        SomaNetError: the scheduler or a worker has another Python or another SomaNet, or does not see the study.
    """
    cluster: Any = client
    here = platform.python_version_tuple()[:2]
    versions = cluster.get_versions(check=False)
    for address, about in (("the scheduler", versions["scheduler"]), *versions["workers"].items()):
        python = str(about["packages"]["python"]).split(".")[:2]
        if python != list(here):
            raise SomaNetError(
                f"On {address} Python is {'.'.join(python)}, here it is {'.'.join(here)}: code cannot be sent. Install "
                "the same Python on both."
            )

    def look(token: str) -> dict[str, Any]:  # sent as it is, as a worker may have another SomaNet, or none
        import pathlib
        import socket

        found: dict[str, Any] = {"host": socket.gethostname(), "sees": pathlib.Path(token).is_file()}
        try:
            import somanet

            found["version"] = somanet.__version__
            from somanet.provenance.code import code_digest

            found["code"] = code_digest(pathlib.Path(somanet.__file__).resolve().parent)
        except ImportError:
            pass
        return found

    seen = [("The scheduler", cluster.run_on_scheduler(look, str(token)), False)]
    seen += [(f"The worker {address}", found, True) for address, found in cluster.run(look, str(token)).items()]
    for who, found, works in seen:
        name = f"{who} on {found['host']}"
        if other := other_code(name, found.get("version"), found.get("code")):
            raise SomaNetError(other)
        if works and token is not None and not found["sees"]:
            raise SomaNetError(f"{unseen(name, token.parent.parent)} {SUCH_AN_OUTPUT}")


def processors_each(workers: int) -> int:
    """Processors of this computer for each of several workers, one at least."""
    return max(1, available_processors() // workers)


def _size(source: MovieSource) -> int:
    try:
        return sum(path.stat().st_size for path in movie_files(source.path))
    except OSError:
        return 0
