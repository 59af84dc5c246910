"""What must hold after a command, whatever it was given."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.runner import Ended

HASHED_WHOLE_BYTES = 64 << 20
"""Of larger files, which are sparse, only both ends are hashed; the time of the last change tells the rest."""
_TEMPORARY = re.compile(r"\..*\.part|.*\.tmp|\..*-\d+-\d+.*")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')
_ALLOWED = re.compile(r"(note|warning): |Kept ")
OWN_RECORD = ".somanet.jsonl"

State = dict[str, tuple[object, ...]]


def state(folder: Path, *, skip: Callable[[str], bool] = lambda _: False) -> State:
    """Everything below a folder by its relative name: type, mode, size, time and hash."""
    found: State = {}
    for root, folders, files in os.walk(folder):
        inside = os.path.relpath(root, folder)
        folders[:] = [name for name in folders if not skip(os.path.normpath(f"{inside}/{name}"))]
        for name in (*folders, *files):
            path = os.path.join(root, name)  # noqa: PTH118 - bytes that are no text
            key = os.path.relpath(path, folder)
            if skip(key):
                continue
            info = os.lstat(path)
            kind = stat.S_IFMT(info.st_mode)
            what: object = ""
            if stat.S_ISLNK(kind):
                what = os.readlink(path)  # noqa: PTH115
            elif stat.S_ISREG(kind):
                what = _hash(path, info.st_size)
            times = () if stat.S_ISDIR(kind) else (info.st_size, info.st_mtime_ns)
            found[key] = (kind, stat.S_IMODE(info.st_mode), *times, what)
    return found


def _hash(path: str, size: int) -> str:
    if not os.access(path, os.R_OK):
        return "unreadable"  # for this user, and so for the command: the time of the last change tells
    with open(path, "rb") as handle:  # noqa: PTH123
        if size <= HASHED_WHOLE_BYTES:
            return hashlib.sha256(handle.read()).hexdigest()
        first = handle.read(1 << 20)
        handle.seek(-(1 << 20), os.SEEK_END)
        return hashlib.sha256(first + handle.read()).hexdigest()


@dataclass(frozen=True)
class Fault:
    """One thing that must not happen.

    Attributes:
        kind: `traceback`, `hang`, `memory`, `crash`, `inputs`, `outside`, `partial`, `lines`, `status`, `chatter` or
            `processes`.
        where: what tells it from others of its kind: the deepest line of SomaNet, a file name, a message.
    """

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


KINDS = (
    "traceback",
    "hang",
    "memory",
    "crash",
    "inputs",
    "outside",
    "partial",
    "lines",
    "status",
    "chatter",
    "processes",
)


def judge(
    ended: Ended, *, before: tuple[State, State], after: tuple[State, State], usage_allowed: bool, reports: bool
) -> list[Fault]:
    """The faults of a command that has ended.

    Args:
        ended: how.
        before: the state of everything but the output, and of the output, before it.
        after: the same afterwards.
        reports: it may have written its report although it failed.
        usage_allowed: its command line was mutated, so it may also end with the status 2 and its usage.
    """
    faults: list[Fault] = []
    failed = ended.code != 0
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if ended.stopped:
        faults.append(Fault(ended.stopped, f"{ended.seconds:.0f} s, {ended.peak_bytes >> 20} MB"))
    elif ended.signal:
        faults.append(Fault("crash", f"signal {ended.signal}"))
    elif "Traceback (most recent call last)" in ended.stderr or "Fatal Python error" in ended.stderr:
        faults.append(Fault("traceback", culprit(ended.stderr)))
    elif ended.code == 2 and usage_allowed and "Usage:" in ended.stderr:
        pass
    elif ended.code not in (0, 1):
        faults.append(Fault("status", f"exit {ended.code}"))
    else:
        if failed and len(errors) != 1:
            faults.append(Fault("lines", f"{len(errors)} error lines"))
        others = [line for line in lines if line not in errors and not _ALLOWED.match(line)]
        if failed and others and lines.index(errors[0] if errors else lines[0]) < lines.index(others[-1]):
            faults.append(Fault("lines", others[-1][:100]))
        elif others:
            faults.append(Fault("chatter", others[0][:100]))
    if ended.children and not ended.stopped:
        faults.append(Fault("processes", "left running"))
    changed = [name for name in before[0] if after[0].get(name) != before[0][name]]
    new = [name for name in after[0] if name not in before[0]]
    faults += [Fault("inputs", changed[0])] if changed else []
    faults += [Fault("outside", new[0])] if new else []
    hidden = [name for name in after[1] if _TEMPORARY.fullmatch(Path(name).name) and name not in before[1]]
    if failed and not reports and not ended.stopped and after[1] != before[1]:
        different = sorted(name for name in {*after[1], *before[1]} if after[1].get(name) != before[1].get(name))
        if Path(different[0]).name != OWN_RECORD or len(different) > 1:
            faults.append(Fault("partial", ", ".join(different)[:100]))
    elif hidden and not ended.stopped:
        faults.append(Fault("partial", hidden[0]))
    return faults


def culprit(stderr: str) -> str:
    """The error of a traceback and the deepest function of SomaNet in it."""
    frames = [found for found in _FRAME.finditer(stderr) if "/somanet/" in found["file"]]
    lines = [
        line
        for line in stderr.splitlines()
        if re.match(r"[\w.]+(Error|Exception|Interrupt|Warning|Bomb\w*)?\b(:|$)", line)
    ]
    error = lines[-1].split(":")[0] if lines else stderr.splitlines()[-1][:80]
    if not frames:
        return error
    file = frames[-1]["file"].rpartition("/somanet/")[2]
    return f"{error} in somanet/{file}:{frames[-1]['function']}"
