"""What docs/security.md says of the code as a whole: no file that is read can run code, no server is open to others.

What single inputs can do is tested where they are read: archives in tests/io/datasets/test_layouts.py, parameters in
tests/provenance/test_dvc_guard.py, names in tests/core/test_names.py, MLflow's page in
tests/provenance/mlflow/test_ui.py.
"""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.core.processes import python_command
from somanet.io.binary_tables import spreadsheet_sheets
from somanet.io.movies import open_movie
from somanet.segmentation.network.models import _read_weights
from somanet.training.loop.saved_state import restore_state

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("somanet", "pipelines", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]
RUNNING = {
    "eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads", "shelve.open", "marshal.loads",
    "joblib.load", "pandas.read_pickle", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
}  # fmt: skip


ACCEPTED = {
    # The notebooks of examples/ are code, and are run as such.
    "tools/notebooks.py": [*["exec runs code", "eval runs code", "exec runs code"], *["compile runs code"] * 3],
    "tools/pull_request/revisions.py": ["opened.extractall writes where an archive says"],  # git has just made it
}


def complaints(source: str) -> Iterator[str]:
    """Calls that can run code from data: by their name, or by what they are not told."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {key.arg: ast.unparse(key.value) for key in node.keywords}
        # `_LOADER` is one of yaml's safe ones, by name.
        if name in RUNNING and given.get("Loader") not in ("yaml.SafeLoader", "yaml.CSafeLoader", "_LOADER"):
            yield f"{name} runs code"
        if name == "torch.load" and given.get("weights_only") != "True":
            yield "torch.load without weights_only"
        if given.get("allow_pickle", "False") != "False":
            yield f"{name} with allow_pickle"
        if given.get("shell", "False") != "False":
            yield f"{name} with a shell"
        if any(value in ("'0.0.0.0'", "'::'") for value in [*given.values(), *map(ast.unparse, node.args)]):
            yield f"{name} listens to the whole network"
        if name.endswith(("extractall", ".extract")) and ".str." not in name:  # .str: pandas, parts of texts
            yield f"{name} writes where an archive says"


def test_the_loader_of_yaml_is_a_safe_one() -> None:
    from somanet.core import documents

    assert documents._LOADER in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", None))


def test_no_code_is_run_from_data_and_no_server_is_open() -> None:
    assert len(SOURCES) > 200
    found = {str(path.relative_to(ROOT)): list(complaints(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {path: words for path, words in found.items() if words} == ACCEPTED


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("eval(text)", "eval runs code"),
        ("yaml.load(text)", "yaml.load runs code"),
        ("pickle.loads(data)", "pickle.loads runs code"),
        ("torch.load(path)", "torch.load without weights_only"),
        ("torch.load(path, weights_only=False)", "torch.load without weights_only"),
        ("np.load(path, allow_pickle=True)", "np.load with allow_pickle"),
        ("subprocess.run(text, shell=True)", "subprocess.run with a shell"),
        ("serve(host='0.0.0.0')", "serve listens to the whole network"),
        ("archive.extractall(folder)", "archive.extractall writes where an archive says"),
    ],
)
def test_each_complaint_can_be_made(code: str, words: str) -> None:
    assert list(complaints(code)) == [words]
    assert list(complaints("torch.load(path, weights_only=True); subprocess.run([a]); serve(host='127.0.0.1')")) == []


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A file of torch that runs code for whoever unpickles it without care, as the last line proves."""
    file = tmp_path / "weights.pt"
    torch.save({"model": Payload(tmp_path / "pwned")}, file)
    torch.load(file, weights_only=False)
    (tmp_path / "pwned").unlink()
    return file


def test_weights_that_are_a_pickle_with_code_are_refused(hostile: Path) -> None:
    with pytest.raises(SomaNetError, match="Cannot read encoder weights"):
        _read_weights(hostile)
    assert not hostile.with_name("pwned").exists()


def test_a_state_that_is_a_pickle_with_code_is_refused(hostile: Path) -> None:
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters())
    with pytest.raises(SomaNetError, match="Cannot resume from"):
        restore_state(hostile, model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer), None)
    assert not hostile.with_name("pwned").exists()


def test_a_plain_pickle_named_like_weights_is_refused(tmp_path: Path) -> None:
    for name in ("weights.pt", "model.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
        with pytest.raises(SomaNetError, match="Cannot read encoder weights"):
            _read_weights(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["t.xlsx", "m.czi", "m.nd2"])
def test_no_code_beside_the_data_is_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python imports a module from the current folder first, in the processes that read such files."""
    (tmp_path / name).write_bytes({".czi": b"ZISRAWFILE", ".nd2": b"\xda\xce\xbe\n"}.get(name[-4:], b"") + bytes(99))
    for module in ("json", "numpy", "resource", "python_calamine", "somanet"):
        code = "open('was_run', 'w')\nraise SystemExit(3)\n"
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for arguments in (["-c", "import json"], ["-m", "json.tool", "--help"]):
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
        assert (tmp_path / "was_run").exists()  # it would be
        (tmp_path / "was_run").unlink()
        assert subprocess.run(python_command(*arguments), capture_output=True, check=False).returncode == 0
    with pytest.raises(SomaNetError, match=name):
        spreadsheet_sheets(Path(name)) if name == "t.xlsx" else open_movie(Path(name))
    assert not (tmp_path / "was_run").exists()


def test_python_is_started_in_one_way() -> None:
    """By `python_command`; all others that name it look for what lies beside it."""
    found = {
        path.relative_to(ROOT).as_posix(): line.strip()
        for path in SOURCES
        if path.parts[len(ROOT.parts)] == "somanet"
        for line in path.read_text(encoding="utf-8").splitlines()
        if "sys.executable" in line
    }
    assert set(found) == {"somanet/core/processes.py", "somanet/provenance/dvc_records.py"}
    assert "Path(sys.executable).parent" in found["somanet/provenance/dvc_records.py"]
