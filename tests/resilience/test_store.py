"""What may be wrong with the store when a training starts: one line, nothing written; what the line advises helps."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.provenance.mlflow.client import open_client
from tests.resilience.child import Stop
from tests.resilience.conftest import EPOCHS, TRAIN, Start
from tests.resilience.records import all_runs, only_run, rows

pytestmark = pytest.mark.slow
NewProject = Callable[[str], Path]
SHORT = [*TRAIN, "--set", "training.epochs=1"]


def tree(project: Path) -> dict[str, bytes]:
    return {p.relative_to(project).as_posix(): p.read_bytes() for p in project.rglob("*") if p.is_file()}


def error_of(project: Path, start: Start) -> str:
    """The one line that a training prints, which must not start; all files but the locks' door stay as they are."""
    before = tree(project)
    command = start(SHORT, cwd=project)
    assert command.end() == 1, command.text
    [line] = command.text.splitlines()
    after = tree(project)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed <= {"mlruns/mlflow.db", "mlruns/.resume.lock"}
    return line


def test_a_database_that_is_none(new_project: NewProject, start: Start) -> None:
    project = new_project("letter")
    database = project / "mlruns" / "mlflow.db"
    database.write_text("this is a letter, not a database " * 100)
    assert re.search(r"mlflow\.db is not an SQLite database, or it is damaged\. Move it away", error_of(project, start))
    database.unlink()
    assert start(SHORT, cwd=project).end() == 0


def test_a_database_of_a_newer_mlflow(new_project: NewProject, start: Start) -> None:
    project = new_project("newer")
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()
    line = error_of(project, start)
    assert "was written by a newer MLflow: found revision ffffffffffff" in line
    assert "pip install --upgrade mlflow" in line


def advised(line: str, command: str) -> tuple[dict[str, str], list[str]]:
    """Environment and arguments of a command that a line advises."""
    [found] = re.findall(rf"`((?:\w+=\S+ )?mlflow {command} [^`]*)`", line)
    first, *rest = found.split()
    variables = dict([first.split("=", 1)]) if "=" in first else {}
    return {**os.environ, **variables}, [sys.executable, "-m", "mlflow", *(rest[1:] if variables else rest)]


def run_advised(line: str, command: str, project: Path) -> None:
    environment, arguments = advised(line, command)
    done = subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("way", ["experiments restore", "gc"])
def test_an_experiment_that_was_deleted(way: str, new_project: NewProject, start: Start) -> None:
    """Each of the two commands that the line names makes the training possible again."""
    project = new_project("deleted")
    client = open_client(project)
    experiment = client.create_experiment("train", artifact_location=f"{project}/mlruns/artifacts/train")
    client.delete_experiment(experiment)
    line = error_of(project, start)
    assert "The experiment 'train' was deleted in MLflow" in line
    run_advised(line, way, project)
    command = start(SHORT, cwd=project)
    assert command.end() == 0, command.text
    assert only_run(client).info.status == "FINISHED"


def test_an_interrupted_training_whose_experiment_was_deleted(new_project: NewProject, start: Start) -> None:
    """Restored, it goes on; or, with the note deleted and another experiment, in a new run with all epochs."""
    project, twin = new_project("restored"), new_project("twin")
    for folder in (project, twin):
        start(TRAIN, cwd=folder, stop=Stop("somanet.training.experiments.training._report", call=3)).end()
        client = open_client(folder)
        client.delete_experiment(only_run(client).info.experiment_id)
        command = start(TRAIN, cwd=folder)
        assert command.end() == 1
        [line] = command.text.splitlines()
        assert "belongs to the experiment 'train', which was deleted in MLflow" in line
    run_advised(line, "experiments restore", project)
    assert start(TRAIN, cwd=project).end() == 0
    assert only_run(open_client(project)).info.status == "FINISHED"

    [note] = re.findall(r"Delete (mlruns/resume/\w+\.json) to continue in a new run", line)
    (twin / note).unlink()
    assert start([*TRAIN, "--experiment", "other"], cwd=twin).end() == 0
    client = open_client(twin)
    run = only_run(client, "other")
    for metric in ("train_loss", "val_iou"):
        assert [step for step, _ in rows(client, run.info.run_id, metric)] == list(range(1, EPOCHS + 1))


def test_six_trainings_may_be_the_first_at_once(new_project: NewProject, start: Start) -> None:
    """No store at all: one process makes it, the others wait."""
    project = new_project("fresh")
    shutil.rmtree(project / "mlruns")
    commands = [
        start([*SHORT, "--seed", str(seed), "--output", f"models/seed{seed}"], cwd=project) for seed in range(6)
    ]
    assert [command.end() for command in commands] == [0] * 6, [command.text for command in commands]
    runs = all_runs(open_client(project))
    assert sorted(run.data.params["seed"] for run in runs) == ["0", "1", "2", "3", "4", "5"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {path.name for path in (project / "mlruns").glob(".*")} == {".mlflow.db.lock", ".resume.lock"}
