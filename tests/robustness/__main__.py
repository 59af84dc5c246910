"""`python -m tests.robustness`: run a campaign, or one of its inputs again.

python -m tests.robustness --seed 7 --count 500       500 inputs; the folders of those with faults are kept
python -m tests.robustness --seed 7 --only 123        one of them again; its folder is kept
python -m tests.robustness --recipe 'TEXT'            one by its recipe, as printed
python -m tests.robustness --commands label correct   only commands whose names begin with one of these words

The totals appear after every 100 inputs and at the end, after Ctrl-C or SIGTERM too.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.robustness import recipes
from tests.robustness.campaign import RECORDS, Verdict, campaign, prepare, remove
from tests.robustness.commands import COMMANDS
from tests.robustness.judging import KINDS
from tests.robustness.runner import preload

_OFTEN = 100
"""Inputs between two lines of totals."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="index of the first")
    parser.add_argument("--only", type=int, help="one index")
    parser.add_argument("--recipe", action="append", help="one recipe, as printed; repeat for several")
    parser.add_argument("--recipes", type=Path, help="a file with a recipe in each line")
    parser.add_argument("--commands", nargs="+", metavar="WORDS", help="only commands that begin with these")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/robustness"), help="emptied; for what is kept")
    parser.add_argument("--json", type=Path, help="also write the verdicts to this file")
    chosen = parser.parse_args()
    named = [
        recipes.parse(text) for text in (*(chosen.recipe or ()), *(_lines(chosen.recipes) if chosen.recipes else ()))
    ]
    begins = tuple(chosen.commands or ("",))
    commands = [name for name in COMMANDS if name.startswith(begins)]
    if not commands:
        parser.error(f"no command begins with {' or '.join(begins)}: {', '.join(COMMANDS)}")
    folder = chosen.folder.resolve()
    remove(folder)
    folder.mkdir(parents=True)
    began = time.monotonic()
    preload()
    loaded_s = time.monotonic() - began
    seeds = prepare(folder)
    print(
        f"Seed {chosen.seed}; imports {loaded_s:.0f} s, inputs {time.monotonic() - began - loaded_s:.0f} s", flush=True
    )
    few = chosen.only is not None or len(chosen.recipe or ()) == 1
    numbers: Iterable[int] = range(chosen.first, chosen.first + chosen.count)
    if few or chosen.recipe:
        numbers = [] if chosen.only is None else [chosen.only]
    drawn = [*named, *(recipes.draw(chosen.seed, number, seeds, commands) for number in numbers)]
    told = _told(campaign(drawn, seeds, folder / "runs", jobs=chosen.jobs), few=few)
    verdicts, stopped = collect(told, len(drawn), began)
    if chosen.json:
        chosen.json.write_text(json.dumps([_as_dict(verdict) for verdict in verdicts], indent=1), encoding="utf-8")
    return stopped or int(any(verdict.faults for verdict in verdicts))


def collect(told: Iterator[Verdict], count: int, began: float) -> tuple[list[Verdict], int]:
    """Take verdicts to the end, or until Ctrl-C or SIGTERM, and print the totals every now and then.

    Args:
        told: the verdicts.
        count: how many there will be.
        began: when the campaign began, in seconds of the monotonic clock.

    Returns:
        The verdicts, and the exit status that the signal asks for; 0 if there was none.
    """
    verdicts: list[Verdict] = []
    stopped = 0
    # A shell starts what runs in the background with Ctrl-C ignored; who sends the signal means it.
    before = [
        (number, signal.signal(number, handler))
        for number, handler in ((signal.SIGTERM, _terminate), (signal.SIGINT, signal.default_int_handler))
    ]
    try:
        for verdict in told:
            verdicts.append(verdict)
            if len(verdicts) % _OFTEN == 0 and len(verdicts) < count:
                print(_totals(verdicts, began), flush=True)
    except (KeyboardInterrupt, _Terminated) as error:
        stopped = _STATUS[type(error)]
        print(f"stopped after {len(verdicts)} of {count} inputs", flush=True)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    print(_totals(verdicts, began), flush=True)
    return verdicts, stopped


class _Terminated(BaseException):
    """SIGTERM arrived."""


_STATUS = {KeyboardInterrupt: 128 + signal.SIGINT, _Terminated: 128 + signal.SIGTERM}


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


def _totals(verdicts: Sequence[Verdict], began: float) -> str:
    """One line: how many inputs, how they ended, and the faults of each kind."""
    counts = Counter(fault.kind for verdict in verdicts for fault in verdict.faults)
    codes = Counter(str(verdict.ended.code) for verdict in verdicts)
    faults = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    return f"{len(verdicts)} inputs in {time.monotonic() - began:.0f} s; exit status {dict(codes)}; {faults}"


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _told(verdicts: Iterator[Verdict], *, few: bool) -> Iterator[Verdict]:
    for verdict in verdicts:
        yield verdict
        if verdict.faults:
            print(f"{'; '.join(map(str, verdict.faults))}\n  {verdict.recipe!s}\n  {verdict.command}", flush=True)
        if few:
            print(
                (verdict.folder / RECORDS / "stdout").read_text(errors="replace"),
                verdict.ended.stderr,
                verdict.ended.code,
                verdict.ended.seconds,
            )


def _as_dict(verdict: Verdict) -> dict[str, object]:
    faults = [asdict(fault) for fault in verdict.faults]
    ended = verdict.ended
    return {"recipe": str(verdict.recipe), "faults": faults, "code": ended.code, "seconds": ended.seconds,
            "peak_mb": ended.peak_bytes >> 20, "stderr": ended.stderr[-3000:], "command": verdict.command}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
