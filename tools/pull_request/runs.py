"""One run of a pipeline, with the time of each stage, and the stage that failed, if any."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json, write_json
from somanet.provenance.dvc_guard import check_pipeline
from somanet.provenance.dvc_records import dvc_command
from tools.pull_request.machine import this_machine
from tools.pull_request.revisions import read_head

RECORD = Path("build/run.json")
"""Where a folder's last run is recorded; `build/` is in neither git nor DVC."""

# Output of `dvc repro` about a stage. A stage ends where the output about the next one begins.
_DVC_LINE = re.compile(
    r"(?P<running>Running stage )'(?P<a>[^']+)':"
    r"|Stage '[^']+' (?:is cached|didn't change)"
    r"|(?P<failed>ERROR: failed to reproduce )'(?P<b>[^']+)'"
    r"|Use `dvc push`"
)


@dataclass(frozen=True)
class PipelineRun:
    """A run of `dvc repro`.

    Attributes:
        commit, dirty: what ran, see :class:`tools.pull_request.revisions.Head`.
        machine: what it ran on, see :func:`tools.pull_request.machine.this_machine`.
        status: exit status of DVC, 0 for a finished pipeline.
        failed: the stage that failed; None if none did or DVC did not get that far.
        error: DVC's message about a failure.
        seconds: duration of the whole run.
        stages: seconds of every stage that ran, in order.
    """

    commit: str
    dirty: bool
    machine: str
    status: int
    failed: str | None
    error: str | None
    seconds: float
    stages: Mapping[str, float]


def run_pipeline(folder: Path, *, echo: Callable[[str], None], own_store: bool = False) -> PipelineRun:
    """`dvc repro` in a folder, with that folder's code, recorded in its `build/run.json`.

    Args:
        folder: has a `dvc.yaml`, and is the top of a git working tree.
        echo: called with every line of output.
        own_store: record MLflow runs in the folder even if `MLFLOW_TRACKING_URI` names a server.

    Raises:
        SomaNetError: a parameter would become shell text.
    """
    check_pipeline(folder / "dvc.yaml", code=folder)
    record = folder / RECORD
    make_folder(record.parent)
    record.unlink(missing_ok=True)
    head = read_head(folder)
    command, environment = dvc_command(folder, "repro")
    environment["PYTHONUNBUFFERED"] = "1"
    if own_store:
        environment.pop("MLFLOW_TRACKING_URI", None)
    stages: dict[str, float] = {}
    failed = error = running = None
    began = since = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            echo(line.rstrip("\n"))
            if line.startswith("ERROR: "):
                error = line.removeprefix("ERROR: ").strip()
            if (line_of_dvc := _DVC_LINE.match(line)) is None:
                continue
            if running is not None:
                stages[running] = round(time.monotonic() - since, 1)
            running, since = line_of_dvc["a"], time.monotonic()
            failed = line_of_dvc["b"]
    if running is not None:
        stages[running] = round(time.monotonic() - since, 1)
    run = PipelineRun(
        commit=head.commit,
        dirty=head.dirty,
        machine=this_machine(),
        status=process.returncode,
        failed=failed,
        error=error if process.returncode else None,
        seconds=round(time.monotonic() - began, 1),
        stages=stages,
    )
    write_json(record, asdict(run))
    return run


def last_run(folder: Path) -> PipelineRun | None:
    """The record in the folder's `build/run.json`; None if it is missing or unreadable."""
    record = folder / RECORD
    if not record.exists():
        return None
    try:
        return PipelineRun(**read_json(record, expected="the record of a pipeline's run"))
    except (SomaNetError, TypeError):
        return None
