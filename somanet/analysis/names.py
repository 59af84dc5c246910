"""The names of all files of a movie's results."""

from somanet.core.results import Kind

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
MIGRATION = "migration.csv"
MIGRATION_INTERNALS = "migration_internals.csv"
SUMMARY = "summary.json"
REPORT = "report.html"
OVERLAY = "overlay.mp4"
MANIFEST = "manifest.json"
STAGE_FILES = (MOVIE, SEGMENTATION, TRACKING)
"""Metadata that each stage passes to the next; the manifest collects them."""

EXPORTS = {
    "csv": "tracks_csv.csv",
    "napari": "tracks_napari.csv",
    "ctc": "tracks_ctc",
    "geff": "tracks_geff.geff",
    "trackmate": "tracks_trackmate.xml",
}
"""The tracks in the formats of other programs."""

RESULTS = Kind(record=MANIFEST, what="results of an analysis")
ALL = (
    SOMAS, LABELS_TIFF, LABELS_ZARR, TRACKS, DRIFT, SALTATIONS, PAUSES, MIGRATION, MIGRATION_INTERNALS, SUMMARY, REPORT,
    OVERLAY, MANIFEST,
)  # fmt: skip
"""Files that an analysis writes, or may write, besides :data:`EXPORTS`."""
