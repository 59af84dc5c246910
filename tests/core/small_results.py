"""A small kind of results, written in this process or in one that is killed on the way."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from somanet.core import guard
from somanet.core.files import write_json
from somanet.core.result_records import Kind, hashes_of
from somanet.core.results import result_folder

KIND = Kind(record="manifest.json", what="results of a test")
WRITER = """
import json, os, signal, sys
from pathlib import Path
from somanet.core.files import write_json
from somanet.core.guard import guarded
from somanet.core.result_records import Kind, hashes_of
from somanet.core.results import result_folder

kind = Kind(record="manifest.json", what="results of a test")
STEPS = {"os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.truncate", "ctypes.dlsym", "open"}

def write(output, version, kill_at, replace, cwd):
    os.chdir(cwd)
    count = 0

    def step(event, arguments):
        nonlocal count
        if event in STEPS and not (event == "open" and "w" not in str(arguments[1]) and "a" not in str(arguments[1])):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if kill_at:
        sys.addaudithook(step)
    with guarded(outputs=[output], replace=replace), result_folder(output, kind) as folder:
        (folder / "tracks.csv").write_text(f"tracks {version}")
        (folder / f"only_{version}.csv").write_text(version)
        (folder / "ctc").mkdir()
        (folder / "ctc" / f"{version}.tif").write_text(version)
        write_json(folder / kind.record, {"version": version, "files": hashes_of(folder, kind)})

for line in sys.stdin:
    output, *others = json.loads(line)
    child = os.fork()
    if not child:
        write(Path(output), *others)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _writer() -> subprocess.Popen[str]:
    """A process with nothing but the imports done, which forks one that writes for each line it is told."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    started = subprocess.Popen(
        [sys.executable, "-c", WRITER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(started.kill)
    return started


def write(output: Path, version: str, *, kill_at: int = 0, replace: bool = False, cwd: Path | None = None) -> int:
    """Write results of a version in a separate process, which kills itself before its ``kill_at``-th disk operation."""
    writer = _writer()
    assert writer.stdin is not None
    assert writer.stdout is not None
    print(
        json.dumps([str(output), version, kill_at, replace, str(cwd or Path.cwd())]),
        file=writer.stdin,
        flush=True,
    )
    status = int(writer.stdout.readline())
    assert status in (0, -signal.SIGKILL), "the writer failed: see its traceback above"
    return status


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder with its text; for a record, its version."""
    return {
        path.relative_to(folder).as_posix(): (
            json.loads(path.read_text())["version"] if path.name == KIND.record else path.read_text()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def results_of(version: str) -> dict[str, str]:
    return {
        "manifest.json": version,
        "tracks.csv": f"tracks {version}",
        f"only_{version}.csv": version,
        f"ctc/{version}.tif": version,
    }


def make(output: Path, text: str = "1", *, replace: bool = False, **files: str) -> None:
    """Write results in this process: ``tracks.csv`` and the named files."""
    with guard.guarded(outputs=[output], replace=replace), result_folder(output, KIND) as folder:
        for name, value in {"tracks": text, **files}.items():
            (folder / f"{name}.csv").write_text(value)
        write_json(folder / KIND.record, {"version": text, "files": hashes_of(folder, KIND)})


KEPT = {"notes.txt": "hours of work", "mine/corrections.jsonl": "more hours", ".hidden": "settings"}


def keep(output: Path) -> None:
    """A person's files among the results."""
    for name, text in KEPT.items():
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_text(text)
