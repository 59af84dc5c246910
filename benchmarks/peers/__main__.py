"""SomaNet, the paper's U-Net, classical methods and other programs on the same images, in one session on this machine.

make peers DATA=folder                                       # installs the other programs first
python -m benchmarks.peers --data ../shared/data             # only installed ones
python -m benchmarks.peers                                   # simulated images

Writes build/peers.md, build/peers.json and build/peers.png. With --train-minutes, the paper's U-Net is trained first
(its weights then determine its quality), and another network until it is as good.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines.timing import machine
from benchmarks.peers.classic import METHODS, choose
from benchmarks.peers.contenders import Contender, contenders
from benchmarks.peers.environments import PACKAGES, install
from benchmarks.peers.figure import front
from benchmarks.peers.images import describe, load_images
from benchmarks.peers.measuring import rate_seconds
from benchmarks.peers.page import page
from benchmarks.peers.race import race
from benchmarks.peers.scoring import score_subsets
from benchmarks.peers.session import Found, Session
from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, write_json, write_text
from somanet.core.machine import available_processors
from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.code import collect
from somanet.segmentation.inference.modality import not_fluorescence


def read_arguments() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with dsb2018/; simulated images without it")
    parser.add_argument("--output", type=Path, default=Path("build"))
    parser.add_argument("--environments", type=Path, default=Path("build/peers"), help="of the other programs")
    parser.add_argument("--install", action="store_true", help="create the other programs' environments first")
    parser.add_argument("--only", nargs="+", help="names of contenders")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a further checkpoint to compare")
    parser.add_argument("--paper-model", type=Path, help="checkpoint of the paper's U-Net; without it, speed only")
    parser.add_argument("--images", type=int, help="number of test images; default: all")
    parser.add_argument("--val-images", type=int, help="images for tuning the classical methods; default: all")
    parser.add_argument("--threads", type=int, default=available_processors())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="runs of a network alone, in each round")
    parser.add_argument(
        "--side", type=int, default=1024, help="side of the image for the networks alone; a multiple of 32"
    )
    parser.add_argument("--limit", type=float, default=120, help="maximum seconds of a contender in a round")
    group = parser.add_argument_group("training")
    group.add_argument("--train-minutes", type=float, default=0, help="budget of each training; 0 = no training")
    group.add_argument(
        "--recorded", type=Path, help="peers.json of a session whose training of the paper's U-Net is used"
    )
    group.add_argument("--paper-recipe", type=Path, default=Path("profiles/real/params.yaml"))
    group.add_argument("--paper-network", default="paper")
    group.add_argument("--recipe", type=Path, default=Path("benchmarks/peers/race.yaml"))
    group.add_argument("--network", default="nuclei")
    group.add_argument("--train-images", type=int, help="default: all")
    group.add_argument("--train-val-images", type=int, help="default: all")
    return parser.parse_args()


def row_of(contender: Contender, found: Found, threads: int, quality: Any) -> Found:
    """A contender's numbers, for the page and the figure."""
    seconds = rate_seconds((found["seconds"], found["processor_s"]), threads)
    return {
        "name": contender.name,
        "title": contender.title,
        "kind": contender.kind,
        "note": contender.note,
        "segments": contender.segments,
        "settings": contender.settings,
        "mpx_per_s": found["pixels"] / seconds / 1e6,
        **{key: found[key] for key in ("images", "pixels", "seconds", "processor_s", "peak_mb", "start_s", "about")},
        "network": found.get("network"),
        "quality": quality,
    }


def quality_of(contender: Contender, items: list[LabelledImage], folder: Path) -> Any:
    """Scores of a contender's labels; none if it has no labels or did not finish."""
    files = sorted((folder / contender.name).glob("*.npy"))
    if len(files) != len(items):
        return None
    pairs = [(item.name, item.labels, np.load(file)) for item, file in zip(items, files, strict=True)]
    return score_subsets(pairs, {item.name: not_fluorescence(item.image) is None for item in items})


def main() -> None:
    """Measure everything."""
    arguments = read_arguments()
    if arguments.install:
        for name in PACKAGES:
            install(name, arguments.environments)
    began, load_before = time.perf_counter(), os.getloadavg()[0]
    items = load_images("test", arguments.data, count=arguments.images)
    session = Session(
        environments=arguments.environments.resolve(),
        threads=arguments.threads,
        side_px=arguments.side,
        limit_s=arguments.limit,
        rounds=arguments.rounds,
        repeats=arguments.repeats,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training, paper = race(arguments, session, folder)
        validation = load_images("val", arguments.data, count=arguments.val_images)
        everybody = contenders(
            paper=paper,
            bundled=BUNDLED,
            others=arguments.model,
            classic={method: choose(method, validation) for method in METHODS},
        )
        chosen = [c for c in everybody if not arguments.only or c.name in arguments.only]
        found = session.measure(chosen, [item.image for item in items], folder / "labels")
        rows = [
            row_of(c, found[c.name], session.threads, quality_of(c, items, folder / "labels"))
            for c in chosen
            if c.name in found
        ]
    provenance = collect(Path.cwd())
    result = {
        "machine": machine(),
        "commit": provenance.git_commit,
        "dirty": provenance.git_dirty,
        "images": {
            "source": describe(arguments.data),
            "count": len(items),
            "fluorescence": sum(not_fluorescence(item.image) is None for item in items),
            "mpx": sum(item.labels.size for item in items) / 1e6,
        },
        "session": {
            "threads": session.threads,
            "side_px": session.side_px,
            "rounds": session.rounds,
            "peak_gflops": session.peak_gflops,
            "load_before": load_before,
            "load_after": os.getloadavg()[0],
            "seconds": time.perf_counter() - began,
        },
        "contenders": rows,
        "missing": [{"title": c.title, "reason": session.missing[c.name]} for c in chosen if c.name in session.missing],
        "training": training,
    }
    write_json(arguments.output / "peers.json", result)
    with atomic_path(arguments.output / "peers.png") as temporary:
        front(rows, real=arguments.data is not None).savefig(temporary, dpi=150)
    text = page(result)
    write_text(arguments.output / "peers.md", text)
    print(text)


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        raise SystemExit(str(error)) from None
