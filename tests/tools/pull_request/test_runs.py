"""Runs of a real, small pipeline: times, failures, whose code runs, and the base next to the branch."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from somanet.core.files import write_text
from tests.markdown_tables import unpadded
from tests.tools.pull_request.worlds import a_run, commit, git
from tools.pull_request import machine, sides
from tools.pull_request.machine import this_machine
from tools.pull_request.report import write_report
from tools.pull_request.runs import RECORD, PipelineRun, last_run, run_pipeline
from tools.pull_request.sides import BASE, run_base

SLOW_GRAPH = """\
stages:
  quick: {cmd: python -c "print('ERROR of mine')", outs: []}
  slow: {cmd: python -c "import time; time.sleep(1)"}
"""

WHOSE_CODE = """\
stages:
  whose:
    cmd: python tell.py
"""

ECHO = """\
import os, marker
print("code of", marker.NAME, os.environ.get("MLFLOW_TRACKING_URI", "no server"))
"""


def quiet(_line: str) -> None:
    """Nobody listens."""


def test_every_stage_has_its_time(project: Path) -> None:
    """A stage that sleeps 1 s takes at least that, one that does not takes less than that and its start."""
    (project / "dvc.yaml").write_text(SLOW_GRAPH, encoding="utf-8")
    head = commit(project, "slow")
    lines: list[str] = []
    run = run_pipeline(project, echo=lines.append)
    assert (run.commit, run.dirty, run.status, run.failed, run.error) == (head, False, 0, None, None)
    assert set(run.stages) == {"quick", "slow"}
    assert run.stages["slow"] >= 1
    assert run.stages["quick"] < run.stages["slow"]
    assert run.seconds >= sum(run.stages.values())
    assert "ERROR of mine" in lines
    assert last_run(project) == run


def test_a_failure_names_its_stage(project: Path) -> None:
    (project / "copy_scores.py").write_text("raise SystemExit('no scores today')\n", encoding="utf-8")
    lines: list[str] = []
    run = run_pipeline(project, echo=lines.append)
    assert run.status != 0
    assert run.dirty
    assert run.failed is not None
    assert run.failed.startswith("evaluate@")
    assert run.error is not None
    assert run.error.startswith(f"failed to reproduce '{run.failed}'")
    assert list(run.stages) == [run.failed]
    assert "no scores today" in lines


def test_a_folder_runs_its_own_code(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever PYTHONPATH the caller has, `marker` is the folder's; the base's runs stay off the caller's server."""
    (tmp_path / "marker.py").write_text("NAME = 'the caller'\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    for name, content in (("dvc.yaml", WHOSE_CODE), ("tell.py", ECHO), ("marker.py", "NAME = 'the base'\n")):
        (project / name).write_text(content, encoding="utf-8")
    base = commit(project, "base")
    (project / "marker.py").write_text("NAME = 'the branch'\n", encoding="utf-8")
    commit(project, "branch")
    lines: list[str] = []
    run_base(project, base, echo=lines.append)
    assert "code of the base no server" in lines
    run_pipeline(project, echo=lines.append)
    assert "code of the branch http://server" in lines


@pytest.mark.slow
def test_the_base_runs_beside_the_branch_and_once(project: Path) -> None:
    """Its results are compared, with times; the branch's files are not touched; a second call runs nothing."""
    base = git(project, "rev-parse", "HEAD~1")
    before = git(project, "status", "--porcelain")
    run = run_base(project, base, echo=quiet)
    # `compare` has all its outputs in git, and they follow from the same scores: nothing to run.
    assert (run.commit, run.status) == (base, 0)
    assert set(run.stages) == {"evaluate@kept", "evaluate@tuned", "evaluate@gone"}
    assert git(project, "status", "--porcelain") == before
    assert (project / BASE / "reports/evaluate/tuned/per_image.csv").exists()
    lines: list[str] = []
    assert run_base(project, base, echo=lines.append) == run
    assert lines == [f"{base[:9]} has already run on this kind of machine: {BASE}"]

    run_pipeline(project, echo=quiet)
    write_report(project, base="HEAD~1", output=project / "build/report.md")
    page = unpadded((project / "build/report.md").read_text(encoding="utf-8"))
    assert "Both sides ran on the same kind of machine with the same libraries." in page
    assert "| tuned | 0.35 → 0.55 | **+0.20 [+0.20, +0.20], p 0.031** |" in page
    assert "Time of the stages: head " in page


@pytest.mark.parametrize(
    ("record", "runs"),
    [
        ({}, 0),
        ({"machine": "other"}, 1),
        ({"commit": "c0ffee"}, 1),
        ({"dirty": True}, 1),
        ({"status": 1}, 1),
        ({"of": "another version"}, 1),
        (None, 1),
    ],
)
def test_a_folder_is_believed_by_its_record(
    project: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, object] | None, runs: int
) -> None:
    """Results of this commit, this machine and a finished run are used; any others are recomputed."""
    base = git(project, "rev-parse", "HEAD~1")
    ran: list[Path] = []

    def run_it(folder: Path, **_arguments: object) -> PipelineRun:
        ran.append(folder)
        return good

    good = replace(a_run(machine=this_machine()), commit=base)
    text = "{" if record is None else json.dumps(asdict(good) | record)
    write_text(project / BASE / RECORD, text)
    write_text(project / BASE / "left over", "")
    monkeypatch.setattr(sides, "run_pipeline", run_it)
    assert run_base(project, base, echo=quiet) == good
    assert ran == [project / BASE] * runs
    assert (project / BASE / "left over").exists() is not bool(runs)
    assert not runs or git(project / BASE, "rev-parse", "HEAD") == base


@pytest.mark.slow
def test_a_base_that_fails_is_said_and_the_branch_is_reported(project: Path) -> None:
    """`compare` fails at the base: what ran before it is compared all the same."""
    git(project, "checkout", "--quiet", "--detach", "HEAD~1")
    (project / "compare.py").write_text("raise SystemExit('broken')\n", encoding="utf-8")
    broken = commit(project, "broken base")
    git(project, "checkout", "--quiet", "main")
    git(project, "checkout", "--quiet", "-b", "repaired", broken)
    for path in ("params.yaml", "compare.py", "dvc.lock", "given", "reports"):
        git(project, "checkout", "--quiet", "main", "--", path)
    commit(project, "repaired")
    run_pipeline(project, echo=quiet)
    assert run_base(project, broken, echo=quiet).failed == "compare"
    write_report(project, base="HEAD~1", output=project / "build/report.md")
    page = unpadded((project / "build/report.md").read_text(encoding="utf-8"))
    assert "**Base's pipeline failed in stage `compare`.**" in page
    assert "| tuned | 0.35 → 0.55 | **+0.20 [+0.20, +0.20], p 0.031** |" in page
    assert "The base's pipeline has not run to its end." in page


def test_a_machines_name_follows_what_changes_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    name = this_machine()
    assert this_machine() == name
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert this_machine() != name
    monkeypatch.undo()
    monkeypatch.setattr(machine, "_processor", lambda: "another")
    assert this_machine() != name
