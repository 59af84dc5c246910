"""Validation of each number: the full grid of simulated experiments, its tables and figures.

python benchmarks/trust.py --model somanet/model --output docs
python benchmarks/trust.py --skip-movies --output docs         # tracks alone: a quarter of an hour
python benchmarks/trust.py --worlds 4 --skip-tracks --skip-movies --output docs    # the second simulator's worlds
python benchmarks/trust.py --draw --output docs                # only the page, from the tables of the last run

Writes tracks.csv and movies.csv to the folder of --tables after each condition, and resumes from there when
started again; then OUTPUT/images/trust_*.png and the tables of OUTPUT/trust.md. Without --model the chain starts from
the ground truth masks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from somanet.analysis.validation import figures, tables
from somanet.analysis.validation.conditions import (
    CHECKED_AT_MIN,
    INTERVALS_MIN,
    MovieCondition,
    TrackCondition,
    donor_conditions,
    factor_conditions,
    interval_conditions,
    movie_factors,
    movie_intervals,
)
from somanet.analysis.validation.movies import network_masks, score_movies
from somanet.analysis.validation.tracks import score_condition
from somanet.analysis.validation.world_scores import at_interval, score_world, warning_rates, worlds_markdown
from somanet.analysis.validation.worlds import WORLDS
from somanet.core.files import write_text
from somanet.core.plots import save_figure
from somanet.io.tables import write_table

MOVIE_INTERVALS_MIN = (5.0, 10.0, 20.0)
Condition = TypeVar("Condition", TrackCondition, MovieCondition)


def score_all(conditions: Iterable[Condition], score: Callable[[Condition], pd.DataFrame], path: Path) -> pd.DataFrame:
    """The table of all conditions; those in the file are not scored again."""
    parts = [pd.read_csv(path, dtype={"movie": str})] if path.exists() else []
    done = {(row.factor, row.level, row.interval_min) for part in parts for row in part.itertuples()}
    for condition in conditions:
        if (condition.factor, condition.level, condition.interval_min) not in done:
            parts.append(score(condition))
            write_table(path, pd.concat(parts, ignore_index=True))
            print(f"{condition.factor}: {condition.level}, {condition.interval_min:g} min", flush=True)
    return pd.concat(parts, ignore_index=True)


def score_tracks(path: Path, *, replicates: int) -> pd.DataFrame:
    """Tracks alone: frame intervals with all replicates, all others with a third of them."""
    base = TrackCondition()
    intervals = interval_conditions(base, intervals_min=INTERVALS_MIN)
    others = [
        *donor_conditions(base, intervals_min=CHECKED_AT_MIN),
        *factor_conditions(base, intervals_min=CHECKED_AT_MIN),
    ]
    score_all(intervals, lambda condition: score_condition(condition, replicates=replicates), path)
    return score_all(others, lambda condition: score_condition(condition, replicates=replicates // 3), path)


def score_worlds(path: Path, *, replicates: int, intervals_min: Sequence[float]) -> None:
    """The named worlds at each interval; those in the file are not scored again."""
    parts = [pd.read_csv(path)] if path.exists() else []
    done = {(row.world, row.interval_min) for part in parts for row in part.itertuples()}
    for world in (at_interval(one, minutes) for minutes in intervals_min for one in WORLDS):
        if (world.name, world.interval_min) not in done:
            parts.append(score_world(world, replicates=replicates))
            write_table(path, pd.concat(parts, ignore_index=True))
            print(f"{world.name}, {world.interval_min:g} min", flush=True)


def main() -> None:
    """Score, draw and fill the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of trust.md and images/")
    parser.add_argument("--model", type=Path, help="folder of the network; ground truth masks if not given")
    parser.add_argument("--tables", type=Path, default=Path("build/trust"), help="folder of the tables")
    parser.add_argument("--replicates", type=int, default=200, help="experiments per frame interval")
    parser.add_argument("--movies", type=int, default=2, help="per condition")
    parser.add_argument("--frames", type=int, default=64, help="per movie")
    parser.add_argument("--skip-tracks", action="store_true")
    parser.add_argument("--skip-movies", action="store_true")
    parser.add_argument("--worlds", type=int, default=0, help="movies per world that nothing was tuned on; 0 for none")
    parser.add_argument("--world-intervals", type=float, nargs="+", default=list(CHECKED_AT_MIN), help="minutes")
    parser.add_argument("--draw", action="store_true", help="only draw from the existing tables")
    arguments = parser.parse_args()
    tracks_csv, movies_csv, worlds_csv = (
        arguments.tables / name for name in ("tracks.csv", "movies.csv", "worlds.csv")
    )
    if not (arguments.skip_tracks or arguments.draw):
        score_tracks(tracks_csv, replicates=arguments.replicates)
    if not (arguments.skip_movies or arguments.draw):
        segment = network_masks(arguments.model) if arguments.model else None
        base = replace(MovieCondition(), n_frames=arguments.frames)
        conditions = [*movie_intervals(base, intervals_min=MOVIE_INTERVALS_MIN), *movie_factors(base)]
        score_all(conditions, lambda one: score_movies(one, segment, movies=arguments.movies), movies_csv)
    if arguments.worlds and not arguments.draw:
        score_worlds(worlds_csv, replicates=arguments.worlds, intervals_min=arguments.world_intervals)
    filled: dict[str, str] = {}
    if worlds_csv.exists():
        scores = pd.read_csv(worlds_csv)
        filled["worlds"] = worlds_markdown(scores)
        print({name: round(value, 3) for name, value in warning_rates(scores).items()})
    if tracks_csv.exists():
        tracks = pd.read_csv(tracks_csv)
        for name, draw in figures.FIGURES_OF_TRACKS.items():
            save_figure(draw(tracks), arguments.output / "images" / f"trust_{name}.png")
        filled |= {
            "sampling": tables.sampling_markdown(tracks),
            "robustness": tables.robustness_markdown(tracks),
            "donors": tables.donors_markdown(tracks),
        }
    if movies_csv.exists():
        movies = pd.read_csv(movies_csv, dtype={"movie": str})
        save_figure(figures.chain(movies), arguments.output / "images" / "trust_chain.png")
        filled["movies"] = tables.movies_markdown(movies)
    page = arguments.output / "trust.md"
    write_text(page, tables.fill(page.read_text(encoding="utf-8"), filled))


if __name__ == "__main__":
    main()
