"""Validation of each number: the full grid of simulated experiments, its tables and figures.

python benchmarks/trust.py --model somanet/model --output docs     # everything: about two hours on one core
python benchmarks/trust.py --only sampling robustness --output docs
python benchmarks/trust.py --only random verdicts --random 34 --first-seed 3000 --output docs
python benchmarks/trust.py --draw --output docs                    # only the page, from the tables of the last run

Parts: sampling (frame intervals), robustness (other cells, other noise), donors, worlds (those of the second simulator
that have a name), random (those drawn at random: which intervals hold), verdicts (the same: whether they are right),
thinned (frames left out), corrected (speed, pauses, distance, direction), groups (error rates of comparisons), movies
(the whole chain). Each writes its own table to the folder of --tables after each condition, and resumes from there when
started again; then OUTPUT/images/trust_*.png and the tables of OUTPUT/trust.md. Without --model the chain starts from
the ground truth masks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Hashable, Iterable
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
from somanet.analysis.validation.corrected import conditions as corrected_conditions
from somanet.analysis.validation.corrected import corrected_markdown, score_corrected
from somanet.analysis.validation.error_rates import DESIGNS, Bank, error_rates_markdown, score_design
from somanet.analysis.validation.movies import network_masks, score_movies
from somanet.analysis.validation.random_worlds import (
    coverage_markdown,
    in_scope,
    plain,
    score_random,
    world_of,
)
from somanet.analysis.validation.thinned_scores import CASES, score_thinned, thinned_markdown
from somanet.analysis.validation.tracks import score_condition
from somanet.analysis.validation.verdicts import (
    power_markdown,
    scatter_markdown,
    score_verdicts,
    verdicts_markdown,
    world_movies,
)
from somanet.analysis.validation.world_scores import at_interval, score_world, worlds_markdown
from somanet.analysis.validation.worlds import WORLDS
from somanet.core.files import write_text
from somanet.core.plots import save_figure
from somanet.io.tables import write_table

MOVIE_INTERVALS_MIN = (5.0, 10.0, 20.0)
BANK = 100
"""Donors that the experiments on groups are drawn from."""
PARTS = (
    "sampling", "robustness", "donors", "worlds", "random", "verdicts", "plain", "thinned", "corrected", "groups",
    "movies",
)  # fmt: skip
One = TypeVar("One")


def score_all(
    items: Iterable[One],
    score: Callable[[One], pd.DataFrame],
    path: Path,
    *,
    names: Callable[[One], tuple[Hashable, ...]],
) -> pd.DataFrame:
    """The table of all items; those in the file are not scored again.

    Args:
        items: conditions, worlds, seeds or designs.
        score: one of them.
        path: of the table, whose column ``item`` says which they are.
        names: what tells one from another.
    """
    parts = [pd.read_csv(path, dtype={"movie": str})] if path.exists() else []
    done = {str(item) for part in parts for item in part["item"]}
    for one in items:
        item = ", ".join(map(str, names(one)))
        if item not in done:
            parts.append(score(one).assign(item=item))
            write_table(path, pd.concat(parts, ignore_index=True))
            print(item, flush=True)
    return pd.concat(parts, ignore_index=True)


def score_part(part: str, path: Path, arguments: argparse.Namespace) -> None:
    """Score one part, and write its table."""
    base = TrackCondition()
    tracks = {
        "sampling": lambda: interval_conditions(base, intervals_min=INTERVALS_MIN),
        "robustness": lambda: factor_conditions(base, intervals_min=CHECKED_AT_MIN),
        "donors": lambda: donor_conditions(base, intervals_min=CHECKED_AT_MIN),
    }
    if part in tracks:
        replicates = arguments.replicates if part == "sampling" else max(arguments.replicates // 3, 2)
        score_all(
            tracks[part](),
            lambda one: score_condition(one, replicates=replicates),
            path,
            names=lambda one: (one.factor, one.level, one.interval_min),
        )
    elif part == "worlds":
        worlds = [at_interval(one, minutes) for minutes in arguments.world_intervals for one in WORLDS]
        score_all(
            worlds,
            lambda one: score_world(one, replicates=arguments.worlds),
            path,
            names=lambda one: (one.name, one.interval_min),
        )
    elif part in ("random", "verdicts", "plain"):
        seeds = [*range(arguments.first_seed, arguments.first_seed + arguments.random)]
        if part == "plain":
            seeds = [seed for seed in seeds if plain(world_of(seed))]
        elif arguments.in_scope:
            seeds = [seed for seed in seeds if in_scope(world_of(seed))]
        score = score_random if part == "random" else (lambda seed: score_verdicts(seed, world_movies(seed)))
        score_all(seeds, score, path, names=lambda one: (one,))
    elif part == "thinned":
        score_all(
            CASES, lambda one: score_thinned(one, replicates=arguments.thinned), path, names=lambda one: (one.name,)
        )
    elif part == "corrected":
        score_all(
            corrected_conditions(),
            lambda one: score_corrected(one, replicates=arguments.corrected),
            path,
            names=lambda one: (one.part, one.level, one.world.interval_min),
        )
    elif part == "groups":
        bank = Bank.simulated(BANK)
        score_all(
            DESIGNS,
            lambda one: score_design(bank, one, experiments=arguments.experiments),
            path,
            names=lambda one: (one.name,),
        )
    else:
        segment = network_masks(arguments.model) if arguments.model else None
        film = replace(MovieCondition(), n_frames=arguments.frames)
        score_all(
            [*movie_intervals(film, intervals_min=MOVIE_INTERVALS_MIN), *movie_factors(film)],
            lambda one: score_movies(one, segment, movies=arguments.movies),
            path,
            names=lambda one: (one.factor, one.level, one.interval_min),
        )


def filled(scores: dict[str, pd.DataFrame], images: Path) -> dict[str, str]:
    """The tables of the page by their marks, from those parts that there are; their figures are drawn."""
    found: dict[str, str] = {}
    of_tracks = [scores[part] for part in ("sampling", "robustness", "donors") if part in scores]
    if of_tracks:
        all_tracks = pd.concat(of_tracks, ignore_index=True)
        for name, draw in figures.FIGURES_OF_TRACKS.items():
            needed = {"sampling", "robustness"} if name == "robustness" else {"sampling"}
            if needed <= set(scores):
                save_figure(draw(all_tracks), images / f"trust_{name}.png")
    simple = {
        "sampling": tables.sampling_markdown,
        "robustness": tables.robustness_markdown,
        "donors": tables.donors_markdown,
        "worlds": worlds_markdown,
        "random": coverage_markdown,
        "verdicts": verdicts_markdown,
        "thinned": thinned_markdown,
        "groups": error_rates_markdown,
        "movies": tables.movies_markdown,
    }
    found |= {part: simple[part](table) for part, table in scores.items() if part in simple}
    if "corrected" in scores:
        found |= {part: corrected_markdown(scores["corrected"], part) for part in ("travel", "directed", "few")}
    if "verdicts" in scores:
        every = scores["verdicts"]
        some = every[[in_scope(world_of(int(seed))) for seed in every["seed"]]]
        found["verdicts in scope"] = verdicts_markdown(some, worlds="worlds whose cells rest")
        found["power"] = power_markdown(every)
        found["power in scope"] = power_markdown(some)
        found["scatter"] = scatter_markdown(some)
    if "plain" in scores:
        found["plain"] = verdicts_markdown(scores["plain"], worlds="plain worlds")
    if "movies" in scores:
        save_figure(figures.chain(scores["movies"]), images / "trust_chain.png")
    return found


def main() -> None:
    """Score, draw and fill the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of trust.md and images/")
    parser.add_argument("--model", type=Path, help="folder of the network; ground truth masks if not given")
    parser.add_argument("--tables", type=Path, default=Path("build/trust"), help="folder of the tables")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts; all by default")
    parser.add_argument(
        "--replicates", type=int, default=60, help="experiments per frame interval, other tracks a third"
    )
    parser.add_argument("--worlds", type=int, default=1, help="movies per world that has a name")
    parser.add_argument("--world-intervals", type=float, nargs="+", default=[10.0, 20.0], help="minutes")
    parser.add_argument("--random", type=int, default=34, help="worlds drawn at random")
    parser.add_argument("--first-seed", type=int, default=3000, help="of worlds drawn at random")
    parser.add_argument("--in-scope", action="store_true", help="of these, only those that coverage is asked of")
    parser.add_argument("--thinned", type=int, default=60, help="movies per world with frames left out")
    parser.add_argument("--corrected", type=int, default=20, help="experiments per world of speed, pauses and distance")
    parser.add_argument("--experiments", type=int, default=200, help="on groups, per design")
    parser.add_argument("--movies", type=int, default=2, help="per condition of the chain")
    parser.add_argument("--frames", type=int, default=64, help="per movie")
    parser.add_argument("--draw", action="store_true", help="only draw from the existing tables")
    arguments = parser.parse_args()
    paths = {part: arguments.tables / f"{part}.csv" for part in PARTS}
    for part in () if arguments.draw else arguments.only:
        score_part(part, paths[part], arguments)
    scores = {part: pd.read_csv(path, dtype={"movie": str}) for part, path in paths.items() if path.exists()}
    page = arguments.output / "trust.md"
    marks = filled(scores, arguments.output / "images")
    write_text(page, tables.fill(page.read_text(encoding="utf-8"), marks))


if __name__ == "__main__":
    main()
