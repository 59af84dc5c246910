"""Kill commands at random times, run two at once, fill their disk: what stays is what undisturbed commands leave.

    python -m tests.resilience.campaign --seed 1 --kills 60 --pairs 20 --starts 3 --disks 100

Each trial has a number of its own, derived from the seed, so that one is repeated by `--only kill:17`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from somanet.provenance.mlflow import pending_runs
from somanet.provenance.mlflow.client import open_client
from tests.resilience.processes import Broken, Process, error_line, says_one_line
from tests.resilience.records import leftovers
from tests.resilience.scenarios import (
    DISKS,
    FIRST_STARTS,
    PAIRS,
    SCENARIOS,
    STARTS,
    Scenario,
    files_in,
    training_of,
)
from tests.resilience.small_disk import small_disk, used_bytes
from tests.worlds import mlflow_may_warn


@dataclass(frozen=True)
class Undisturbed:
    """A project before a command, and what the command leaves and takes.

    Attributes:
        project: with results of the other command, if the command replaces some.
        old: the outputs before.
        new: the outputs after the command.
        others: the outputs after the other command alone.
        duration_s: how long the command takes.
    """

    project: Path
    old: dict[str, str]
    new: dict[str, str]
    others: dict[str, str]
    duration_s: float


class Campaign:
    """Trials in a folder; what undisturbed commands leave is found once per scenario."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._undisturbed: dict[tuple[str, bool], Undisturbed] = {}
        self._most_bytes: dict[str, int] = {}
        self._one_by_one: tuple[Path, dict[str, str]] | None = None

    def warm_up(self) -> None:
        """Import once what the processes are forked with, so that it is in no duration."""
        (self.folder / "warm").mkdir()
        Process(["--help"], self.folder / "warm").end()

    def kill(self, name: str, chance: random.Random) -> str:
        """Kill a command once or twice, start it again, and compare; gives a line about it.

        Raises:
            Broken: naming what is different.
        """
        scenario = SCENARIOS[name]
        before = self.reference(name, scenario, replaces=True)
        project = self.copy(before.project)
        read = files_in(project, scenario.inputs)
        told = []
        status = -1
        for _ in range(chance.choice([1, 1, 1, 2])):
            process = Process(scenario.command, project)
            number = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            delay_s = chance.uniform(0, before.duration_s * 1.02)
            time.sleep(delay_s)
            process.kill(number)
            status = process.end()
            told.append(f"{signal.Signals(number).name} after {delay_s:.2f} of {before.duration_s:.2f} s: {status}")
            if status == 0:
                break
            if "Traceback" in process.text and not scenario.is_program:
                raise Broken(f"{told}: a traceback\n{process.text}")
            if scenario.whole:
                _check_whole_or_none(scenario, project, before, told)
        if status != 0:
            again = Process(scenario.command, project)
            if again.end() != 0:
                raise Broken(f"{told}: the next start is refused\n{again.text}")
        self.judge(project, scenario, [before.new], read, told)
        shutil.rmtree(project.parent)
        return f"{name}: {'; '.join(told)}"

    def pair(self, name: str, chance: random.Random) -> str:
        """Run two commands with one output at nearly the same time; the result is that of one of them, and whole.

        Raises:
            Broken: naming what is different.
        """
        scenario = PAIRS[name]
        before = self.reference(name, scenario, replaces=False)
        project = self.copy(before.project)
        read = files_in(project, scenario.inputs)
        commands = [scenario.command, scenario.other or scenario.command]
        chance.shuffle(commands)
        delay_s = chance.choice([0.0, chance.uniform(0, 0.9 * before.duration_s)])
        one = Process(commands[0], project)
        time.sleep(delay_s)
        two = Process(commands[1], project)
        statuses = [one.end(), two.end()]
        told = [f"{delay_s:.2f} of {before.duration_s:.2f} s apart: {statuses}"]
        for process, status in zip((one, two), statuses, strict=True):
            if not says_one_line(process, status) and not (
                scenario.is_program and status != 0
            ):  # DVC words its own refusal
                raise Broken(f"{told}: not one line\n{process.text}")
        if 0 not in statuses:
            raise Broken(f"{told}: both refused\n{one.text}\n{two.text}")
        started = 1 if scenario.is_program else statuses.count(0)
        self.judge(project, scenario, [before.new, before.others], read, told, started=started)
        shutil.rmtree(project.parent)
        return f"{name}: {'; '.join(told)}"

    def first_starts(self, name: str, chance: random.Random) -> str:
        """Start six trainings at nearly the same time in a project without an MLflow store; none is lost.

        Raises:
            Broken: naming what is different.
        """
        scenario = FIRST_STARTS[name]
        if self._one_by_one is None:
            self._one_by_one = self._train_one_by_one(scenario)
        fresh, new = self._one_by_one
        project = self.copy(fresh)
        read = files_in(project, scenario.inputs)
        processes = []
        for n in chance.sample(range(STARTS), STARTS):
            time.sleep(chance.choice([0.0, chance.uniform(0, 0.2)]))
            processes.append(Process(training_of(n), project))
        statuses = [process.end() for process in processes]
        told = [str(statuses)]
        if any(statuses):
            raise Broken(f"{told}: {[process.text for process in processes]}")
        if waiting := pending_runs(project):  # six at once keep a store busy for longer than a training waits for it
            told.append(f"records of {len(waiting)} runs waited")
            if (sync := Process(["sync"], project)).end() != 0:
                raise Broken(f"{told}: they are not sent afterwards\n{sync.text}")
        self.judge(project, scenario, [new], read, told)
        shutil.rmtree(project.parent)
        return f"{name}: {'; '.join(told)}"

    def _train_one_by_one(self, scenario: Scenario) -> tuple[Path, dict[str, str]]:
        """A project without a store, and what the trainings leave in a copy of it, one after the other."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="undisturbed"))
        fresh = scenario.make(folder / "project", self.folder)
        shutil.rmtree(fresh / "mlruns", ignore_errors=True)
        place = self.copy(fresh)
        for n in range(STARTS):
            if (process := Process(training_of(n), place)).end() != 0:
                raise Broken(f"training {n} fails undisturbed\n{process.text}")
        return fresh, files_in(place, scenario.outputs)

    def disk(self, name: str, chance: random.Random) -> str:
        """Run a command on a small disk with random room; then again with enough of it.

        Raises:
            Broken: naming what is different.
        """
        scenario = SCENARIOS[name]
        before = self.reference(name, scenario, replaces=True)
        most_bytes = self.most_bytes(name, scenario, before)
        place = Path(tempfile.mkdtemp(dir=self.folder)) / "project"
        place.mkdir()
        room_bytes = int(most_bytes * chance.random())
        with small_disk(place, "1g") as remount:
            shutil.copytree(before.project, place, symlinks=True, dirs_exist_ok=True)
            read = files_in(place, scenario.inputs)
            remount(f"size={used_bytes(place) + room_bytes}")
            process = Process(scenario.command, place, scratch=".tmp")
            status = process.end()
            told = [f"{room_bytes / 1e6:.2f} MB of room: {status}"]
            if not says_one_line(process, status):
                raise Broken(f"{told}: not one line\n{process.text}")
            _compare(files_in(place, scenario.inputs), [read], told)
            remount("size=1g")
            if status == 1:
                _check_whole_or_none(scenario, place, before, told)
                if parts := [left for left in leftovers(place) if ".part" in left]:
                    raise Broken(f"{told}: left over: {parts}")
                if (again := Process(scenario.command, place, scratch=".tmp")).end() != 0:
                    raise Broken(f"{told}: fails with room as well\n{again.text}")
            self.judge(place, scenario, [before.new], read, told, started=None)
        said = error_line(process)[:110]
        shutil.rmtree(place.parent)
        return f"{name}: {'; '.join(told)} {said}"

    def copy(self, project: Path) -> Path:
        """A project that a trial may harm."""
        place = Path(tempfile.mkdtemp(dir=self.folder)) / "project"
        shutil.copytree(project, place, symlinks=True)
        return place

    def reference(self, name: str, scenario: Scenario, *, replaces: bool) -> Undisturbed:
        """What the command and the other one leave, found once; the command replaces the other's results or not."""
        if (found := self._undisturbed.get((name, replaces))) is not None:
            return found
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="undisturbed"))
        project = scenario.make(folder / "project", self.folder)
        others: dict[str, str] = {}
        if scenario.other:
            place = project if replaces else self.copy(project)
            process = Process(scenario.other, place)
            if process.end() != 0:
                raise Broken(f"{name}: the other command fails undisturbed\n{process.text}")
            others = files_in(place, scenario.outputs)
        place = self.copy(project)
        process = Process(scenario.command, place)
        if process.end() != 0:
            raise Broken(f"{name}: fails undisturbed\n{process.text}")
        duration_s = time.monotonic() - process.began
        new = files_in(place, scenario.outputs)
        if not new or new == others:
            raise Broken(f"{name}: nothing to compare")
        found = Undisturbed(project, others if replaces else {}, new, others, duration_s)
        self._undisturbed[name, replaces] = found
        return found

    def most_bytes(self, name: str, scenario: Scenario, before: Undisturbed) -> int:
        """The most room that the command takes on its disk at any time, measured once."""
        if (found := self._most_bytes.get(name)) is not None:
            return found
        place = Path(tempfile.mkdtemp(dir=self.folder)) / "project"
        place.mkdir()
        with small_disk(place, "1g"):
            shutil.copytree(before.project, place, symlinks=True, dirs_exist_ok=True)
            at_first = most = used_bytes(place)
            process = Process(scenario.command, place, scratch=".tmp")
            while process.runs():
                most = max(most, used_bytes(place))
                time.sleep(0.01)
            if process.end() != 0:
                raise Broken(f"{name}: fails on a disk of its own\n{process.text}")
        self._most_bytes[name] = most - at_first
        return most - at_first

    def judge(
        self,
        project: Path,
        scenario: Scenario,
        choices: Sequence[dict[str, str]],
        read: dict[str, str],
        told: Sequence[str],
        *,
        started: int | None = 1,
    ) -> None:
        """Compare what is there with what undisturbed commands leave.

        Args:
            project: the project.
            scenario: what was run in it.
            choices: the outputs that it may have.
            read: the inputs that it had.
            told: what happened, for the message.
            started: how often the command ran to its end, if the number of runs is to be checked.

        Raises:
            Broken: an output is another or partial, an input changed, something half-written is left, a run is still
                RUNNING, lost or there twice.
        """
        _compare(files_in(project, scenario.outputs), choices, told)
        _compare(files_in(project, scenario.inputs), [read], told)
        if left := leftovers(project):
            raise Broken(f"{told}: left over: {left}")
        client = open_client(project)
        experiments = [one.experiment_id for one in client.search_experiments()]
        statuses = Counter(run.info.status for run in client.search_runs(experiments, max_results=1000))
        wrong = scenario.trains and started is not None and statuses["FINISHED"] != scenario.trains * started
        if statuses["RUNNING"] or wrong:
            raise Broken(f"{told}: runs {dict(statuses)}, expected {scenario.trains} × {started} that are finished")


