"""Long, large and many-framed movies: peak memory, segmentation by blocks, and the report of a long one.

python -m benchmarks.scale --frames 100 1000 10000 --size-px 96
python -m benchmarks.scale --labelled 100 1000 10000 --size-px 64
python -m benchmarks.scale --large 8 --side-px 4096 --workers 2
python -m benchmarks.scale --large 200 --only-workers --engine onnxruntime-int8
python -m benchmarks.scale --report 2000 --size-px 256

With --frames each stage of an analysis runs in a process of its own, on 64 simulated frames that are played forwards
and backwards up to each length. With --labelled the somas' true outlines take the place of segmentation and tracking,
and all else runs in one process, with report and video. With --large an OME-Zarr movie of so many frames, 512 × 512 px
of simulated cells side by side, is segmented by one process and by workers that share blocks of its frames, by turns;
the masks must have the same bytes. With --report the report of so many simulated frames with
their true tracks is opened in a headless Chromium, which stays open and reads it from disk five times, until its script
has drawn the first frame.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil

from benchmarks.movie import measure, ping_pong, place_of

if TYPE_CHECKING:
    from somanet.analysis.report import ReportInput

PIXEL_UM, INTERVAL_MIN, TILE_PX, SIMULATED = 1.28, 12.0, 512, 64


def simulated(side_px: int, n_frames: int) -> np.ndarray:
    """Frames of simulated cells, TYX."""
    from somanet.core.calibration import Calibration
    from somanet.simulation import simulate_movie

    scale = Calibration(PIXEL_UM, INTERVAL_MIN)
    return simulate_movie(seed=0, n_frames=n_frames, shape_YX=(side_px, side_px), calibration=scale).frames_TYX


def write_long(path: Path, n_frames: int, side_px: int) -> None:
    """A long movie of few simulated frames, as OME-TIFF."""
    from somanet.core.calibration import Calibration
    from somanet.io.movies import write_movie

    frames = simulated(side_px, min(SIMULATED, n_frames))
    write_movie(path, ping_pong(frames, n_frames), Calibration(PIXEL_UM, INTERVAL_MIN))


def measure_labelled(n_frames: int, side_px: int) -> None:
    """Print time, memory and size of the results of an analysis of true outlines."""
    from somanet.core.calibration import Calibration
    from somanet.io.label_movies import write_label_movie
    from somanet.io.movies import write_movie
    from somanet.simulation import simulate_movie

    scale = Calibration(PIXEL_UM, INTERVAL_MIN)
    made = simulate_movie(seed=0, n_frames=SIMULATED, shape_YX=(side_px, side_px), calibration=scale)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_movie(folder / "movie.ome.tif", ping_pong(made.frames_TYX, n_frames), scale)
        write_label_movie(
            folder / "labels.ome.tif",
            ping_pong(made.labels_TYX, n_frames),
            n_frames=n_frames,
            shape_YX=(side_px, side_px),
            largest_id=int(made.labels_TYX.max()),
            calibration=scale,
        )
        command = [sys.executable, "-m", "benchmarks.scale", "--analyze", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        cost = json.loads(done.stdout.splitlines()[-1])
        sizes = {path.name: path.stat().st_size / 1e6 for path in (folder / "out").iterdir()}
    largest = ", ".join(f"{name} {sizes[name]:.1f} MB" for name in sorted(sizes, key=lambda name: -sizes[name])[:5])
    print(
        f"{n_frames} labelled frames of {side_px} × {side_px} px: {cost['processor_s']:.1f} s of processor time, "
        f"{cost['memory_mb']:.0f} MB; {largest}",
        flush=True,
    )


def analyze_labelled(folder: Path) -> None:
    """Analyse `movie.ome.tif` with the tracks of `labels.ome.tif`; prints what it cost."""
    from somanet.analysis.movie import Options, analyze_movie
    from somanet.analysis.source import MovieSource

    source = MovieSource(folder / "movie.ome.tif", "movie")
    analyze_movie(source, folder / "out", network=None, tracks_file=folder / "labels.ome.tif", options=Options())
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"processor_s": time.process_time(), "memory_mb": memory_mb}))


def write_large(path: Path, n_frames: int, side_px: int) -> None:
    """A movie of large frames, as OME-Zarr in chunks of one frame and 1,024 × 1,024 px."""
    import zarr

    tiles = ping_pong(simulated(TILE_PX, min(16, n_frames)), n_frames)
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    axes = [{"name": "t", "type": "time", "unit": "minute"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = {"type": "scale", "scale": [INTERVAL_MIN, PIXEL_UM, PIXEL_UM]}
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"name": "large", "axes": axes, "datasets": [dataset]}]}
    array = group.create_array(
        "0", shape=(n_frames, side_px, side_px), chunks=(1, 1024, 1024), dtype="uint16", dimension_names=["t", "y", "x"]
    )
    for t, tile in enumerate(tiles):
        array[t] = np.tile(tile.astype(np.uint16), (side_px // TILE_PX, side_px // TILE_PX))


def segment_large(movie: Path, workers: int, engine: str) -> None:
    """Segment a movie by one process (no workers) or by blocks; prints what it cost and the digest of its masks."""
    from somanet.analysis import names
    from somanet.analysis.asked import networks_to_open
    from somanet.analysis.blocks import OnBlocks
    from somanet.analysis.opening import open_for_movies
    from somanet.analysis.source import MovieSource
    from somanet.analysis.stages.segment import segment_movie
    from somanet.analysis.workers import Workers, processors_each
    from somanet.core.cluster import RETRIES, local_cluster
    from somanet.core.hashing import sha256_file

    options = {"rescale": 1.0, "engine": engine}
    opened = open_for_movies(None, **options)
    blocks = None
    if workers:
        here = Workers(
            lambda *_: local_cluster(workers, allowed_failures=RETRIES),
            workers,
            lambda _: processors_each(workers),
            workers_end=True,
        )
        blocks = OnBlocks(here, lambda: networks_to_open(opened, {}, **options))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        segment_movie(MovieSource(movie, "large"), opened.segmenter, Path(folder), elsewhere=blocks)
        seconds = time.perf_counter() - begin
        digest = sha256_file(Path(folder) / names.MASKS)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = {
        "seconds": seconds,
        "processor_s": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
        "memory_mb": own.ru_maxrss / 1024,
        "worker_mb": others.ru_maxrss / 1024,
        "sha256": digest,
    }
    print(json.dumps(found))


def compare_large(n_frames: int, side_px: int, ways: Sequence[int], repeats: int, engine: str) -> None:
    """Print Mpx/s and memory of one process (0) and of so many workers, by turns, and the ratio of two ways."""
    with tempfile.TemporaryDirectory() as scratch:
        movie = Path(scratch) / "large.zarr"
        write_large(movie, n_frames, side_px)
        ratios, digests = [], set()
        for _ in range(repeats):
            seconds = []
            for n in ways:
                command = [sys.executable, "-m", "benchmarks.scale", "--segment", str(movie), "--workers", str(n)]
                command += ["--engine", engine]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                cost = json.loads(done.stdout.splitlines()[-1])
                digests.add(cost["sha256"])
                seconds.append(cost["seconds"])
                print(
                    f"{n_frames} frames of {side_px} × {side_px} px, {f'{n} workers' if n else 'one process'}: "
                    f"{cost['seconds']:.1f} s, {n_frames * side_px**2 / 1e6 / cost['seconds']:.2f} Mpx/s, "
                    f"{cost['processor_s']:.1f} s of processor time with imports, "
                    f"{cost['memory_mb']:.0f} MB, largest worker {cost['worker_mb']:.0f} MB; "
                    f"load {os.getloadavg()[0]:.0f}",
                    flush=True,
                )
            ratios.append(seconds[0] / seconds[-1])
        if len(ways) == 1:
            return
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); equal masks: {len(digests) == 1}")


class PingPong(Sequence[np.ndarray]):
    """Frames forwards and backwards, so many, without a copy."""

    def __init__(self, frames_TYX: np.ndarray, n_frames: int) -> None:
        self._frames, self._n = frames_TYX, n_frames

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        if not 0 <= t < self._n:
            raise IndexError(t)
        return self._frames[place_of(t, len(self._frames))]


def long_report(n_frames: int, side_px: int) -> ReportInput:
    """What a report needs of a movie of simulated frames, forwards and backwards, with the true tracks."""
    from somanet.analysis.report import ReportInput
    from somanet.core.calibration import Calibration
    from somanet.migration.measures import measure_movie
    from somanet.simulation import simulate_movie

    scale = Calibration(PIXEL_UM, INTERVAL_MIN)
    made = simulate_movie(seed=0, n_frames=SIMULATED, shape_YX=(side_px, side_px), calibration=scale)
    places = pd.DataFrame({"place": [place_of(t, SIMULATED) for t in range(n_frames)], "t": range(n_frames)})
    tracks = made.tracks.merge(places, left_on="frame", right_on="place")
    tracks["frame"], tracks["t_h"] = tracks["t"], scale.hours(tracks["t"].to_numpy())
    tracks = tracks.sort_values(["track_id", "frame"], ignore_index=True)[list(made.tracks.columns)]
    measures = measure_movie(tracks, sigma_um=0.5)
    return ReportInput(
        title="long",
        calibration=scale,
        frames=PingPong(made.frames_TYX, n_frames),
        labels=PingPong(made.labels_TYX, n_frames),
        tracks=tracks,
        measures=measures,
        warnings=measures.warnings,
        provenance={"input": {"sha256": "0"}, "parameters": {}},
    )


def open_report(n_frames: int, side_px: int, repeats: int) -> None:
    """Print the size of a report and the time until a browser shows it."""
    from somanet.analysis.report import write_report
    from tests.analysis.report.browser import Page, chromium

    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.html"
        begin = time.process_time()
        write_report(report, long_report(n_frames, side_px))
        print(
            f"report of {n_frames} frames of {side_px} × {side_px} px: {report.stat().st_size / 1e6:.1f} MB, "
            f"{time.process_time() - begin:.1f} s of processor time with simulation and measurement",
            flush=True,
        )
        program = chromium()
        if program is None:
            print("not opened: no Chromium is installed")
            return
        with Page(program) as page:
            times, begun_s = [], processor_s_of(page.process.pid)
            for _ in range(repeats):
                begin = time.perf_counter()
                page.open(report)
                times.append(time.perf_counter() - begin)
                page.send("Page.navigate", url="about:blank")
            each_s = (processor_s_of(page.process.pid) - begun_s) / repeats
            print(
                f"ready after {median(times):.2f} s ({min(times):.2f} to {max(times):.2f}), {each_s:.2f} s of "
                f"processor time each; load {os.getloadavg()[0]:.0f}; problems: {page.problems or 'none'}"
            )


def processor_s_of(pid: int) -> float:
    """Processor time of a process and those that it has begun and that still run."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[], help="lengths of movies whose memory is measured")
    parser.add_argument("--size-px", type=int, default=96)
    parser.add_argument("--labelled", type=int, nargs="+", default=[], help="the same, with true outlines")
    parser.add_argument("--large", type=int, metavar="FRAMES", help="of a movie that is segmented by blocks")
    parser.add_argument("--side-px", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only-workers", action="store_true", help="leave out the single process")
    parser.add_argument("--engine", default="auto", help="of --large")
    parser.add_argument("--report", type=int, metavar="FRAMES", help="of a movie whose report is opened")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--segment", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--analyze", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.segment is not None:
        segment_large(arguments.segment, arguments.workers, arguments.engine)
        return
    if arguments.analyze is not None:
        analyze_labelled(arguments.analyze)
        return
    for n_frames in arguments.labelled:
        measure_labelled(n_frames, arguments.size_px)
    for n_frames in arguments.frames:
        with tempfile.TemporaryDirectory() as folder:
            movie = Path(folder) / "movie.ome.tif"
            write_long(movie, n_frames, arguments.size_px)
            measure(movie, f"{n_frames} frames simulated")
    if arguments.large is not None:
        ways = (arguments.workers,) if arguments.only_workers else (0, arguments.workers)
        compare_large(arguments.large, arguments.side_px, ways, arguments.repeats, arguments.engine)
    if arguments.report is not None:
        open_report(arguments.report, arguments.size_px, max(5, arguments.repeats))


if __name__ == "__main__":
    main()
