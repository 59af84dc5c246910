"""The locked versions: one file per Python that SomaNet supports, complete, and within what pyproject.toml allows."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = sorted((ROOT / "constraints").glob("py*.txt"))
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.fullmatch(r".*:: Python :: 3\.\d+", name)]


def locked(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pins = [re.fullmatch(r"([a-z0-9-]+)==([\w.+!]+)", line) for line in lines]
    assert None not in pins, lines
    return {pin[1]: pin[2] for pin in pins if pin}


def wanted(extras: set[str]) -> list[Requirement]:
    """The requirements of the project with extras, and of those that these name in turn."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in sorted(extras):
        for one in map(Requirement, PROJECT["optional-dependencies"][extra]):
            found += wanted(one.extras) if one.name == "somanet" else [one]
    return found


def test_every_python_has_its_file() -> None:
    assert [file.stem.removeprefix("py") for file in FILES] == PYTHONS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"PYTHONS := {' '.join(PYTHONS)}\n" in makefile


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_file_has_all_that_setup_installs_in_versions_that_are_allowed(file: Path) -> None:
    """`make constraints` writes it again after a change to pyproject.toml."""
    pins = locked(file)
    for one in wanted({"dev", "imagenet"}):
        name = canonicalize_name(one.name)
        assert name in pins, f"{file.name} lacks {name}: make constraints"
        assert one.specifier.contains(pins[name], prereleases=True), f"{name}=={pins[name]}: make constraints"


@pytest.mark.parametrize("constraints", ["", "1"])
def test_setup_uses_them_only_when_asked(constraints: str) -> None:
    """From an empty checkout as `make` sees it: the virtual environment is nowhere."""
    command = ["make", "--dry-run", "setup", f"CONSTRAINTS={constraints}", "VENV=nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ("--constraint" in done.stdout) is bool(constraints)


def test_ci_tests_them_on_every_python_and_the_newest_too() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["locked"]["strategy"]["matrix"]["python"] == PYTHONS
    steps = [step.get("run") for step in jobs["locked"]["steps"]]
    assert steps.index("make setup CONSTRAINTS=1") < steps.index("make test")
    assert "make setup" in [step.get("run") for step in jobs["test"]["steps"]]
