"""Time and peak memory of each stage of an analysis, each in its own process.

python benchmarks/movie.py ../shared/data/neuritetracker/cell_body.tif
python benchmarks/movie.py --simulate 200 2000 --size-px 256
python benchmarks/movie.py ../shared/data/neuritetracker/cell_body.tif --base ../main --repeats 3
python benchmarks/movie.py ../shared/data/neuritetracker/cell_body.tif --additions --repeats 3

With --simulate a movie of 64 simulated frames is played forwards and backwards up to the given length. With --base the
stages after segmentation also run with the code of another checkout, by turns on the same masks, and their processor
times are compared; the drift of the stage, a part of tracking, is listed apart. With --additions the processor time of
steps that commit 277911e did not have is compared with that of segmentation without them; what the estimate of the
somas' size computes for segmentation counts as segmentation.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

STAGES = ("segment", "track", "migrate", "report", "overlay")
SIMULATED_FRAMES = 64
DRIFT, SIZE = "drift of the stage", "size of the somas"
ADDED = {
    DRIFT: ("track", "somanet.tracking.movie", "measure_drift"),
    SIZE: ("segment", "somanet.segmentation.inference.soma_size", "decide"),
    "frames left out": ("migrate", "somanet.migration.measures", "frame_dropping"),
    "check of the kind of microscopy": ("segment", "somanet.analysis.stages.segment", "check_intended_use"),
    "check for repeated frames": ("segment", "somanet.analysis.source", "find_repeats"),
    "check for scale bars": ("segment", "somanet.segmentation.inference.burnt_in", "find_burnt_in"),
}
"""Steps that commit 277911e did not have: the stage they are part of, and the module and name under which it calls
them. The refinement of outlines is one more, and off."""


@dataclass(frozen=True)
class Cost:
    """Of one stage after imports and loading: seconds, processor time, peak memory, and :data:`ADDED` steps' times."""

    seconds: float
    processor_s: float
    memory_mb: float
    added_s: dict[str, float]


def watch_added() -> dict[str, float]:
    """Take the processor time of every call of :data:`ADDED` from now on; returns where it is added up."""
    taken: dict[str, float] = {}

    def timed(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            begin = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                taken[step] = taken.get(step, 0.0) + time.process_time() - begin

        return call

    for step, (_, module, name) in ADDED.items():
        where = importlib.import_module(module)
        setattr(where, name, timed(step, getattr(where, name)))
    if importlib.util.find_spec("somanet.segmentation.inference.known_maps"):  # a base may be older
        _watch_known_maps(taken)
    return taken


def _watch_known_maps(taken: dict[str, float]) -> None:
    """Take the time of maps that are used again off the step that computed them; one thread computes these."""
    from somanet.segmentation.inference.known_maps import KnownMaps

    original = KnownMaps.of
    spent: dict[int, float] = {}

    def of(self: Any, how: Any, image: Any, compute: Callable[[], Any]) -> Any:
        computed = False

        def timed() -> Any:
            nonlocal computed
            computed, begin = True, time.process_time()
            maps = compute()
            spent[id(maps)] = time.process_time() - begin
            return maps

        maps = original(self, how, image, timed)
        if not computed:
            taken[SIZE] = taken.get(SIZE, 0.0) - spent[id(maps)]
        return maps

    KnownMaps.of = of  # type: ignore[method-assign]


def run_stage(stage: str, movie: Path, folder: Path) -> None:
    """One stage, as in `somanet analyze`; prints its cost."""
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
    from somanet.segmentation.inference.at_once import usual_workers
    from somanet.tracking.settings import TrackSettings

    added_s = watch_added()
    source = MovieSource(movie, movie_name(movie))
    settings = MigrateSettings()
    segmenter = open_networks(None, at_once=usual_workers()).segmenter if stage == "segment" else None
    measures = measure_movie(read_tracks_of(folder)) if stage in ("report", "overlay") else None
    start, processor_start = time.perf_counter(), time.process_time()
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
    seconds, processor_s = time.perf_counter() - start, time.process_time() - processor_start
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(Cost(seconds, processor_s, memory_mb, added_s))))


