"""The movies of a pipeline, with their scale and their reference data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import read_metadata
from somanet.core.hashing import sha256_tree
from somanet.core.names import check_file_name


@dataclass(frozen=True)
class ProjectMovie:
    """One movie of `data/raw`.

    Attributes:
        source: the movie.
        reference_tracks, reference_labels, reference_saltations: its ground truth, or manual annotations, if any.
    """

    source: MovieSource
    reference_tracks: Path | None
    reference_labels: Path | None
    reference_saltations: Path | None

    @property
    def name(self) -> str:
        """The name of its results."""
        return self.source.name

    def sha256_of_reference(self) -> dict[str, str]:
        """SHA-256 of each of its reference files."""
        files = {
            "tracks": self.reference_tracks, "labels": self.reference_labels, "saltations": self.reference_saltations
        }  # fmt: skip
        return {kind: sha256_tree(path) for kind, path in files.items() if path is not None}


def project_movies(raw: Path) -> list[ProjectMovie]:
    """The movies that the stage `data` wrote, sorted by name.

    Raises:
        SomaNetError: `movies.json` is missing, or has a name that leads elsewhere as a path.
    """
    found = []
    for name, about in sorted(read_metadata(raw / "movies.json").items()):
        check_file_name(name, str(raw / "movies.json"))
        check_file_name(about["file"], str(raw / "movies.json"))
        references = raw / "references" / name
        by_stem = {path.stem: path for path in references.iterdir()} if references.is_dir() else {}
        times = about.get("times")
        if times is not None:
            check_file_name(times, str(raw / "movies.json"))
        source = MovieSource(
            raw / "movies" / about["file"],
            name,
            about.get("channel"),
            about.get("pixel_size_um"),
            about.get("frame_interval_min"),
            times=None if times is None else raw / "times" / times,
        )
        found.append(ProjectMovie(source, by_stem.get("tracks"), by_stem.get("labels"), by_stem.get("saltations")))
    return found
