"""`python -m tests.robustness`: run a campaign, or one of its inputs again.

python -m tests.robustness --seed 7 --count 500       500 inputs; the folders of those with faults are kept
python -m tests.robustness --seed 7 --only 123        one of them again; its folder is kept
python -m tests.robustness --recipe 'TEXT'            one by its recipe, as printed
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.robustness import recipes
from tests.robustness.campaign import RECORDS, Verdict, campaign, prepare, remove
from tests.robustness.judging import KINDS
from tests.robustness.runner import preload


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="index of the first")
    parser.add_argument("--only", type=int, help="one index")
    parser.add_argument("--recipe", action="append", help="one recipe, as printed; repeat for several")
    parser.add_argument("--recipes", type=Path, help="a file with a recipe in each line")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/robustness"), help="emptied; for what is kept")
    parser.add_argument("--json", type=Path, help="also write the verdicts to this file")
    chosen = parser.parse_args()
    named = [
        recipes.parse(text) for text in (*(chosen.recipe or ()), *(_lines(chosen.recipes) if chosen.recipes else ()))
    ]
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
    drawn = [*named, *(recipes.draw(chosen.seed, number, seeds) for number in numbers)]
    verdicts = list(_told(campaign(drawn, seeds, folder / "runs", jobs=chosen.jobs), few=few))
    counts = Counter(fault.kind for verdict in verdicts for fault in verdict.faults)
    codes = Counter(str(verdict.ended.code) for verdict in verdicts)
    print(f"{len(verdicts)} inputs in {time.monotonic() - began:.0f} s; exit status {dict(codes)}")
    print(", ".join(f"{counts[kind]} {kind}" for kind in KINDS))
    if chosen.json:
        chosen.json.write_text(json.dumps([_as_dict(verdict) for verdict in verdicts], indent=1), encoding="utf-8")
    return 1 if counts else 0


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
