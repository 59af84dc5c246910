"""A training that is killed, wherever that happens, and started again ends as if nothing had been."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from somanet.provenance.mlflow.client import open_client
from tests.resilience.child import Stop
from tests.resilience.conftest import EPOCHS, ROOT, TRAIN, Start
from tests.resilience.records import all_runs, check_whole, files_of, only_run

pytestmark = pytest.mark.slow
NewProject = Callable[[str], Path]
CLIENT = "mlflow.MlflowClient"
MOMENTS = {
    "the run is started, its id not yet noted": Stop(f"{CLIENT}.create_run", moment="after"),
    "parameters are described": Stop("somanet.provenance.mlflow.run._describe"),
    "the first epoch": Stop("somanet.training.loop.training.validate"),
    "a state is half written": Stop("torch.save", call=2, moment="half"),
    "a state is written, but not in its place": Stop("os.fsync", call=3),
    "an epoch is saved, but not recorded": Stop("somanet.training.experiments.training._report", call=2),
    "an epoch is recorded": Stop(f"{CLIENT}.log_batch", call=3, moment="after"),
    "the last epoch is saved, but not recorded": Stop("somanet.training.experiments.training._report", call=EPOCHS),
    "the network is half written": Stop("safetensors.torch.save_file", moment="half"),
    "the network is in its place": Stop("somanet.segmentation.network.checkpoint.save_checkpoint", moment="after"),
    "final numbers are recorded": Stop("somanet.provenance.mlflow.tracked.TrackedRun.log_metrics", moment="after"),
    "the model is announced": Stop(f"{CLIENT}.create_logged_model", moment="after"),
    "the model's files are stored": Stop(f"{CLIENT}.log_model_artifacts", moment="after"),
    "the model is ready, but not the run's": Stop(f"{CLIENT}.finalize_logged_model", moment="after"),
    "everything is recorded": Stop(f"{CLIENT}.set_terminated"),
    "the run is finished": Stop(f"{CLIENT}.set_terminated", moment="after"),
    "the training is noted as done": Stop("somanet.training.experiments.write_training"),
    "the report is in its place": Stop("somanet.training.experiments.state.Trainings.release"),
    "the process is about to end": Stop("atexit._run_exitfuncs"),
    "the note of its run is gone": Stop("pathlib.Path.unlink", name="mlruns/resume", moment="after"),
}  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What :func:`whole` found, kept for the module."""
    return {}


@pytest.fixture
def whole(undisturbed: dict[str, Any], new_project: NewProject, start: Start) -> dict[str, Any]:
    """The files and the run of a training that nobody disturbed."""
    if not undisturbed:
        project = new_project("undisturbed")
        assert (command := start(TRAIN, cwd=project)).end() == 0, command.text
        undisturbed["run"] = check_whole(project, EPOCHS)
        undisturbed["files"] = files_of(project)
    return undisturbed


@pytest.mark.parametrize("stop", MOMENTS.values(), ids=MOMENTS.keys())
def test_killed_when(stop: Stop, whole: dict[str, Any], new_project: NewProject, start: Start) -> None:
    project = new_project("killed")
    assert (command := start(TRAIN, cwd=project, stop=stop)).end() == -signal.SIGKILL, command.text
    assert (command := start(TRAIN, cwd=project)).end() == 0, command.text
    assert check_whole(project, EPOCHS) == whole["run"]
    assert files_of(project) == whole["files"]


def test_killed_after_its_last_act(whole: dict[str, Any], new_project: NewProject, start: Start) -> None:
    """The state is removed when nothing else is left to do; what marked it as finished does not confuse the next."""
    project = new_project("killed")
    stop = Stop("pathlib.Path.unlink", name="mlruns/resume", moment="after", call=2)
    assert (command := start(TRAIN, cwd=project, stop=stop)).end() == -signal.SIGKILL, command.text
    resume = project / "mlruns" / "resume"
    assert {path.name.partition(".")[2] for path in resume.iterdir()} == {"done.json", "lock"}
    resume.rename(project / "marks")
    assert check_whole(project, EPOCHS) == whole["run"]
    assert files_of(project) == whole["files"]
    (project / "marks").rename(resume)
    other = [*TRAIN, "--set", "training.epochs=1", "--output", "models/other"]
    assert (command := start(other, cwd=project)).end() == 0, command.text
    assert list(resume.iterdir()) == []


def test_of_two_equal_trainings_one_trains(whole: dict[str, Any], new_project: NewProject, start: Start) -> None:
    """With one output and with two; the other is told so in one line."""
    for outputs in (("models/small", "models/small"), ("models/small", "models/other")):
        project = new_project(outputs[1].replace("/", "-"))
        commands = [
            start([output if a == "models/small" else a for a in TRAIN], cwd=project, variables={"TQDM_DISABLE": "1"})
            for output in outputs
        ]
        statuses = [command.end() for command in commands]
        assert sorted(statuses) == [0, 1], [command.text for command in commands]
        [line] = commands[statuses.index(1)].text.splitlines()
        assert re.search("another process is running this training|Another command is writing", line)
        check_whole(project, EPOCHS)
        if statuses[0] == 0:
            assert files_of(project) == whole["files"]


