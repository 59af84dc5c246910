"""Killed again and again, a sweep ends as if nothing had happened: the slow proof, with real trainings."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from somanet.core.files import read_json
from somanet.provenance.mlflow import read_run
from tests.training.sweep.worlds import make_sweep_project, runs_below, start_sweep, steps, sweep_values

pytestmark = pytest.mark.slow
TRIALS, EPOCHS = 3, 3
ITS_OWN = ["seconds", "mlflow_runs"]


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def wait_for(process: subprocess.Popen[str], words: str) -> list[str]:
    """The output of the process up to a line with these words, or all of it."""
    assert process.stdout is not None
    said = []
    while line := process.stdout.readline():
        said.append(line)
        if words in line:
            break
    return said


def networks(project: Path) -> dict[str, str]:
    """Trial → hash of its network."""
    found = sorted(project.glob("mlruns/sweeps/*/trial_*/seed*/model.safetensors"))
    return {path.parents[1].name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def table(project: Path) -> pd.DataFrame:
    return pd.read_csv(project / "reports/sweeps/rates/trials.csv").drop(columns=ITS_OWN)


def check_runs(project: Path, trials: int) -> None:
    """One parent with one child per trial, all finished, every epoch once, nothing left to resume."""
    parent = read_run(
        read_json(project / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")["mlflow_run"], root=project
    )
    assert parent.status == "FINISHED"
    children = runs_below(project, parent.run_id)
    assert sorted(int(run.tags["optuna.trial"]) for run in children) == list(range(trials))
    for run in children:
        assert (run.status, run.tags["optuna.state"]) == ("FINISHED", "complete")
        assert steps(project, run.run_id) == steps(project, run.run_id, "train_loss") == list(range(1, EPOCHS + 1))
    assert list((project / "mlruns/resume").iterdir()) == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_sweep_project(
        tmp_path_factory.mktemp("undisturbed") / "project",
        tmp_path_factory.getbasetemp(),
        rates=sweep_values(trials=TRIALS),
    )
    finish(start_sweep(project, "rates"))
    check_runs(project, TRIALS)
    return project


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sweep_killed_at_random_points_ends_the_same(
    seed: int, undisturbed: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Four times SIGKILL or SIGTERM up to two seconds after some line, then once to the end."""
    project = make_sweep_project(
        tmp_path / "project", tmp_path_factory.getbasetemp(), rates=sweep_values(trials=TRIALS)
    )
    chance = random.Random(seed)
    for _ in range(4):
        process = start_sweep(project, "rates")
        wait_for(
            process, chance.choice(["Sweep rates", "training and", "epoch 1/", "epoch 3/", "best epoch", "complete"])
        )
        time.sleep(chance.uniform(0, 2))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate()
    finish(start_sweep(project, "rates"))
    pd.testing.assert_frame_equal(table(project), table(undisturbed))
    assert networks(project) == networks(undisturbed)
    best, other = (
        read_json(p / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")["best"]
        for p in (project, undisturbed)
    )
    assert best == {**other, "networks": best["networks"]}
    check_runs(project, TRIALS)
