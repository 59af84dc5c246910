"""Every file of a movie's results, in one place."""

from somanet.core.results import Kind

MOVIE = "movie.json"
MASKS = "masks.tif"
SEGMENTATION = "segmentation.json"
SOMAS = "somas.csv"
LABELS_TIFF, LABELS_ZARR = "labels.tif", "labels.zarr"
TRACKS = "tracks.csv"
TRACKING = "tracking.json"
SALTATIONS = "saltations.csv"
PAUSES = "pauses.csv"
MIGRATION = "migration.csv"
MIGRATION_INTERNALS = "migration_internals.csv"
SUMMARY = "summary.json"
REPORT = "report.html"
OVERLAY = "overlay.mp4"
MANIFEST = "manifest.json"
STEP_FILES = (MOVIE, SEGMENTATION, TRACKING)
"""What one step tells the next; the manifest holds it all in the end."""

EXPORTS = {
    "csv": "tracks_csv.csv",
    "napari": "tracks_napari.csv",
    "ctc": "tracks_ctc",
    "geff": "tracks_geff.geff",
    "trackmate": "tracks_trackmate.xml",
}
"""The tracks once more, for other programs."""

RESULTS = Kind(record=MANIFEST, what="results of an analysis")
ALL = (
    SOMAS, LABELS_TIFF, LABELS_ZARR, TRACKS, SALTATIONS, PAUSES, MIGRATION, MIGRATION_INTERNALS, SUMMARY, REPORT,
    OVERLAY, MANIFEST,
)  # fmt: skip
"""What an analysis writes, or may write, beside :data:`EXPORTS`."""
