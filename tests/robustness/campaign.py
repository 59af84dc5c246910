"""Make an input, run the command on it, judge: one at a time or several at once."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.robustness import recipes
from tests.robustness.commands import COMMANDS, Command
from tests.robustness.judging import Fault, State, judge, state
from tests.robustness.recipes import OPTIONS, Recipe
from tests.robustness.runner import SAMPLE_S, Ended, Limits, Run, command_line, run
from tests.robustness.seeds import make_derived, make_seeds

_OUT = re.compile(r"\{out(?::(?P<name>[^}]*))?\}")
RECORDS = "records"


@dataclass(frozen=True)
class Verdict:
    """What came of a recipe.

    Attributes:
        recipe: it.
        ended: how the command ended.
        faults: what must not happen and did.
        folder: its inputs and outputs, as long as they are kept.
        command: the line, for a shell in that folder.
    """

    recipe: Recipe
    ended: Ended
    faults: tuple[Fault, ...]
    folder: Path
    command: str


class Workspace:
    """A folder in which one command runs: `in/SLOT/NAME`, `out`, `home` and `tmp`."""

    def __init__(self, recipe: Recipe, seeds: Path, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.command: Command = COMMANDS[recipe.command]
        for name in ("in", "out", "home", "tmp"):
            (folder / name).mkdir(parents=True)
        for name in ("home", "tmp"):
            (folder / name).chmod(0o700)
        if self.command.store:
            shutil.copytree(recipes.seed_path(seeds, "store"), folder, dirs_exist_ok=True)
        places: dict[str, Path] = {}
        for slot, kind in recipe.kinds.items():
            source = recipes.seed_path(seeds, kind)
            places[slot] = folder / "in" / slot / source.name
            _copy(source, places[slot])
        extra: list[str] = []
        for change in recipe.changes:
            if change.slot == OPTIONS:
                extra += recipes.option(recipe.command, change.number)
            else:
                places[change.slot] = recipes.apply(change, places[change.slot])
        self.cwd = places.get("project", folder)
        if not (self.cwd.is_dir() and self.cwd.stat().st_mode & stat.S_IXUSR):
            self.cwd = folder  # the project itself became something else, or a folder that no one can enter
        self.arguments = [*self._arguments(places), *extra]
        if recipe.prior:
            self._place_old_results(seeds)

    def _arguments(self, places: dict[str, Path]) -> list[str]:
        """The line with its paths, relative to the working folder."""
        named = {slot: os.path.relpath(path, self.cwd) for slot, path in places.items()}
        named["out"] = os.path.relpath(self.folder / "out", self.cwd)
        return [re.sub(r"\{(\w+)\}", lambda found: named[found[1]], word) for word in self.command.line.split(" ")]

    def _place_old_results(self, seeds: Path) -> None:
        source = recipes.seed_path(seeds, self.command.prior)
        word = next(word for word in self.command.line.split(" ") if word.startswith("{out}/"))
        target = self.folder / word.format(out="out")
        if target.suffix:
            target = target.parent
        shutil.copytree(source, target, dirs_exist_ok=True)

    def _skip(self, name: str) -> bool:
        """What is judged otherwise or not at all: the output, the store of runs, the locks of outputs, which stay."""
        parts = Path(name).parts
        return parts[0] == "out" or "mlruns" in parts or name.startswith(f"tmp{os.sep}somanet-")

    def state(self) -> tuple[State, State]:
        """Of everything but the output, and of the output."""
        return state(self.folder, skip=self._skip), state(self.folder / "out")

    def shell_line(self) -> str:
        """The command for a shell, from any folder."""
        words = " ".join(shlex.quote(word) for word in self.arguments)
        return f"cd {shlex.quote(str(self.cwd))} && somanet {words}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def remove(folder: Path) -> None:
    """Delete a workspace, whatever permissions its folders have."""

    def allow(function: object, path: str, _: object) -> None:
        for one in (os.path.dirname(path), path):  # noqa: PTH120
            if not stat.S_ISLNK(os.lstat(one).st_mode):
                os.chmod(one, 0o700)  # noqa: PTH101
        function(path)  # type: ignore[operator]

    if folder.exists():
        shutil.rmtree(folder, onerror=allow)


def campaign(
    drawn: Iterable[Recipe], seeds: Path, folder: Path, *, jobs: int = 1, limits: Limits | None = None
) -> Iterator[Verdict]:
    """Run recipes, several at a time; their folders are kept if there were faults.

    Args:
        drawn: the recipes.
        seeds: the valid inputs, see :func:`prepare`.
        folder: for their folders, which are named by number.
        jobs: number of commands that run at once.
        limits: what each may use.
    """
    limits = limits or Limits()
    waiting = enumerate(drawn)
    running: dict[int, tuple[Workspace, tuple[State, State], Run]] = {}
    finished = False
    try:
        while running or not finished:
            while not finished and len(running) < jobs:
                number, recipe = next(waiting, (-1, None))
                if recipe is None:
                    finished = True
                    break
                place = folder / f"{number:05d}"
                workspace = Workspace(recipe, seeds, place / "work")
                before = workspace.state()
                work = command_line(workspace.arguments)
                records = place / RECORDS
                running[number] = workspace, before, Run(work, workspace.cwd, records, limits, home=place / "work")
            done = [(n, one, ended) for n, one in running.items() if (ended := one[2].poll()) is not None]
            for number, (workspace, before, _), ended in done:
                del running[number]
                faults = judge(
                    ended,
                    before=before,
                    after=workspace.state(),
                    reports=workspace.command.reports,
                    usage_allowed=any(change.slot == OPTIONS for change in workspace.recipe.changes),
                )
                place = folder / f"{number:05d}"
                yield Verdict(workspace.recipe, ended, tuple(faults), place, workspace.shell_line())
                if not faults:
                    remove(place)
            if not done:
                time.sleep(SAMPLE_S)
    finally:
        for _, _, one in running.values():
            one.kill()


def prepare(folder: Path) -> Path:
    """Make the valid inputs, in processes of their own, so that this one stays fit to be forked.

    Raises:
        RuntimeError: one of them could not be made.
    """
    seeds = folder / "seeds"
    generous = Limits(seconds=120)
    for name, work in (("basic", lambda: make_seeds(seeds)), ("derived", lambda: make_derived(seeds))):
        place = folder / "making" / name
        for part in ("home", "tmp"):
            (place / part).mkdir(parents=True)
        ended = run(work, folder, folder / "making" / name, generous, home=place)
        if ended.code != 0:
            raise RuntimeError(f"the seeds could not be made: {ended}")
    shutil.rmtree(folder / "making")
    return seeds
