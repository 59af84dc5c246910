"""Workers as jobs of a batch system, through dask-jobqueue: what a file such as `slurm.yaml` says of them."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from somanet.core.cluster import NO_PAGES, SINGLE_THREADED, make_certificates, quiet_dask
from somanet.core.errors import SomaNetError, first_line
from somanet.core.extras import require
from somanet.core.job_states import Jobs, words_of
from somanet.core.settings import PositiveFloat, PositiveInt, Settings, parse, read_yaml

if TYPE_CHECKING:
    from distributed import Client

_ADAPTS_S = 0.1
"""Dask asks for as many workers as could end what waits in that time: one for each task."""
_LEAVES_MIN = 10
"""So long before its time is up a worker takes no more tasks."""
_COMMANDS = ("sbatch", "scancel")


class JobQueue(Settings):
    """Jobs of a batch system, each of which is one worker.

    Attributes:
        system: the batch system.
        jobs: at most so many at once.
        partition, account: of the batch system; its default if not given.
        cores: of a job; so many frames of a movie are segmented at once.
        memory: of a job, such as `8GB`.
        hours: after which a job ends; a movie that it has not finished is begun again by another.
        interface: the network between the nodes, such as `ib0`; the usual one if not given.
        setup: lines of the job's script before the worker starts, such as `source .venv/bin/activate`.
        directives: further ones, such as `--constraint=avx2`.
        logs: folder for what jobs print.
    """

    system: Literal["slurm"]
    jobs: PositiveInt
    partition: str | None = None
    account: str | None = None
    cores: PositiveInt = 1
    memory: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")] = "8GB"
    hours: PositiveFloat = 12.0
    interface: str | None = None
    setup: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    logs: str = "slurm-logs"


def read_job_queue(path: Path) -> JobQueue:
    """Read such a file.

    Raises:
        SomaNetError: it cannot be read, or a setting is unknown or wrong.
    """
    return parse(JobQueue, read_yaml(path), source=str(path))


def check_submits(source: str) -> None:
    """Refuse a computer on which no job can be submitted.

    Args:
        source: the file about jobs, for the message.

    Raises:
        SomaNetError: the commands of the batch system are not found.
    """
    for command in _COMMANDS:
        if shutil.which(command) is None:
            raise SomaNetError(
                f"The jobs of {source} need SLURM's `sbatch` and `scancel`, and `{command}` is not found here: run "
                "this on a login node of the cluster."
            )


def _cluster_class(jobs: Jobs) -> Any:
    """dask-jobqueue's cluster of SLURM jobs, which notes what becomes of them."""
    interrupt = signal.getsignal(signal.SIGINT)
    from dask_jobqueue.slurm import SLURMCluster, SLURMJob  # this makes Ctrl-C a success
    from distributed.core import Status

    if interrupt is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)

    job_class: Any = SLURMJob
    cluster_class: Any = SLURMCluster

    class Job(job_class):  # type: ignore[misc]
        async def start(self) -> None:
            jobs.ask(self.name)
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as error:
                jobs.refuse(self.name, words_of(error))
                self.status = Status.running  # otherwise Dask logs a traceback, and submits it again each second
            else:
                jobs.submit(self.name, self.job_id)

        async def close(self) -> None:
            jobs.close(self.name)
            await super().close()

    class Cluster(cluster_class):  # type: ignore[misc]
        job_cls = Job

        def _update_worker_status(self, op: str, msg: Any) -> None:
            if op == "add":
                for about in msg["workers"].values():
                    jobs.join(str(about["name"]))
            super()._update_worker_status(op, msg)

        def look_after(self, n_workers: int) -> str:
            words, ended = jobs.look(n_workers)
            if ended:  # others are submitted in their place
                self.loop.add_callback(self.scale_down, ended)
            return words

    return Cluster


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """A folder that dask-jobqueue makes is gone at the end, if no job has written into it."""
    was_there = folder.exists()
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def job_cluster(
    queue: JobQueue, folder: Path, *, at_once: int, allowed_failures: int, source: str = "the file of --cluster"
) -> Iterator[Client]:
    """A scheduler in this process, and jobs that are submitted when tasks wait and end when none do.

    Scheduler and workers speak encrypted, and only to each other, by a key pair that is made for this cluster.

    Args:
        queue: the jobs.
        folder: for the key pair; all nodes see it, and only this user can read it.
        at_once: number of tasks at once; no more jobs are submitted.
        allowed_failures: so often is a task begun again whose job died.
        source: the file about jobs, for messages.

    Raises:
        SomaNetError: dask-jobqueue is missing, or no job can be submitted here.
    """
    require("cluster", purpose="--cluster with a file", also=("dask_jobqueue",))
    check_submits(source)
    import dask
    from distributed import Client

    make_cluster = _cluster_class(Jobs(source, queue.logs))
    make_client: Any = Client
    quiet_dask()
    minutes = round(60 * queue.hours)
    lifetime = max(1, minutes - min(_LEAVES_MIN, minutes // 2))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        _no_empty_folder(Path(queue.logs)),
    ):
        try:
            cluster = make_cluster(
                queue=queue.partition,
                account=queue.account,
                cores=1,  # Dask's threads: one, as a process analyses one movie at a time
                processes=1,
                job_cpu=queue.cores,
                memory=queue.memory,
                walltime=f"{minutes // 60:02d}:{minutes % 60:02d}:00",
                interface=queue.interface,
                protocol="tls://",
                security=make_certificates(folder / "tls"),
                worker_extra_args=["--lifetime", f"{lifetime}m", "--lifetime-stagger", f"{max(1, lifetime // 50)}m"],
                job_extra_directives=list(queue.directives),
                job_script_prologue=[*queue.setup, *(f"export {name}=1" for name in SINGLE_THREADED)],
                log_directory=queue.logs,
                scheduler_options={"dashboard": False, "dashboard_address": NO_PAGES},
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise SomaNetError(
                f"No cluster of SLURM jobs can be made: {first_line(error)} Check the settings in {source}."
            ) from error
        with cluster, make_client(cluster) as client:
            cluster.adapt(minimum_jobs=0, maximum_jobs=min(queue.jobs, at_once), target_duration=f"{_ADAPTS_S} s")
            yield client
