"""Run one command as a process of its own, forked from this one, in which everything is imported already.

The limits are those of a small computer: memory, open files, the size of a file, and time. Time is what the process
computes or waits; not what it stands in the queue while other programs have the cores: a busy machine hangs nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PRELOAD = (
    "albumentations", "av", "cv2", "geff", "imagecodecs", "matplotlib.figure", "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store", "optuna", "pandas", "safetensors.torch", "scipy.stats",
    "segmentation_models_pytorch", "skimage.measure", "skimage.segmentation", "sklearn", "somanet.cli.doctor",
    "tifffile", "torch", "tqdm", "zarr",
)  # fmt: skip
SAMPLE_S = 0.02


@dataclass(frozen=True)
class Limits:
    """What a command may use.

    Attributes:
        seconds: time computing or waiting.
        memory_bytes: resident memory beyond that of the process it is forked from, with all that it has started.
        address_bytes: address space beyond it: what may be reserved, used or not.
        files: open files.
        file_bytes: size of a file that it writes.
    """

    seconds: float = 20.0
    memory_bytes: int = 2 << 30
    address_bytes: int = 8 << 30
    files: int = 256
    file_bytes: int = 1 << 30


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit status; None if a signal ended it.
        signal: that signal; 0 if none.
        stopped: `hang` or `memory` if it was killed for that, else "".
        seconds: computing or waiting.
        peak_bytes: resident memory beyond that of the process it was forked from, at its most.
        children: processes of its own were left.
        stdout: what it printed.
        stderr: what it printed on stderr.
    """

    code: int | None
    signal: int
    stopped: str
    seconds: float
    peak_bytes: int
    children: bool
    stdout: str
    stderr: str


def preload() -> None:
    """Import what commands import, so that each costs a fork instead of ten seconds."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):  # no window waits for a person
        os.environ.pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*PRELOAD, *_rooms()):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each child's first collection would copy every page that these modules lie in


def _rooms() -> list[str]:
    root = Path(__file__).resolve().parents[2]
    files = sorted((root / "somanet").rglob("*.py"))
    names = [".".join(file.relative_to(root).with_suffix("").parts) for file in files]
    names = [name for name in names if not name.startswith("somanet.napari.window.")]  # they need napari
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


class Run:
    """A command that runs.

    Args:
        work: what the process does; `command_line` for a command.
        cwd: its working folder.
        records: folder for its output.
        limits: what it may use.
        home: folder with `home` and `tmp`, for its home and its temporary files.
    """

    def __init__(self, work: Callable[[], None], cwd: Path, records: Path, limits: Limits, *, home: Path) -> None:
        self._limits, self._records = limits, records
        records.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        self._base_bytes = _resident_bytes(os.getpid())
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, cwd, records, limits, home)
        self._sampled = time.monotonic()
        self._cpu_s = self._charged_s = 0.0
        self._peak_bytes = 0
        self._stopped = ""
        self.ended: Ended | None = None

    def poll(self) -> Ended | None:
        """How it ended; None while it runs."""
        if self.ended is not None:
            return self.ended
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            self._sample()
            return None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = None if number else os.WEXITSTATUS(status)
        peak = max(self._peak_bytes, usage.ru_maxrss * 1024 - self._base_bytes)
        children = self._end_group()
        out, err = ((self._records / name).read_text("utf-8", "backslashreplace") for name in ("stdout", "stderr"))
        if not self._stopped and peak > self._limits.memory_bytes:
            self._stopped = "memory"
        self.ended = Ended(code, number, self._stopped, self._charged_s, peak, children, out, err)
        return self.ended

    def kill(self) -> None:
        """End it and all its processes."""
        if self.ended is None:
            self._end_group()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)

    def _sample(self) -> None:
        now = time.monotonic()
        passed, self._sampled = now - self._sampled, now
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, cpu_s = _progress(self.pid)
            computed, self._cpu_s = cpu_s - self._cpu_s, cpu_s
            self._charged_s += passed if state != "R" else min(passed, computed)
            used = _resident_bytes(self.pid) - self._base_bytes + sum(map(_private_bytes, _descendants(self.pid)))
            self._peak_bytes = max(self._peak_bytes, used)
        if self._charged_s > self._limits.seconds:
            self._stop("hang")
        elif self._peak_bytes > self._limits.memory_bytes:
            self._stop("memory")

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        self._end_group()

    def _end_group(self) -> bool:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def run(work: Callable[[], None], cwd: Path, records: Path, limits: Limits, *, home: Path) -> Ended:
    """Run to the end."""
    running = Run(work, cwd, records, limits, home=home)
    try:
        while (ended := running.poll()) is None:
            time.sleep(SAMPLE_S)
    finally:
        running.kill()
    return ended


def command_line(arguments: Sequence[str]) -> Callable[[], None]:
    """`somanet ARGUMENTS`."""

    def work() -> None:
        from somanet import cli

        sys.argv = ["somanet", *arguments]
        cli.script()

    return work


def _progress(pid: int) -> tuple[str, float]:
    """State of a process and the seconds that it has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _private_bytes(pid: int) -> int:
    """Resident memory that a process shares with none: not what it was forked with, and has not changed since."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _descendants(pid: int) -> list[int]:
    """The processes that one has started, and those that they have."""
    started = [
        int(child)
        for listed in Path(f"/proc/{pid}/task").glob("*/children")
        for child in listed.read_text(encoding="ascii").split()
    ]
    return [*started, *(further for child in started for further in _descendants(child))]


def _address_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _become(work: Callable[[], None], cwd: Path, records: Path, limits: Limits, home: Path) -> None:
    """The child: like a new interpreter that runs the `somanet` script. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as in a process of its own
        os.setsid()
        for number, name in ((0, os.devnull), (1, records / "stdout"), (2, records / "stderr")):
            handle = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(handle, number)
            os.close(handle)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)))
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), "utf-8", "strict")
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(2, "w")), "utf-8", "backslashreplace", line_buffering=True
        )
        _drop_capabilities()
        for limit, value in (
            (resource.RLIMIT_AS, _address_bytes() + limits.address_bytes),
            (resource.RLIMIT_NOFILE, limits.files),
            (resource.RLIMIT_FSIZE, limits.file_bytes),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(limit, (value, value))
        os.environ |= {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
        tempfile.tempdir = None
        os.chdir(cwd)
        work()
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _drop_capabilities() -> None:
    """Let root, as in a container, meet the permissions of files like anyone else."""
    if os.geteuid() == 0:
        header, data = _Header(0x20080522, 0), (_Data * 2)()
        if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), data) != 0:
            raise OSError(ctypes.get_errno(), "capset")