TERMINATED = {
    "the run is started, its id not yet noted": Stop(f"{CLIENT}.create_run", moment="after", number=signal.SIGTERM),
    "an epoch is saved, but not recorded": Stop(
        "somanet.training.experiments.training._report", call=2, number=signal.SIGTERM
    ),
    "an epoch is being recorded": Stop(f"{CLIENT}.log_batch", call=3, number=signal.SIGTERM),
    "the network is half written": Stop("safetensors.torch.save_file", moment="after", number=signal.SIGTERM),
    "everything is recorded": Stop(
        "somanet.provenance.mlflow.tracked.TrackedRun.log_model", moment="after", number=signal.SIGTERM
    ),
}


@pytest.mark.parametrize("stop", TERMINATED.values(), ids=TERMINATED.keys())
def test_terminated_when(stop: Stop, whole: dict[str, Any], new_project: NewProject, start: Start) -> None:
    """SIGTERM ends the run as KILLED before the process is gone, and resuming takes it on."""
    project = new_project("terminated")
    assert (command := start(TRAIN, cwd=project, stop=stop)).end() == 128 + signal.SIGTERM, command.text
    assert only_run(open_client(project)).info.status == "KILLED"
    assert (command := start(TRAIN, cwd=project)).end() == 0, command.text
    assert check_whole(project, EPOCHS) == whole["run"]
    assert files_of(project) == whole["files"]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_random(seed: int, tmp_path: Path, new_project: NewProject) -> None:
    """Real processes, signals after random times, until one comes through; then another project's run is started."""
    chance = random.Random(seed)
    epochs, n_kills = 8, 4
    arguments = [f"training.epochs={epochs}" if a == f"training.epochs={EPOCHS}" else a for a in TRAIN]
    arguments[arguments.index("--seed") + 1] = str(seed)
    undisturbed, project = new_project("undisturbed"), new_project("killed")
    assert run_script(arguments, undisturbed, tmp_path / "whole.txt") == 0

    for n in range(n_kills):
        number = chance.choice([signal.SIGKILL, signal.SIGTERM])
        output = tmp_path / f"kill{n}.txt"
        process = start_script(arguments, project, output)
        epoch, delay_s = chance.randint(1, epochs), chance.uniform(0, 1.5)
        while process.poll() is None and not reached(output, epoch, epochs):
            time.sleep(0.01)
        time.sleep(delay_s)
        process.send_signal(number)
        status = process.wait()
        if status == 0:
            break
        assert status in (-number, 128 + number), output.read_text()
        if status == 128 + number:
            assert only_run(open_client(project)).info.status == "KILLED"
        assert len(all_runs(open_client(project))) == 1
    else:
        assert run_script(arguments, project, tmp_path / "last.txt") == 0, (tmp_path / "last.txt").read_text()
    assert check_whole(project, epochs) == check_whole(undisturbed, epochs)
    assert files_of(project) == files_of(undisturbed)


def reached(output: Path, epoch: int, epochs: int) -> bool:
    """Whether an epoch, or a later one, was reported."""
    text = output.read_text(encoding="utf-8")
    return any(f"epoch {n}/{epochs}" in text for n in range(epoch, epochs + 1)) or "already trained" in text


def start_script(arguments: list[str], project: Path, output: Path) -> subprocess.Popen[bytes]:
    """`python -m somanet` with its output in a file."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as written:
        return subprocess.Popen(
            [sys.executable, "-m", "somanet", *arguments], cwd=project, env=environment, stdout=written, stderr=written
        )


def run_script(arguments: list[str], project: Path, output: Path) -> int:
    """:func:`start_script`, to its end."""
    return start_script(arguments, project, output).wait(600)


def test_what_a_killed_process_leaves_is_ended_by_the_next(new_project: NewProject, start: Start) -> None:
    """A training that is never taken up again does not stay RUNNING either."""
    project = new_project("abandoned")
    start(TRAIN, cwd=project, stop=Stop("somanet.training.experiments.training._report", call=2)).end()
    client = open_client(project)
    abandoned = only_run(client).info.run_id
    assert client.get_run(abandoned).info.status == "RUNNING"
    other = [*TRAIN, "--set", "training.epochs=1", "--output", "models/other"]
    assert (command := start(other, cwd=project)).end() == 0, command.text
    assert sorted(run.info.status for run in all_runs(client)) == ["FINISHED", "KILLED"]
    assert client.get_run(abandoned).info.status == "KILLED"


def test_a_state_that_was_deleted_begins_anew_in_a_run_of_its_own(new_project: NewProject, start: Start) -> None:
    """As the message about a damaged state advises; the old run keeps its epochs, and no later kill mixes them up."""
    project = new_project("deleted")
    start(TRAIN, cwd=project, stop=Stop("somanet.training.experiments.training._report", call=3)).end()
    [state] = (project / "mlruns" / "resume").glob("*.pt")
    state.write_bytes(state.read_bytes()[:-1000])
    damaged = start(TRAIN, cwd=project)
    assert damaged.end() == 1
    assert "Delete it to start this training over" in damaged.text
    state.unlink()
    start(TRAIN, cwd=project, stop=Stop("somanet.training.experiments.training._report", call=2)).end()
    assert (command := start(TRAIN, cwd=project)).end() == 0, command.text
    client = open_client(project)
    steps = {run.info.status: [row.step for row in client.get_metric_history(run.info.run_id, "train_loss")]
             for run in all_runs(client)}  # fmt: skip
    assert steps == {"FAILED": [1, 2], "FINISHED": [1, 2, 3, 4]}
