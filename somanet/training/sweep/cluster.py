"""Trials in other processes, here or on other computers, through Dask: one task per trial."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from somanet.core.errors import SomaNetError, first_line
from somanet.core.files import make_folder
from somanet.provenance.mlflow import Terminated, reap_stale_runs
from somanet.training.sweep.leases import trial_folder
from somanet.training.sweep.trial import Job, run_trial

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
"""Of a task whose worker failed; Dask itself reassigns the tasks of dead workers."""

_CONNECT_S = 20
_ENCRYPTED = ("tls", "wss")
_ONE_AT_A_TIME = threading.Lock()
_SINGLE_THREADED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def local_cluster(workers: int, root: Path) -> Iterator[Client]:
    """Worker processes on this computer, reachable from this computer only, one thread each.

    Threads of several trainings would compete for the same cores, so each worker uses one. Runs of killed workers
    are ended in the project's store when the cluster is closed.
    """
    import dask
    from distributed import Client, LocalCluster

    own = (*_SINGLE_THREADED, "PYTHONSAFEPATH")  # which imports nothing from the current folder
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": 1 for name in own}
    make_cluster: Any = LocalCluster
    make_client: Any = Client
    try:
        with (
            TemporaryDirectory(prefix="somanet-sweep-") as scratch,
            dask.config.set(environment),
            make_cluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,
                local_directory=scratch,
                silence_logs="CRITICAL",
            ) as cluster,
            make_client(cluster) as client,
        ):
            yield client
    finally:
        with contextlib.suppress(SomaNetError):  # an unreachable store is updated at the next start
            reap_stale_runs(root)


@dataclass(frozen=True)
class Certificates:
    """Files (PEM) by which the parts of a cluster know each other, as for `dask scheduler` and `dask worker`.

    Attributes:
        ca: the authority that signed the certificates of all of them.
        cert, key: the certificate that the sweep shows, and its private key.
    """

    ca: Path
    cert: Path
    key: Path


def check_address(address: str, certificates: Certificates | None, *, unencrypted: bool) -> None:
    """Refuse a connection on which others in the network could read along, or run code here and on the workers.

    Dask sends pickled code, so whoever can speak to a scheduler, or in its name, can run anything. Only a certificate
    keeps others out; on this computer alone, its users are trusted.

    Args:
        address: the scheduler's: `tls://node01:8786`.
        certificates: the sweep's; None takes those of Dask's own configuration for `tls://`.
        unencrypted: the user trusts everybody in the network.

    Raises:
        SomaNetError: an address without encryption that is neither this computer's nor allowed, certificates for such
            an address, or files that are missing.
    """
    scheme, separator, place = address.rpartition("://")
    encrypted = separator != "" and scheme in _ENCRYPTED
    if certificates is not None:
        for path in (certificates.ca, certificates.cert, certificates.key):
            if not path.is_file():
                raise SomaNetError(f"{path}: no such file; expected a certificate or key (PEM). Check the path.")
        if not encrypted:
            raise SomaNetError(
                f"--scheduler {address} is not encrypted, so certificates are not used: expected tls://{place}. Was "
                "the scheduler started with certificates?"
            )
    if not (encrypted or unencrypted or _is_this_computer(place)):
        raise SomaNetError(
            f"--scheduler {address} is not encrypted: anybody in the network could run code on the workers and here. "
            "Start the cluster with certificates and give tls://…, --tls-ca-file, --tls-cert and --tls-key "
            "(docs/sweeps.md); or give --unencrypted if you trust the whole network."
        )


def _is_this_computer(place: str) -> bool:
    host = urlsplit(f"//{place}").hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def existing_cluster(
    address: str, *, certificates: Certificates | None = None, unencrypted: bool = False
) -> Iterator[Client]:
    """A cluster that is already running: on SLURM, say.

    Args:
        address, certificates, unencrypted: as for :func:`check_address`.

    Raises:
        SomaNetError: the connection would not be safe, or there is no cluster at that address.
    """
    from distributed import Client, Security

    check_address(address, certificates, unencrypted=unencrypted)
    make_client, make_security = cast("Any", Client), cast("Any", Security)
    try:
        security = certificates and make_security(
            require_encryption=True,
            tls_ca_file=str(certificates.ca),
            tls_client_cert=str(certificates.cert),
            tls_client_key=str(certificates.key),
        )
        client = make_client(address, timeout=_CONNECT_S, security=security)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        raise SomaNetError(
            f"No Dask scheduler responds at {address}: {first_line(error)} Expected an address such as "
            "tls://node01:8786, as `dask scheduler` prints it. Is it running, reachable from here, and are the "
            "certificates its own?"
        ) from error
    with client:
        yield client


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
        SomaNetError: a worker cannot run trials at all, or the connection to the cluster was lost.
    """
    from distributed import CancelledError, KilledWorker
    from distributed import wait as untyped_wait

    wait: Any = untyped_wait
    cluster: Any = client

    pending: dict[Future[None], int] = {}
    while True:
        slots = at_once or max(1, len(cluster.nthreads()))
        while len(pending) < slots and (number := next_trial()) is not None:
            future = client.submit(run_in_worker, job, number, key=_task_name(job, number), retries=RETRIES)
            pending[future] = number
        if not pending:
            return
        try:
            over = wait(list(pending), return_when="FIRST_COMPLETED").done
        except CancelledError as error:
            raise SomaNetError(
                f"The connection to the cluster was lost during trials: {first_line(error)} The same command resumes."
            ) from error
        for future in over:
            number = pending.pop(future)
            problem = future.exception()
            if isinstance(problem, KilledWorker):
                ended(number, "its worker process kept dying: out of memory?")
            elif problem is not None:
                raise problem
            else:
                ended(number, None)


def _task_name(job: Job, number: int) -> str:
    return f"{job.key}-trial{number}-{os.urandom(4).hex()}"


def run_in_worker(job: Job, number: int) -> None:
    """A Dask task: a trial with its output in a file. One per process at a time, as torch's state is per process."""
    log = make_folder(trial_folder(job.folder, number)) / "training.log"
    with _ONE_AT_A_TIME, log.open("a", encoding="utf-8") as words, contextlib.redirect_stdout(words):
        try:
            run_trial(job, number)
        except Terminated:  # stopped on request: the trial waits for the next start
            return