def cost_of(stage: str, movie: Path, folder: Path, *, checkout: Path | None = None) -> Cost:
    """Run a stage in a process of its own, with the installed code or that of a checkout."""
    command = [sys.executable, __file__, str(movie.resolve()), "--stage", stage, "--folder", str(folder)]
    environment = os.environ if checkout is None else {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=checkout)
    if done.returncode:
        raise SystemExit(f"{stage}: {done.stderr}")
    return Cost(**json.loads(done.stdout))


def compare(movie: Path, base: Path, repeats: int) -> None:
    """Print the processor time of each stage with this code and with the base's, by turns, and their ratio."""
    here = Path(__file__).resolve().parent.parent
    rows: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cost_of("segment", movie, folder, checkout=here)
        for _ in range(repeats):
            for stage in STAGES[1:]:
                before, after = (cost_of(stage, movie, folder, checkout=code) for code in (base, here))
                pairs = {stage: (before.processor_s, after.processor_s)}
                if stage == "track":
                    pairs = {
                        "track, without drift": (
                            before.processor_s - before.added_s[DRIFT],
                            after.processor_s - after.added_s[DRIFT],
                        ),
                        DRIFT: (before.added_s[DRIFT], after.added_s[DRIFT]),
                    }
                for name, pair in pairs.items():
                    rows.setdefault(name, []).append(pair)
    print("| stage | base, s | this code, s | ratio (range) |\n| --- | --- | --- | --- |")
    for name, pairs_of in rows.items():
        before_s, after_s = (median(side) for side in zip(*pairs_of, strict=True))
        ratios = [after / before for before, after in pairs_of]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {before_s:.2f} | {after_s:.2f} | {median(ratios):.2f} ({spread}) |")


def additions(movie: Path, repeats: int) -> None:
    """Print the processor time of each step that was added, and its share of segmentation's."""
    taken: dict[str, list[float]] = {step: [] for step in ADDED}
    segmentation: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for _ in range(repeats):
            costs = {stage: cost_of(stage, movie, folder) for stage in STAGES[:3]}
            for step, (stage, _module, _name) in ADDED.items():
                taken[step].append(costs[stage].added_s.get(step, 0.0))
            segmentation.append(costs["segment"].processor_s - sum(costs["segment"].added_s.values()))
    whole = median(segmentation)
    rows = {step: median(of_runs) for step, of_runs in taken.items()} | {"refinement of outlines (off)": 0.0}
    rows["all of these"] = median(map(sum, zip(*taken.values(), strict=True)))
    print("| step | processor time, s | of segmentation |\n| --- | --- | --- |")
    print(f"| segmentation without them | {whole:.2f} | |")
    for step, spent in rows.items():
        print(f"| {step} | {spent:.2f} | {100 * spent / whole:.1f} % |")


def ping_pong(frames_TYX: np.ndarray, n_frames: int) -> Iterator[np.ndarray]:
    """Frames forwards and backwards, so that no cell jumps at a seam."""
    for t in range(n_frames):
        yield frames_TYX[place_of(t, len(frames_TYX))]


def place_of(t: int, n: int) -> int:
    """Which of ``n`` frames, two at least, is shown at ``t``."""
    place = t % (2 * n - 2)
    return min(place, 2 * n - 2 - place)


def measure(movie: Path, title: str) -> None:
    """Print a row per stage."""
    total, peak = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            cost = cost_of(stage, movie, Path(folder))
            total, peak = total + cost.seconds, max(peak, cost.memory_mb)
            print(
                f"{title:>24}  {stage:>8}  {cost.seconds:7.1f} s  {cost.processor_s:7.1f} s of processor time  "
                f"{cost.memory_mb:6.0f} MB",
                flush=True,
            )
    print(f"{title:>24}  {'all':>8}  {total:7.1f} s  {peak:6.0f} MB")


def main() -> None:
    """Measure one movie, or simulated ones of several lengths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path, nargs="?")
    parser.add_argument("--simulate", type=int, nargs="+", metavar="FRAMES")
    parser.add_argument("--size-px", type=int, default=256)
    parser.add_argument("--base", type=Path, help="a checkout to compare with")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--additions", action="store_true", help="what steps added since commit 277911e cost")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(arguments.stage, arguments.movie, arguments.folder)
        return
    if arguments.movie and arguments.base:
        compare(arguments.movie, arguments.base, arguments.repeats)
    elif arguments.movie and arguments.additions:
        additions(arguments.movie, arguments.repeats)
    elif arguments.movie:
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
