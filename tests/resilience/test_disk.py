"""A disk that is full or read-only, for real: a small file system in memory, or a limit for a file's size."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from somanet.provenance.mlflow.client import open_client
from tests.resilience.child import Stop
from tests.resilience.conftest import EPOCHS, ROOT, TRAIN, Start
from tests.resilience.records import check_whole, files_of, leftovers, only_run
from tests.resilience.small_disk import small_disk
from tests.worlds import make_project

pytestmark = pytest.mark.slow
NewProject = Callable[[str], Path]
Resize = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Resize]]:
    """A disk of 50 MB, and how to change its options."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    place = tmp_path / "disk"
    place.mkdir()

    with contextlib.ExitStack() as stack:
        try:
            remount = stack.enter_context(small_disk(place, "50m"))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this system does not let root mount a disk")
        yield place, remount


@pytest.fixture
def project(disk: tuple[Path, Resize], images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on that disk."""
    folder = make_project(disk[0] / "project", tmp_path_factory.getbasetemp())
    shutil.copytree(images, folder / "nuclei")
    return folder


def saved_epoch(project: Path) -> int:
    """The epoch of the saved state, which must be whole."""
    [state] = (project / "mlruns" / "resume").glob("*.pt")
    return int(torch.load(state, weights_only=True)["epoch"])


def parts(project: Path) -> list[str]:
    return [name for name in leftovers(project) if ".part" in name]


def check_same_as_undisturbed(project: Path, new_project: NewProject, start: Start) -> None:
    undisturbed = new_project("undisturbed")
    assert start(TRAIN, cwd=undisturbed).end() == 0
    assert check_whole(project, EPOCHS) == check_whole(undisturbed, EPOCHS)
    assert files_of(project) == files_of(undisturbed)


def test_a_disk_without_room_for_a_second_state(
    disk: tuple[Path, Resize], project: Path, new_project: NewProject, start: Start
) -> None:
    """Epoch 2 does not fit beside epoch 1: one line, epoch 1 stands; with more room the training goes on from there."""
    command = start(TRAIN, cwd=project)
    assert command.end() == 1
    [*told, line] = command.text.splitlines()
    assert line.startswith("error: Cannot write ")
    assert "the disk is full" in line
    assert "Nothing was changed; free some space and run again" in line
    assert [each for each in told if "epoch" not in each and "training and" not in each] == []
    assert saved_epoch(project) == 1
    assert parts(project) == []
    assert not (project / "models/small").exists()
    assert only_run(open_client(project)).info.status == "FAILED"

    disk[1]("size=300m")
    command = start(TRAIN, cwd=project)
    assert command.end() == 0, command.text
    assert "epoch 1/" in command.text  # reported again from the state, not computed: the run and files are equal
    assert only_run(open_client(project)).data.tags["somanet.resumed"] == "1"
    check_same_as_undisturbed(project, new_project, start)


def test_a_disk_that_takes_nothing_at_all_any_more(
    disk: tuple[Path, Resize], project: Path, new_project: NewProject, start: Start
) -> None:
    """Neither state nor database nor spool: the last state stands, and the run says afterwards how it ended."""
    disk[1]("size=300m")
    command = start(TRAIN, cwd=project, stop=Stop("somanet.training.experiments.training._report", call=2, disk="fill"))
    assert command.end() == 1
    assert command.text.splitlines()[-1].startswith("error: Cannot write ")
    assert "Traceback" not in command.text
    assert len([line for line in command.text.splitlines() if "epoch" not in line]) <= 4, command.text
    assert saved_epoch(project) == 2
    assert parts(project) == []

    command = start(TRAIN, cwd=project)  # still full
    assert command.end() == 1
    assert "full" in command.text.splitlines()[-1]
    assert "Traceback" not in command.text
    assert saved_epoch(project) == 2

    (project / "filler").unlink()
    command = start(TRAIN, cwd=project)
    assert command.end() == 0, command.text
    check_same_as_undisturbed(project, new_project, start)


def test_a_disk_that_is_full_for_a_moment(
    disk: tuple[Path, Resize], project: Path, new_project: NewProject, start: Start
) -> None:
    """One epoch finds room neither in the database nor in the spool: at the end it is recorded from the state."""
    disk[1]("size=300m")
    stops = [
        Stop("somanet.training.experiments.training._report", call=2, disk="fill"),
        Stop("somanet.training.experiments.training._report", call=2, moment="after", disk="free"),
    ]
    command = start(TRAIN, cwd=project, stop=stops)
    assert command.end() == 0, command.text
    assert "cannot be kept either" in command.text
    check_same_as_undisturbed(project, new_project, start)


def test_a_network_that_does_not_fit(
    disk: tuple[Path, Resize], project: Path, new_project: NewProject, start: Start
) -> None:
    """The training is done, the checkpoint finds no room: the next start only writes it."""
    disk[1]("size=300m")
    command = start(TRAIN, cwd=project, stop=Stop("safetensors.torch.save_file", disk="fill"))
    assert command.end() == 1
    assert "the disk is full" in command.text.splitlines()[-1]
    assert not (project / "models/small").exists()
    assert parts(project) == []
    assert saved_epoch(project) == EPOCHS
    (project / "filler").unlink()
    assert start(TRAIN, cwd=project).end() == 0
    check_same_as_undisturbed(project, new_project, start)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, resource.RLIM_INFINITY))
from somanet import cli
cli.main()
"""


def test_a_limit_for_the_size_of_a_file(new_project: NewProject, start: Start) -> None:
    """Without root: the state has 31 MB, a file may have 20. Without the limit it begins again, in the same run."""
    project = new_project("limited")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *TRAIN],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.splitlines()
    assert "the disk is full or the file is larger than allowed" in line
    assert parts(project) == []
    assert only_run(open_client(project)).info.status == "FAILED"
    assert start(TRAIN, cwd=project).end() == 0
    assert only_run(open_client(project)).info.status == "FINISHED"


def test_a_read_only_project(disk: tuple[Path, Resize], project: Path, start: Start) -> None:
    """With a store and without one: one line, and nothing tried for long."""
    for has_store in (True, False):
        if not has_store:
            shutil.rmtree(project / "mlruns")
        before = sorted(project.rglob("*"))
        disk[1]("ro")
        command = start([*TRAIN, "--output", "elsewhere/small"], cwd=project)
        assert command.end() == 1
        [line] = command.text.splitlines()
        assert "read-only" in line
        disk[1]("rw")
        assert sorted(project.rglob("*")) == before


def test_a_read_only_mlruns(disk: tuple[Path, Resize], new_project: NewProject, start: Start) -> None:
    """The rest of the project may be written."""
    project = new_project("project")
    shutil.copytree(project / "mlruns", disk[0] / "mlruns")
    shutil.rmtree(project / "mlruns")
    (project / "mlruns").symlink_to(disk[0] / "mlruns")
    disk[1]("ro")
    command = start(TRAIN, cwd=project)
    assert command.end() == 1
    [line] = command.text.splitlines()
    assert "mlruns" in line
    assert "read-only" in line
    disk[1]("rw")
    assert not (project / "models/small").exists()
