"""Saved trainings: one process works on one, and what a killed one left is no obstacle."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from somanet.training.experiments.state import SavedTraining, forget_trainings, several_trainings

CONTEXT = multiprocessing.get_context("spawn")


def hold(root: Path, held: Event, end: Event) -> None:
    with several_trainings(at_exit=False) as trainings:
        trainings.claim(SavedTraining.of(root, "a"), name="one")
        held.set()
        end.wait(60)


def holder(root: Path) -> tuple[Any, Event]:
    """A process that works on the training `a`, and what ends it."""
    held, end = CONTEXT.Event(), CONTEXT.Event()
    process = CONTEXT.Process(target=hold, args=(root, held, end))
    process.start()
    assert held.wait(60)
    return process, end


def save(root: Path, key: str, *names: str) -> SavedTraining:
    """Files of a training, as its process would have written them."""
    saved = SavedTraining.of(root, key)
    saved.state.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        text = '{"run_id": "1"}' if name in ("note", "done") else ""
        getattr(saved, name).write_text(text)
    return saved


def claim(root: Path, *keys: str, at_exit: bool = True, fail: bool = False, wait_s: float | None = None) -> None:
    """Work on trainings, with success or, as a kill or an error would, without."""
    with several_trainings(at_exit=at_exit) as trainings:
        trainings.wait_s = trainings.wait_s if wait_s is None else wait_s
        for key in keys:
            trainings.claim(SavedTraining.of(root, key), name=f"training {key}")
        if fail:
            raise KeyboardInterrupt


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "mlruns" / "resume").iterdir())


def test_one_process_works_on_a_training_and_another_is_refused(tmp_path: Path) -> None:
    process, end = holder(tmp_path)
    with pytest.raises(SomaNetError, match="training a: another process is running this training"):
        claim(tmp_path, "b", "a", wait_s=0.5)
    assert left(tmp_path) == ["a.lock"]
    end.set()
    process.join()
    assert left(tmp_path) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    process, _ = holder(tmp_path)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    claim(tmp_path, "a", wait_s=0.0)
    assert left(tmp_path) == []


def test_a_trial_waits_for_its_twin(tmp_path: Path) -> None:
    process, end = holder(tmp_path)
    with several_trainings(at_exit=False) as trainings:
        end.set()
        trainings.claim(SavedTraining.of(tmp_path, "a"), name="twin")
        assert left(tmp_path) == ["a.lock"]
    process.join()


@pytest.mark.parametrize("at_exit", [True, False])
def test_a_success_removes_the_states_and_a_failure_keeps_them(at_exit: bool, tmp_path: Path) -> None:
    for key in ("a", "b", "c"):
        save(tmp_path, key, "state", "note", "done")

    with pytest.raises(KeyboardInterrupt):
        claim(tmp_path, "a", "b", at_exit=at_exit, fail=True)
    assert left(tmp_path) == [f"{key}{end}" for key in "abc" for end in (".done.json", ".json", ".pt")]
    claim(tmp_path, "a", "b", at_exit=at_exit)
    assert left(tmp_path) == ["c.done.json", "c.json", "c.pt"]


@pytest.mark.parametrize("n_removed", [0, 1, 2, 3])
def test_a_training_counts_as_finished_until_its_state_is_gone(n_removed: int, tmp_path: Path) -> None:
    """Killed between any two removals, it is finished, or nothing of it is left for the next start to mistake."""
    saved = save(tmp_path, "a", "state", "note", "done")
    unlink: Callable[..., None] = Path.unlink
    removed: list[Path] = []

    def removing(path: Path, *, missing_ok: bool = False) -> None:
        if len(removed) == n_removed:
            raise KeyboardInterrupt  # as if the process had ended here
        removed.append(path)
        unlink(path, missing_ok=missing_ok)

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(Path, "unlink", removing)
        saved.remove()
    assert len(removed) == n_removed
    assert saved.is_done() is saved.state.exists()
    with several_trainings(at_exit=True) as trainings:
        trainings.claim(saved, name="next")
        assert saved.is_done() or left(tmp_path) == ["a.lock"]


def test_a_training_in_its_first_epoch_keeps_the_note_of_its_run(tmp_path: Path) -> None:
    save(tmp_path, "a", "note")
    with pytest.raises(KeyboardInterrupt):
        claim(tmp_path, "a", fail=True)
    assert left(tmp_path) == ["a.json"]


def test_the_trainings_of_some_runs_are_forgotten(tmp_path: Path) -> None:
    save(tmp_path, "a", "state", "note", "done")
    save(tmp_path, "b", "state", "note").note.write_text('{"run_id": "2"}')
    forget_trainings(tmp_path, {"1"})
    assert left(tmp_path) == ["b.json", "b.pt"]
