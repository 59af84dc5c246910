"""A movie as the unit of work of a stage: what the stage computed for a movie before is taken, not computed again.

DVC's unit is the stage: with one more movie in the data it runs `segment`, `track`, `migrate` and `report` again, for
all movies. Each of them keeps what it wrote for a movie under a name that all inputs of that movie decide, so that with
one more movie it computes one, and a killed stage goes on where it was. What is taken is checked by its SHA-256; the
bytes are those of a computation from scratch, as equal inputs and code give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.analysis.source import MovieSource
from somanet.core.files import json_object, make_folder, plain, write_json
from somanet.core.hashing import sha256_file, sha256_tree
from somanet.core.installation import CODE, PACKAGE
from somanet.core.swapping import scratch_folder
from somanet.io.movies import sha256_movie
from somanet.provenance.code import code_digest, project_root, versions

KEPT_DAYS = 30
"""What no run has used for this long is removed."""
RECORD, FILES = "record.json", "files"

Result = dict[str, Any]


@dataclass(frozen=True)
class FinishedMovies:
    """What one stage wrote for movies: `KEY/files/` and `KEY/record.json`, with the hashes of the files.

    Attributes:
        stage: its name.
        folder: where it is kept: `mlruns/movies/STAGE` of the project, beside the state of unfinished trainings;
            neither git nor DVC knows it.
    """

    stage: str
    folder: Path

    @classmethod
    def of(cls, stage: str) -> FinishedMovies:
        """Those of the project around the working folder; what has not been used for long is removed."""
        found = cls(stage, project_root() / "mlruns" / "movies" / stage)
        found._remove_old()
        return found

    def result(
        self, inputs: Mapping[str, Any], folder: Path, compute: Callable[[], Mapping[str, Any]]
    ) -> tuple[Result, bool]:
        """The files of a movie in their folder, and what else the stage found: computed, or taken from an earlier run.

        Args:
            inputs: all that decides them but for the code and the libraries, which are added; plain values.
            folder: of the movie, in the stage's output; its content is replaced.
            compute: fills the folder.

        Returns:
            What `compute` returned, as JSON has it, and whether it was computed.
        """
        entry = self.folder / self.key(inputs)
        record = self._sound(entry)
        if folder.is_dir():
            shutil.rmtree(folder)
        if record is not None:
            shutil.copytree(entry / FILES, folder)
            with suppress(OSError):
                os.utime(entry / RECORD)
            return record["result"], False
        found = json.loads(json.dumps(plain(dict(compute()))))
        with suppress(OSError):  # a full disk costs the next run time, nothing else
            self._keep(entry, folder, found)
        return found, True

    def key(self, inputs: Mapping[str, Any]) -> str:
        """SHA-256 of inputs, code and libraries."""
        asked = {
            "stage": self.stage,
            "inputs": inputs,
            "code": [code_digest(PACKAGE), code_digest(CODE / "pipelines")],
            "versions": dict(versions()),
        }
        return hashlib.sha256(json.dumps(plain(asked), sort_keys=True).encode()).hexdigest()

    def _sound(self, entry: Path) -> dict[str, Any] | None:
        """The record of an entry whose files are what it says; else None."""
        record = json_object(entry / RECORD)
        if not {"files", "result"} <= record.keys():
            return None
        try:
            return record if _hashes(entry / FILES) == record["files"] else None
        except OSError:
            return None

    def _keep(self, entry: Path, folder: Path, found: Result) -> None:
        make_folder(self.folder)
        with scratch_folder(entry) as scratch:
            shutil.copytree(folder, scratch / FILES)
            write_json(scratch / RECORD, {"files": _hashes(scratch / FILES), "result": found})
            if entry.exists():
                shutil.rmtree(entry)
            scratch.rename(entry)

    def _remove_old(self) -> None:
        oldest = time.time() - KEPT_DAYS * 24 * 3600
        for record in self.folder.glob(f"*/{RECORD}"):
            with suppress(OSError):
                if record.stat().st_mtime < oldest:
                    shutil.rmtree(record.parent)


def noted(computed: bool) -> str:
    """What a line on the screen says of a movie that was not computed."""
    return "" if computed else " (from an earlier run)"


def movie_inputs(source: MovieSource) -> dict[str, Any]:
    """What decides how a movie is read: its bytes and name, what is taken from the file, and what a caller said.

    Raises:
        OSError: it cannot be read.
    """
    return {
        "name": source.name,
        "movie": sha256_movie(source.path),
        "source": [
            source.channel,
            source.z,
            source.axes,
            source.position,
            source.pixel_size_um,
            source.frame_interval_min,
            source.allow_truncated,
        ],
        "times": None if source.times is None else sha256_tree(source.times),
    }


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its place."""
    return {file.relative_to(folder).as_posix(): sha256_file(file) for file in folder.rglob("*") if file.is_file()}
