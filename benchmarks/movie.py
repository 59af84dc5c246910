"""Time and peak memory of each stage of an analysis, each in its own process.

python benchmarks/movie.py ../shared/data/neuritetracker/cell_body.tif
python benchmarks/movie.py --simulate 200 2000 --size-px 256

With --simulate a movie of 64 simulated frames is played forwards and backwards up to the given length.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

STAGES = ("segment", "track", "migrate", "report", "overlay")
SIMULATED_FRAMES = 64


def run_stage(stage: str, movie: Path, folder: Path) -> None:
    """One stage, as in `somanet analyze`; prints its seconds after imports and loading, and its peak memory."""
    from somanet.analysis.manifest import provenance_of
    from somanet.analysis.network import open_networks
    from somanet.analysis.source import MovieSource
    from somanet.analysis.stages.files import read_tracks_of
    from somanet.analysis.stages.migrate import migrate_movie
    from somanet.analysis.stages.report import overlay_movie, report_movie
    from somanet.analysis.stages.segment import segment_movie
    from somanet.analysis.stages.track import track_movie
    from somanet.io.movies import movie_name
    from somanet.migration.measures import measure_movie
    from somanet.migration.settings import MigrateSettings
    from somanet.segmentation.inference.video import usual_workers
    from somanet.tracking.settings import TrackSettings

    source = MovieSource(movie, movie_name(movie))
    settings = MigrateSettings()
    segmenter = open_networks(None, at_once=usual_workers()).segmenter if stage == "segment" else None
    measures = measure_movie(read_tracks_of(folder)) if stage in ("report", "overlay") else None
    start = time.perf_counter()
    if segmenter is not None:
        segment_movie(source, segmenter, folder)
    elif stage == "track":
        track_movie(source, folder, folder, TrackSettings())
    elif stage == "migrate":
        migrate_movie(folder, folder, settings)
    elif measures is not None and stage == "report":
        report_movie(source, folder, folder, measures, provenance_of(folder, settings))
    elif measures is not None:
        overlay_movie(source, folder, folder, measures)
    seconds = time.perf_counter() - start
    print(f"{seconds:.2f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def ping_pong(frames_TYX: np.ndarray, n_frames: int) -> Iterator[np.ndarray]:
    """Frame numbers forwards and backwards, so that no cell jumps at a seam."""
    n = len(frames_TYX)
    for t in range(n_frames):
        place = t % (2 * n - 2)
        yield frames_TYX[min(place, 2 * n - 2 - place)]


def measure(movie: Path, title: str) -> None:
    """Print a row per stage."""
    total, peak = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            command = [sys.executable, __file__, str(movie), "--stage", stage, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, memory_mb = map(float, done.stdout.split())
            total, peak = total + seconds, max(peak, memory_mb)
            print(f"{title:>24}  {stage:>8}  {seconds:7.1f} s  {memory_mb:6.0f} MB", flush=True)
    print(f"{title:>24}  {'all':>8}  {total:7.1f} s  {peak:6.0f} MB")


def main() -> None:
    """Measure one movie, or simulated ones of several lengths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path, nargs="?")
    parser.add_argument("--simulate", type=int, nargs="+", metavar="FRAMES")
    parser.add_argument("--size-px", type=int, default=256)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(arguments.stage, arguments.movie, arguments.folder)
        return
    if arguments.movie:
        measure(arguments.movie, arguments.movie.name)
    if arguments.simulate:
        from somanet.core.calibration import Calibration
        from somanet.io.movies import write_movie
        from somanet.simulation import simulate_movie

        calibration = Calibration(1.28, 12.0)
        shape = (arguments.size_px, arguments.size_px)
        simulated = simulate_movie(seed=0, n_frames=SIMULATED_FRAMES, shape_YX=shape, calibration=calibration)
        for n_frames in arguments.simulate:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "movie.ome.tif"
                write_movie(path, ping_pong(simulated.frames_TYX, n_frames), calibration)
                measure(path, f"{n_frames} frames simulated")


if __name__ == "__main__":
    main()
