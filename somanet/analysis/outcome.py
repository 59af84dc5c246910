"""How one movie of many fared: analysed, finished before, or broken, which costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.analysis.movie import AnalysisNetworks, Options, analyze_movie, is_finished
from somanet.analysis.replacing import goes_aside
from somanet.analysis.source import MovieSource
from somanet.core.one_of_many import problem_of

if TYPE_CHECKING:
    from somanet.migration.measures import Measures


@dataclass(frozen=True)
class Outcome:
    """How a movie fared. Without measures and problem it was finished before.

    Attributes:
        measures: of the movie, if it was analysed.
        problem: why it has no results.
    """

    measures: Measures | None = None
    problem: str | None = None


def outcome_of(source: MovieSource, folder: Path, *, network: AnalysisNetworks, options: Options) -> Outcome:
    """Analyse a movie, unless it is finished: see :func:`somanet.analysis.movie.analyze_movie`; errors are problems.

    One of them is that the folder holds the results of another movie, which go aside only if files may be replaced.
    """
    try:
        if is_finished(folder, source, network=network, options=options):
            return Outcome()
        with source.open() as movie:
            aside = goes_aside(folder, source.path, position=movie.position)
        return Outcome(analyze_movie(source, folder, network=network, options=options, aside=aside))
    except Exception as error:  # the other movies of a night's work do not depend on it
        return Outcome(problem=problem_of(error, "movie"))
