"""Linking alone: processor time against plain LapTrack, by turns in one process, and its growth with more somas.

python -m benchmarks.linking
python -m benchmarks.linking --somas 1000 --frames 100 --per-mm2 120 --repeats 5

Somas walk at random at a given density; 2 % are missed in each frame. Plain LapTrack links the same positions by their
squared distance alone, with the same longest step and gap. Times are of this process and of one thread.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from somanet.core.calibration import Calibration
from somanet.tracking.detections import DETECTION_COLUMNS
from somanet.tracking.linking import link_cells

SCALE = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)
MAX_STEP_UM, MAX_GAP_FRAMES = 30.0, 3
STEP_PX, MISSED = 3.0, 0.02


def walking_somas(n_somas: int, n_frames: int, *, per_mm2: float, seed: int = 0) -> pd.DataFrame:
    """Detections of somas that walk at random in a square field of the given density."""
    rng = np.random.default_rng(seed)
    side_px = np.sqrt(n_somas / per_mm2) * 1000 / SCALE.pixel_size_um
    steps = rng.normal(0, STEP_PX, (n_frames, n_somas, 2))
    walk_TN2 = rng.uniform(0, side_px, (n_somas, 2)) + steps.cumsum(axis=0)
    frame, soma = np.nonzero(rng.random((n_frames, n_somas)) >= MISSED)
    y, x = walk_TN2[frame, soma].T
    radius = rng.uniform(5, 8, len(frame))
    table = pd.DataFrame(
        {
            "frame": frame,
            "label": soma + 1,
            "y_px": y,
            "x_px": x,
            "area_px": np.pi * radius**2,
            "major_axis_px": 2 * radius,
            "minor_axis_px": 2 * radius,
            "top_px": np.floor(y - radius),
            "left_px": np.floor(x - radius),
            "bottom_px": np.ceil(y + radius),
            "right_px": np.ceil(x + radius),
            "mean_intensity": rng.uniform(100, 200, len(frame)),
        }
    )
    return table.reindex(columns=list(DETECTION_COLUMNS), fill_value=0.0)


def link(detections: pd.DataFrame) -> None:
    """SomaNet's linking with all of its costs."""
    link_cells(detections, SCALE, max_step_um=MAX_STEP_UM, max_gap_frames=MAX_GAP_FRAMES)


def plain_laptrack(detections: pd.DataFrame) -> None:
    """LapTrack as its documentation shows it."""
    from laptrack import LapTrack

    cutoff = (MAX_STEP_UM / SCALE.pixel_size_um) ** 2
    tracker = LapTrack(cutoff=cutoff, gap_closing_cutoff=cutoff, gap_closing_max_frame_count=MAX_GAP_FRAMES + 1)
    tracker.predict([rows[["y_px", "x_px"]].to_numpy() for _, rows in detections.groupby("frame")])


def processor_s(work: Callable[[pd.DataFrame], None], detections: pd.DataFrame) -> float:
    """Processor time of this process."""
    start = time.process_time()
    work(detections)
    return time.process_time() - start


def paired(n_somas: int, n_frames: int, per_mm2: float, repeats: int) -> None:
    """Print SomaNet's and LapTrack's times and their ratio, run by turns."""
    detections = walking_somas(n_somas, n_frames, per_mm2=per_mm2)
    ours, theirs = [], []
    for _ in range(repeats):
        theirs.append(processor_s(plain_laptrack, detections))
        ours.append(processor_s(link, detections))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"| {n_somas} × {n_frames} | {per_mm2:g} | {median(ours):.2f} | {median(theirs):.2f} | "
        f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |",
        flush=True,
    )


def growth(sizes: list[int], n_frames: int, per_mm2: float) -> None:
    """Print time and peak memory of linking alone, for several numbers of somas."""
    for n_somas in sizes:
        detections = walking_somas(n_somas, n_frames, per_mm2=per_mm2)
        seconds = processor_s(link, detections)
        tracemalloc.start()
        link(detections)
        peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"| {n_somas} × {n_frames} | {per_mm2:g} | {seconds:.2f} | {peak_mb:.0f} |", flush=True)


def main() -> None:
    """Print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--somas", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--per-mm2", type=float, nargs="+", default=[120.0, 1000.0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2500, 5000, 10_000], help="somas per frame, 20 frames")
    options = parser.parse_args()
    warm_up = walking_somas(50, 4, per_mm2=120)
    link(warm_up), plain_laptrack(warm_up)
    print("| somas × frames | per mm² | SomaNet, s | LapTrack, s | ratio (range) |\n| --- | --- | --- | --- | --- |")
    for per_mm2 in options.per_mm2:
        paired(options.somas, options.frames, per_mm2, options.repeats)
    print("\n| somas × frames | per mm² | s | peak, MB |\n| --- | --- | --- | --- |")
    for per_mm2 in options.per_mm2:
        growth(options.sizes, 20, per_mm2)


if __name__ == "__main__":
    main()
