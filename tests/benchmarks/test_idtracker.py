"""The benchmark's calls of idtracker.ai, with a program in its place that behaves as it does."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from benchmarks.idtracker.__main__ import SPEED, as_table, main, numbers_tracked
from benchmarks.idtracker.running import LOG, TRACKS, find_program, track, why_failed
from somanet.core.errors import SomaNetError

SUCCEEDS = """
import os, pathlib
assert os.environ["IDTRACKERAI_DISABLE_ANALYTICS"] == "1"
place = pathlib.Path("session_somas/trajectories")
place.mkdir(parents=True)
(place / "trajectories_tidy.csv").write_text(" ".join(sys.argv[1:]))
sys.exit(1)
"""
FAILS = """
print("12:00:01 INFO     Tracking")
print("12:00:02 CRITICAL There are 3 frames with more blobs than animals")
sys.exit(0)
"""
HANGS = "import time\ntime.sleep(60)\n"


def program(folder: Path, text: str) -> Path:
    path = folder / "idtrackerai"
    path.write_text(f"#!{sys.executable}\nimport sys\n{text}")
    path.chmod(0o755)
    return path


def run(folder: Path, text: str, timeout_s: float = 60):  # type: ignore[no-untyped-def]
    return track(program(folder, text), folder, n_animals=5, identities=True, timeout_s=timeout_s)


def test_an_exit_status_of_1_is_success(tmp_path: Path) -> None:
    ended = run(tmp_path, SUCCEEDS)
    assert (ended.tracks, ended.reason) == (tmp_path / TRACKS, "")
    said = (tmp_path / TRACKS).read_text()
    assert said.startswith("--load idtracker.toml --track")
    assert "--number_of_animals 5 --track_wo_identities False" in said
    assert ended.wall_s > 0


def test_an_exit_status_of_0_without_a_table_is_none(tmp_path: Path) -> None:
    ended = run(tmp_path, FAILS)
    assert ended.tracks is None
    assert "more blobs than animals" in ended.reason
    assert why_failed(tmp_path) == ended.reason  # later, from the log
    assert "INFO" in (tmp_path / LOG).read_text()


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended = run(tmp_path, HANGS, timeout_s=0.5)
    assert (ended.tracks, ended.reason) == (None, "not done after 0 s")


def test_a_missing_environment_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SomaNetError, match="make idtracker"):
        find_program(tmp_path / "venv/bin/idtrackerai")
    movie = tmp_path / "data/neuritetracker/cell_body.tif"
    movie.parent.mkdir(parents=True)
    movie.touch()
    monkeypatch.setattr(sys, "argv", ["x", "--data", str(tmp_path / "data"), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=r"^error: .*`make idtracker` installs it"):
        main()


def test_a_failed_run_is_a_row_of_its_own() -> None:
    rows = [
        {"masks": "reference", "linker": "SomaNet", "HOTA": 0.97, "IDF1": 0.9, "identity_switches": 2.0, SPEED: 28.25},
        {"masks": "reference", "linker": "idtracker.ai, N = 27", "reason": "crashed", "HOTA": math.nan},
    ]
    text = as_table(rows)
    assert "| 0.970 | 0.900 | 2 " in " ".join(text.split()).replace("  ", " ")
    assert "crashed" in text.splitlines()[-1]


def test_earlier_runs_are_found_by_their_number(tmp_path: Path) -> None:
    """In order of number, not of name; a run that was broken off has no record."""
    for name in ("N_=_26", "N_=_9", "no_identities"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "N_=_24").mkdir()
    assert numbers_tracked(tmp_path) == [9, 26]
