"""Servers on loopback, as processes that a test starts, kills and starts again."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scheduler_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that a Dask scheduler writes to its file, once it is there whole."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        time.sleep(0.1)
    raise AssertionError("no scheduler within 120 s")


class Server:
    """A real MLflow server, which also hands out the files of its runs.

    Attributes:
        folder: its working folder, with its log.
        port, url: where it listens; the same after a restart.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def start(self) -> None:
        """Start it, or start it again."""
        from somanet.provenance.mlflow.ui import _wait_until_healthy

        environment = {
            **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
        }  # fmt: skip
        environment.pop("MLFLOW_TRACKING_URI", None)
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *self._arguments],
            env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        _wait_until_healthy(self.url, self._process)

    def kill(self) -> None:
        """SIGKILL, children included."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def server_with_own_store(folder: Path, *options: str) -> Server:
    """A server whose database and files are in its folder."""
    port = free_port()
    arguments = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    arguments += ["--artifacts-destination", str(folder / "artifacts"), *options]
    return Server(folder, arguments, port)


@contextlib.contextmanager
def serving(command: str, folder: Path, environment: Mapping[str, str], *, patience_s: float = 240) -> Iterator[str]:
    """The address of a model that `mlflow models serve` serves, with a free port in place of the command's 5001.

    Args:
        command: as a page has it.
        folder: its working folder, in which it leaves nothing.
        environment: of the process and its children, which end with the block.
        patience_s: how long it may take to start.
    """
    port = str(free_port())
    words = [port if word == "5001" else word for word in shlex.split(command)]
    assert port in words
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=dict(environment), stdout=log, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + patience_s
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                    break
                time.sleep(1)
            else:
                log.seek(0)
                pytest.fail(f"{command} does not respond: {log.read()[-3000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
