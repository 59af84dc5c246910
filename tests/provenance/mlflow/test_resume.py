"""The run in which an interrupted training is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import TRAINING, interrupted_run, track_run, write_run_file
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.lifecycle import PID

KEY = "0123456789"


def find(root: Path, *, has_state: bool = False, **changes: Any) -> str | None:
    note = root / "mlruns" / "resume" / f"{KEY}.json"
    wanted = {"training": KEY, "note": note, "experiment": "e", "name": "small", **changes}
    return interrupted_run(wanted.pop("training"), has_state=has_state, root=root, **wanted)


@pytest.fixture
def killed(root: Path) -> str:
    """A run without epochs that a signal ended before its id was written."""
    with (
        pytest.raises(KeyboardInterrupt),
        track_run("small", experiment="e", root=root, tags={TRAINING: KEY}, system_metrics=False) as run,
    ):
        raise KeyboardInterrupt
    return run.run_id


def test_a_killed_run_is_found_by_its_training_and_its_name(root: Path, killed: str) -> None:
    assert find(root) == killed
    assert find(root, training="another") is None
    assert find(root, name="another") is None
    assert find(root, experiment="another") is None


def test_a_run_whose_process_was_killed_is_found_unless_it_lives(root: Path, killed: str) -> None:
    client = open_client(root)
    client.update_run(killed, status="RUNNING")
    assert find(root) is None  # this very process
    client.set_tag(killed, PID, "999999999")
    assert find(root) == killed


@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
def test_a_run_that_ended_by_itself_is_not_gone_on_with(root: Path, killed: str, status: str) -> None:
    open_client(root).update_run(killed, status=status)
    assert find(root) is None


def test_a_run_with_epochs_goes_on_only_with_the_state_that_belongs_to_them(root: Path, killed: str) -> None:
    with track_run("small", experiment="e", root=root, run_id=killed, system_metrics=False) as run:
        run.log_epoch(1, {"loss": 0.5})
        write_run_file(root / "mlruns" / "resume" / f"{KEY}.json", run)
    open_client(root).update_run(killed, status="KILLED")
    assert find(root, has_state=True) == killed
    assert find(root) is None
    (root / "mlruns" / "resume" / f"{KEY}.json").unlink()
    assert find(root) is None


def test_a_noted_run_that_is_gone_is_one_line_if_there_is_a_state(root: Path, killed: str) -> None:
    note = root / "mlruns" / "resume" / f"{KEY}.json"
    note.parent.mkdir()
    note.write_text('{"run_id": "' + "f" * 32 + '"}')
    assert find(root) is None
    with pytest.raises(SomaNetError, match=rf"is not in sqlite.* Delete mlruns/resume/{KEY}\.json to continue in a"):
        find(root, has_state=True)


def test_looking_makes_no_store(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
