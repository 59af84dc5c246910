"""The commands of docs/dvc.md do what it says: a remote for two people, and a merge conflict in `dvc.lock`."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.conftest import Project, copy_tree
from tests.test_readme import commands, make_targets
from tests.tools.locks.worlds import made_in, run
from tests.tools.pull_request.worlds import commit, git
from tools.locks.checking import problems

PAGE = (Path(__file__).resolve().parents[1] / "docs/dvc.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def blocks(heading: str) -> list[list[str]]:
    """The command lines of each block of a section."""
    found = re.findall(r"^```bash\n.*?^```", section(heading), flags=re.MULTILINE | re.DOTALL)
    return [commands(f"{block}\n") for block in found]


def type_in(folder: Path, lines: list[str], *, lab: Path | None = None) -> list[subprocess.CompletedProcess[str]]:
    """Run command lines as they stand, with this environment's DVC, and a folder in place of the network drive."""
    names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = []
    for line in lines:
        words = shlex.split(line.replace("/mnt/lab", str(lab)))
        words[:1] = [sys.executable, "-m", "dvc"] if words[0] == ".venv/bin/dvc" else words[:1]
        done.append(
            subprocess.run(words, cwd=folder, env={**os.environ, **names}, capture_output=True, text=True, check=False)
        )
    return done


def test_targets_exist_and_settings_are_json() -> None:
    named = {line.split()[1] for line in commands(PAGE) if line.startswith("make ")}
    assert {"profiles", "locks", "bless", "repro-again"} == named <= make_targets()
    [settings] = re.findall(r"^```json\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert set(json.loads(settings)) == {"dvc.pythonPath", "dvc.focusedProjects"}


@pytest.mark.slow
def test_a_remote_brings_everything_to_a_colleague(tmp_path: Path) -> None:
    project = made_in(tmp_path)
    give, take = blocks("Adding a remote")
    assert [one.stderr for one in type_in(project, give, lab=tmp_path) if one.returncode] == []
    git(project, "clone", "--quiet", str(project), str(tmp_path / "colleague"))
    pulled = type_in(tmp_path / "colleague", take, lab=tmp_path)
    assert [one.stderr for one in pulled if one.returncode] == []
    assert "up to date" in pulled[-1].stdout
    assert (tmp_path / "colleague/models/a").read_text() == "{'rate': 1}"


@pytest.mark.slow
def test_a_conflict_is_solved_without_a_training_that_ran(tmp_path: Path) -> None:
    """Each branch trained one variant with another rate: after the merge both results are there, from the cache."""
    project = made_in(tmp_path)
    params = "finetune:\n  a:\n    rate: 1\n    # apart, so that\n    # git merges them\n  b:\n    rate: 2\n"
    (project / "params.yaml").write_text(params)
    start = commit(project, "start")
    for branch, rate in (("theirs", "rate: 1"), ("main", "rate: 2")):
        git(project, "checkout", "--quiet", "-B", branch, start)
        (project / "params.yaml").write_text(params.replace(rate, "rate: 9"))
        run(project)
        commit(project, branch)
    merge, *rest = blocks("A merge conflict in `dvc.lock`")[0]
    [merged] = type_in(project, [merge])
    assert merged.returncode == 1
    assert "Merge conflict in dvc.lock" in merged.stdout
    assert (project / "params.yaml").read_text().count("rate: 9") == 2
    done = type_in(project, rest)
    assert [one.stderr for one in done if one.returncode] == []
    assert "Running stage 'finetune" not in done[1].stdout
    assert [(project / f"models/{name}").read_text() for name in "ab"] == ["{'rate': 9}"] * 2
    assert git(project, "status", "--porcelain") == ""
    assert problems(project, base="HEAD") == []


def refusals() -> list[tuple[str, str]]:
    """The table's commands, and what each says."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| .+ \|$", section("If a command refuses"), flags=re.MULTILINE)
    assert len(rows) > 8
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("command", "words"), refusals())
def test_what_refuses_says_so_and_runs_nothing(command: str, words: str, refusing: Project) -> None:
    if command.startswith("make "):
        command = f"make --old-file=setup VENV={sys.prefix} {command.removeprefix('make ')}"
    said = refusing.run("bash", "-c", command, ok=False)
    assert words in said
    assert "Traceback" not in said
    assert set(re.findall(r"^Running stage '(\S+)'", said, re.MULTILINE)) <= {"names"}
    changed = refusing.run("git", "status", "--porcelain", "params.yaml")
    assert bool(changed) is words.startswith("error: params.yaml")  # as the page says, the override is left there
    refusing.run("git", "checkout", "--quiet", ".")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone, in which nothing has run, and whose remote `away` is a drive that is not mounted."""
    folder = tmp_path_factory.mktemp("refusing")
    project = copy_tree(folder / "project", ".")
    project.dvc("remote", "add", "--local", "away", str(folder / "mnt"))
    return project
