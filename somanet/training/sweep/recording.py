"""A sweep in MLflow: one parent run with a child run per training, whose status agrees with the Optuna study."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import SIMULATED, RunRecord, child_runs, settle_run
from somanet.training.experiments import forget_trainings

EXPERIMENT = "sweep"
STUDY, TRIAL, STATE, TRIAL_SEED = "optuna.study", "optuna.trial", "optuna.state", "optuna.seed"
_ENDS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED", TrialState.FAIL: "FAILED"}
WORDS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_log = logging.getLogger(__name__)

Children = Mapping[int, Sequence[RunRecord]]
"""Trial number -> the runs of its trainings, one per seed, oldest first."""


def child_tags(study: str, number: int, seed: int) -> dict[str, str]:
    """Tags that identify a training's run."""
    return {STUDY: study, TRIAL: str(number), TRIAL_SEED: str(seed), STATE: "running"}


def children(parent_run_id: str, root: Path) -> Children:
    """The trainings' runs; none if the store does not respond, which must not stop a sweep."""
    found: dict[int, list[RunRecord]] = defaultdict(list)
    try:
        for run in child_runs(parent_run_id, root=root):
            if run.experiment.removesuffix(SIMULATED) == EXPERIMENT and TRIAL in run.tags:
                found[int(run.tags[TRIAL])].append(run)
    except SomaNetError as error:
        _log.warning("The sweep's runs could not be looked up: %s", error)
    return found


def run_of(runs: Sequence[RunRecord], seed: int) -> RunRecord | None:
    """The run of a trial's training with this seed, if it has begun."""
    return next((run for run in reversed(runs) if run.tags.get(TRIAL_SEED) == str(seed)), None)


def settle(trials: Sequence[FrozenTrial], known: Children, root: Path) -> None:
    """Give the runs of finished trials the status of their trials, and remove saved states no longer needed.

    This completes the records of killed processes; correct records are left alone.
    """
    over = [trial for trial in trials if trial.state.is_finished()]
    forget_trainings(root, {run.run_id for trial in over for run in known.get(trial.number, ())})
    for trial in over:
        state, status = WORDS[trial.state], _ENDS[trial.state]
        for run in known.get(trial.number, ()):
            # Successful trainings of a failed trial stay FINISHED.
            wrong = run.status != status and not (status == "FAILED" and run.status == "FINISHED")
            if run.tags.get(STATE) != state or wrong:
                try:
                    settle_run(run.run_id, status=status if wrong else None, tags={STATE: state}, root=root)
                except SomaNetError as error:
                    _log.warning("%s Starting the sweep again completes its record.", error)


def release(run: RunRecord, root: Path) -> None:
    """End the run of a process that is known to be dead, so that another can resume it."""
    if run.status == "RUNNING":
        settle_run(run.run_id, status="KILLED", tags={}, root=root)
