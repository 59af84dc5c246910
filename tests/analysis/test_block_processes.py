"""Blocks of one movie in real worker processes that are killed and stopped: nothing is lost, nothing is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from somanet.core.hashing import sha256_tree
from somanet.core.processes import PROCESS_MARK
from tests.analysis.started import started
from tests.analysis.test_worker_processes import LIMIT_S, ended
from tests.analysis.worlds import frames_TYX, save_movie
from tests.worlds import save_bright_network, somanet

pytestmark = pytest.mark.slow
PART = re.compile(rf"\.block\d+\.(?P<mark>{PROCESS_MARK.pattern})\.[0-9a-f]{{8}}\.part\.tif")
ARGUMENTS = ("movie.tif", "--model", "model", "--no-report", "--no-overlay")
COMMAND = "from somanet.analysis import blocks; blocks.LEAST_PX = 0; from somanet.__main__ import run; run()"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie that workers segment for some seconds, a network, and the results of one process."""
    lab = tmp_path_factory.mktemp("lab")
    frames = np.tile(frames_TYX(40), (1, 3, 3))
    save_movie(lab / "movie.tif", frames + np.random.default_rng(0).integers(0, 20, frames.shape, np.uint16))
    save_bright_network(lab / "model")
    assert somanet("analyze", *ARGUMENTS, "--output", "alone", cwd=lab) is None
    return lab


def analysis(lab: Path) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """The command, which takes blocks of a movie of any size; what earlier ones said is forgotten."""
    (lab / "said.txt").unlink(missing_ok=True)
    command = [sys.executable, "-c", COMMAND, "analyze", *ARGUMENTS, "--output", "out", "--workers", "2"]
    return started(command, lab)


def worker_in(lab: Path, process: subprocess.Popen[str]) -> int:
    """A process that writes a block, found by the hidden file that it writes to."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        assert process.poll() is None, (lab / "said.txt").read_text()
        for path in lab.glob(".out.*.part/.workers.*.part/.block*.part.tif"):
            if found := PART.fullmatch(path.name):
                return int(found["pid"])
        time.sleep(0.01)
    raise AssertionError("no block was begun")


def left(lab: Path) -> list[str]:
    return sorted(path.name for path in lab.iterdir() if path.name not in ("movie.tif", "model", "alone", "said.txt"))


def test_a_stopped_analysis_ends_all_workers_and_leaves_nothing(lab: Path) -> None:
    """Ctrl-C, which a terminal sends to all processes, while workers write."""
    with analysis(lab) as process:
        worker = worker_in(lab, process)
        children = [psutil.Process(worker), *psutil.Process(process.pid).children(recursive=True)]
        os.killpg(process.pid, signal.SIGINT)
        assert ended(process, lab) == 128 + signal.SIGINT
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert left(lab) == []
    assert "Traceback" not in (lab / "said.txt").read_text()


def test_a_killed_worker_s_block_is_begun_again(lab: Path) -> None:
    """SIGKILL in the middle of a block: another process does it, and the results have the bytes of one process."""
    with analysis(lab) as process:
        os.kill(worker_in(lab, process), signal.SIGKILL)
        assert ended(process, lab) == 0, (lab / "said.txt").read_text()
    assert sha256_tree(lab / "out") == sha256_tree(lab / "alone")
    assert left(lab) == ["out"]
