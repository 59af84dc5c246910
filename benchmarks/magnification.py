"""The real movie at other magnifications: is the somas' size estimated, and are the cells still found and followed?

python -m benchmarks.magnification --data ../shared/data
python -m benchmarks.magnification --data ../shared/data --zooms 1 2 --frames 32 --as-stored     # without an estimate

The movie and its scale are resampled by scikit-image (anti-aliased when it is made smaller, cubic when larger), its
reference tracks are the same in µm. Scores as in docs/results.md: matches within 8 µm, reference tracks of 10 frames.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import rescale

from somanet.analysis.names import TRACKS
from somanet.analysis.network import open_networks
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.segment import segment_movie
from somanet.analysis.stages.track import track_movie
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.evaluation.tracks import match_points, track_scores
from somanet.io.movies import Movie, open_movie, write_movie
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.tracking.formats import read_tracks
from somanet.tracking.settings import TrackSettings

ZOOMS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


def zoomed(movie: Movie, zoom: float, n_frames: int) -> Iterator[NDArray[Any]]:
    """Frames as a microscope with another magnification would show them."""
    for t in range(n_frames):
        frame = movie.frame(t)
        if zoom == 1:
            yield frame
            continue
        smooth = rescale(
            frame.astype(float), zoom, order=1 if zoom < 1 else 3, anti_aliasing=zoom < 1, preserve_range=True
        )
        yield np.clip(np.rint(smooth), 0, np.iinfo(frame.dtype).max).astype(frame.dtype)


def scores_at(folder: Path, segmenter: Segmenter, zoom: float, n_frames: int, work: Path) -> list[str]:
    """A row of the table: what was estimated, and scores against the reference tracks."""
    with open_movie(folder / "cell_body.tif") as movie:
        n_frames = min(n_frames, len(movie))
        own = movie.file_calibration.complete()
        scale = Calibration(own.pixel_size_um / zoom, own.frame_interval_min)
        path = work / "movie.ome.tif"
        write_movie(path, zoomed(movie, zoom, n_frames), scale)
    found = segment_movie(MovieSource(path, "movie"), segmenter, work)
    track_movie(MovieSource(path, "movie"), work, work, TrackSettings())
    reference = read_tracks(folder / "tracks.csv", own)
    matches = match_points(
        reference[reference["frame"] < n_frames],
        read_tracks(work / TRACKS, scale),
        max_distance_um=8.0,
        min_reference_frames=10,
    )
    scored = track_scores(matches)
    size = found["size"] or {}
    diameter, agreement = size.get("diameter_px"), size.get("agreement")
    return [
        f"{zoom:g}",
        "–" if diameter is None else f"{diameter:.1f}",
        "–" if agreement is None else f"{agreement:.2f}",
        f"{found['rescale']:.2f}",
        f"{found['n_objects'] / n_frames:.1f}",
        str(found["n_haze"]),
        *(f"{scored[name]:.3f}" for name in ("recall", "precision", "HOTA", "IDF1")),
    ]


def main() -> None:
    """Print a table with a row for each magnification."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--zooms", type=float, nargs="+", default=ZOOMS)
    parser.add_argument("--frames", type=int, default=64, help="only the first frames")
    parser.add_argument("--as-stored", action="store_true", help="never rescale, and keep haze")
    given = parser.parse_args()
    opened = open_networks(
        None, at_once=usual_workers(), rescale=1.0 if given.as_stored else None, keep_haze=given.as_stored
    )
    rows = []
    for zoom in given.zooms:
        with tempfile.TemporaryDirectory() as work:
            rows.append(scores_at(given.data / "neuritetracker", opened.segmenter, zoom, given.frames, Path(work)))
            print(*rows[-1], flush=True)
    head = ["zoom", "estimated (px)", "agreement", "rescaled by", "objects per frame", "haze", "recall", "precision"]
    print(table([*head, "HOTA", "IDF1"], rows))


if __name__ == "__main__":
    main()
