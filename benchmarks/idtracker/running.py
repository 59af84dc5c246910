"""idtracker.ai as a process of its own: GPL-3, so never imported, and with its own environment."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from somanet.analysis.idtracker import SETTINGS
from somanet.core.errors import SomaNetError

SESSION = Path("session_somas")
TRACKS = SESSION / "trajectories" / "trajectories_tidy.csv"
LOG = "idtrackerai.log"


@dataclass(frozen=True)
class Run:
    """How a run of idtracker.ai ended.

    Attributes:
        tracks: the table that it wrote; none if it failed.
        reason: why it failed, in its own words.
        wall_s, processor_s: what it took.
    """

    tracks: Path | None
    reason: str
    wall_s: float
    processor_s: float


def find_program(program: Path) -> Path:
    """The command `idtrackerai` of its environment.

    Raises:
        SomaNetError: it is not installed.
    """
    if not program.is_file():
        raise SomaNetError(
            f"{program}: idtracker.ai is not installed here. `make idtracker` installs it into an environment of its "
            "own; or name that of another with --program."
        )
    return program.resolve()


def track(program: Path, folder: Path, *, n_animals: int, identities: bool, timeout_s: float) -> Run:
    """Run idtracker.ai on a folder of :func:`somanet.analysis.idtracker.export_for_idtracker`.

    Its exit status is 1 where it succeeds: whether there is a table decides.
    """
    options = ["--number_of_animals", str(n_animals), "--track_wo_identities", str(not identities)]
    environment = {**os.environ, "IDTRACKERAI_DISABLE_ANALYTICS": "1", "QT_QPA_PLATFORM": "offscreen"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    reason = ""
    with (folder / LOG).open("w", encoding="utf-8") as log:
        try:
            subprocess.run(
                [str(program), "--load", SETTINGS, "--track", "--check_segmentation", "False", *options],
                cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            reason = f"not done after {timeout_s:.0f} s"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = folder / TRACKS
    if not reason and not found.is_file():
        reason = why_failed(folder)
    return Run(None if reason else found, reason, time.perf_counter() - start, processor_s)


def why_failed(folder: Path) -> str:
    """The line of a run's log that says why there are no tracks."""
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in log.splitlines() if "CRITICAL" in line or "Error" in line]
    return (lines or [line.strip() for line in log.splitlines() if line.strip()] or ["no word"])[-1][:160]
