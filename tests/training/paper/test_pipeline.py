"""Which profile a study runs, and the link to its data."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.training.paper import pipeline
from somanet.training.paper.pipeline import choose_profile, run_profile


def checkout(root: Path) -> Path:
    for profile in ("study", "real"):
        (root / "profiles" / profile).mkdir(parents=True)
        (root / "profiles" / profile / "dvc.yaml").write_text("stages: {}\n")
        for package in ("somanet", "pipelines"):
            (root / "profiles" / profile / package).symlink_to(f"../../{package}")
    return root


def test_data_choose_the_real_profile_and_are_linked_anew_each_time(tmp_path: Path) -> None:
    root = checkout(tmp_path / "project")
    assert choose_profile(root, None) == root / "profiles/study"
    for name in ("data", "other"):
        (tmp_path / name).mkdir()
        assert choose_profile(root, tmp_path / name) == root / "profiles/real"
        assert (root / "profiles/real/input").resolve() == tmp_path / name
    assert [p.name for p in (root / "profiles/real").iterdir() if p.name.startswith(".")] == []


def test_what_cannot_be_run_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"has no dvc.yaml: the study runs the pipeline of a checkout"):
        choose_profile(tmp_path, None)
    root = checkout(tmp_path / "project")
    with pytest.raises(SomaNetError, match=r"There is no folder .*nowhere"):
        choose_profile(root, tmp_path / "nowhere")
    (root / "profiles/real/input").mkdir()
    with pytest.raises(SomaNetError, match="input is not a link"):
        choose_profile(root, tmp_path)


def test_a_stopped_study_says_that_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout(tmp_path)
    commands: list[tuple[list[str], object]] = []

    def run(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        commands.append((command[1:], cwd))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(pipeline.subprocess, "run", run)
    with pytest.raises(
        SomaNetError, match=r"stopped at the stage named above \(exit status 1\)\. The same command resumes"
    ):
        run_profile(root, root / "profiles/study")
    assert commands == [(["-P", "-m", "dvc", "repro", "study"], root / "profiles/study")]
