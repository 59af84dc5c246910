"""Jobs of a batch system that this test plays: refused, pending, ended before their worker joins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.core import cluster, job_states
from somanet.core.cluster import Work, run_tasks
from somanet.core.errors import SomaNetError
from somanet.core.job_queue import JobQueue, job_cluster
from somanet.core.job_states import Jobs, words_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SLURM runs on Linux")
REFUSES = "echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1"
ACCEPTS = "echo Submitted batch job $$"
QUEUE = JobQueue(system="slurm", jobs=2, interface="lo")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Gives a command of the batch system this body; there are no others, and the current folder is empty."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(name: str, body: str) -> None:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    return make


def run_one_task(folder: Path, waits: Callable[[str], None]) -> None:
    tasks = iter([Work("a", "a", ([1, 2],))])
    with job_cluster(QUEUE, folder, at_once=2, allowed_failures=2, source="s.yaml") as client:
        run_tasks(
            client,
            sum,
            next_step="",
            at_once=None,
            next_task=lambda: next(tasks, None),
            ended=lambda *_: None,
            waits=waits,
        )


@pytest.mark.parametrize("there", [(), ("sbatch",)])
def test_without_the_commands_of_the_batch_system_nothing_begins(
    there: tuple[str, ...], system: Callable[[str, str], None], tmp_path: Path
) -> None:
    for name in there:
        system(name, ACCEPTS)
    missing = "scancel" if there else "sbatch"
    words = f"s.yaml need SLURM's .* `{missing}` is not found here: run this on a login node"
    with pytest.raises(SomaNetError, match=words):
        run_one_task(tmp_path, lambda _: None)
    assert not (tmp_path / "tls").exists()


def test_a_refused_job_ends_the_work_with_the_words_of_the_batch_system(
    system: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Dask alone would log a traceback, and submit the job again each second."""
    monkeypatch.setattr(cluster, "_POLL_S", 0.1)
    system("sbatch", REFUSES)
    system("scancel", "")
    with pytest.raises(SomaNetError) as caught:
        run_one_task(tmp_path, lambda _: None)
    assert str(caught.value) == (
        "SLURM refused the job: Batch job submission failed: Invalid partition name specified. Check partition, "
        "account and directives in s.yaml."
    )
    assert capfd.readouterr() == ("", "")
    assert list((tmp_path / "here").iterdir()) == []


