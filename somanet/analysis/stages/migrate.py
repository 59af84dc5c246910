"""The stage `migrate`: from tracks to saltations, pauses, directions and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.cell_tables import write_migration
from somanet.analysis.stages.files import read_drift_of, read_metadata, read_tracks_of
from somanet.core.files import make_folder, write_json
from somanet.io.tables import write_table
from somanet.migration.direction import Autocorrelation
from somanet.migration.intervals import Estimate
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.msd import Msd
from somanet.migration.requirements import rests_on_saltations
from somanet.migration.settings import MigrateSettings
from somanet.migration.summary import Summary
from somanet.migration.support import Support
from somanet.migration.tables import MODES, PAUSES, SALTATION_EVENTS


def migrate_movie(tracks_folder: Path, folder: Path, settings: MigrateSettings) -> Measures:
    """Measure `tracks.csv`: `saltations.csv`, `pauses.csv`, `migration.csv` with its internals, and `summary.json`."""
    metadata = read_metadata(tracks_folder / names.MOVIE)
    tracks = read_tracks_of(tracks_folder)
    measures = measure_movie(tracks, stage=read_drift_of(tracks_folder), **settings.arguments())
    found = measures.migration
    write_table(make_folder(folder) / names.SALTATIONS, found.saltations.events, SALTATION_EVENTS)
    write_table(folder / names.PAUSES, found.saltations.pauses, PAUSES)
    if measures.modes is not None:
        write_table(folder / names.MODES, measures.modes.cells, MODES)
    write_migration(folder, found.cells)
    write_json(
        folder / names.SUMMARY, {**summary_of(measures, metadata), **_before_corrections(tracks_folder, settings)}
    )
    return measures


def _before_corrections(tracks_folder: Path, settings: MigrateSettings) -> dict[str, Any]:
    """The numbers of the automatic tracks, where a person corrected them."""
    if not (tracks_folder / names.AUTOMATIC).is_dir():
        return {}
    automatic = read_tracks_of(tracks_folder / names.AUTOMATIC)
    before = measure_movie(automatic, stage=read_drift_of(tracks_folder), **settings.arguments())
    return {
        "before_corrections": {
            "n_tracks": int(automatic["track_id"].nunique()),
            "n_points": len(automatic),
            "numbers": _marked(before.summary, before.support),
        }
    }


def summary_of(measures: Measures, metadata: dict[str, Any]) -> dict[str, Any]:
    """The content of `summary.json`: what the data support, numbers with intervals by rule and model, directions."""
    found = measures.migration
    return {
        "movie": metadata["movie"],
        "n_frames": metadata["n_frames"],
        "pixel_size_um": metadata["pixel_size_um"],
        "frame_interval_min": metadata["frame_interval_min"],
        "headline": "saltations" if measures.support.saltations else "motion",
        "saltations_supported": measures.support.saltations,
        "why_not_supported": list(measures.support.reasons),
        "verdict": {
            "saltation_numbers": measures.support.verdict,
            "nearest_limit": measures.support.signs.nearest,
            "signs": measures.support.signs.as_dict(),
        },
        "motion": None if measures.modes is None else measures.modes.as_dict(),
        "frame_dropping": {
            detector: [one.as_dict() for one in thinned]
            for detector, thinned in (("rule", measures.thinned), ("model", measures.model_thinned))
        },
        **measures.summary.as_dict(),
        "numbers": _marked(measures.summary, measures.support),
        "model": _marked(measures.model_summary, measures.support),
        "drift_removed_from": found.drift.source,
        "drift_removed_um": found.drift.farthest_um,
        "localisation_noise_um": found.noise.estimate.value,
        "localisation": found.noise.as_dict(),
        "definition": asdict(measures.definition),
        "mobile_threshold_um_per_h": found.threshold_um_per_h,
        "mobile_threshold_set_by": found.threshold_by,
        "least_saltation_um": found.saltations.min_length_um,
        "axis_deg": measures.axis_deg,
        "persistent_walk": {name: estimate.as_dict() for name, estimate in measures.walk_intervals.items()} or None,
        "direction_autocorrelation": _curve(measures.autocorrelation, measures.autocorrelation_intervals),
        "mean_squared_displacement_um2": _curve(measures.msd, measures.msd_intervals),
        "warnings": list(measures.warnings),
    }


def _marked(summary: Summary, support: Support) -> dict[str, Any]:
    """The numbers, each with whether the data support what it rests on."""
    return {
        name: number | {"supported": support.saltations or not rests_on_saltations(name)}
        for name, number in summary.as_dict()["numbers"].items()
    }


def _curve(curve: Autocorrelation | Msd | None, intervals: Sequence[Estimate]) -> list[dict[str, Any]]:
    """A number per lag, each with its interval."""
    lags = [] if curve is None else curve.lag_h.tolist()
    return [{"lag_h": lag, **estimate.as_dict()} for lag, estimate in zip(lags, intervals, strict=True)]
