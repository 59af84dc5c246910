"""Provenance of a folder of results: movie, network, parameters, code, and every file's hash."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import somanet
from somanet.analysis import names
from somanet.analysis.stages.files import read_metadata
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.hashing import sha256_tree
from somanet.core.installation import CODE
from somanet.core.swapping import is_set_aside
from somanet.migration.settings import MigrateSettings
from somanet.provenance.code import collect


def code_record(*, of_stage: bool = False) -> dict[str, Any]:
    """What a record says of the running code: all, or only what is the same each time a stage of a pipeline runs."""
    code = collect(CODE)
    return code.record_of_stage() if of_stage else code.record()


def provenance_of(
    folder: Path, settings: MigrateSettings, *, model: Mapping[str, Any] | None = None, of_stage: bool = False
) -> dict[str, Any]:
    """Everything that determined a folder's numbers, from the files in it; reproducible for the same inputs.

    Args:
        folder: the results, with `movie.json`, `segmentation.json` and `tracking.json`.
        settings: for the measurement.
        model: metadata of the network besides its hash, such as the MLflow run that trained it.
        of_stage: they are an output of a pipeline, see :func:`code_record`.
    """
    movie, segmentation, tracking = (read_metadata(folder / name) for name in names.STAGE_FILES)
    network = {**_network(segmentation), **(model or {})}
    if "ensemble" in segmentation:
        about = (model or {}).get("ensemble") or [{} for _ in segmentation["ensemble"]]
        pairs = zip(segmentation["ensemble"], about, strict=True)
        network["ensemble"] = [{**_network(one), **known} for one, known in pairs]
    requested = ("rescale", "symmetries", "haze", "any_modality")
    return {
        "somanet": somanet.__version__,
        "input": movie,
        "blank_frames": segmentation["blank_frames"],
        "drift": tracking.get("drift"),
        "median_diameter_px": segmentation.get("median_diameter_px"),
        "size": segmentation.get("size"),
        "n_haze": segmentation.get("n_haze"),
        "second_look": segmentation.get("second_look"),
        "clipping": segmentation.get("clipping"),
        "appearance": segmentation.get("appearance"),
        **({"model": network} if network["sha256"] else _given(segmentation)),
        "parameters": {
            "segment": {name: segmentation[name] for name in requested if name in segmentation},
            "track": tracking.get("settings"),
            "migrate": settings.model_dump(mode="json"),
        },
        "code": code_record(of_stage=of_stage),
        **({"corrections": tracking["corrections"]} if "corrections" in tracking else {}),
    }


def _given(segmentation: Mapping[str, Any]) -> dict[str, Any]:
    """Where tracks came from that no network found: the file's name and hash."""
    return {name: segmentation.get(name) for name in ("tracks_from", "tracks_sha256")}


def _network(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A network as recorded in `segmentation.json`; all None if tracks came from elsewhere."""
    known_as = {"sha256": "model_sha256", "spec": "model", "engine": "engine", "temperature": "temperature"}
    return {name: recorded.get(key) for name, key in known_as.items()}


def is_manifest(content: Mapping[str, Any]) -> bool:
    """Whether a JSON object is the manifest of a movie's results."""
    movie = content.get("input")
    whole = isinstance(movie, dict) and {"movie", "file", "sha256"} <= set(movie)
    return whole and {"somanet", "files", "code", "parameters"} <= set(content)


def results_in(folder: Path) -> list[Path]:
    """Folders of movies' results in a folder, itself included, at any depth, sorted.

    Hidden ones are left out, and those that --replace kept as `NAME.before`.
    """
    found = []
    for place, inside, files in os.walk(folder):
        inside[:] = sorted(name for name in inside if name[0] != "." and not is_set_aside(name))
        if names.MANIFEST in files and is_manifest(json_object(Path(place) / names.MANIFEST)):
            found.append(Path(place))
            inside.clear()
    return found


def tracks_are_edited(folder: Path) -> bool:
    """Whether somebody changed the table of tracks in a folder of results since it was written."""
    recorded = json_object(folder / names.MANIFEST).get("files")
    path = folder / names.TRACKS
    return (
        isinstance(recorded, dict)
        and names.TRACKS in recorded
        and path.is_file()
        and (sha256_tree(path) != recorded[names.TRACKS])
    )


def changed_in(folder: Path, manifest: Mapping[str, Any], wanted: Iterable[str]) -> Path | None:
    """The first of these files of results that was changed or removed since it was written; None if none was."""
    recorded = manifest["files"]
    for name in wanted:
        path = folder / name
        if name in recorded and (not path.exists() or sha256_tree(path) != recorded[name]):
            return path
    return None


def check_labels(folder: Path) -> None:
    """Refuse the label movie in a folder of results if it is not the one that was written with them.

    Raises:
        SomaNetError: it was changed or removed, or was put there.
    """
    manifest = json_object(folder / names.MANIFEST)
    kinds = (names.LABELS_TIFF, names.LABELS_ZARR)
    if changed := changed_in(folder, manifest, kinds):
        raise SomaNetError(
            f"{changed} was changed or removed since it was written, so that its masks are not those of these results. "
            "Put it back as it was, or analyse the movie again."
        )
    for name in kinds:
        if (folder / name).exists() and name not in manifest["files"]:
            raise SomaNetError(
                f"{folder / name} was not written with these results ({names.MANIFEST} does not name it), so that its "
                "masks may be those of other ones. Move it away, or analyse the movie again."
            )


def is_corrected(manifest: Mapping[str, Any]) -> bool:
    """Whether a person's corrections were applied to results."""
    return bool(manifest.get("corrections"))


def tracks_are_given(manifest: Mapping[str, Any]) -> bool:
    """Whether the tracks of results came from a person or another program, not from the network."""
    return bool(manifest.get("tracks_from"))
