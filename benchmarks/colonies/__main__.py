"""Intervals and verdicts on movies of a third simulator, which nothing was set on.

python -m benchmarks.colonies --colonies 60 --first-seed 100 --output docs  # two minutes for ten, on one free core
python -m benchmarks.colonies --draw --output docs                          # only the page

Writes colonies.csv and colony_verdicts.csv to the folder of --tables after each colony and resumes from there when
started again; then the tables "colonies", "colony verdicts" and "colony power" of OUTPUT/trust.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.colonies.score import COUNTED, colony_movies, score_colony
from benchmarks.trust import score_all
from somanet.analysis.validation import tables
from somanet.analysis.validation.random_worlds import coverage_markdown
from somanet.analysis.validation.verdicts import power_markdown, score_verdicts, verdicts_markdown
from somanet.core.files import write_text

PARTS = ("colonies", "colony_verdicts")


def main() -> None:
    """Score, and fill the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of trust.md")
    parser.add_argument("--tables", type=Path, default=Path("build/trust"), help="folder of the table")
    parser.add_argument("--colonies", type=int, default=60, help="how many are scored")
    parser.add_argument("--first-seed", type=int, default=100, help="of the colonies")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts; both by default")
    parser.add_argument("--draw", action="store_true", help="only fill the page, from the existing table")
    arguments = parser.parse_args()
    parts = {
        "colonies": score_colony,
        "colony_verdicts": lambda seed: score_verdicts(seed, colony_movies(seed)),
    }
    paths = {part: arguments.tables / f"{part}.csv" for part in parts}
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.colonies)
    for part in () if arguments.draw else arguments.only:
        score_all(seeds, parts[part], paths[part], names=lambda seed: (seed,))
    scores = {part: pd.read_csv(path) for part, path in paths.items() if path.exists()}
    filled: dict[str, str] = {}
    if "colonies" in scores:
        filled["colonies"] = coverage_markdown(scores["colonies"], numbers=COUNTED)
    if "colony_verdicts" in scores:
        filled["colony verdicts"] = verdicts_markdown(scores["colony_verdicts"], worlds="colonies")
        filled["colony power"] = power_markdown(scores["colony_verdicts"])
    page = arguments.output / "trust.md"
    write_text(page, tables.fill(page.read_text(encoding="utf-8"), filled))


if __name__ == "__main__":
    main()
