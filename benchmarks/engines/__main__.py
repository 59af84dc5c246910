"""How fast each inference engine is, how it is best called, and whether its labels match torch's; in one session.

python -m benchmarks.engines
python -m benchmarks.engines --movie movie.tif --model models/neurons

Writes build/engines.md and build/engines.json. Repeats are interleaved and the best counts, so that other load affects
all alike; under load, compare processor seconds and ratios. Single-thread rates use processor seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.engines.image import one_image, paper_unet
from benchmarks.engines.int8 import integers
from benchmarks.engines.movie import ENGINES, arrangements, outside_the_network, read_frames, whole_movie, work
from benchmarks.engines.page import page
from benchmarks.engines.timing import Row, machine, peak_gflops
from somanet.analysis.network import network_folder
from somanet.core.files import write_json, write_text
from somanet.segmentation.network.checkpoint import load_checkpoint

REAL_MOVIE = Path("../shared/data/neuritetracker/cell_body.tif")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--movie", type=Path, help=f"default: {REAL_MOVIE} if it exists, else simulated frames")
    source.add_argument("--simulated", action="store_true", help="use simulated frames in any case")
    parser.add_argument("--model", help="network; default: the bundled model")
    parser.add_argument("--output", type=Path, default=Path("build"))
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.model, arguments.movie, arguments.folder)
        return
    movie = arguments.movie or (REAL_MOVIE if REAL_MOVIE.exists() and not arguments.simulated else None)
    began, load_before = time.perf_counter(), os.getloadavg()[0]
    checkpoint = load_checkpoint(network_folder(arguments.model))
    frames = read_frames(movie)
    found: Row = {
        "machine": machine(),
        "movie": f"{movie.name if movie else 'simulated'}, {len(frames)} frames of "
        f"{frames[0].shape[0]} × {frames[0].shape[1]} px",
        "model": arguments.model or "SomaNet's own",
        "model_sha256": checkpoint.sha256,
        "load_before": load_before,
        "peak_gflops": peak_gflops(),
    }
    with tempfile.TemporaryDirectory() as folder:
        found["whole_movie"] = whole_movie(arguments.model, movie, Path(folder))
    found["outside_the_network_ms"] = outside_the_network(checkpoint, frames[0])
    found["arrangements"] = arrangements(checkpoint, frames[:8])
    found["one_image"] = one_image({"this": checkpoint, "paper-unet": paper_unet()}, found["peak_gflops"])
    found["integers"] = integers(checkpoint, frames)
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found["processor_s"] = sum(usage.ru_utime + usage.ru_stime for usage in spent)
    found |= {"load_after": os.getloadavg()[0], "seconds": time.perf_counter() - began}
    write_json(arguments.output / "engines.json", found)
    write_text(arguments.output / "engines.md", page(found))
    print(page(found))


if __name__ == "__main__":
    main()
