"""Real SQLite stores; creating one runs 70 migrations, so the session makes one and the tests copy it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from somanet.provenance.mlflow import ensure_store

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _quiet_dependencies() -> Iterator[None]:
    """Warnings are errors in our code, not inside MLflow, SQLAlchemy and torch's exporter."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import warnings

    root = tmp_path_factory.mktemp("template")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        ensure_store(root)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store of its own: a copy, which must find its own artifacts."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = tmp_path / "project #1"  # a name that is no URI
    shutil.copytree(template, project)
    return project


@pytest.fixture
def start_python() -> Iterator[Start]:
    """Start a Python script beside the test; it is killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # politely first: a server stops its children, which would hold the pipes open
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], timeout_s: float = 180.0) -> str:
    """The first line that a process prints."""
    assert process.stdout is not None
    start = time.monotonic()
    line = process.stdout.readline().strip()
    if not line:
        raise AssertionError(process.communicate()[1])
    assert time.monotonic() - start < timeout_s
    return line


@pytest.fixture
def first_line() -> Callable[[subprocess.Popen[str]], str]:
    return wait_for_line
