"""Processes that share work, here or on other computers, through Dask: who may join, and one task after another."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable
from urllib.parse import urlsplit

from somanet.core.errors import SomaNetError, first_line

if TYPE_CHECKING:
    from distributed import Client, Future, Security

RETRIES = 2
"""Of a task whose worker failed; Dask itself reassigns the tasks of dead workers."""
KEPT_DYING = "its worker process kept dying: out of memory?"

_CONNECT_S = 20
_POLL_S = 1.0
"""Between two looks at whether anybody works."""
_ANSWER_S = 5.0
"""So long may a scheduler take to say how many workers it has."""
_STOP_S = 10.0
"""So long do tasks have to stop when the work is interrupted."""
NO_PAGES = "127.0.0.1:0"
"""Where the scheduler's pages are: Dask has some without a dashboard too, at a port that another command may have."""
_ENCRYPTED = ("tls", "wss")
_ADDRESS = re.compile(r"(?:(?:tls|tcp|wss|ws|ucx)://)?(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "dask_jobqueue")
"""Of Dask, with levels of their own."""
SINGLE_THREADED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Threads of several processes would compete for the same cores, so libraries use one in each."""


@contextmanager
def local_cluster(
    workers: int, *, allowed_failures: int | None = None, stops_workers: bool = False
) -> Iterator[Client]:
    """Worker processes on this computer, reachable from this computer only, one thread each.

    Args:
        workers: number of processes.
        allowed_failures: so often is a task begun again whose worker died; None = as Dask is configured.
        stops_workers: Ctrl-C is for this process only, which lets its workers end in order.
    """
    import dask
    from distributed import Client, LocalCluster

    own = (*SINGLE_THREADED, "PYTHONSAFEPATH")  # which imports nothing from the current folder
    config: dict[str, Any] = {f"distributed.nanny.pre-spawn-environ.{name}": 1 for name in own}
    if allowed_failures is not None:
        config["distributed.scheduler.allowed-failures"] = allowed_failures
    quiet_dask()
    make_cluster: Any = LocalCluster
    make_client: Any = Client
    options = {"preload": [__name__]} if stops_workers else {}
    with (
        TemporaryDirectory(prefix="somanet-workers-") as scratch,
        dask.config.set(config),
        make_cluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": NO_PAGES},
            memory_limit=0,
            local_directory=scratch,
            silence_logs="CRITICAL",
            **options,
        ) as cluster,
        make_client(cluster) as client,
    ):
        yield client


def dask_setup(_worker: object) -> None:
    """Called by Dask in a worker that preloads this module: a terminal sends Ctrl-C to all processes at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def quiet_dask() -> None:
    """Keep what Dask logs off the screen: that a connection is lost, say, is an error in one line."""
    import distributed  # noqa: F401 - it sets the levels of its loggers when it is imported

    for name in (*_LOGGERS, "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Certificates:
    """Files (PEM) by which the parts of a cluster know each other, as for `dask scheduler` and `dask worker`.

    Attributes:
        ca: the authority that signed the certificates of all of them.
        cert, key: the certificate that this process shows, and its private key.
    """

    ca: Path
    cert: Path
    key: Path


def certificates_of(ca: Path | None, cert: Path | None, key: Path | None) -> Certificates | None:
    """The three files together, or None where none is given.

    Raises:
        SomaNetError: only some of them are given.
    """
    if ca is None and cert is None and key is None:
        return None
    if ca is None or cert is None or key is None:
        raise SomaNetError("--tls-ca-file, --tls-cert and --tls-key belong together: give all three, or none.")
    return Certificates(ca, cert, key)


def make_certificates(folder: Path) -> Security:
    """A new key pair in a folder of yours: all parts of a cluster speak only to who has it, and encrypted."""
    from distributed import Security

    make_security: Any = Security
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = make_security.temporary()
    for name, content in (("cert.pem", made.tls_client_cert), ("key.pem", made.tls_client_key)):
        (folder / name).unlink(missing_ok=True)
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.encode())
    cert, key = (str((folder / name).resolve()) for name in ("cert.pem", "key.pem"))
    own = {
        f"tls_{role}_{kind}": path
        for role in ("client", "scheduler", "worker")
        for kind, path in (("cert", cert), ("key", key))
    }
    return cast("Security", make_security(require_encryption=True, tls_ca_file=cert, **own))


def check_address(
    address: str,
    certificates: Certificates | None,
    *,
    unencrypted: bool,
    option: str = "--scheduler",
    otherwise: str = "",
) -> None:
    """Refuse what is no address, and where others in the network could read along, or run code here and on workers.

    Dask sends pickled code, so whoever can speak to a scheduler, or in its name, can run anything. Only a certificate
    keeps others out; on this computer alone, its users are trusted.

    Args:
        address: the scheduler's: `tls://node01:8786`.
        certificates: of this process; None takes those of Dask's own configuration for `tls://`.
        unencrypted: the user trusts everybody in the network.
        option: that named the address, for the message.
        otherwise: what it may name instead, such as ` or a .yaml file`.

    Raises:
        SomaNetError: no address, one without encryption that is neither this computer's nor allowed, certificates for
            such an address, or certificates that are missing.
    """
    if not _ADDRESS.fullmatch(address):
        raise SomaNetError(
            f"{option}: expected tls://HOST:PORT{' or' if not otherwise else ','} tcp://HOST:PORT{otherwise}, found "
            f"{address!r}. `dask scheduler` prints its address when it starts."
        )
    scheme, separator, place = address.rpartition("://")
    encrypted = separator != "" and scheme in _ENCRYPTED
    if certificates is not None:
        for path in (certificates.ca, certificates.cert, certificates.key):
            if not path.is_file():
                raise SomaNetError(f"{path}: no such file; expected a certificate or key (PEM). Check the path.")
        if not encrypted:
            raise SomaNetError(
                f"{option} {address} is not encrypted, so certificates are not used: expected tls://{place}. Was "
                "the scheduler started with certificates?"
            )
    elif encrypted and not _dask_has_certificates():
        raise SomaNetError(
            f"{option} {address} needs certificates, and none were given: add --tls-ca-file, --tls-cert and --tls-key, "
            "with the files that `dask scheduler` was started with, or name them in Dask's own configuration."
        )
    if not (encrypted or unencrypted or _is_this_computer(place)):
        raise SomaNetError(
            f"{option} {address} is not encrypted: anybody in the network could run code on the workers and here. "
            "Start the cluster with certificates and give tls://…, --tls-ca-file, --tls-cert and --tls-key "
            "(docs/sweeps.md); or give --unencrypted if you trust the whole network."
        )


def _dask_has_certificates() -> bool:
    from distributed import Security

    make_security: Any = Security
    own = make_security()
    return bool(own.tls_ca_file and own.tls_client_cert)


def _is_this_computer(place: str) -> bool:
    host = urlsplit(f"//{place}").hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def existing_cluster(
    address: str,
    *,
    certificates: Certificates | None = None,
    unencrypted: bool = False,
    option: str = "--scheduler",
) -> Iterator[Client]:
    """A cluster that is already running: on SLURM, say.

    Args:
        address, certificates, unencrypted, option: as for :func:`check_address`.

    Raises:
        SomaNetError: the connection would not be safe, or there is no cluster at that address.
    """
    from distributed import Client, Security

    check_address(address, certificates, unencrypted=unencrypted, option=option)
    quiet_dask()
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


class Work(NamedTuple):
    """A task for :func:`run_tasks`.

    Attributes:
        of: what it is about: a trial's number, a movie's name.
        key: its name in Dask, of no other task.
        arguments: of the function.
    """

    of: Any
    key: str
    arguments: tuple[Any, ...]


@runtime_checkable
class HasJobs(Protocol):
    """A cluster whose workers are jobs that can end before they work."""

    def look_after(self, n_workers: int) -> str:
        """Submit others in the place of such jobs.

        Args:
            n_workers: that are there.

        Returns:
            Why no worker is there; empty if one is.

        Raises:
            SomaNetError: none is there, and none will come.
        """


def run_tasks(
    client: Client,
    function: Callable[..., Any],
    *,
    next_step: str,
    at_once: int | None,
    next_task: Callable[[], Work | None],
    ended: Callable[[Any, Any, str | None], None],
    waits: Callable[[str], None],
    stop: Callable[[], None] | None = None,
) -> None:
    """Run tasks on a cluster's workers until there are no more.

    Args:
        client: the cluster's client.
        function: runs one task on a worker.
        next_step: what to do when the scheduler is gone: `Start it again; the same command takes up the rest.`
        at_once: number of parallel tasks; None = the current number of workers.
        next_task: the next one; None if there is none now.
        ended: called with what a task was about, what it returned, and the reason if Dask gave up because its workers
            kept dying.
        waits: called now and then with the reason why nobody works, or `""` when somebody does.
        stop: asks the tasks that run to end, when the work is interrupted by an error, Ctrl-C or SIGTERM.

    Raises:
        SomaNetError: the scheduler is gone, or no worker will come.
        Exception: what a task raised.
    """
    from distributed import CancelledError, KilledWorker
    from distributed import wait as untyped_wait
    from distributed.comm.core import CommClosedError

    wait: Any = untyped_wait
    cluster: Any = client
    pending: dict[Future[Any], Any] = {}
    n_workers: int | None = 0
    ever_joined = False
    try:
        while True:
            n_workers = _n_workers(client)
            ever_joined = ever_joined or bool(n_workers)
            slots = at_once or max(1, n_workers or 1)
            while len(pending) < slots and (task := next_task()) is not None:
                pending[cluster.submit(function, *task.arguments, key=task.key, retries=RETRIES)] = task.of
            if not pending:
                return
            try:
                over = wait(list(pending), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                waits(_absence(client, n_workers, ever_joined=ever_joined))
                continue
            for future in over:
                about = pending.pop(future)
                problem = future.exception()
                if isinstance(problem, KilledWorker):
                    ended(about, None, KEPT_DYING)
                elif problem is not None:
                    raise problem
                else:
                    ended(about, future.result(), None)
    except BaseException as error:
        if stop is not None:
            stop()
            with contextlib.suppress(Exception):
                wait(list(pending), timeout=_STOP_S if n_workers else 0)
        if isinstance(error, CancelledError | CommClosedError):
            raise SomaNetError(f"The scheduler at {_address(client)} is gone. {next_step}") from error
        raise


def _n_workers(client: Client) -> int | None:
    """Workers of a cluster; None if its scheduler does not answer."""
    cluster: Any = client
    try:
        return len(cluster.nthreads(callback_timeout=_ANSWER_S))
    except OSError:  # a timeout is one; if the scheduler is gone, the tasks tell of it
        return None


def _absence(client: Client, n_workers: int | None, *, ever_joined: bool) -> str:
    """Why nobody works; empty if somebody does.

    Raises:
        SomaNetError: nobody ever will.
    """
    cluster: Any = client
    if isinstance(cluster.cluster, HasJobs):
        return cluster.cluster.look_after(n_workers or 0)
    if n_workers:
        return ""
    if n_workers is None:
        return f"{_address(client)} does not answer; waiting"
    if ever_joined:
        return f"all workers have left {_address(client)}; waiting"
    return f"0 workers have joined {_address(client)}; waiting"


def _address(client: Client) -> str:
    cluster: Any = client
    return str(cluster.scheduler.address)


def unique_key(*parts: object) -> str:
    """A name in Dask of a task that shall run now, whatever ran by the same name before."""
    return "-".join([*map(str, parts), os.urandom(4).hex()])
