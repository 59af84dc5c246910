"""A project with labelled images, and real `somanet` processes in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from somanet.io.datasets.writers import write_pairs
from tests.resilience import child
from tests.resilience.child import Stop
from tests.servers import Server, server_with_own_store
from tests.worlds import make_project, mlflow_may_warn, scene

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 4
TRAIN = [
    "train", "nuclei", "--output", "models/small", "--seed", "5", "--set", f"training.epochs={EPOCHS}",
    "--set", "training.size_px=32", "--set", "training.batch_size=2", "--set", "training.loss=bce+dice",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "nuclei"
    write_pairs(folder, [scene(name) for name in "abcde"])
    return folder


@pytest.fixture
def new_project(images: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a project with its own empty store and the images."""

    def make(name: str) -> Path:
        folder = make_project(tmp_path / name, tmp_path_factory.getbasetemp())
        shutil.copytree(images, folder / "nuclei")
        return folder

    return make


class Command:
    """A running `somanet` process and what it has printed."""

    def __init__(self, process: Any, output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    def wait_for(self, words: str, timeout_s: float = 240.0) -> None:
        """Until it has printed this."""
        deadline = time.monotonic() + timeout_s
        while words not in self.text:
            assert self.process.exitcode is None, f"ended with {self.process.exitcode}:\n{self.text}"
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)

    def end(self, timeout_s: float = 300.0) -> int:
        """Wait for its end; gives the exit status, negative for the signal that killed it."""
        self.process.join(timeout_s)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"still running after {timeout_s} s:\n{self.text}")
        return int(self.process.exitcode)


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `somanet` with arguments in a folder; it is killed at the end of the test if it still runs."""
    started: list[Command] = []

    def begin(
        arguments: list[str], *, cwd: Path, stop: Stop | Sequence[Stop] = (), variables: Mapping[str, str] | None = None
    ) -> Command:
        stops = [stop] if isinstance(stop, Stop) else list(stop)
        output = tmp_path / f"output{len(started)}.txt"
        process = child.context().Process(
            target=child.run_command,
            args=(list(map(str, arguments)), str(cwd), str(output), stops, dict(variables or {})),
        )
        process.start()
        started.append(Command(process, output))
        return started[-1]

    yield begin
    for command in started:
        if command.process.is_alive():
            command.process.kill()
        command.process.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs, unless a test before has killed it."""
    folder = tmp_path_factory.mktemp("server")
    template = make_project(folder / "template", tmp_path_factory.getbasetemp())
    shutil.copy2(template / "mlruns" / "mlflow.db", folder / "server.db")
    one = server_with_own_store(folder)
    yield one
    one.kill()
