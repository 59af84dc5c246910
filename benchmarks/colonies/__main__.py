"""Intervals and warnings on movies of a third simulator, which nothing was set on.

python -m benchmarks.colonies --colonies 60 --first-seed 100 --output docs     # half a minute for ten, on one free core
python -m benchmarks.colonies --draw --output docs                             # only the page

Writes colonies.csv to the folder of --tables after each colony and resumes from there when started again; then the
tables "colonies" and "colony warnings" of OUTPUT/trust.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.colonies.score import COUNTED, score_colony
from benchmarks.trust import score_all
from somanet.analysis.validation import tables
from somanet.analysis.validation.random_worlds import coverage_markdown, warnings_markdown
from somanet.core.files import write_text


def main() -> None:
    """Score, and fill the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of trust.md")
    parser.add_argument("--tables", type=Path, default=Path("build/trust"), help="folder of the table")
    parser.add_argument("--colonies", type=int, default=60, help="one movie of each is measured in full")
    parser.add_argument("--first-seed", type=int, default=100, help="of the colonies")
    parser.add_argument("--draw", action="store_true", help="only fill the page, from the existing table")
    arguments = parser.parse_args()
    path = arguments.tables / "colonies.csv"
    if not arguments.draw:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.colonies)
        score_all(seeds, score_colony, path, names=lambda seed: (seed,))
    scores = pd.read_csv(path)
    page = arguments.output / "trust.md"
    filled = {
        "colonies": coverage_markdown(scores, numbers=COUNTED),
        "colony warnings": warnings_markdown(scores, worlds="colonies"),
    }
    write_text(page, tables.fill(page.read_text(encoding="utf-8"), filled))


if __name__ == "__main__":
    main()
