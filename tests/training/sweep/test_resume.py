"""A sweep that was killed or stopped resumes as if nothing had happened, with instant trainings."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import Terminated, read_run, track_run
from somanet.provenance.mlflow.lifecycle import HOST, PID, PROCESS_START
from somanet.training.sweep import run as running
from somanet.training.sweep.leases import LEASE
from somanet.training.sweep.proposals import propose
from somanet.training.sweep.recording import child_tags
from somanet.training.sweep.report import Report
from somanet.training.sweep.trial import STOP_FILE, Job
from tests.training.sweep.worlds import Trainings, go, make_job, runs_below, states, steps, table


class Power(BaseException):
    """The power fails: nothing is cleaned up in the Optuna study."""


@pytest.mark.parametrize(
    ("error", "at_trial", "at_epoch"), [(Power, 0, 1), (Terminated, 1, 2), (KeyboardInterrupt, 2, 3), (Power, 2, 1)]
)
def test_a_trial_that_was_cut_goes_on_under_its_number(
    error: type[BaseException], at_trial: int, at_epoch: int, project: Path, trainings: Trainings
) -> None:
    job = make_job(project)
    go(project, job)
    undisturbed = [(trial.number, trial.params, trial.value, trial.state) for trial in job.open().trials()]
    go(project, job, restart=True, trials=0)
    go_with_a_cut(project, job, trainings, error, at_trial, at_epoch)
    assert [(trial.number, trial.params, trial.value, trial.state) for trial in job.open().trials()] == undisturbed


def go_with_a_cut(
    project: Path, job: Job, trainings: Trainings, error: type[BaseException], at_trial: int, at_epoch: int
) -> Report:
    def cut(name: str, epoch: int, _settings: object) -> None:
        if (name, epoch) == (f"rates-000{at_trial}", at_epoch):
            raise error

    trainings.before_epoch = cut
    with pytest.raises(error):
        go(project, job)
    assert states(job)[-1] == "RUNNING"
    disown(job)
    trainings.before_epoch = lambda *_: None
    return go(project, job)


def test_a_trial_that_was_cut_goes_on_in_its_run(project: Path, recorded: Trainings) -> None:
    report = go_with_a_cut(project, make_job(project), recorded, Power, 1, 2)
    children = runs_below(project, report.parent_run_id)
    assert [run.tags["optuna.trial"] for run in children] == ["0", "1", "2"]
    assert {run.status for run in children} == {"FINISHED"}
    assert all(steps(project, run.run_id) == [1, 2, 3] for run in children)


def disown(job: Job) -> None:
    """As if the process of the running trials were another one, which is dead."""
    trial_store = job.open()
    for trial in trial_store.trials():
        if trial.state == TrialState.RUNNING and LEASE in trial.user_attrs:
            trial_store.note(trial.number, LEASE, {**trial.user_attrs[LEASE], PROCESS_START: "1000.00"})


def test_a_trial_of_a_living_process_is_waited_for_and_not_taken(
    project: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 0 is run on another computer, whose heartbeat is fresh; it ends while this sweep waits for it."""
    job = make_job(project)
    trial_store = job.open()
    propose(trial_store, job.space)
    trial_store.note(0, LEASE, {HOST: "another-computer", PID: "1", PROCESS_START: "1.00"})
    (job.folder / "trial_0000").mkdir()
    (job.folder / "trial_0000/heartbeat").touch()
    waits = []

    def wait(_seconds: float) -> None:
        waits.append(states(job))
        trial_store.optuna.tell(0, 0.125)

    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=wait))
    go(project, job)
    assert waits == [["RUNNING", "COMPLETE", "COMPLETE"]]
    assert trainings.begun == ["rates-0001", "rates-0002"]
    assert table(project)["val_iou"].tolist()[0] == 0.125


def test_what_a_killed_process_could_not_say_is_said_at_the_next_start(project: Path, recorded: Trainings) -> None:
    """In the Optuna study trial 1 is pruned; its run is still open, and its saved state still exists."""
    job = make_job(project)
    report = go(project, job, trials=1)
    trial_store = job.open()
    propose(trial_store, job.space)
    trial_store.storage.set_trial_intermediate_value(trial_store.trial_id(1), 1, 0.25)
    trial_store.optuna.tell(1, state=TrialState.PRUNED)
    tags = {"mlflow.parentRunId": report.parent_run_id, **child_tags(job.key, 1, 0)}
    with (
        pytest.raises(Power),
        track_run("rates-0001", experiment="sweep", root=project, tags=tags, system_metrics=False) as run,
    ):
        raise Power
    resume = project / "mlruns/resume"
    resume.mkdir(exist_ok=True)
    (resume / "0123.pt").touch()
    (resume / "0123.json").write_text(json.dumps({"run_id": run.run_id}))
    (resume / "4567.pt").touch()
    (resume / "4567.json").write_text(json.dumps({"run_id": "another"}))
    go(project, job, trials=2)
    settled = read_run(run.run_id, root=project)
    assert (settled.status, settled.tags["optuna.state"]) == ("FINISHED", "pruned")
    assert sorted(path.name for path in resume.iterdir()) == ["4567.json", "4567.pt"]


def test_a_decision_to_prune_outlives_the_process(project: Path, trainings: Trainings) -> None:
    """Killed between the decision and its record: the trial is not trained any further."""
    job = make_job(project)
    trial_store = job.open()
    propose(trial_store, job.space)
    trial_store.storage.set_trial_intermediate_value(trial_store.trial_id(0), 1, 0.25)
    trial_store.note(0, "pruned_at", 1)
    go(project, job, trials=1)
    assert states(job) == ["PRUNED"]
    assert trainings.begun == []


def test_restart_forgets_the_trials_but_not_those_that_run(project: Path, trainings: Trainings) -> None:
    job = make_job(project)
    go(project, job, trials=2)
    go(project, job, trials=1, restart=True)
    assert states(job) == ["COMPLETE"]
    trial_store = job.open()
    propose(trial_store, job.space)
    trial_store.note(1, LEASE, {HOST: "another-computer", PID: "1", PROCESS_START: "1.00"})
    (job.folder / "trial_0001").mkdir()
    (job.folder / "trial_0001/heartbeat").touch()
    with pytest.raises(SomaNetError, match=r"Trial 1 of .* still runs"):
        go(project, job, restart=True)


def test_an_interrupted_sweep_asks_its_workers_to_stop(project: Path, trainings: Trainings) -> None:
    """Ctrl-C leaves the file; a training that sees it ends after its epoch; the next start removes it."""

    def interrupt(name: str, epoch: int, _settings: object) -> None:
        if (name, epoch) == ("rates-0000", 2):
            (job.folder / STOP_FILE).touch()

    job = make_job(project)
    trainings.before_epoch = interrupt
    with pytest.raises(Terminated):
        go(project, job)
    trial_store = job.open()
    assert sorted(trial_store.trial(0).intermediate_values) == [1, 2]
    assert (job.folder / STOP_FILE).exists()
    trainings.before_epoch = lambda *_: None
    go(project, job)
    assert states(job) == ["COMPLETE"] * 3
    assert not (job.folder / STOP_FILE).exists()
