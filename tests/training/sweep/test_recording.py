"""Which runs in MLflow are a sweep's trainings."""

from __future__ import annotations

from pathlib import Path

from somanet.provenance.mlflow import track_run
from somanet.training.sweep.recording import EXPERIMENT, child_tags, children


def run_in(root: Path, experiment: str, parent: str | None = None, **tags: str) -> str:
    with track_run("a", experiment=experiment, root=root, parent_run_id=parent, tags=tags, system_metrics=False) as run:
        return run.run_id


def test_trainings_are_the_runs_below_a_sweep_in_its_experiment(project: Path) -> None:
    """Two seeds of trial 3; beside them a run of another experiment, one without a trial, and one of another sweep."""
    parent = run_in(project, EXPERIMENT)
    seeds = [run_in(project, EXPERIMENT, parent, **child_tags("key", 3, seed)) for seed in (0, 1)]
    run_in(project, "finetune", parent, **child_tags("key", 3, 0))
    run_in(project, EXPERIMENT, parent)
    run_in(project, EXPERIMENT, run_in(project, EXPERIMENT), **child_tags("key", 3, 0))
    found = children(parent, project)
    assert {number: [run.run_id for run in runs] for number, runs in found.items()} == {3: seeds}
