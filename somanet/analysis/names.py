"""The names of all files of a movie's results, and of a cohort's."""

from somanet.core.result_records import MANIFEST as MANIFEST
from somanet.core.result_records import Kind

MOVIE = "movie.json"
MASKS = "masks.tif"
SEGMENTATION = "segmentation.json"
SOMAS = "somas.csv"
LABELS_TIFF, LABELS_ZARR = "labels.tif", "labels.zarr"
TRACKS = "tracks.csv"
TRACKING = "tracking.json"
DRIFT = "drift.csv"
SALTATIONS = "saltations.csv"
PAUSES = "pauses.csv"
MODES = "modes.csv"
MIGRATION = "migration.csv"
MIGRATION_INTERNALS = "migration_internals.csv"
SUMMARY = "summary.json"
REPORT = "report.html"
OVERLAY = "overlay.mp4"
METHODS = "methods.md"
CORRECTIONS = "corrections.jsonl"
"""A person's, beside results: no command replaces or removes it."""
EDITS = "corrections.csv"
AUTOMATIC = "automatic"
"""Folder of what the corrections of corrected results were applied to."""
ANALYSIS = "analysis.json"
"""In it: how the automatic results were made."""
OF_NETWORK = (LABELS_TIFF, LABELS_ZARR, SOMAS, AUTOMATIC)
"""What tracks alone do not give, and only a network made."""
STAGE_FILES = (MOVIE, SEGMENTATION, TRACKING)
"""Metadata that each stage passes to the next; the manifest collects them."""

EXPORTS = {
    "csv": "tracks_csv.csv",
    "napari": "tracks_napari.csv",
    "ctc": "tracks_ctc",
    "geff": "tracks_geff.geff",
    "trackmate": "tracks_trackmate.xml",
    "deepcell": "tracks_deepcell.trk",
}
"""The tracks in the formats of other programs."""

RESULTS = Kind(record=MANIFEST, what="results of an analysis")
ALL = (
    SOMAS, LABELS_TIFF, LABELS_ZARR, TRACKS, DRIFT, SALTATIONS, PAUSES, MODES, MIGRATION, MIGRATION_INTERNALS, SUMMARY,
    REPORT, OVERLAY, METHODS, EDITS, AUTOMATIC, MANIFEST,
)  # fmt: skip
"""Files that an analysis writes, or may write, besides :data:`EXPORTS`."""

MOVIES = "movies.csv"
DONORS = "donors.csv"
CELLS = "cells.csv"
COMPARISON, COMPARISON_METRIC = "comparison.csv", "comparison.json"
FIGURES = "figures"
COHORT_RECORD = "cohort.json"
COHORT = Kind(record=COHORT_RECORD, what="results of a cohort", around=MANIFEST)
COHORT_FILES = (
    MOVIES, DONORS, CELLS, SUMMARY, COMPARISON, COMPARISON_METRIC, FIGURES, REPORT, METHODS, COHORT_RECORD,
)  # fmt: skip
"""Files that a cohort has; they lie beside its movies' folders."""
