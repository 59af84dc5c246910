"""Corrections of a person in a folder of tracks: the automatic tracks are kept, and corrected ones take their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.correction_notes import NOUNS
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels, read_metadata, read_tracks_of, scale_of
from somanet.analysis.stages.track import write_labels_of
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json
from somanet.core.hashing import sha256_tree
from somanet.core.schema import Column, Schema
from somanet.corrections import Corrected, Corrections, Edit, apply, measure
from somanet.corrections.applying import undone_keys
from somanet.corrections.record import check_movie
from somanet.io.tables import write_table
from somanet.tracking.exchange import write_csv

EDITS = Schema(
    "edits",
    (
        Column("number", "int64", "", "its place in the file of corrections, from 1"),
        Column("kind", "string", "", "what was done: new, paint, erase, merge, split, delete, join, cut, swap, …"),
        Column("frame", "int64", "", "frame number from 0; of edits of tracks, the first one"),
        Column("ids", "string", "", "the somas or tracks, as they were called when it was made"),
        Column("status", "string", "", "applied | undone | does not fit"),
        Column("reason", "string", "", "why it does not fit"),
        Column("program", "string", "", "what recorded it"),
        Column("time", "string", "", "when, UTC"),
        Column("author", "string", "", "who, if given"),
    ),
)
_SHOWN = 3


def correct_tracks(source: MovieSource, folder: Path, corrections: Corrections) -> dict[str, Any]:
    """Apply corrections to the tracks and labels in a folder.

    The automatic `tracks.csv` and labels move to `automatic/`, with a copy of the corrections; corrected ones take
    their place, and `corrections.csv` lists every edit. The stage's drift stays as it was measured.

    Args:
        source: the movie.
        folder: has `movie.json`, `tracks.csv` and, unless the tracks came without outlines, the label movie.
        corrections: of this movie.

    Returns:
        What was corrected, for the manifest.

    Raises:
        SomaNetError: they are of another movie.
    """
    about = read_metadata(folder / names.MOVIE)
    check_movie(
        corrections.header, about["sha256"], corrections.path, position=about.get("position"), asked=source.position
    )
    automatic = make_folder(folder / names.AUTOMATIC)
    for name in (names.TRACKS, names.LABELS_TIFF, names.LABELS_ZARR):
        if (folder / name).exists():
            (folder / name).rename(automatic / name)
    (automatic / names.CORRECTIONS).write_bytes(corrections.content)
    tracks, calibration = read_tracks_of(automatic), scale_of(about)
    same = _is_of(automatic, corrections)
    with (
        source.using(about).keeping_frames(folder) as source,
        source.open() as movie,
        open_labels(automatic, scratch=folder) as labels,
    ):
        corrected = apply(labels, tracks, corrections.edits, same=same)
        table = measure(corrected, tracks, calibration, movie)
        if labels is not None:
            shape = (int(about["shape_YX"][0]), int(about["shape_YX"][1]))
            largest = max(corrected.largest_id, 1)
            write_labels_of(folder, corrected, len(labels), shape, largest, calibration)
    write_csv(folder / names.TRACKS, table)
    write_table(folder / names.EDITS, table_of_edits(corrections.edits, corrected), EDITS)
    return about_corrections(corrections, corrected, same=same, tracks=table)


def files_of_corrections(folder: Path, movies: Collection[str]) -> dict[str, Path]:
    """Movie → the file of its corrections, `NAME.jsonl` in a project's folder, of those movies that have one.

    Raises:
        SomaNetError: the folder is not there, or a file in it is of no movie.
    """
    if not folder.is_dir():
        raise SomaNetError(
            f"{folder} is not there; expected the folder of corrections that `correct.folder` in params.yaml names. "
            "Make it: it may be empty."
        )
    files = {path.stem: path for path in sorted(folder.glob("*.jsonl")) if not path.stem.endswith(".torn")}
    if unknown := sorted(set(files) - set(movies)):
        raise SomaNetError(
            f"{files[unknown[0]]} is of no movie of this project; expected NAME.jsonl with one of the names "
            f"{', '.join(sorted(movies))}. Rename it."
        )
    return files


def note_corrections(folder: Path, found: Mapping[str, Any]) -> None:
    """Put what was corrected into `tracking.json`, for the later stages."""
    tracking = read_metadata(folder / names.TRACKING)
    tracks = found["after"]
    write_json(
        folder / names.TRACKING,
        {**tracking, "n_tracks": tracks["n_tracks"], "n_points": tracks["n_points"], "corrections": found},
    )


def table_of_edits(edits: tuple[Edit, ...], corrected: Corrected) -> pd.DataFrame:
    """Every edit with what became of it: :data:`EDITS`."""
    reasons = {misfit.number: misfit.reason for misfit in corrected.misfits}
    applied = {edit.key for edit in corrected.applied}
    undos = {edit.key for edit in edits if edit.kind == "undo"} - undone_keys(edits)
    rows: list[dict[str, object]] = []
    for number, edit in enumerate(edits, start=1):
        status = "applied" if edit.key in applied | undos else "undone"
        rows.append(
            {
                "number": number,
                "kind": edit.kind,
                "frame": edit.frame,
                "ids": " ".join(str(one) for one in edit.ids if one),
                "status": "does not fit" if number in reasons else status,
                "reason": reasons.get(number, ""),
                "program": edit.program,
                "time": edit.time,
                "author": edit.author or "",
            }
        )
    return EDITS.frame(rows)


def about_corrections(
    corrections: Corrections, corrected: Corrected, *, same: bool, tracks: pd.DataFrame
) -> dict[str, Any]:
    """What a manifest says of corrections."""
    header = corrections.header
    kinds: Counter[str] = Counter(edit.kind for edit in corrected.applied)
    return {
        "file": corrections.path.name,
        "sha256": corrections.sha256,
        "made_on_these_results": same,
        "network_sha256": header.network_sha256,
        "applied": {kind: kinds[kind] for kind in NOUNS if kinds[kind]},
        "n_applied": len(corrected.applied),
        "n_undone": corrected.n_undone,
        "n_unfit": len(corrected.misfits),
        "unfit": [f"edit {one.number} ({one.edit.kind}): {one.reason}" for one in corrected.misfits[:_SHOWN]],
        **({"incomplete_last_line": True} if corrections.torn else {}),
        "n_edited_masks": sum(mask is not None for mask in corrected.drawn.values()),
        "after": {"n_tracks": int(tracks["track_id"].nunique()), "n_points": len(tracks)},
    }


def _is_of(automatic: Path, corrections: Corrections) -> bool:
    """Whether corrections were made on these very labels and tracks."""
    labels = [automatic / name for name in (names.LABELS_TIFF, names.LABELS_ZARR) if (automatic / name).exists()]
    hashes = sha256_tree(labels[0]) if labels else None, sha256_tree(automatic / names.TRACKS)
    return hashes == (corrections.header.labels_sha256, corrections.header.tracks_sha256)
