"""A cluster on which nobody works: no worker, a scheduler that hangs, one that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.core import cluster
from somanet.core.cluster import Work, existing_cluster, run_tasks
from somanet.core.errors import SomaNetError
from tests.servers import scheduler_address

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no process can be stopped there")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One without workers: its address and its process."""
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-W", "ignore", "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0"]
    options = ["--no-dashboard", "--scheduler-file", str(file)]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield scheduler_address(file, process), process
        finally:
            process.kill()


def test_nobody_works_and_it_is_said_why(
    scheduler: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """There is no worker; then the scheduler is stopped; then it is killed, which is one line without a traceback."""
    monkeypatch.setattr(cluster, "_POLL_S", 0.1)
    monkeypatch.setattr(cluster, "_ANSWER_S", 1.0)
    address, process = scheduler
    tasks = iter([Work("a", "a", ([1, 2],))])
    said: list[str] = []
    none, hangs = f"0 workers have joined {address}; waiting", f"{address} does not answer; waiting"

    def waits(words: str) -> None:
        said.append(words)
        if words == none:
            process.send_signal(signal.SIGSTOP)
        elif none in said:  # on a slow computer it may not answer before
            process.send_signal(signal.SIGKILL)

    with (
        pytest.raises(SomaNetError) as caught,
        existing_cluster(address) as client,
    ):
        run_tasks(
            client,
            sum,
            next_step="Finished movies stay.",
            at_once=None,
            next_task=lambda: next(tasks, None),
            ended=lambda *_: None,
            waits=waits,
        )
    assert str(caught.value) == f"The scheduler at {address} is gone. Finished movies stay."
    assert {none, hangs} == set(said)
    assert capfd.readouterr() == ("", "")
