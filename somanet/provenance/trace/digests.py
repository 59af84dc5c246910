"""Plain hashes: of the traced file, and of the data sets of runs, compared with the present files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from somanet.io.movies import movie_exists, sha256_movie
from somanet.provenance.dvc_records import dvc_digest
from somanet.provenance.mlflow import RunInput
from somanet.provenance.trace.hashes import LARGEST_BYTES, Hashes
from somanet.provenance.trace.records import DatasetNode, FileNode, Node, Record


@dataclass(frozen=True)
class DigestReader:
    """Reader of the present files.

    Attributes:
        root: the project.
        hashes: hashes of its files.
    """

    root: Path
    hashes: Hashes

    def read(self, node: Node) -> Record:
        """The SHA-256 of a file, and whether a data set is unchanged since a run used it."""
        match node:
            case FileNode(path=path) if movie_exists(path):
                return Record({"sha256": sha256_movie(path)})
            case FileNode():
                return Record(missing=("the file is missing: `dvc pull` or `dvc checkout` restores it",))
            case DatasetNode(used=used):
                return self._dataset(used)
        return Record()

    def _dataset(self, used: RunInput) -> Record:
        place = self.root / used.uri
        if not used.uri or not movie_exists(place):
            return Record(missing=(f"it is no longer at {used.uri or 'a known place'}",))
        now = self._digest(place, used.kind)
        if now is None:
            return Record(missing=("it was not compared with its hash",))
        if now != used.digest:
            return Record(changed=(f"{used.uri} is now {now}, the run used {used.digest}",))
        return Record()

    def _digest(self, place: Path, kind: str) -> str | None:
        try:
            if kind == "dvc-md5":
                return self.hashes.md5(place) or dvc_digest(place, self.root)
            if kind == "sha256-36" and (not place.is_file() or place.stat().st_size <= LARGEST_BYTES):
                return sha256_movie(place)[:36]
        except OSError:
            return None
        return None
