"""How long a large movie takes to open in the plug-in, and how much of it is read.

    DISPLAY=:1 python -m tests.napari.large --frames 500 --side 1024 --output build/large

Thirty disks walk at random; their results are written as an analysis would write them, without a network. A second run
opens what is there.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

N_CELLS, RADIUS_PX = 30, 9


def labels_of(n_frames: int, side: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.uniform(40, side - 40, (N_CELLS, 2))
    rows, columns = np.ogrid[:side, :side]
    for _ in range(n_frames):
        labels = np.zeros((side, side), np.int32)
        for number, (y, x) in enumerate(centres, start=1):
            box = np.s_[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
            inside = (rows[box[0]] - y) ** 2 + (columns[:, box[1]] - x) ** 2 <= RADIUS_PX**2
            labels[box][inside & (labels[box] == 0)] = number
        yield labels
        centres = np.clip(centres + rng.normal(0, 2, centres.shape), 30, side - 30)


def write(folder: Path, n_frames: int, side: int) -> None:
    from somanet.core.calibration import Calibration
    from somanet.core.files import write_json
    from somanet.core.hashing import sha256_tree
    from somanet.io.label_movies import write_label_movie
    from somanet.io.movies import sha256_movie, write_movie
    from somanet.tracking.detections import detect_cells
    from somanet.tracking.exchange import write_csv
    from somanet.tracking.linking import as_tracks

    scale = Calibration(1.0, 10.0)
    movie, results = folder / "large.ome.tif", folder / "results"
    noise = np.random.default_rng(1).integers(0, 40, (side, side)).astype(np.uint8)
    write_movie(movie, ((labels > 0) * np.uint8(150) + noise for labels in labels_of(n_frames, side)), scale)
    results.mkdir(parents=True)
    labels = labels_of(n_frames, side)
    shape = (side, side)
    write_label_movie(
        results / "labels.tif", labels, n_frames=n_frames, shape_YX=shape, largest_id=N_CELLS, calibration=scale
    )
    found = detect_cells(labels_of(n_frames, side))
    write_csv(results / "tracks.csv", as_tracks(found, found["label"].to_numpy(), scale))
    about = {
        "movie": "large", "file": movie.name, "sha256": sha256_movie(movie), "channel": None, "z": None, "axes": None,
        "position": None, "n_frames": n_frames, "shape_YX": [side, side], "truncated": False, "pixel_size_um": 1.0,
        "frame_interval_min": 10.0, "times_h": None, "stored_frames": None, "times": None,
    }  # fmt: skip
    files = {name: sha256_tree(results / name) for name in ("labels.tif", "tracks.csv")}
    known = {"somanet": "0", "input": about, "parameters": {"migrate": {}}, "code": {}, "files": files}
    write_json(results / "manifest.json", known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--output", type=Path, default=Path("build/large"))
    given = parser.parse_args()
    if not (given.output / "results" / "manifest.json").exists():
        given.output.mkdir(parents=True, exist_ok=True)
        write(given.output, given.frames, given.side)
    import napari

    from somanet.napari.window.panel import SomaNetPanel
    from tests.napari.window.events import Person

    viewer = napari.Viewer(show=True)
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet")
    person = Person(panel)
    person.wait(0.2)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, processor = time.monotonic(), time.process_time()
    panel.open(given.output / "results")
    person.wait(0.05)
    report = {
        "opened_s": round(time.monotonic() - begun, 2),
        "processor_s": round(time.process_time() - processor, 2),
        "movie_mb": round((given.output / "large.ome.tif").stat().st_size / 1e6),
        "frames_read": person.panel.shown.opened.frames.n_read,
        "label_frames_read": person.panel.shown.opened.results.labels.n_read,
        "memory_added_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1e3),
    }
    print(json.dumps(report, indent=2), flush=True)
    panel.close_movie()
    viewer.close()


if __name__ == "__main__":
    sys.exit(main())
