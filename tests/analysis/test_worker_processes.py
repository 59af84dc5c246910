"""Real worker processes that are killed, stopped and reached over a socket: nothing is lost, nothing is left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from somanet.core.hashing import sha256_tree
from somanet.core.processes import PROCESS_MARK
from tests.analysis.started import started
from tests.analysis.test_batch import QUICK, made
from tests.analysis.worlds import frames_TYX, save_movie
from tests.training.sweep.test_cluster import dask_cluster

__all__ = ["made"]  # a fixture: movies of two donors, those of the second analysed without workers

pytestmark = pytest.mark.slow
LIMIT_S = 900
PART = re.compile(rf"\.(?P<movie>\w+)\.(?P<mark>{PROCESS_MARK.pattern})\.[0-9a-f]{{8}}\.part")


@pytest.fixture
def lab(made: Path, tmp_path: Path) -> Path:
    """The movies and the network, no results; `a` is long, and so begun first."""
    lab = Path(shutil.copytree(made, tmp_path / "lab", ignore=shutil.ignore_patterns("study")))
    save_movie(lab / "movies" / "d1" / "a.tif", frames_TYX(150))
    return lab


def analysis(
    lab: Path, *options: str, path: str | None = None
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """The command on all movies."""
    command = [sys.executable, "-m", "somanet", "analyze", "movies", "--output", "study", "--model", "model", *QUICK]
    return started([*command, *options], lab, path=path)


def worker_at(lab: Path, movie: str, process: subprocess.Popen[str]) -> int:
    """The process that analyses a movie, found by the hidden folder that it writes to."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        assert process.poll() is None, (lab / "said.txt").read_text()
        for path in (lab / "study").glob(f".{movie}.*.part"):
            found = PART.fullmatch(path.name)
            if found and (path / "movie.json").exists():
                return int(found["pid"])
        time.sleep(0.02)
    raise AssertionError("the movie was not begun")


def ended(process: subprocess.Popen[str], lab: Path) -> int:
    try:
        return process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        raise AssertionError((lab / "said.txt").read_text()) from None


def hidden(lab: Path) -> list[str]:
    return [path.name for path in (lab / "study").rglob(".*") if path.name != ".somanet.jsonl"]


def check_whole(lab: Path, made: Path) -> None:
    """All movies have results, those of the second donor the very bytes that they have without workers."""
    assert hidden(lab) == []
    assert (lab / "study" / "a" / "manifest.json").exists()
    for name in "bc":
        assert sha256_tree(lab / "study" / name) == sha256_tree(made / "study" / name), name
    assert "a" in (lab / "study" / "movies.csv").read_text()


def test_a_killed_worker_loses_no_movie(lab: Path, made: Path) -> None:
    """SIGKILL in the middle of a movie: another process begins it again."""
    with analysis(lab, "--workers", "2") as process:
        os.kill(worker_at(lab, "a", process), signal.SIGKILL)
        assert ended(process, lab) == 0, (lab / "said.txt").read_text()
    check_whole(lab, made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_analysis_ends_all_workers_and_is_taken_up(lab: Path, made: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches all processes of a terminal, SIGTERM only the command's own."""
    with analysis(lab, "--workers", "2") as process:
        worker = worker_at(lab, "a", process)
        children = [psutil.Process(worker), *psutil.Process(process.pid).children(recursive=True)]
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert ended(process, lab) == 128 + number
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert hidden(lab) == []
    assert not (lab / "study" / "a").exists()
    said = (lab / "said.txt").read_text()
    assert "Traceback" not in said, said
    with analysis(lab, "--workers", "2") as process:
        assert ended(process, lab) == 0, (lab / "said.txt").read_text()
    check_whole(lab, made)


def test_a_cluster_that_is_there_already(lab: Path, made: Path, tmp_path: Path) -> None:
    """Its worker stops within a movie when the command is ended, stays, and analyses all of them at the next start."""
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask") as address:
        with analysis(lab, "--cluster", address) as process:
            worker = psutil.Process(worker_at(lab, "a", process))
            process.send_signal(signal.SIGTERM)
            assert ended(process, lab) == 128 + signal.SIGTERM
        assert hidden(lab) == []
        assert not (lab / "study" / "a").exists()
        assert worker.is_running()
        with analysis(lab, "--cluster", address) as process:
            assert worker_at(lab, "a", process) == worker.pid
            assert ended(process, lab) == 0, (lab / "said.txt").read_text()
    check_whole(lab, made)


SBATCH = """#!/bin/sh
# a batch system of one computer: it keeps the script, and the job runs at once
for last; do script=$last; done
cp "$script" job.sh
setsid sh job.sh >job.log 2>&1 </dev/null &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job; do kill -- "-$job" 2>/dev/null || kill "$job"; done
"""


def test_jobs_of_a_batch_system(lab: Path, made: Path, tmp_path: Path) -> None:
    """`sbatch` and `scancel` of this test run jobs on this computer: one is submitted, and none is left."""
    (tmp_path / "bin").mkdir()
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    (lab / "slurm.yaml").write_text(
        f"system: slurm\njobs: 1\ncores: 1\nmemory: 2GB\ninterface: lo\nsetup: ['cd {lab}']\n"
    )
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    with analysis(lab, "--cluster", "slurm.yaml", path=path) as process:
        worker = psutil.Process(worker_at(lab, "a", process))
        assert ended(process, lab) == 0, (lab / "said.txt").read_text()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert alive == []
    check_whole(lab, made)
