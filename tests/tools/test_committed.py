"""Committed results against those of a run: what must be equal, what may differ by how much."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from tests.tools.pull_request.worlds import commit, give, repro, start_project
from tools.committed import check, differing_scores, differing_stages

ROOT = Path(__file__).resolve().parents[2]
LOCK: dict[str, Any] = {
    "stages": {
        "train": {
            "cmd": "python train.py",
            "deps": [{"path": "code", "md5": "a"}, {"path": "data/packed", "md5": "b"}],
            "params": {"params.yaml": {"seed": 0, "train": {"rate": 1}}},
            "outs": [{"path": "model", "md5": "c"}],
        },
        "data": {"cmd": "python data.py", "outs": [{"path": "data/packed", "md5": "b"}]},
    }
}


def changed(*keys: Any, to: Any) -> dict[str, Any]:
    lock = copy.deepcopy(LOCK)
    place: Any = lock["stages"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return lock


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (LOCK, []),
        (changed("train", "outs", 0, "md5", to="x"), []),  # another processor
        (changed("train", "deps", 1, "md5", to="x"), []),  # what `data` made there
        (changed("train", "deps", 0, "md5", to="x"), ["stage train: code differs"]),
        (changed("train", "cmd", to="x"), ["stage train: its command differs"]),
        (
            changed("train", "params", "params.yaml", "train", "rate", to=2),
            ["stage train: train in params.yaml differs"],
        ),
        (changed("new", to={"cmd": "x"}), ["stage new is only in the lock of this run"]),
        ({"stages": {"train": LOCK["stages"]["train"]}}, ["stage data is only in the committed lock"]),
    ],
)
def test_what_decides_a_stage_must_be_equal(lock: dict[str, Any], words: list[str]) -> None:
    found = list(differing_stages(LOCK, lock))
    assert [one[: len(word)] for one, word in zip(found, words, strict=True)] == words


@pytest.mark.parametrize(
    ("name", "old", "new", "agree"),
    [
        ("iou", 0.5, 0.69, True),
        ("iou", 0.5, 0.29, False),
        ("precision", None, None, True),
        ("precision", 0.01, None, False),
        ("cells", 10, 20, True),
        ("cells", 10, 21, False),
        ("um_per_h", 12.0, 6.5, True),
        ("um_per_h", 12.0, 5.9, False),
        ("least_p", 0.9, 0.01, True),
    ],
)
def test_scores_may_differ_by_the_tolerance(name: str, old: float | None, new: float | None, agree: bool) -> None:
    assert (list(differing_scores({"a.json": {name: old}}, {"a.json": {name: new}})) == []) is agree


def test_a_file_on_one_side_only_is_a_difference() -> None:
    assert list(differing_scores({"a.json": {}}, {"b.json": {}})) == [
        "b.json is not committed",
        "a.json is committed, and this run has not made it",
    ]


def test_a_commit_without_results_is_no_base_of_comparison(tmp_path: Path) -> None:
    start_project(tmp_path)
    give(tmp_path, {"a": [0.5] * 4}, rates={"a": 1})
    commit(tmp_path, "no results")
    with pytest.raises(SomaNetError, match="there is no run to compare with"):
        check(tmp_path)
    repro(tmp_path)
    with pytest.raises(SomaNetError, match=r"The last commit has no dvc\.lock or no reports/scores"):
        check(tmp_path)


def test_a_project_before_and_after_a_change_of_code(tmp_path: Path) -> None:
    """Results of older code are found after the next run, whatever their scores."""
    start_project(tmp_path)
    give(tmp_path, {"a": [0.5] * 4}, rates={"a": 1})
    repro(tmp_path)
    commit(tmp_path, "results")
    assert check(tmp_path) == []
    code = tmp_path / "copy_scores.py"
    code.write_text(code.read_text(encoding="utf-8") + "\n# another comment\n", encoding="utf-8")
    commit(tmp_path, "code without results")
    repro(tmp_path)
    command = [sys.executable, "-m", "tools.committed"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == "stage evaluate@a: copy_scores.py differs from the committed lock\n"
    assert done.stderr.startswith("error: 1 difference")
