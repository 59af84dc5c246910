"""Where `somanet analyze` finds workers, for many movies or a large one: processes here, a Dask cluster, jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.analysis.asked import NetworksToOpen
    from somanet.analysis.batch import Batch
    from somanet.analysis.outcome import Outcome
    from somanet.analysis.source import MovieSource
    from somanet.analysis.workers import Workers
    from somanet.core.cluster import Certificates
    from somanet.migration.measures import Measures

JOBS = (".yaml", ".yml")
"""A --cluster that ends so, in any case, is a file about jobs, not an address."""
MOST_PER_PROCESSOR = 4
"""Workers on this computer: more would only wait for each other, each with a network in memory."""


def elsewhere_of(
    workers: int | None, cluster: str | None, certificates: Certificates | None, *, unencrypted: bool
) -> Workers | None:
    """Where movies are analysed: by worker processes here, on a Dask cluster, by jobs; None: in this process.

    Raises:
        SomaNetError: Dask is missing, an option does not fit, or the connection would not be safe.
    """
    from somanet.core.cluster import RETRIES, check_address, existing_cluster, local_cluster
    from somanet.core.extras import require
    from somanet.core.guard import protect
    from somanet.core.job_queue import check_submits, job_cluster, read_job_queue

    from_file = cluster is not None and cluster.lower().endswith(JOBS)
    if certificates is not None and (cluster is None or from_file):
        raise SomaNetError("Certificates are for --cluster with an address. Give it: tls://host:8786.")
    if workers is None and cluster is None:
        return None
    require("cluster", purpose="Several workers (--workers, --cluster)")
    from somanet.analysis.workers import Workers, processors_each

    if cluster is None:
        from somanet.core.machine import available_processors

        assert workers is not None
        if workers > (most := MOST_PER_PROCESSOR * available_processors()):
            raise SomaNetError(
                f"--workers {workers} is more than this computer can use: expected 1 to {most}, as it has "
                f"{available_processors()} processors. Each worker has a network in memory."
            )
        return Workers(
            lambda _, n: local_cluster(min(workers, n), allowed_failures=RETRIES, stops_workers=True),
            workers,
            lambda n: processors_each(min(workers, n)),
            workers_end=True,
        )
    if from_file:
        queue = read_job_queue(protect(Path(cluster)))
        check_submits(cluster)
        at_once = workers or queue.jobs
        return Workers(
            lambda folder, n: job_cluster(
                queue, folder, at_once=min(at_once, n), allowed_failures=RETRIES, source=cluster
            ),
            at_once,
            lambda _: queue.cores,
            workers_end=True,
        )
    check_address(cluster, certificates, unencrypted=unencrypted, option="--cluster", otherwise=f" or a {JOBS[0]} file")
    return Workers(
        lambda *_: existing_cluster(cluster, certificates=certificates, unencrypted=unencrypted, option="--cluster"),
        workers,
        lambda _: None,
        workers_end=False,
    )


def run_elsewhere(
    batch: Batch,
    output: Path,
    networks: NetworksToOpen,
    elsewhere: Workers,
    *,
    ends: Callable[[Measures, Path], None],
) -> None:
    """The movies on workers. Ctrl-C and SIGTERM stop them all; what is finished stays."""
    from somanet.analysis.workers import OnWorkers, shared_folder
    from somanet.provenance.mlflow import sigterm_raises

    def analyze(sources: Sequence[MovieSource], ended: Callable[[MovieSource, Outcome], None]) -> None:
        if not sources:
            return
        with (
            sigterm_raises(),
            shared_folder(output, batch.folders, workers_end=elsewhere.workers_end) as shared,
            elsewhere.open(shared.folder, len(sources)) as client,
        ):
            on_workers = OnWorkers(
                client,
                shared,
                folders=batch.folders,
                networks=networks,
                options=batch.options,
                at_once=elsewhere.at_once,
                processors=elsewhere.processors(len(sources)),
            )
            on_workers(sources, ended)

    batch.run_elsewhere(analyze, begins=typer.echo, ends=ends)
