"""Trials in other processes, here or on other computers, through Dask: one task per trial."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core import cluster
from somanet.core.cluster import Work, run_tasks, unique_key
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder
from somanet.core.progress import Reminder
from somanet.provenance.mlflow import Terminated, reap_stale_runs
from somanet.training.experiments import echo
from somanet.training.sweep.leases import trial_folder
from somanet.training.sweep.trial import Job, run_trial

if TYPE_CHECKING:
    from distributed import Client

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def local_cluster(workers: int, root: Path) -> Iterator[Client]:
    """:func:`somanet.core.cluster.local_cluster`, at whose end killed workers' runs end in the project's store."""
    try:
        with cluster.local_cluster(workers) as client:
            yield client
    finally:
        with contextlib.suppress(SomaNetError):  # an unreachable store is updated at the next start
            reap_stale_runs(root)


def run_on_cluster(
    client: Client,
    job: Job,
    *,
    at_once: int | None,
    next_trial: Callable[[], int | None],
    ended: Callable[[int, str | None], None],
) -> None:
    """Run trials on a cluster's workers until there are no more.

    Args:
        client: the cluster's client.
        job: the sweep.
        at_once: number of parallel trials; None = the current number of workers.
        next_trial: the number of the trial to run next; None if there is none.
        ended: called with each trial's number when its task is over, and with the reason if Dask gave up because
            its workers kept dying.

    Raises:
        SomaNetError: a worker cannot run trials at all, or the scheduler is gone.
    """

    def next_task() -> Work | None:
        number = next_trial()
        return None if number is None else Work(number, unique_key(job.key, f"trial{number}"), (job, number))

    run_tasks(
        client,
        run_in_worker,
        next_step="Finished trials stay. Start it again; the same command takes up the rest.",
        at_once=at_once,
        next_task=next_task,
        ended=lambda number, _, problem: ended(number, problem),
        waits=Reminder(echo),
    )


def run_in_worker(job: Job, number: int) -> None:
    """A Dask task: a trial with its output in a file. One per process at a time, as torch's state is per process."""
    log = make_folder(trial_folder(job.folder, number)) / "training.log"
    with _ONE_AT_A_TIME, log.open("a", encoding="utf-8", newline="\n") as words, contextlib.redirect_stdout(words):
        try:
            run_trial(job, number)
        except Terminated:  # stopped on request: the trial waits for the next start
            return