def _check_whole_or_none(scenario: Scenario, project: Path, before: Undisturbed, told: Sequence[str]) -> None:
    """Directly after a kill, each output is as before or complete."""
    for output in scenario.outputs:
        choices = [_of(files, output) for files in (before.old, before.new)]
        _compare(files_in(project, [output]), choices, [*told, "at once"])


def _of(files: dict[str, str], output: str) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name == output or name.startswith(f"{output}/")}


def _compare(found: dict[str, str], choices: Sequence[dict[str, str]], told: Sequence[str]) -> None:
    if found not in choices:
        differing = [sorted(name for name in found | one if found.get(name) != one.get(name))[:6] for one in choices]
        raise Broken(f"{list(told)}: other files than an undisturbed command leaves: {differing}")


def trials(seed: int, kind: str, names: Sequence[str], count: int) -> list[tuple[str, random.Random]]:
    """Each scenario in turn, with a source of chance of its own."""
    return [(names[n % len(names)], random.Random(f"{seed} {kind} {n}")) for n in range(count)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: another one each time")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--disks", type=int, default=0, help="on a disk that is mounted for it: root only")
    parser.add_argument("--starts", type=int, default=3, help="six trainings at once, each time in a fresh project")
    parser.add_argument("--only", help="one trial, such as kill:17 or pair:3")
    chosen = parser.parse_args()
    print(f"Seed: {chosen.seed}", flush=True)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="somanet-kills-") as folder, mlflow_may_warn():
        campaign = Campaign(Path(folder))
        campaign.warm_up()
        for kind, run, names, count in (
            ("kill", campaign.kill, list(SCENARIOS), chosen.kills),
            ("pair", campaign.pair, list(PAIRS), chosen.pairs),
            ("starts", campaign.first_starts, list(FIRST_STARTS), chosen.starts),
            ("disk", campaign.disk, DISKS, chosen.disks),
        ):
            for n, (name, chance) in enumerate(trials(chosen.seed, kind, names, count)):
                if chosen.only not in (None, f"{kind}:{n}"):
                    continue
                try:
                    print(f"{kind}:{n} {run(name, chance)}", flush=True)
                except Broken as error:
                    failures += 1
                    print(f"{kind}:{n} BROKEN {name}: {error}", flush=True)
    print(f"{failures} broken")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
