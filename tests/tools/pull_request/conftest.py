"""The small project, made once: two commits that have run, the second of which changes, adds and removes networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tools.pull_request.worlds import commit, give, repro, start_project

SAME = (0.5, 0.6, 0.7, 0.8, 0.9, 0.4)
GONE = (0.2, 0.2, 0.3, 0.3, 0.4, 0.4)
BEFORE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
AFTER = tuple(iou + 0.2 for iou in BEFORE)


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "project"
    start_project(folder)
    give(folder, {"kept": SAME, "tuned": BEFORE, "gone": GONE}, rates={"kept": 1, "tuned": 1, "gone": 1})
    repro(folder)
    commit(folder, "main")
    give(folder, {"kept": SAME, "tuned": AFTER, "born": SAME}, rates={"kept": 1, "tuned": 3, "born": 1})
    repro(folder)
    commit(folder, "branch")
    return folder


@pytest.fixture
def project(_made_once: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return shutil.copytree(_made_once, tmp_path / "project", symlinks=True)
