"""House rules that no linter checks: who imports what, the cost of imports, the content of the tree."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

import somanet

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "albumentations", "cv2", "dvc", "matplotlib", "mlflow", "pandas", "scipy", "segmentation_models_pytorch",
    "skimage", "timm", "torch", "torchvision",
}  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.~$}>-])/(?:work|root|home|farm)/")

IMPORT_EVERYTHING = """
import importlib, json, logging, os, pkgutil, random, sys
import numpy as np

def state():
    return {
        "files": sorted(os.listdir(".")),
        "handlers": [repr(handler) for handler in logging.getLogger().handlers],
        "random": hash(random.getstate()),
        "numpy": hash(np.random.get_state()[1].tobytes()),
        "folder": os.getcwd(),
    }

before = state()
names = []
for root in ("somanet", "pipelines", "tools"):
    package = importlib.import_module(root)
    for module in pkgutil.walk_packages(package.__path__, root + "."):
        # the plug-in's windows need napari, an extra
        if not module.name.endswith("__main__") and not module.name.startswith("somanet.napari.window."):
            importlib.import_module(module.name)
            names.append(module.name)
print(json.dumps({"before": before, "after": state(), "names": names}))
"""


def run_python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def heavy_modules_after(statement: str) -> set[str]:
    done = run_python("-c", f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.split())


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def source_files() -> list[Path]:
    return [path for folder in ("somanet", "pipelines", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that a module imports, at the top and inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Importing


@pytest.mark.parametrize("module", ["somanet", "somanet.cli"])
def test_importing_is_cheap(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == set()


def test_a_heavy_import_is_noticed() -> None:
    assert heavy_modules_after("import scipy") == {"scipy"}


def test_every_module_imports_without_side_effects(tmp_path: Path) -> None:
    """Nothing printed, written, seeded, configured or warned about: an import only defines."""
    # numcodecs 0.15, which geff asks for, calls a function of its own that it has deprecated when Python ends
    numcodecs = "ignore:Call to deprecated function (or staticmethod) _destroy:DeprecationWarning"
    done = run_python("-W", "error", "-W", numcodecs, "-c", IMPORT_EVERYTHING, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    report = json.loads(line)
    assert report["after"] == report["before"]
    assert {"somanet.core.errors", "somanet.io", "somanet.segmentation"} <= set(report["names"])


def test_the_command_line_answers() -> None:
    done = run_python("-m", "somanet", "--help")
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


# The rooms


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold a checkout's code against the contracts of `pyproject.toml`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_rooms_import_only_what_their_contracts_allow() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("somanet/io/tables.py", "import somanet.tracking.linking", "SomaNet's rooms"),
        ("somanet/attic.py", "", "SomaNet's rooms"),  # a room that has no place in the order
        ("somanet/segmentation/network/unet.py", "import somanet.segmentation.engines", "rooms of segmentation"),
        ("somanet/training/loop/losses.py", "import somanet.segmentation.inference.instances", "a training's weights"),
        ("somanet/analysis/sizes.py", "import mlflow", "only its home knows MLflow"),
        ("pipelines/track.py", "import tifffile", "only io opens images and movies"),
        ("somanet/tracking/assignment.py", "import somanet.tracking.linking", "no circles"),
    ],
)
def test_the_contracts_can_fail(file: str, line: str, broken: str, tmp_path: Path) -> None:
    for name in ("somanet", "pipelines", "tools"):
        for path in (ROOT / name).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    with (tmp_path / file).open("a", encoding="utf-8") as target:
        target.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout
    assert any(text.startswith(broken) and " BROKEN" in text for text in done.stdout.splitlines()), done.stdout


def test_every_import_is_a_declared_dependency() -> None:
    """What only comes along with another library disappears one day with its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in requirements}
    known = packages_distributions()
    missing = {}
    for path in source_files():
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in {"somanet", "pipelines", "tools", "__future__"}:
                continue
            if not {d.lower().replace("_", "-") for d in known.get(top, [top])} & declared:
                missing[top] = str(path.relative_to(ROOT))
    assert missing == {}


# The tree


def test_the_tree_has_its_landmarks() -> None:
    files = [
        *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "docs/architecture.md"),
        *("Makefile", "pyproject.toml", "dvc.yaml", "dvc.lock", "params.yaml", "mlruns/README.md", ".ci/run"),
        *("pipelines/__init__.py", "somanet/__main__.py", "somanet/py.typed"),
    ]
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert [path for path in source_files() if path.stem in {"utils", "helpers", "misc"}] == []


def test_the_version_is_the_same_everywhere() -> None:
    version = re.escape(somanet.__version__)
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(rf"^## \[{version}\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_mlruns_keeps_its_note_and_ignores_the_rest() -> None:
    assert git("check-ignore", "--no-index", "-q", "mlruns/README.md").returncode == 1
    for name in ("mlruns/mlflow.db", "mlruns/artifacts/1/model.pt", "mlruns/resume/state.pt"):
        assert git("check-ignore", "--no-index", "-q", name).returncode == 0, name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("path: " + "/" + "work/main", True),
        ('"file://' + "/" + "home/anna/x.tif", True),
        ("see https://example.org" + "/" + "home/page", False),
        ("./frame" + "/" + "work/a and ~" + "/" + "work/", False),
    ],
)
def test_machine_paths_are_recognised(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert listed.returncode == 0, f"the tests run in a git checkout: {listed.stderr}"
    hits = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or b"\0" in (content := path.read_bytes())[:8192]:
            continue
        text = content.decode("utf-8", errors="replace")
        hits += [f"{name}: {line.strip()[:120]}" for line in text.splitlines() if MACHINE_PATH.search(line)]
    assert hits == []
