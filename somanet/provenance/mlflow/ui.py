"""MLflow's web page on this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.processes import python_command
from somanet.provenance.mlflow.environment import ENVIRONMENT
from somanet.provenance.mlflow.experiments import describe_experiments
from somanet.provenance.mlflow.lifecycle import sigterm_raises
from somanet.provenance.mlflow.store import artifacts_folder, database_path, ensure_store, public_uri, tracking_uri

HOST = "127.0.0.1"
START_WAIT_S = 90.0
_STOP_WAIT_S = 5.0


def serve_ui(root: Path | str, *, port: int = 5000, ready: Callable[[str], None] | None = None) -> None:
    """Serve the project's runs until Ctrl-C or SIGTERM.

    Args:
        root: the project.
        port: TCP port on the loopback interface.
        ready: called with the page's address once it responds.

    Raises:
        SomaNetError: the port is in use, the store cannot be opened or is a server with its own page, or the server
            exits.
    """
    with sigterm_raises(), running_ui(root, port=port) as (url, server):
        if ready is not None:
            ready(url)
        try:
            status = server.wait()
        except KeyboardInterrupt:
            return
        raise SomaNetError(f"The MLflow server exited on its own with status {status}. Its messages are above.")


def page_of_server(root: Path | str) -> str | None:
    """The page of the store, if that is a server; None where the store is a file or a database."""
    uri = tracking_uri(root)
    return public_uri(uri, Path(root).resolve()) if uri.startswith(("http://", "https://", "databricks")) else None


@contextmanager
def running_ui(root: Path | str, *, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server and yield its address and process; it is stopped with its children when the block ends."""
    uri = ensure_store(root)
    if shown := page_of_server(root):
        raise SomaNetError(f"MLFLOW_TRACKING_URI names a server, which has its own page: open {shown}.")
    _refuse_taken(port)
    describe_experiments(root)
    artifacts = artifacts_folder(root)
    database = database_path(root)
    command = [
        *python_command("-m", "mlflow", "server"),
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    # Both forms: browsers send host:port, health probes and proxies often only the host.
    hosts = [f"{name}{suffix}" for name in (HOST, "localhost") for suffix in ("", f":{port}")]
    command += ["--allowed-hosts", ",".join(hosts), "--backend-store-uri", uri]
    if artifacts is not None:
        command += ["--default-artifact-root", artifacts.as_posix()]
    server = subprocess.Popen(
        command,
        # The processes that MLflow starts, too, import nothing from the folder in which it runs.
        env={**ENVIRONMENT, **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONSAFEPATH": "1"},
        # MLflow puts ./mlruns and ./mlartifacts where it is started.
        cwd=database.parent if database is not None else None,
        stdout=2,  # its output goes to stderr; stdout is the caller's
        start_new_session=True,  # one group to stop, and Ctrl-C reaches only us
    )
    url = f"http://{HOST}:{port}"
    try:
        _wait_until_healthy(url, server)
        _refuse_another(port, server)
        yield url, server
    finally:
        _stop(server)


def _refuse_taken(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: a port in TIME_WAIT is free
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise _taken(port, str(error)) from error


def _taken(port: int, why: str) -> SomaNetError:
    return SomaNetError(
        f"Port {port} on {HOST} cannot be used ({why}). Is another page still open? Choose one "
        f"with --port, for example --port {port + 1 if port < 65535 else 5001}."
    )


def _refuse_another(port: int, server: subprocess.Popen[bytes]) -> None:
    """Refuse a page that another process serves: two that start at once both find the port free, and one gets it."""
    import psutil

    try:
        mine = psutil.Process(server.pid)
        serving = [
            connection
            for process in (mine, *mine.children(recursive=True))
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        ]
    except psutil.Error:  # it has just ended, as it could not get the port
        serving = []
    if not serving:
        raise _taken(port, "another program has just taken it")


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WAIT_S
    # A proxy in the environment must not be used for the local machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if server.poll() is not None:
            _refuse_taken(urllib.parse.urlsplit(url).port or 0)
            raise SomaNetError(
                f"The MLflow server exited at startup with status {server.returncode}. Its messages are "
                "above; `somanet doctor` checks the store."
            )
        try:
            with opener.open(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass  # not up yet
        time.sleep(0.2)
    raise SomaNetError(f"The MLflow server did not respond at {url} within {START_WAIT_S:.0f} s. Try again.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its workers: SIGTERM first, then SIGKILL."""
    _signal_group(server, signal.SIGTERM)
    try:
        server.wait(_STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also after a polite end: a worker that outlived its parent would keep the port.
        _signal_group(server, getattr(signal, "SIGKILL", signal.SIGTERM))
        server.wait()


def _signal_group(server: subprocess.Popen[bytes], number: int) -> None:
    try:
        if os.name == "posix":
            os.killpg(server.pid, number)  # it leads its own group, see start_new_session
        else:
            server.terminate()
    except (ProcessLookupError, PermissionError):
        pass  # the group is empty already
