"""How much faster several workers analyse many movies than one, and what a task costs besides its movie.

python -m benchmarks.workers
python -m benchmarks.workers --movies 24 --frames 12 --workers 2 --repeats 3
python -m benchmarks.workers --processors 1     # one worker has one processor, too
python -m benchmarks.workers --overhead ../shared/data/neuritetracker/cell_body.tif

Simulated movies are analysed by one worker process and by several, by turns, each time into a new folder. Cluster and
networks are ready before the time is taken; how long that takes is listed apart. The overhead of a task is the time in
which a worker waits for its next movie; what this process does for each movie before the first task (open it, look at
three frames) is measured once.

With --overhead only the processor time of this process is measured, which other programs hardly change: the checks of
that movie, its SHA-256, and tasks that do nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from somanet.analysis.asked import NetworksToOpen, networks_to_open
from somanet.analysis.batch import Batch
from somanet.analysis.movie import AnalysisNetworks, Options
from somanet.analysis.network import BUNDLED, about_networks, open_networks
from somanet.analysis.source import MovieSource, check_intended_use
from somanet.analysis.workers import OnWorkers, processors_each, shared_folder
from somanet.core.calibration import Calibration
from somanet.core.cluster import RETRIES, Work, local_cluster, run_tasks, unique_key
from somanet.io.movies import sha256_movie, write_movie
from somanet.segmentation.network.checkpoint import read_config
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.simulation.neurons import simulate_movie

SCALE = Calibration(0.65, 10.0)


@dataclass(frozen=True)
class Run:
    """Of one analysis of all movies, in seconds.

    Attributes:
        ready: until the cluster and the networks of its workers are ready.
        all_movies: from the first task to the last result.
        overhead: per task, in which its worker waits.
    """

    ready: float
    all_movies: float
    overhead: float


def make_movies(folder: Path, n: int, *, n_frames: int, side_px: int) -> list[MovieSource]:
    """Simulated movies, each with a seed of its own."""
    sources = []
    for seed in range(n):
        made = simulate_movie(seed=seed, n_frames=n_frames, shape_YX=(side_px, side_px), calibration=SCALE)
        path = folder / f"m{seed:03d}.tif"
        write_movie(path, made.frames_TYX, SCALE)
        sources.append(MovieSource(path, path.stem))
    return sources


def analyze(
    sources: Sequence[MovieSource],
    study: Path,
    networks: NetworksToOpen,
    options: Options,
    workers: int,
    *,
    processors: int | None = None,
) -> Run:
    """All movies by so many workers; the first, which opens the networks, is not part of what is timed."""
    from distributed import get_task_stream

    folders = {source.name: study / source.name for source in sources}
    begin = time.perf_counter()
    with (
        shared_folder(study, folders, workers_end=True) as shared,
        local_cluster(workers, allowed_failures=RETRIES) as client,
    ):
        made: dict[str, Any] = {
            "networks": networks,
            "options": options,
            "processors": processors or processors_each(workers),
        }
        warm = [MovieSource(source.path, f"warm{n}") for n, source in enumerate(sources[:workers])]
        warm_folders = {source.name: study / source.name for source in warm}
        failed: list[str] = []

        def over(source: MovieSource, outcome: Any) -> None:
            if outcome.problem:
                failed.append(f"{source.name}: {outcome.problem}")

        OnWorkers(client, shared, folders=warm_folders, **made)(warm, over)
        ready = time.perf_counter() - begin
        with get_task_stream(client) as stream:
            begin = time.perf_counter()
            OnWorkers(client, shared, folders=folders, **made)(sources, over)
            all_movies = time.perf_counter() - begin
        if failed:
            raise SystemExit("\n".join(failed))
        tasks = [one for one in stream.data if str(one["key"]).startswith("somanet-movie")]
        computed = [part["stop"] - part["start"] for task in tasks for part in task["startstops"] if
                    part["action"] == "compute"]  # fmt: skip
    # The last tasks end one by one: that workers then have nothing to do is no overhead of tasks.
    ends = sorted(part["stop"] for task in tasks for part in task["startstops"] if part["action"] == "compute")
    idle_at_end = sum(ends[-1] - end for end in ends[-workers:])
    return Run(ready, all_movies, (workers * all_movies - sum(computed) - idle_at_end) / len(sources))


def overhead(movie: Path, *, n_tasks: int = 200) -> None:
    """Print what this process computes for each movie, besides the workers."""
    intended_use = IntendedUse(**read_config(BUNDLED)["intended_use"])
    source = MovieSource(movie, movie.stem, pixel_size_um=SCALE.pixel_size_um, frame_interval_min=10.0)
    for _ in range(2):  # the first time, libraries are imported
        begin = time.process_time()
        with source.open() as opened:
            source.calibration(opened)
        source.sample()
        check_intended_use([source], intended_use)
        checked = time.process_time()
        sha256_movie(movie)
        hashed = time.process_time()
    print(f"checks {1000 * (checked - begin):.0f} ms, SHA-256 {1000 * (hashed - checked):.0f} ms")
    waiting = list(range(n_tasks))

    def next_task() -> Work | None:
        return Work(waiting[-1], unique_key("task"), ([waiting.pop()],)) if waiting else None

    with local_cluster(2, stops_workers=True) as client:
        begin = time.process_time()
        run_tasks(
            client,
            len,
            next_step="",
            at_once=None,
            next_task=next_task,
            ended=lambda *_: None,
            waits=lambda _: None,
        )
        print(f"a task {1000 * (time.process_time() - begin) / n_tasks:.0f} ms; load {os.getloadavg()[0]:.0f}")


def main() -> None:
    """Print the times, their ratios and the overhead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movies", type=int, default=24)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size-px", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--processors", type=int, help="of each worker, as on a cluster; default: all are shared")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="with report and video")
    parser.add_argument("--overhead", type=Path, metavar="MOVIE", help="only what this process computes per movie")
    arguments = parser.parse_args()
    if arguments.overhead is not None:
        overhead(arguments.overhead)
        return
    options = Options(report=arguments.report, overlay=arguments.report)
    opened = open_networks(None)
    about = about_networks(opened, Path.cwd())
    networks = networks_to_open(opened, about)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sources = make_movies(folder, arguments.movies, n_frames=arguments.frames, side_px=arguments.size_px)
        batch = Batch(sources, {source.name: folder / "none" / source.name for source in sources}, options)
        begin = time.perf_counter()
        batch.check()
        batch.check_network(AnalysisNetworks(opened.segmenter, about))
        checked = (time.perf_counter() - begin) / len(sources)
        pairs = []
        for repeat in range(arguments.repeats):
            one, several = (
                analyze(sources, folder / f"study{repeat}-{n}", networks, options, n, processors=arguments.processors)
                for n in (1, arguments.workers)
            )
            pairs.append((one, several))
            print(
                f"1 worker {one.all_movies:.1f} s, {arguments.workers} workers {several.all_movies:.1f} s, ratio "
                f"{one.all_movies / several.all_movies:.2f}; ready after {one.ready:.1f} and {several.ready:.1f} s; "
                f"overhead per task {1000 * one.overhead:.0f} and {1000 * several.overhead:.0f} ms; load "
                f"{os.getloadavg()[0]:.0f}",
                flush=True,
            )
    ratios = [one.all_movies / several.all_movies for one, several in pairs]
    print(f"{arguments.movies} movies, ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"overhead per task {1000 * median(run.overhead for pair in pairs for run in pair):.0f} ms")
    print(f"checks before the first task {1000 * checked:.0f} ms per movie")


if __name__ == "__main__":
    main()
