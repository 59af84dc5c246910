"""From the key to the first frame: what `somanet analyze` costs before it segments.

python -m benchmarks.start --base ../main      # writes build/start.json; base: a checkout to compare with, by turns

A movie of 5 simulated frames of 160 × 160 px is analysed in a new process, which ends when the first frame of the movie
is given to the network, for the size of the somas: once every library is loaded and the movie is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from somanet.core.files import write_json

ROOT = Path(__file__).resolve().parents[1]
TO_THE_FIRST_FRAME = """
import os, sys, time
from somanet import cli
from somanet.segmentation.inference import video

def begin(*_, **__):
    print("BEGINS", time.process_time(), time.time(), "torch" in sys.modules, flush=True)
    os._exit(0)

video.segmented_frames = begin
sys.argv = ["somanet", "analyze", sys.argv[1], "--output", sys.argv[2]]
cli.main()
"""


def seconds(checkout: Path, movie: Path, output: Path) -> dict[str, float | bool]:
    """Processor and wall seconds of one start, and whether torch was loaded for it."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    began = time.time()
    words = [sys.executable, "-c", TO_THE_FIRST_FRAME, str(movie), str(output)]
    done = subprocess.run(words, env=environment, cwd=movie.parent, capture_output=True, text=True, check=True)
    processor_s, at, torch = done.stdout.rpartition("BEGINS")[2].split()
    return {"processor_s": float(processor_s), "wall_s": float(at) - began, "torch": torch == "True"}


def main() -> None:
    """Measure by turns, write, say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="another checkout of SomaNet")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("build/start.json"))
    given = parser.parse_args()
    sides = {"this code": ROOT} | ({} if given.base is None else {"base": given.base.resolve()})
    found: dict[str, list[dict[str, float | bool]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        simulate = [
            "simulate",
            "--output",
            folder,
            "--nuclei",
            "0",
            "--crops",
            "0",
            "--frames",
            "5",
            "--size-px",
            "160",
        ]
        subprocess.run([sys.executable, "-m", "somanet", *simulate], check=True, stdout=subprocess.DEVNULL)
        for _ in range(given.runs + 1):  # the first fills the system's cache of files
            for name, checkout in sides.items():
                found[name].append(seconds(checkout, Path(folder) / "movie.ome.tif", Path(folder) / "out"))
    rows = {
        name: {key: float(np.median([run[key] for run in runs[1:]])) for key in ("processor_s", "wall_s")}
        | {"torch": runs[-1]["torch"]}
        for name, runs in found.items()
    }
    write_json(given.output, rows)
    for name, row in rows.items():
        print(f"{name}: {json.dumps(row)}")


if __name__ == "__main__":
    main()
