"""A trial changes hands only when its process is dead: here by its process id, elsewhere by its heartbeat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.provenance.mlflow.lifecycle import HOST, PID, PROCESS_START
from somanet.training.sweep import leases
from somanet.training.sweep.leases import (
    DEAD_AFTER_S,
    LEASE,
    claim,
    heartbeat,
    heartbeat_age_s,
    me,
    runs_elsewhere,
    trial_folder,
)
from somanet.training.sweep.trial_store import TrialStore, open_trial_store

CLAIM_AND_WAIT = """
import sys, time
from pathlib import Path
from somanet.training.sweep.leases import claim
from somanet.training.sweep.trial_store import open_trial_store
folder = Path(sys.argv[1])
print(claim(open_trial_store(folder, "key"), 0, folder), flush=True)
time.sleep(600)
"""
ELSEWHERE = {HOST: "another-computer", PID: "1", PROCESS_START: "1.00"}


@pytest.fixture
def trial_store(tmp_path: Path) -> TrialStore:
    trial_store = open_trial_store(tmp_path, "key")
    assert trial_store.optuna.ask().number == 0
    return trial_store


@pytest.fixture
def neighbour(trial_store: TrialStore, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A live process that holds the lease."""
    command = [sys.executable, "-c", CLAIM_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "mine"
        yield process
        process.kill()


def beat_seconds_ago(folder: Path, seconds: float) -> None:
    beat = trial_folder(folder, 0) / "heartbeat"
    beat.parent.mkdir(exist_ok=True)
    beat.touch()
    then = beat.stat().st_mtime - seconds
    os.utime(beat, (then, then))


def test_a_trial_that_nobody_has_is_taken_and_kept(trial_store: TrialStore, tmp_path: Path) -> None:
    assert not runs_elsewhere(trial_store.trial(0), tmp_path)
    assert claim(trial_store, 0, tmp_path) == "mine"
    assert trial_store.trial(0).user_attrs[LEASE] == me()
    assert claim(trial_store, 0, tmp_path) == "mine"
    assert not runs_elsewhere(trial_store.trial(0), tmp_path)


def test_a_finished_trial_is_nobodys(trial_store: TrialStore, tmp_path: Path) -> None:
    claim(trial_store, 0, tmp_path)
    trial_store.optuna.tell(0, 1.0)
    assert claim(trial_store, 0, tmp_path) == "finished"
    assert not runs_elsewhere(trial_store.trial(0), tmp_path)


def test_a_living_process_keeps_its_trial_and_a_killed_one_loses_it(
    trial_store: TrialStore, tmp_path: Path, neighbour: subprocess.Popen[str]
) -> None:
    assert runs_elsewhere(trial_store.trial(0), tmp_path)
    assert claim(trial_store, 0, tmp_path) == "taken"
    neighbour.send_signal(signal.SIGKILL)
    neighbour.wait()
    assert claim(trial_store, 0, tmp_path) == "mine"


def test_another_process_with_the_same_number_is_another(trial_store: TrialStore, tmp_path: Path) -> None:
    """This process is alive, but its start time is not that in the lease."""
    trial_store.note(0, LEASE, {**me(), PROCESS_START: "1000.00"})
    assert not runs_elsewhere(trial_store.trial(0), tmp_path)
    assert claim(trial_store, 0, tmp_path) == "mine"


@pytest.mark.parametrize(("age", "answer"), [(None, "mine"), (DEAD_AFTER_S / 2, "taken"), (DEAD_AFTER_S + 1, "mine")])
def test_on_another_computer_the_heartbeat_tells(
    age: float | None, answer: str, trial_store: TrialStore, tmp_path: Path
) -> None:
    trial_store.note(0, LEASE, ELSEWHERE)
    if age is not None:
        beat_seconds_ago(tmp_path, age)
    assert claim(trial_store, 0, tmp_path) == answer


def test_the_heart_beats_while_a_block_runs(
    trial_store: TrialStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_EVERY_S", 0.02)
    beat_seconds_ago(tmp_path, 1000)
    with heartbeat(tmp_path, 0):
        for _ in range(200):
            if heartbeat_age_s(tmp_path, 0) < 10:
                break
            time.sleep(0.02)
    assert heartbeat_age_s(tmp_path, 0) < 10
    beat_seconds_ago(tmp_path, 1000)
    time.sleep(0.1)
    assert heartbeat_age_s(tmp_path, 0) > 900  # it has stopped
    assert list(tmp_path.glob(".clock*")) == []