def test_jobs_that_end_without_a_worker_are_submitted_again_until_it_is_no_accident(
    system: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_POLL_S", 0.1)
    monkeypatch.setattr(job_states, "_LOOK_S", 0.0)
    system("sbatch", f"echo x >>submitted; {ACCEPTS}")
    system("scancel", "")
    system("squeue", "")
    with pytest.raises(
        SomaNetError, match=r"3 jobs ended before .* output is in slurm-logs/\. Check `setup` in s\.yaml"
    ):
        run_one_task(tmp_path, lambda _: None)
    assert (tmp_path / "here" / "submitted").read_text() == "x\n" * 3


def test_the_words_while_jobs_wait(system: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_states, "_LOOK_S", 0.0)
    jobs = Jobs("s.yaml", "logs")
    assert jobs.look(0) == ("no worker is there; waiting for jobs to be submitted", [])
    jobs.ask("w0")
    jobs.refuse("w1", "No.")  # before the other is answered, nobody knows whether one will work
    assert jobs.look(0)[0] == "no worker is there; waiting for jobs to be submitted"
    jobs.submit("w0", "70")
    jobs.submit("w1", "71")
    where = "their output is in logs/"
    assert jobs.look(0) == (f"0 of 2 workers have joined; 2 jobs are submitted; {where}", [])
    system("squeue", "echo 70 PENDING; echo 71 RUNNING; echo 9 FAILED")
    assert jobs.look(0) == (f"0 of 2 workers have joined; 1 job is pending, 1 job is starting; {where}", [])
    system("squeue", "echo 70 PENDING; echo 71 FAILED")
    jobs.refuse("w2", "The limit is 2.")
    words = (
        f"0 of 3 workers have joined; 1 job is pending, 1 job ended before, SLURM refused 1: The limit is 2; {where}"
    )
    assert jobs.look(0) == (words, ["w1"])
    jobs.close("w1")
    jobs.join("w0")  # and it is lost again: Dask submits its job anew
    assert jobs.look(0)[0] == "no worker is there; waiting for jobs to be submitted"
    jobs.close("w0")
    with pytest.raises(SomaNetError, match=r"^SLURM refused the job: The limit is 2\. Check"):
        jobs.look(0)


def test_while_others_work_jobs_that_end_are_submitted_anew_but_not_for_ever(
    system: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_states, "_LOOK_S", 0.0)
    monkeypatch.setattr(job_states, "_LOOK_AT_WORK_S", 0.0)
    system("squeue", "echo 70 RUNNING")  # what it does not name has ended
    jobs = Jobs("s.yaml", "logs")
    jobs.submit("w0", "70")
    jobs.join("w0")
    jobs.refuse("limit", "The limit is 2.")
    for attempt in range(4):
        name = f"vain{attempt}"
        jobs.submit(name, f"8{attempt}")
        assert jobs.look(1) == ("", [name] if attempt < 2 else [])
        if attempt < 2:
            jobs.close(name)  # as Dask does
    jobs.close("w0")
    words, again = jobs.look(0)  # the last worker has left
    assert words == "no worker is there; waiting for jobs to be submitted"
    assert again == ["vain2", "vain3"]


@pytest.mark.slow
def test_a_job_that_ends_before_it_works_has_a_successor_while_another_works(
    system: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two jobs ends, which is seen once the other works on a task."""
    monkeypatch.setattr(job_states, "_LOOK_AT_WORK_S", 0.5)
    begun, failed, number = tmp_path / "begun", tmp_path / "failed", 99999999
    system(
        "sbatch",
        f"echo x >>{tmp_path}/submitted\n"
        f"mkdir {failed} 2>/dev/null && echo Submitted batch job {number} && exit\n"
        f'for script; do :; done; cp "$script" {tmp_path}/job$$.sh\n'
        f"setsid sh {tmp_path}/job$$.sh >{tmp_path}/log$$ 2>&1 </dev/null & echo Submitted batch job $!",
    )
    system("scancel", "kill -- -$1 2>/dev/null")
    system(
        "squeue",
        f"ps -eo pgid= | while read group; do echo $group RUNNING; done; [ -e {begun} ] || echo {number} RUNNING",
    )
    tasks = iter([Work(name, name, (f"touch {begun}; sleep 8",)) for name in ("a", "b")])
    returned = []
    with job_cluster(QUEUE, tmp_path, at_once=2, allowed_failures=2, source="s.yaml") as client:
        run_tasks(
            client,
            os.system,
            next_step="",
            at_once=2,
            next_task=lambda: next(tasks, None),
            ended=lambda about, *_: returned.append(about),
            waits=lambda _: None,
        )
    assert sorted(returned) == ["a", "b"]
    assert len((tmp_path / "submitted").read_text().split()) == 3


def test_what_the_batch_system_says_is_one_line() -> None:
    error = RuntimeError("Command exited\nstdout:\n\nstderr:\nsbatch: error: one\nsbatch: error: two\n\n")
    assert words_of(error) == "one; two."
    assert words_of(FileNotFoundError(2, "No such file or directory")) == "[Errno 2] No such file or directory."


def test_ctrl_c_is_what_it_was() -> None:
    """dask-jobqueue makes it a success when it is imported, so this needs a process of its own."""
    code = (
        "import signal\n"
        "from somanet.core.job_queue import _cluster_class\n"
        "from somanet.core.job_states import Jobs\n"
        "_cluster_class(Jobs('', ''))\n"
        "import dask_jobqueue\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
