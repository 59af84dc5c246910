"""The house rules that no linter knows: what imports what, what importing costs, what the tree may hold."""

from __future__ import annotations

import ast
import json
import os
import re
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
for root in ("somanet", "pipelines"):
    package = importlib.import_module(root)
    for module in pkgutil.walk_packages(package.__path__, root + "."):
        if not module.name.endswith("__main__"):
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
    return [path for folder in ("somanet", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]


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
    assert {"somanet.errors", "somanet.io", "somanet.segmentation"} <= set(report["names"])


def test_the_command_line_answers() -> None:
    done = run_python("-m", "somanet", "--help")
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


# The architecture table


def architecture() -> dict[str, set[str] | None]:
    """Module → what it may import, from the table in docs/architecture.md; None means anything."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `somanet/([\w]+)(?:/|\.py)` \|[^|]*\|([^|]*)\|$", text, flags=re.MULTILINE)
    return {
        name: None if cell.strip() == "all" else set(re.findall(r"[a-z][\w.]*", re.sub(r"\(.*\)", "", cell)))
        for name, cell in rows
    }


def forbidden_imports(part: str, names: set[str], table: dict[str, set[str] | None]) -> set[str]:
    """Which of the imported names the table does not allow to ``part``.

    What is allowed brings along what it may itself import; ``errors`` is for everybody.
    """
    allowed, new = {part, "errors"}, {part}
    while new:
        new = {name for old in new for name in (table.get(old) or set())} - allowed
        allowed |= new
    inside = {name.removeprefix("somanet.") for name in names if name.startswith("somanet.")}
    return {
        name
        for name in inside
        if not name.startswith("__") and not any(f"{name}.".startswith(f"{ok}.") for ok in allowed)
    }


def test_parts_import_only_what_the_architecture_allows() -> None:
    table = architecture()
    assert {"errors", "io", "segmentation", "cli"} <= set(table)
    broken: dict[str, list[str]] = {}
    for path in sorted((ROOT / "somanet").rglob("*.py")):
        part = path.relative_to(ROOT / "somanet").parts[0].removesuffix(".py")
        if part.startswith("__"):
            continue
        names = set(imported_names(ast.parse(path.read_text(encoding="utf-8"))))
        if part not in table:
            broken[part] = ["is not in the table of docs/architecture.md"]
        elif table[part] is not None and (wrong := forbidden_imports(part, names, table)):
            broken[str(path.relative_to(ROOT))] = sorted(wrong)
    assert broken == {}


@pytest.mark.parametrize(
    ("part", "name", "allowed"),
    [
        ("b", "somanet.a.thing", True),
        ("c", "somanet.a.thing", True),  # through b
        ("b", "somanet.c.thing", False),
        ("a", "somanet.errors.SomaNetError", True),
        ("d", "somanet.c.settings.Spec", True),
        ("d", "somanet.c.training.train", False),
        ("a", "somanet.__version__", True),
    ],
)
def test_the_architecture_rule_can_fail(part: str, name: str, allowed: bool) -> None:
    """a ← b ← c, and d may use one module of c."""
    table: dict[str, set[str] | None] = {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c.settings"}}
    assert (forbidden_imports(part, {name}, table) == set()) is allowed


def test_only_their_own_homes_know_mlflow_and_the_image_readers() -> None:
    homes = {
        "mlflow": ("somanet/mlops/", "somanet/serving.py"),  # MLflow itself runs the latter
        "tifffile": "somanet/io/",
        "av": "somanet/io/",
        "zarr": "somanet/io/",
    }
    strays = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in source_files()
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8")))
        if not path.relative_to(ROOT).as_posix().startswith(homes.get(name.partition(".")[0], ""))
    ]
    assert strays == []


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
            if top in sys.stdlib_module_names or top in {"somanet", "pipelines", "__future__"}:
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
