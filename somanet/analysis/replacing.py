"""Which results new ones may replace: never what a person corrected, and those of another movie only if told so."""

from __future__ import annotations

from collections.abc import Mapping
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
from somanet.analysis.next_steps import edited_tracks
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.guard import replacing
from somanet.core.swapping import free_name
from somanet.core.typed import quoted, typed
from somanet.io.movie_files import sha256_movie

_AUTOMATIC = "an automatic analysis"


def check_output(output: Path, *, movie: str, automatic: bool, path: Path | None = None) -> None:
    """Refuse a folder in which a movie's results would damage other work, whether files may be replaced or not.

    Args:
        output: where the results are to go.
        movie: its name.
        automatic: a network finds the tracks; else a person gives them.
        path: where the movie is, for messages.

    Raises:
        SomaNetError: the folder is a study of several movies, or a person has corrected the tracks in it.
    """
    if (output / names.COHORT_RECORD).is_file() or any(place != output for place in results_in(output)):
        raise SomaNetError(
            f"{output} is a study: it has the results of other movies, each in a folder of its own. Give this movie "
            f"one too: {quoted('--output', output / movie)}; then `{typed('cohort', output)}` combines them."
        )
    manifest = json_object(output / names.MANIFEST)
    if automatic and is_manifest(manifest):
        _refuse_corrected(output, manifest, _AUTOMATIC, path)


def goes_aside(output: Path, movie: Path, *, position: str | None, sha256: str | None = None) -> bool:
    """Whether a folder holds the results of another movie, which the user lets go aside as a whole.

    Results of tracks without a movie are of no other movie.

    Args:
        output: where the results are to go.
        movie: whose results they are.
        position: which of several movies in its file it is.
        sha256: of the movie, if it is known.

    Returns:
        Whether what is there is to be kept under another name, see :func:`somanet.core.results.result_folder`.

    Raises:
        SomaNetError: it holds results of another movie, and files may not be replaced or a person corrected them.
    """
    manifest = json_object(output / names.MANIFEST)
    if not is_manifest(manifest) or manifest["input"].get("tracks_only"):
        return False
    about = manifest["input"]
    sha256 = sha256 or sha256_movie(movie)
    if (about["sha256"], about.get("position")) == (sha256, position):
        return False
    there, new = _named(about["file"], about["sha256"], about.get("position")), _named(movie, sha256, position)
    if is_corrected(manifest) or tracks_are_given(manifest) or tracks_are_edited(output):
        raise SomaNetError(
            f"{output} holds results of another movie that a person corrected: those of {there}, which results of "
            f"{new} would replace. Choose another --output, or move that folder away."
        )
    if not replacing():
        raise SomaNetError(
            f"{output} holds the results of another movie: of {there}, and this one is {new}. Give each movie an "
            f"--output of its own; or give --replace, which keeps that folder as {free_name(output, 'before').name}."
        )
    return True


def goes_aside_for_tracks(output: Path) -> bool:
    """:func:`goes_aside` for tracks without their movie: whether a folder holds an analysis with images.

    Raises:
        SomaNetError: it does, and files may not be replaced, or a person corrected its results.
    """
    manifest = json_object(output / names.MANIFEST)
    if not is_manifest(manifest) or manifest["input"].get("tracks_only"):
        return False
    _refuse_corrected(output, manifest, "tracks without their movie")
    if not replacing():
        about = manifest["input"]
        raise SomaNetError(
            f"{output} holds the results of `somanet analyze` of {about['file']}, with labels and report, and tracks "
            "measured without their movie have none. Choose another --output; or give --replace, which keeps that "
            f"folder as {free_name(output, 'before').name}."
        )
    return True


def _refuse_corrected(output: Path, manifest: Mapping[str, Any], what: str, path: Path | None = None) -> None:
    """Refuse to replace results that a person corrected by others."""
    if tracks_are_edited(output):
        raise SomaNetError(edited_tracks(output, manifest, movie=path))
    if is_corrected(manifest):
        option = quoted("--corrections", output / names.CORRECTIONS)
        again = f"Give {option} to correct the new results as well, choose"
        raise SomaNetError(
            f"{output} has results that a person corrected, and {what} would replace them. "
            f"{again if what == _AUTOMATIC else 'Choose'} another --output, or move that folder away."
        )
    if tracks_are_given(manifest):
        raise SomaNetError(
            f"{output} has tracks that a person corrected, and {what} would replace them. Choose another --output, or "
            "move that folder away."
        )


def _named(movie: Path | str, sha256: str, position: str | None) -> str:
    """A movie as messages name it: its file, the position in it, and its hash, as names are often the same."""
    return f"{movie}{'' if position is None else f', position {position},'} (SHA-256 {sha256[:12]}…)"
