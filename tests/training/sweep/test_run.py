"""A sweep with instant trainings: its budget, and the outcome of each trial."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from optuna import Study
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.provenance.mlflow import read_run
from somanet.training.loop.settings import TrainSettings
from somanet.training.sweep import run as running
from somanet.training.sweep.run import GIVE_UP_AFTER
from tests.training.sweep.worlds import TINY, Trainings, formula, go, make_job, runs_below, states, steps, table

WIDE = {"training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}


# What a sweep leaves


def test_a_sweep_leaves_a_table_a_summary_and_one_run_with_a_child_per_trial(
    project: Path, recorded: Trainings
) -> None:
    """The best of the trials is the one whose rate is best in the formula."""
    job = make_job(project)
    report = go(project, job)
    trials = job.open().trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    rows = table(project)
    assert rows["trial"].tolist() == [0, 1, 2]
    assert rows["val_iou"].tolist() == pytest.approx([trial.value for trial in trials])
    assert report.best is not None
    assert report.best.value == pytest.approx(rows["val_iou"].max())
    summary = read_json(project / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")
    assert summary["best"]["trials"] == [int(rows["val_iou"].idxmax())]
    assert (summary["study"], summary["mlflow_run"]) == (job.key, report.parent_run_id)

    parent = read_run(report.parent_run_id, root=project)
    assert (parent.experiment, parent.status, parent.tags["optuna.study"]) == ("sweep", "FINISHED", job.key)
    assert parent.params["base.training.epochs"] == "3"
    assert parent.params["space.training.learning_rate.low"] == "0.0001"
    assert parent.metrics["best_val_iou"] == pytest.approx(report.best.value)
    assert steps(project, parent.run_id, "best_val_iou") == [1, 2, 3]
    children = runs_below(project, parent.run_id)
    assert [run.name for run in children] == ["rates-0000", "rates-0001", "rates-0002"]
    for trial, run in zip(trials, children, strict=True):
        assert (run.status, run.tags["optuna.state"]) == ("FINISHED", "complete")
        assert float(run.params["training.learning_rate"]) == trial.params["training.learning_rate"]
        assert steps(project, run.run_id) == [1, 2, 3]
    assert rows["mlflow_runs"].tolist() == [run.run_id for run in children]
    pictures = {path.name for path in (project / "reports/sweeps/rates").glob("*.png")}
    assert pictures == {"history.png", "slices.png"}  # importances need four trials


def test_the_held_out_neurons_are_a_seeded_part_of_the_training_neurons(project: Path) -> None:
    job = make_job(project)
    assert len(job.held_out) == 2
    assert set(job.held_out) | set(job.train_names) == set("abcdefgh")
    assert not set(job.held_out) & set(job.train_names)
    assert make_job(project).held_out == job.held_out


def test_a_second_start_runs_nothing_and_more_trials_are_the_next_ones(project: Path, trainings: Trainings) -> None:
    job = make_job(project)
    go(project, job)
    first = [trial.params for trial in job.open().trials()]
    go(project, job)
    assert len(trainings.begun) == 3
    report = go(project, job, trials=5)
    assert trainings.begun == [f"rates-000{number}" for number in range(5)]
    assert [trial.params for trial in job.open().trials()][:3] == first
    assert (project / "reports/sweeps/rates/importance.png").exists()
    assert report.best is not None
    assert sorted(trainings.parent.metrics) == [1, 2, 3, 4, 5]
    assert trainings.parent.metrics[5] == {"best_val_iou": report.best.value}
    assert trainings.parent.tags["trials.complete"] == 5


def test_the_same_seed_gives_the_same_trials(tmp_path: Path, project: Path, trainings: Trainings) -> None:
    job = make_job(project, trials=8)
    go(project, job, trials=8)
    values = [(trial.params, trial.value) for trial in job.open().trials()]
    go(project, job, trials=8, restart=True)
    assert len(trainings.begun) == 16
    assert [(trial.params, trial.value) for trial in job.open().trials()] == values


def test_a_changed_space_or_base_is_another_trial_store(project: Path, trainings: Trainings, capsys: Any) -> None:
    first = make_job(project)
    go(project, first, trials=1)
    other = make_job(project, space=WIDE)
    assert other.key != first.key
    assert make_job(project, holdout=0.5).key != first.key
    assert make_job(project, metric="f1").key != first.key
    assert make_job(project, trials=9, minutes=3, pruner="median").key == first.key  # the budget changes no trial
    go(project, other, trials=1)
    assert f"differ from {first.key}" in capsys.readouterr().out


# Grids and seeds


def test_a_grid_over_seeds_is_plain_repeated_training(project: Path, trainings: Trainings) -> None:
    job = make_job(project, sampler="grid", trials=None, space={"seed": [4, 5, 6]})
    report = go(project, job, trials=None)
    assert trainings.seeds == [4, 5, 6]
    assert report.best is not None
    assert report.best.trials == (0, 1, 2)
    assert report.best.spread == 0


def test_several_seeds_per_trial(project: Path, trainings: Trainings) -> None:
    job = make_job(project, seeds_per_trial=2)
    go(project, job, trials=2)
    assert trainings.begun == ["rates-0000-seed0", "rates-0000-seed1", "rates-0001-seed0", "rates-0001-seed1"]
    assert table(project)["mlflow_runs"].tolist() == [
        "rates-0000-seed0 rates-0000-seed1",
        "rates-0001-seed0 rates-0001-seed1",
    ]


def test_another_metric_ranks_by_the_scores_of_the_labels(project: Path, trainings: Trainings) -> None:
    job = make_job(project, metric="f1")
    report = go(project, job, trials=1)
    assert report.best is not None
    assert report.best.value == 0.5  # what the scores of this world are
    assert trainings.parent.metrics == {1: {"best_f1": 0.5}}


# What goes wrong


class AtEpoch2(NopPruner):
    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return trial.last_step == 2


def test_a_pruned_trial_ends_well_and_leaves_no_network(
    project: Path, recorded: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("somanet.training.sweep.trial.make_pruner", lambda *_, **__: AtEpoch2())
    job = make_job(project)
    report = go(project, job, trials=1)
    assert states(job) == ["PRUNED"]
    assert report.counts["pruned"] == 1
    [child] = runs_below(project, report.parent_run_id)
    assert (child.status, child.tags["optuna.state"]) == ("FINISHED", "pruned")
    assert steps(project, child.run_id) == [1, 2]
    assert not list(job.folder.glob("trial_*/seed*"))
    assert table(project)["val_iou"].isna().all()


def test_a_trial_that_is_at_its_end_is_not_pruned_any_more(
    project: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("somanet.training.sweep.trial.make_pruner", lambda *_, **__: AtEpoch2())
    job = make_job(project, space={"training.epochs": [2, 3]}, sampler="grid")
    go(project, job)
    assert states(job) == ["COMPLETE", "PRUNED"]


def test_the_median_pruner_stops_what_does_badly(project: Path, trainings: Trainings) -> None:
    """After six random trials those worse than half of them are stopped, from their second epoch on."""
    job = make_job(project, space={**WIDE, "training.epochs": [8]}, pruner="median", sampler="random")
    go(project, job, trials=12)
    trials = job.open().trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert {trial.number for trial in pruned} <= set(range(6, 12))
    first = sorted(float(trial.value or 0) for trial in trials[:6])
    assert all(formula_of(trial) < first[-1] for trial in pruned)
    assert all(2 <= (trial.last_step or 0) < 8 for trial in pruned)


def formula_of(trial: FrozenTrial) -> float:
    rate = trial.params["training.learning_rate"]
    return formula(TrainSettings(learning_rate=rate, batch_size=TINY["training"]["batch_size"]), 8)


def test_a_failed_trial_is_recorded_with_its_reason_and_the_sweep_goes_on(project: Path, recorded: Trainings) -> None:
    def fail_one(name: str, epoch: int, _settings: object) -> None:
        if name == "rates-0001" and epoch == 2:
            raise SomaNetError("The training loss became nan.")

    recorded.before_epoch = fail_one
    job = make_job(project)
    report = go(project, job)
    assert states(job) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert table(project)["reason"].tolist()[1] == "The training loss became nan."
    children = runs_below(project, report.parent_run_id)
    assert [(run.status, run.tags["optuna.state"]) for run in children] == [
        ("FINISHED", "complete"),
        ("FAILED", "failed"),
        ("FINISHED", "complete"),
    ]
    go(project, job)
    assert len(recorded.begun) == 3  # a failed trial counts, and is not tried again


def test_trials_that_all_fail_end_the_sweep(project: Path, trainings: Trainings) -> None:
    def fail_all(*_: object) -> None:
        raise RuntimeError("no such kernel")

    trainings.before_epoch = fail_all
    with pytest.raises(SomaNetError, match=f"The last {GIVE_UP_AFTER} trials failed.*no such kernel"):
        go(project, make_job(project), trials=50)
    assert len(trainings.begun) == GIVE_UP_AFTER


def test_a_full_disk_stops_the_sweep_and_loses_nothing(project: Path, recorded: Trainings) -> None:
    def full(name: str, epoch: int, _settings: object) -> None:
        if name == "rates-0001" and epoch == 2:
            raise SomaNetError("Cannot write x.pt: the disk is full.") from OSError(28, "No space left")

    recorded.before_epoch = full
    job = make_job(project)
    with pytest.raises(SomaNetError, match=r"Trial 1 stopped: .*disk is full.*the same command resumes"):
        go(project, job)
    assert states(job) == ["COMPLETE", "RUNNING"]
    recorded.before_epoch = lambda *_: None
    report = go(project, job)
    assert states(job) == ["COMPLETE"] * 3
    assert len(runs_below(project, report.parent_run_id)) == 3  # the same run was resumed


def test_minutes_end_a_sweep(project: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trial takes 40 s: of one minute, the second starts at 40 s and is not cut, a third would start at 80 s."""
    now = [1000.0]
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def take_40_s(_name: str, epoch: int, _settings: object) -> None:
        now[0] += 40 if epoch == 1 else 0

    trainings.before_epoch = take_40_s
    job = make_job(project, trials=None, minutes=1)
    go(project, job, trials=None, minutes=1)
    assert states(job) == ["COMPLETE"] * 2
    go(project, job, trials=None, minutes=1)  # a further minute
    assert states(job) == ["COMPLETE"] * 4
    go(project, job, trials=3, minutes=1)
    assert states(job) == ["COMPLETE"] * 4


def test_one_sweep_runs_once_at_a_time(project: Path, trainings: Trainings) -> None:
    job = make_job(project)
    (project / "mlruns/sweeps").mkdir()
    with (
        FileLock(project / f"mlruns/sweeps/.{job.key}.lock"),
        pytest.raises(SomaNetError, match="is already running in another process"),
    ):
        go(project, job)


def test_the_formula_of_this_world() -> None:
    """A rate of 1e-3 and batches of 2 end at 1 - 1/2 per epoch: 0.875 after three."""
    assert formula(TrainSettings(learning_rate=1e-3, batch_size=2), 3) == 0.875
    assert formula(TrainSettings(learning_rate=1e-2, batch_size=2), 3) == 0.875 / 2
