"""The journal survives crashes of its writers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.training.sweep.space import Dimension
from somanet.training.sweep.trial_store import JOURNAL, open_trial_store, trial_store_key

SPACE = (Dimension("x", low=0.0, high=1.0),)
DIE_WITH_THE_LOCK = """
import os, signal, sys
from pathlib import Path
from somanet.training.sweep.trial_store import open_trial_store
trial_store = open_trial_store(Path(sys.argv[1]), "key")
trial_store.storage._backend._lock.acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(folder: Path, n_trials: int) -> None:
    trial_store = open_trial_store(folder, "key")
    for value in range(n_trials):
        trial = trial_store.optuna.ask()
        trial.suggest_float("x", 0, 1)
        trial_store.optuna.tell(trial, value)


def test_the_key_is_of_all_that_makes_trials_comparable() -> None:
    metadata = {"base": {"epochs": 3}, "space": {"a": [1]}}
    assert trial_store_key("rates", metadata) == trial_store_key("rates", dict(reversed(metadata.items())))
    assert trial_store_key("rates", metadata) != trial_store_key("rates", {**metadata, "space": {"a": [2]}})
    assert trial_store_key("rates", metadata).startswith("rates-")


def test_a_trial_store_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    begin(tmp_path, 2)
    begin(tmp_path, 1)
    assert [trial.value for trial in open_trial_store(tmp_path, "key").trials()] == [0, 1, 0]


def test_a_line_without_its_end_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    """A full disk or a power cut leaves half a line; the next line must not be appended to it."""
    begin(tmp_path, 2)
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + b'{"op_code": 4, "wor')
    begin(tmp_path, 1)
    assert [trial.value for trial in open_trial_store(tmp_path, "key").trials()] == [0, 1, 0]
    lines = (tmp_path / JOURNAL).read_bytes()
    assert lines.startswith(whole)
    assert all(json.loads(line) for line in lines.splitlines())


def test_a_damaged_journal_is_one_line(tmp_path: Path) -> None:
    begin(tmp_path, 1)
    (tmp_path / JOURNAL).write_bytes(b"{broken}\n" + (tmp_path / JOURNAL).read_bytes())
    with pytest.raises(SomaNetError, match=r"journal\.log is damaged .* --restart"):
        open_trial_store(tmp_path, "key")


def test_a_process_that_dies_with_the_lock_blocks_nobody(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIE_WITH_THE_LOCK, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    begin(tmp_path, 1)  # waits forever where a lock outlives its owner


def test_what_is_noted_is_kept_with_the_trial(tmp_path: Path) -> None:
    trial_store = open_trial_store(tmp_path, "key")
    number = trial_store.optuna.ask().number
    trial_store.note(number, "owner", {"a": "b"})
    assert open_trial_store(tmp_path, "key").trial(number).user_attrs == {"owner": {"a": "b"}}
