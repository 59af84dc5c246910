"""Provenance of a folder of results: movie, network, parameters, code, and every file's hash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import somanet
from somanet.analysis import names
from somanet.analysis.stages.files import read_metadata
from somanet.migration.settings import MigrateSettings
from somanet.provenance.code import collect

CODE = Path(somanet.__file__).resolve().parents[1]
"""Root of the running code, whatever the working folder: its commit is the one that produced the numbers."""


def provenance_of(folder: Path, settings: MigrateSettings, *, model: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that determined a folder's numbers, from the files in it; reproducible for the same inputs.

    Args:
        folder: the results, with `movie.json`, `segmentation.json` and `tracking.json`.
        settings: for the measurement.
        model: metadata of the network besides its hash, such as the MLflow run that trained it.
    """
    movie, segmentation, tracking = (read_metadata(folder / name) for name in names.STAGE_FILES)
    code = collect(CODE)
    network = {**_network(segmentation), **(model or {})}
    if "ensemble" in segmentation:
        about = (model or {}).get("ensemble") or [{} for _ in segmentation["ensemble"]]
        pairs = zip(segmentation["ensemble"], about, strict=True)
        network["ensemble"] = [{**_network(one), **known} for one, known in pairs]
    requested = ("rescale", "symmetries", "any_modality")
    return {
        "somanet": somanet.__version__,
        "input": movie,
        "blank_frames": segmentation["blank_frames"],
        "drift": tracking.get("drift"),
        "median_diameter_px": segmentation.get("median_diameter_px"),
        **({"model": network} if network["sha256"] else _given(segmentation)),
        "parameters": {
            "segment": {name: segmentation[name] for name in requested if name in segmentation},
            "track": tracking.get("settings"),
            "migrate": settings.model_dump(mode="json"),
        },
        "code": {
            "commit": code.git_commit,
            "uncommitted_changes": code.git_dirty,
            "versions": dict(code.versions),
            "platform": code.platform,
            "notes": list(code.notes),
        },
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
    return {"somanet", "input", "files", "code", "parameters"} <= set(content)


def tracks_are_given(manifest: Mapping[str, Any]) -> bool:
    """Whether the tracks of results came from a person or another program, not from the network."""
    return bool(manifest.get("tracks_from"))
