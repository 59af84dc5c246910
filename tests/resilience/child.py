"""Commands of `somanet` as processes of their own, which end themselves at a chosen point.

They are forked from a server that has imported the heavy libraries, so that twenty of them cost seconds.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PRELOAD = [
    "albumentations", "matplotlib.figure", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store",
    "segmentation_models_pytorch", "skimage.measure", "somanet.analysis.movie", "somanet.analysis.report.page",
    "somanet.analysis.stages.migrate", "somanet.analysis.stages.report", "somanet.analysis.stages.track",
    "somanet.cli.training",
    "somanet.training.experiments", "somanet.provenance.mlflow",
    "somanet.core.plots", "somanet.training.loop.training", "torch",
]  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """A point of a process, and what happens there: it ends itself, or the disk is filled or freed.

    Attributes:
        function: dotted name: module, then attributes.
        call: which call of it, counted from 1.
        moment: before the call, after it, or when it has written half of a file (functions that write one).
        name: counts only calls with this text in one of their arguments.
        number: the signal.
        disk: instead of the signal: what happens to the disk that holds the working folder.
    """

    function: str
    call: int = 1
    moment: Literal["before", "after", "half"] = "before"
    name: str = ""
    number: int = signal.SIGKILL
    disk: Literal["fill", "free"] | None = None

    def happen(self) -> None:
        """Do it."""
        filler = Path("filler")
        if self.disk is None:
            os.kill(os.getpid(), self.number)
        elif self.disk == "free":
            filler.unlink(missing_ok=True)
        else:
            with contextlib.suppress(OSError), filler.open("ab", buffering=0) as handle:
                for size in (1 << 20, 1 << 12, 1):
                    with contextlib.suppress(OSError):
                        while handle.write(bytes(size)):
                            pass


def context() -> Any:
    """Where processes are forked: torch's and MLflow's imports are paid once."""
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["tests.resilience.preload"])
    return chosen


def run_command(
    arguments: list[str], cwd: str, output: str, stops: Sequence[Stop], variables: Mapping[str, str]
) -> None:
    """The process: `somanet ARGUMENTS` in a folder, its output in a file."""
    os.environ.update(variables)
    os.chdir(cwd)
    with Path(output).open("w", encoding="utf-8", buffering=1) as written:
        for stream in (1, 2):
            os.dup2(written.fileno(), stream)
        sys.stdout = sys.stderr = written
        for stop in stops:
            install(stop)
        sys.argv = ["somanet", *arguments]
        from somanet import cli

        try:
            cli.script()
        except SystemExit as ended:  # as the interpreter would end the script
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
            written.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1)
        except BaseException:
            import traceback

            traceback.print_exc()
            written.flush()
            os._exit(70)


def install(stop: Stop) -> None:
    """Let it happen when the function is called."""
    holder, attribute = find(stop.function)
    original: Callable[..., Any] = getattr(holder, attribute)
    calls = 0

    @functools.wraps(original)
    def stopping(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        if stop.name in " ".join(map(str, (*arguments, *options.values()))):
            calls += 1
        else:
            return original(*arguments, **options)
        if calls != stop.call:
            return original(*arguments, **options)
        if stop.moment == "before":
            stop.happen()
        result = original(*arguments, **options)
        if stop.moment == "half":
            for file in [Path(a) for a in arguments if isinstance(a, str | Path)]:
                os.truncate(file, file.stat().st_size // 2)
        if stop.moment != "before":
            stop.happen()
        return result

    setattr(holder, attribute, stopping)


def find(function: str) -> tuple[Any, str]:
    """The module or class that holds a function, and its name there.

    Raises:
        AttributeError: there is no such function; a renamed one must not leave a test that stops nowhere.
    """
    path, _, attribute = function.rpartition(".")
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        try:
            holder: Any = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            holder = getattr(holder, part)
        getattr(holder, attribute)
        return holder, attribute
    raise ModuleNotFoundError(function)
