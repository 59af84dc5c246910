"""Many movies, by turns or on workers: what is finished or corrected stays, what is broken costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.manifest import (
    is_corrected,
    is_manifest,
    results_in,
    tracks_are_edited,
    tracks_are_given,
)
from somanet.analysis.movie import AnalysisNetworks, Options
from somanet.analysis.next_steps import edited_tracks
from somanet.analysis.outcome import Outcome, outcome_of
from somanet.analysis.replacing import goes_aside
from somanet.analysis.source import MovieSource, check_intended_use
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.hashing import sha256_file
from somanet.core.one_of_many import none_left
from somanet.core.problems import CHOICE, FileProblem
from somanet.core.progress import part_of
from somanet.core.results import check_results
from somanet.io.movies import sha256_movie
from somanet.migration.measures import Measures

_CORRECTED = "a person corrected its results"


@dataclass
class Batch:
    """Movies to analyse, each into its own folder, and how they fared.

    Attributes:
        sources: the movies.
        folders: by name, of their results.
        options: of the analysis.
        problems: by name, why a movie has no results of this analysis.
        kept: by name, why results that were there already stay.
    """

    sources: Sequence[MovieSource]
    folders: Mapping[str, Path]
    options: Options
    problems: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Find out, before hours of work, what can be analysed; damaged movies become :attr:`problems`.

        Raises:
            SomaNetError: a scale, a channel or a plane is not given, results would damage what is in a folder, or two
                files are the same movie: what only the user can settle.
        """
        self._refuse_copies()
        for source in self.sources:
            folder = self.folders[source.name]
            manifest = json_object(folder / names.MANIFEST)
            if is_manifest(manifest) and tracks_are_edited(folder):
                self.problems[source.name] = edited_tracks(folder, manifest, movie=source.path)
                continue
            if tracks_are_given(manifest) or is_corrected(manifest):
                if problem := _of_another_movie(source, folder):
                    self.problems[source.name] = problem
                    continue
                how = "its tracks were corrected by a person" if tracks_are_given(manifest) else _CORRECTED
                self.kept[source.name] = f"{how}; the automatic analysis leaves them"
                continue
            check_results(folder, names.RESULTS, writes=self.options.files())
            try:
                movie = source.open()
            except SomaNetError as error:
                if isinstance(error, FileProblem) and error.kind == CHOICE:
                    raise
                self.problems[source.name] = str(error)
                continue
            with movie:
                source.calibration(movie)
        self._refuse_if_none_is_left()

    def check_network(self, network: AnalysisNetworks) -> None:
        """Refuse movies that the network is not meant for; those whose frames are damaged become :attr:`problems`.

        Raises:
            SomaNetError: a movie is outside the network's intended use, or none can be read.
        """
        if self.options.any_modality:
            return
        for source in self._open():
            try:
                source.sample()
            except SomaNetError as error:
                self.problems[source.name] = str(error)
        self._refuse_if_none_is_left()
        check_intended_use(self._open(), network.segmenter.intended_use)

    def run(
        self,
        network: AnalysisNetworks,
        *,
        begins: Callable[[str], None],
        ends: Callable[[Measures, Path], None],
    ) -> None:
        """Analyse what is neither finished nor corrected; errors become :attr:`problems`, and the rest goes on.

        Args:
            network: segments the somas.
            begins: called with `movie 7 of 24: NAME` before each movie.
            ends: called with the results of each movie that was analysed.
        """
        for source in self.sources:
            if self._stays(source, begins):
                continue
            place = self.place(source)
            begins(f"{place}: {source.name}")
            with part_of(place):
                outcome = outcome_of(source, self.folders[source.name], network=network, options=self.options)
            self._take(source, outcome, begins, ends)

    def run_elsewhere(
        self,
        analyze: Callable[[Sequence[MovieSource], Callable[[MovieSource, Outcome], None]], None],
        *,
        begins: Callable[[str], None],
        ends: Callable[[Measures, Path], None],
    ) -> None:
        """:meth:`run` with movies analysed by other processes, told of in the order in which they end.

        Args:
            analyze: analyses movies, and calls a function with each and how it fared.
            begins, ends: as for :meth:`run`; `begins` is called once a movie has ended.
        """

        def ended(source: MovieSource, outcome: Outcome) -> None:
            begins(f"{self.place(source)}: {source.name}")
            self._take(source, outcome, begins, ends)

        analyze([source for source in self.sources if not self._stays(source, begins)], ended)

    def place(self, source: MovieSource) -> str:
        """`movie 7 of 24`."""
        return f"movie {1 + self.sources.index(source)} of {len(self.sources)}"

    def _stays(self, source: MovieSource, begins: Callable[[str], None]) -> bool:
        """Whether a movie is not analysed, for a reason that is told."""
        if reason := self.kept.get(source.name):
            begins(f"{self.place(source)}: {source.name}: kept: {reason}")
            return True
        if reason := self.problems.get(source.name):
            begins(f"{self.place(source)}: {source.name}: left out: {reason}")
            return True
        return False

    def _take(
        self,
        source: MovieSource,
        outcome: Outcome,
        begins: Callable[[str], None],
        ends: Callable[[Measures, Path], None],
    ) -> None:
        """Tell how a movie fared, and remember it."""
        folder = self.folders[source.name]
        if outcome.problem is not None:
            self.problems[source.name] = outcome.problem
            begins(f"  failed: {outcome.problem}")
        elif outcome.measures is None:
            self.kept[source.name] = "finished"
            begins(f"  finished before, with the same movie, network and settings: {folder}")
        else:
            ends(outcome.measures, folder)

    def results(self, study: Path) -> list[Path]:
        """The folders of all results in a study, those of earlier batches too, but for movies that have a problem."""
        without = {*(self.folders[name] for name in self.problems), *self._renamed(study)}
        return [folder for folder in results_in(study) if folder not in without]

    def movies(self, study: Path) -> list[str]:
        """The movies that a study will have: those of this batch, and those with results in it already."""
        renamed = self._renamed(study)
        there = [_about(folder)["movie"] for folder in results_in(study) if folder not in renamed]
        return list(dict.fromkeys([*(source.name for source in self.sources), *map(str, there)]))

    def _renamed(self, study: Path) -> dict[Path, str]:
        """Automatic results of this batch's movies by an earlier name: `b` of what is `d2_b` now."""
        found = {}
        for folder in set(results_in(study)) - set(self.folders.values()):
            about = _about(folder)
            for source in self.sources:
                older = source.path.name == about["file"] and source.name != about["movie"]
                manifest = json_object(folder / names.MANIFEST)
                automatic = not tracks_are_given(manifest) and not is_corrected(manifest)
                if older and automatic and sha256_movie(source.path) == about["sha256"]:
                    found[folder] = source.name
        return found

    def notes(self, study: Path) -> list[str]:
        """What the reader of the cohort has to know: which movies are missing, which results do not count."""
        renamed = sorted(self._renamed(study).items())
        return self.missing() + [
            f"{folder.name} does not count: it is {name}, by an earlier name." for folder, name in renamed
        ]

    def missing(self) -> list[str]:
        """Of :meth:`notes`, those on the movies that could not be analysed, which the user has been told."""
        return [f"{name} is missing: it could not be analysed. {problem}" for name, problem in self.problems.items()]

    def _refuse_copies(self) -> None:
        """Refuse one movie under two names; only files of one size are compared by their bytes."""
        sizes: dict[int, list[MovieSource]] = {}
        for source in self.sources:
            if source.path.is_file():
                sizes.setdefault(source.path.stat().st_size, []).append(source)
        for alike in sizes.values():
            seen: dict[str, MovieSource] = {}
            for source in alike if len(alike) > 1 else ():
                other = seen.setdefault(sha256_file(source.path), source)
                if other is not source:
                    raise SomaNetError(
                        f"{other.path} and {source.path} are the same movie under two names: the files are equal. Its "
                        "cells would count twice. Remove one of them."
                    )

    def _refuse_if_none_is_left(self) -> None:
        if self.problems and not self._open() and not self.kept:
            raise none_left(self.problems)

    def _open(self) -> list[MovieSource]:
        return [one for one in self.sources if one.name not in self.problems and one.name not in self.kept]


def _of_another_movie(source: MovieSource, folder: Path) -> str | None:
    """That a folder has results of another movie than the one that is to be analysed; None if that cannot be known."""
    try:
        with source.open() as movie:
            position = movie.position
    except SomaNetError:
        return None
    try:
        goes_aside(folder, source.path, position=position)
    except SomaNetError as error:
        return str(error)
    return None


def _about(folder: Path) -> dict[str, Any]:
    """The movie of a folder of results, as its manifest has it."""
    return dict(json_object(folder / names.MANIFEST)["input"])
