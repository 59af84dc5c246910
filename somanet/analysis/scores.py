"""A movie's tracks against its ground truth or manual annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.project import ProjectMovie
from somanet.analysis.stages.files import open_labels, read_drift_of, read_metadata, read_tracks_of, scale_of
from somanet.evaluation.tracks import match_masks, match_points, track_scores
from somanet.io.label_checks import CheckedFrames
from somanet.io.movies import open_movie
from somanet.migration.measures import measure_movie
from somanet.migration.settings import MigrateSettings
from somanet.tracking.formats import read_tracks

MIN_REFERENCE_FRAMES = {"detection": 10, "long": 20}
"""Shorter reference tracks are ignored: tracks matched to them are neither right nor wrong."""


def score_tracks(movie: ProjectMovie, folder: Path) -> dict[str, Any]:
    """Scores of the tracks in a folder of results: by points, and by masks if there are reference labels.

    Returns:
        Empty if the movie has no reference.
    """
    if movie.reference_tracks is None:
        return {}
    calibration = scale_of(read_metadata(folder / names.MOVIE))
    reference = read_tracks(movie.reference_tracks, calibration)
    found = read_tracks_of(folder)
    scores: dict[str, Any] = {
        f"points_{kind}": track_scores(match_points(reference, found, min_reference_frames=least))
        for kind, least in MIN_REFERENCE_FRAMES.items()
    }
    if movie.reference_labels is not None:
        with open_movie(movie.reference_labels, labels=True) as reference_masks, open_labels(folder) as labels:
            if labels is not None:
                checked = CheckedFrames(reference_masks, str(movie.reference_labels))
                scores["masks"] = track_scores(match_masks(checked, labels))
    return scores


def reference_numbers(movie: ProjectMovie, folder: Path, settings: MigrateSettings) -> dict[str, Any]:
    """The migration numbers of the reference tracks, measured like the movie's own; empty without a reference."""
    if movie.reference_tracks is None:
        return {}
    tracks: pd.DataFrame = read_tracks(movie.reference_tracks, scale_of(read_metadata(folder / names.MOVIE)))
    measures = measure_movie(tracks, stage=read_drift_of(folder), **settings.arguments())
    return {"numbers": measures.summary.as_dict()["numbers"], "n_cells": measures.summary.n_cells}
