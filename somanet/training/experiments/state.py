"""Saved states of unfinished trainings, and of finished ones in an unfinished group: `mlruns/resume/KEY.*`.

`KEY.pt` is the state after the last epoch, `KEY.json` names its MLflow run, `KEY.done.json` marks it as finished.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import run_id_from


@contextmanager
def several_trainings() -> Iterator[list[Path]]:
    """A list to pass to each :func:`run_training` of a stage: if one is killed, those before it need not run again.

    DVC deletes a stage's outputs before it runs, so a finished training's state is kept until the block succeeds.
    """
    finished: list[Path] = []
    yield finished
    for state_file in finished:
        forget(state_file)


def forget_trainings(root: Path, run_ids: Collection[str]) -> None:
    """Remove the saved state of these runs' trainings: they will not be resumed."""
    for file in (root / "mlruns" / "resume").glob("*.json"):
        try:
            run_id = run_id_from(file)
        except SomaNetError:  # another process has just removed its own
            continue
        if run_id in run_ids:
            forget(file.with_name(f"{file.name.partition('.')[0]}.pt"))


def forget(state_file: Path) -> None:
    """Remove all saved files of a training."""
    # In this order: the mark of a finished training must not outlive its state, nor the state the note of its run.
    for path in (state_file.with_suffix(".done.json"), state_file, state_file.with_suffix(".json")):
        path.unlink(missing_ok=True)
