"""The automatic results that corrections are made on and applied to, in a folder of results."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.manifest import changed_in, is_corrected, is_manifest
from somanet.analysis.next_steps import edited_tracks
from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, read_json, write_json
from somanet.core.guard import protect
from somanet.core.hashing import sha256_tree
from somanet.corrections import Header
from somanet.io.movie_files import movie_exists, movie_places, sha256_movie
from somanet.migration.settings import MigrateSettings

_READ = {"movie", "file", "channel", "pixel_size_um", "frame_interval_min", "truncated", "z", "axes", "position"}
_KEPT = ("somas.csv", names.DRIFT)


@dataclass(frozen=True)
class Base:
    """Automatic results.

    Attributes:
        result: the folder of results; of corrected ones, the automatic results lie in it.
        tracks, labels: the table, and the label movie (value = track id), if there is one.
        analysis: ``provenance`` and ``notes`` of the automatic analysis.
    """

    result: Path
    tracks: Path
    labels: Path | None
    analysis: Mapping[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """The movie, as `movie.json` had it."""
        about: dict[str, Any] = self.analysis["provenance"]["input"]
        return about

    @property
    def position(self) -> str | None:
        """Which of several movies in its file it is, as it was chosen."""
        position: str | None = self.about.get("position")
        return position

    @property
    def migrate(self) -> MigrateSettings:
        """How it was measured."""
        return MigrateSettings.model_validate(self.analysis["provenance"]["parameters"]["migrate"])

    @property
    def header(self) -> Header:
        """The header of corrections that are made on these results."""
        network = self.analysis["provenance"].get("model") or {}
        labels = None if self.labels is None else sha256_tree(self.labels)
        sha256 = network.get("sha256")
        return Header(
            self.about["movie"], self.about["sha256"], labels, sha256_tree(self.tracks), sha256, self.position
        )

    def source(self, movie: Path | None = None, *, check: bool = True) -> MovieSource:
        """The movie, as it was analysed.

        Args:
            movie: its file; if None, it is looked for by name beside the results, in them, and in the current folder.
            check: compare its hash, for which all of it is read; a window shows it first and compares then.

        Raises:
            SomaNetError: it is not there, or is another one; or the results do not say how it was read.
        """
        about = self.about
        if lacking := sorted(_READ - about.keys()):
            raise SomaNetError(
                f"{self.result / names.MANIFEST} does not say how the movie was read ({', '.join(lacking)}). Is it of "
                "another version? Run `somanet analyze` again."
            )
        found = movie_places(self.result, about["file"]) if movie is None else [movie]
        there = [path for path in found if movie_exists(path)]
        if not there:
            where = f"{movie} does not exist" if movie is not None else f"{about['file']} is not beside {self.result}"
            raise SomaNetError(f"The movie of these results is needed, and {where}. Name it: --movie PATH")
        same = [path for path in there if not check or sha256_movie(path) == about["sha256"]]
        if not same:
            raise SomaNetError(
                f"{there[0]} is not the movie of {self.result}: expected SHA-256 {about['sha256'][:12]}…, found "
                f"{sha256_movie(there[0])[:12]}…. Name the movie that was analysed: --movie PATH"
            )
        times = about.get("times")
        table = None if times is None else self._times(same[0].parent / times["file"], times["sha256"])
        return MovieSource(
            protect(same[0]),
            about["movie"],
            about["channel"],
            about["pixel_size_um"],
            None if table is not None else about["frame_interval_min"],
            bool(about["truncated"]),
            about["z"],
            about["axes"],
            about["position"],
            table,
        ).using(about)

    def copy_to(self, folder: Path) -> None:
        """Copy the automatic tracks and labels, and what no correction changes, to a folder of new results."""
        for path in (self.tracks, self.labels):
            if path is not None:
                (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
        for name in _KEPT:
            if (self.result / name).exists():
                shutil.copyfile(self.result / name, folder / name)
        write_json(folder / names.MOVIE, self.about)

    def _times(self, path: Path, sha256: str) -> Path:
        if not path.is_file() or sha256_tree(path) != sha256:
            raise SomaNetError(
                f"The times of these results are needed: expected {path}, with SHA-256 {sha256[:12]}…. Put the table "
                "beside the movie."
            )
        return protect(path)


def open_base(result: Path) -> Base:
    """The automatic results in a folder of results.

    Raises:
        SomaNetError: it has none of a movie, or they were changed since.
    """
    manifest = json_object(result / names.MANIFEST)
    if not is_manifest(manifest) or manifest["input"].get("tracks_only"):
        raise SomaNetError(
            f"{result}: expected results of a movie, as `somanet analyze` writes them, found none. Name that folder."
        )
    place = result / names.AUTOMATIC if is_corrected(manifest) else result
    names_read = [names.AUTOMATIC] if is_corrected(manifest) else [names.TRACKS, names.LABELS_TIFF, names.LABELS_ZARR]
    if path := changed_in(result, manifest, names_read):
        if path.name == names.TRACKS and path.exists():
            raise SomaNetError(edited_tracks(result, manifest))
        raise SomaNetError(
            f"{path} was changed or removed since it was written, and corrections are applied to what it was. Put "
            "it back; or analyse the movie again into another folder, to which `--from FILE` brings what was changed."
        )
    tracks = place / names.TRACKS
    labels = [place / name for name in (names.LABELS_TIFF, names.LABELS_ZARR) if (place / name).exists()]
    if is_corrected(manifest):
        expected = "the record of the automatic results"
        analysis = read_json(place / names.ANALYSIS, expected=expected, keys=("provenance", "notes"))
    else:
        left_out = ("files", "request", "notes", "code")
        provenance = {name: value for name, value in manifest.items() if name not in left_out}
        analysis = {"provenance": provenance, "notes": manifest.get("notes", [])}
    return Base(result, tracks, labels[0] if labels else None, analysis)
