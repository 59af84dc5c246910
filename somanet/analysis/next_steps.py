"""Commands that messages on results name as the next step: complete, so that they work as they are typed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.manifest import is_corrected, is_manifest
from somanet.core.calibration import FileCalibration
from somanet.core.counting import listed
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.swapping import free_name
from somanet.core.typed import typed
from somanet.io.movie_files import movie_exists, movie_places, sha256_movie
from somanet.io.movies import open_movie
from somanet.migration.settings import MigrateSettings

_CHOICES = ("channel", "z", "axes", "position")
_SAME = 1e-9


def correcting(result: Path, *words: object, movie: Path | None = None) -> str:
    """The command that applies corrections to results: corrected ones stay where they are, others go beside these.

    Args:
        result: the folder of results.
        words: what the command is given besides, such as `--from FILE`.
        movie: where the movie is, as far as it is known.
    """
    manifest = json_object(result / names.MANIFEST)
    option = _movie_option(result, manifest["input"], movie) if is_manifest(manifest) else []
    output = result if is_corrected(manifest) else _beside(result)
    return typed("correct", result, *words, *option, "--output", output)


def edited_tracks(folder: Path, manifest: Mapping[str, Any], *, movie: Path | None = None) -> str:
    """What to say of edited tracks: what they are, and the command that puts the edit into effect.

    Args:
        folder: the results that have them.
        manifest: theirs.
        movie: where the movie is, as far as it is known.
    """
    path = folder / names.TRACKS
    about = manifest["input"]
    keeps = f"your file as {free_name(path, 'before').name}"
    replacing = ("--output", folder, "--replace")
    if about.get("tracks_only"):
        command = typed("tracks", "measure", path, "--name", about["movie"], *replacing)
    elif is_corrected(manifest):
        command = typed("correct", folder, "--from", path, *_movie_option(folder, about, movie), *replacing)
    else:
        place = _found([movie, *movie_places(folder, about["file"])], about) or Path("PATH", about["file"])
        options = (*_reading(about, place), *_measuring(manifest))
        command = typed("analyze", place, *options, "--tracks", path, *replacing)
        if gone := [name for name in names.OF_NETWORK if name in manifest["files"] and (folder / name).exists()]:
            copies = [free_name(folder / name, "before").name for name in gone]
            keeps += f" and {listed(gone)}, which a table of tracks does not give, as {listed(copies)}"
    return (
        f"{path} was changed after the analysis, and the other files do not follow it. Put the correction into effect: "
        f"`{command}`, which keeps {keeps}; or put the file back as it was."
    )


def _beside(result: Path) -> Path:
    parent = result / ".." if result.name in ("", "..") else result.parent
    return parent / f"{result.resolve().name}_corrected"


def _found(places: Iterable[Path | None], about: Mapping[str, Any]) -> Path | None:
    """The first of some places where the movie of results is."""
    there = (path for path in places if path is not None and movie_exists(path))
    return next((path for path in there if sha256_movie(path) == about["sha256"]), None)


def _movie_option(result: Path, about: Mapping[str, Any], movie: Path | None) -> list[object]:
    """`--movie PATH`; nothing where the movie is found without."""
    if _found(movie_places(result, about["file"]), about) is not None:
        return []
    return ["--movie", _found([movie], about) or Path("PATH", about["file"])]


def _reading(about: Mapping[str, Any], movie: Path) -> list[object]:
    """The options by which a movie is read as it was, with a scale that its file lacks."""
    options: list[object] = []
    for name in _CHOICES:
        if about.get(name) is not None:
            options += [f"--{name}", about[name]]
    if about.get("truncated"):
        options += ["--allow-truncated"]
    own = _own_scale(movie, about)
    if _differ(own.pixel_size_um, pixel_um := about.get("pixel_size_um")):
        options += ["--pixel-size-um", f"{pixel_um:.10g}"]
    if about.get("times"):
        options += ["--times", movie.parent / about["times"]["file"]]
    elif about.get("times_h") is None:
        stored = about.get("stored_frames") or (0, 1)
        interval_min = about.get("frame_interval_min", 0.0) * (len(stored) - 1) / (stored[-1] - stored[0])
        if _differ(None if own.times_h else own.frame_interval_min, interval_min):
            options += ["--frame-interval-min", f"{interval_min:.10g}"]
    return options


def _measuring(manifest: Mapping[str, Any]) -> list[object]:
    """The settings of the measurement that are not the usual ones, as options."""
    usual = MigrateSettings().model_dump(mode="json")
    used = (manifest["parameters"].get("migrate") or {}).items()
    others = [(name, value) for name, value in used if name in usual and value != usual[name]]
    said = [f"migrate.{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in others]
    return [word for one in said for word in ("--set", one)]


def _own_scale(movie: Path, about: Mapping[str, Any]) -> FileCalibration:
    """What a movie's file says of its scale; nothing where it is not there."""
    choices: dict[str, Any] = {name: about.get(name) for name in _CHOICES}
    try:
        with open_movie(movie, **choices, allow_truncated=bool(about.get("truncated"))) as opened:
            return opened.file_calibration
    except SomaNetError:
        return FileCalibration()


def _differ(own: float | None, used: float | None) -> bool:
    return used is not None and used > 0 and (own is None or abs(own - used) > _SAME * used)
