"""The folders of results that a cohort is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.cell_tables import read_migration
from somanet.analysis.manifest import is_corrected, is_manifest, results_in, tracks_are_given
from somanet.analysis.next_steps import edited_tracks
from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.core.hashing import sha256_tree
from somanet.io.tables import read_table
from somanet.migration.signs import Signs
from somanet.migration.tables import SALTATION_EVENTS
from somanet.migration.verdict_names import UNTOLD

READ = (names.TRACKS, names.SALTATIONS, names.MIGRATION, names.MIGRATION_INTERNALS, names.SUMMARY)
"""Files whose content a cohort rests on: none may have been changed since the analysis."""


@dataclass(frozen=True)
class MovieResult:
    """The results of one movie.

    Attributes:
        name: of the movie.
        folder: of its results.
        manifest, summary: content of `manifest.json` and `summary.json`.
        cells: :data:`somanet.migration.tables.MIGRATION`.
        n_found: saltations found, the rows of `saltations.csv`.
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]
    cells: pd.DataFrame
    n_found: int

    @property
    def given(self) -> bool:
        """Whether a person or another program made or corrected the tracks, and SomaNet measured them."""
        return tracks_are_given(self.manifest)

    @property
    def corrected(self) -> bool:
        """Whether the tracks were given, or found by SomaNet and corrected by a person."""
        return self.given or is_corrected(self.manifest)

    @property
    def signs(self) -> Signs | None:
        """What is seen of the assumptions behind saltation numbers; None where an older version wrote the summary."""
        found = self.summary.get("verdict")
        return Signs.from_dict(found["signs"]) if found else None

    @property
    def verdict(self) -> str:
        """Whether its saltation numbers hold, do not, or whether it cannot tell, as those without signs."""
        return UNTOLD if self.signs is None else self.signs.verdict()

    @property
    def min_track_h(self) -> float | None:
        """For how long a cell had to be seen to be measured; None is the usual rule."""
        hours = (self.summary.get("definition") or {}).get("min_track_h")
        return None if hours is None else float(hours)

    @property
    def movie(self) -> tuple[str, str | None]:
        """Which movie it is, whatever its name: the SHA-256 of its files, and the position of several in them."""
        about = self.manifest["input"]
        return str(about["sha256"]), about.get("position")

    @property
    def density_per_mm2(self) -> float:
        """Tracked cells in the field at a time, per area; NaN if its size is unknown, as of tracks without a movie."""
        movie = self.manifest["input"]
        if movie.get("shape_YX") is None:
            return math.nan
        height, width = movie["shape_YX"]
        area_mm2 = height * width * movie["pixel_size_um"] ** 2 / 1e6
        return float(self.cells["n_frames"].sum() / movie["n_frames"] / area_mm2)


def find_results(study: Path) -> list[Path]:
    """Folders of results in a study, at any depth, sorted; hidden folders are left out.

    Raises:
        SomaNetError: it is no folder, or there are none.
    """
    if not study.is_dir():
        raise SomaNetError(f"{study}: expected a folder with results of `somanet analyze`, found none. Check the path.")
    found = results_in(study)
    if not found:
        raise SomaNetError(
            f"{study}: expected folders with results of `somanet analyze`, found none with a {names.MANIFEST}. Is it "
            "the folder of the movies? `somanet analyze MOVIES --output STUDY` comes first."
        )
    return found


def read_results(folders: Sequence[Path]) -> tuple[dict[str, MovieResult], tuple[str, ...]]:
    """Read the results of movies by name; where a movie was also corrected, the corrected results count.

    Returns:
        The results, sorted by name, and notes on what was left out.

    Raises:
        SomaNetError: results are incomplete or were changed, a movie has several that are equally good, or two names.
    """
    chosen: dict[str, MovieResult] = {}
    notes = []
    for folder in folders:
        result = read_result(folder)
        other = chosen.get(result.name)
        if other is not None and not _may_be_one(other, result):
            raise SomaNetError(
                f"Two movies are called {result.name!r}: {other.folder} and {folder} are of other files, or of other "
                "positions of one file. Rename one file and analyse it again; a position is named when it is analysed "
                "again with --position."
            )
        if other is not None and other.corrected == result.corrected:
            raise SomaNetError(
                f"The movie {result.name!r} has two folders of results, {other.folder} and {folder}. Move one out of "
                "the study, so that its cells count once."
            )
        if other is not None:
            automatic, corrected = (other, result) if result.corrected else (result, other)
            notes.append(
                f"{result.name}: the corrected tracks of {corrected.folder.name} count, not {automatic.folder.name}."
            )
            result = corrected
        chosen[result.name] = result
    _refuse_copies(chosen)
    return dict(sorted(chosen.items())), tuple(notes)


def _may_be_one(one: MovieResult, other: MovieResult) -> bool:
    """Whether results may be of one movie; of tracks that were measured alone nobody knows the movie."""
    alone = any(result.manifest["input"].get("tracks_only") for result in (one, other))
    return alone or one.movie == other.movie


def _refuse_copies(results: Mapping[str, MovieResult]) -> None:
    """Refuse one movie under two names: its cells would count twice, perhaps as those of two donors."""
    seen: dict[tuple[str, str | None], MovieResult] = {}
    for result in results.values():
        other = seen.setdefault(result.movie, result)
        if other is not result:
            raise SomaNetError(
                f"{other.name!r} and {result.name!r} are the same movie under two names: {other.folder} and "
                f"{result.folder} are of files with the same SHA-256. Its cells would count twice. Move one of the "
                "folders out of the study, and remove its row from the conditions."
            )


def read_result(folder: Path) -> MovieResult:
    """Read one folder of results, and check that its tables are those that the analysis wrote.

    Raises:
        SomaNetError: a file is missing, or was changed after the numbers were computed.
    """
    manifest = read_json(folder / names.MANIFEST, expected="the manifest that somanet analyze wrote")
    if not is_manifest(manifest):
        raise SomaNetError(f"{folder / names.MANIFEST} is of another version. Run `somanet analyze` again.")
    recorded = manifest["files"]
    for name in READ:
        path = folder / name
        if not path.exists():
            raise SomaNetError(f"{path} is missing. Run `somanet analyze` again for this movie.")
        if name in recorded and sha256_tree(path) != recorded[name]:
            if name == names.TRACKS:
                raise SomaNetError(edited_tracks(folder, manifest))
            raise SomaNetError(
                f"{path} was changed after the analysis, and the other files do not follow it. Restore the file, or "
                f"analyse the movie again into {folder} with --replace, which keeps the change as "
                f"{path.stem}.before{path.suffix}."
            )
    summary = read_json(folder / names.SUMMARY, expected="the summary of a movie", keys=("numbers",))
    cells, n_found = read_migration(folder), len(read_table(folder / names.SALTATIONS, SALTATION_EVENTS))
    return MovieResult(str(manifest["input"]["movie"]), folder, manifest, summary, cells, n_found)
