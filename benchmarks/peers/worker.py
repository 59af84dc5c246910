"""One contender in its own process: reads a job, measures, writes the results next to it.

python -m benchmarks.peers.worker JOB.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.contenders import Contender, Loaded
from benchmarks.peers.measuring import label_all, matrix_product_gflops, peak_memory_mb, rate_seconds, timed

SLOW_S = 20.0
"""A network that takes longer than this for one image is run only once."""


def load(contender: Contender, *, threads: int, side_px: int) -> Loaded:
    """Load a contender; imports only what its environment has."""
    if contender.kind == "classic":
        from benchmarks.peers.classic import METHODS

        return Loaded(label=lambda image: METHODS[contender.name](image, **(contender.settings or {})))
    if contender.kind == "somanet":
        from benchmarks.peers.own import load_own

        return load_own(contender, threads=threads, side_px=side_px)
    from benchmarks.peers.foreign import PROGRAMS

    network_output, flops, versions = PROGRAMS[contender.kind](threads, side_px)
    picture = np.random.default_rng(0).random((side_px, side_px), dtype=np.float32)
    return Loaded(
        label=network_output, network=lambda: network_output(picture), flops=flops, about={"versions": versions}
    )


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Segment the images, then run the network alone; memory is that of the first part."""
    threads = job["threads"]
    contender = Contender(**job["contender"])
    images = [np.load(file) for file in sorted(Path(job["images"]).glob("*.npy"))]
    began = time.perf_counter()
    loaded = load(contender, threads=threads, side_px=job["side_px"])
    start_s = time.perf_counter() - began
    first = min(images, key=lambda image: image.size)
    loaded.label(first)  # the first call chooses kernels
    taken, predictions = label_all(loaded.label, images, limit_s=job["limit_s"], keep=bool(job["labels"]))
    found: dict[str, Any] = {**taken, "start_s": start_s, "peak_mb": peak_memory_mb(), "about": loaded.about}
    for number, labels in enumerate(predictions):
        np.save(Path(job["labels"]) / f"{number:04}.npy", labels)
    if loaded.network is not None:
        times = [timed(loaded.network)]
        while times[0][0] < SLOW_S and len(times) < job["repeats"] + 1:
            times.append(timed(loaded.network))
        best = min(rate_seconds(pair, threads) for pair in times)
        found["network"] = {"seconds": best, "flops": loaded.flops}
    return found


def train(job: dict[str, Any]) -> dict[str, Any]:
    """One training, see :func:`benchmarks.peers.training.train_until`."""
    from benchmarks.peers.images import load_images
    from benchmarks.peers.training import read_recipe, train_until

    data = Path(job["data"]) if job["data"] else None
    return train_until(
        read_recipe(Path(job["recipe"]), job["network"]),
        load_images("train", data, count=job["train_images"]),
        load_images("val", data, count=job["val_images"]),
        budget_s=job["budget_s"],
        aim=job["aim"],
        threads=job["threads"],
        checkpoint=Path(job["checkpoint"]) if job["checkpoint"] else None,
    )


def main() -> None:
    """Do the job."""
    file = Path(sys.argv[1])
    job = json.loads(file.read_text(encoding="utf-8"))
    if job["task"] == "peak":
        found: dict[str, Any] = {"gflops": matrix_product_gflops(job["threads"])}
    else:
        found = {"measure": measure, "train": train}[job["task"]](job)
    Path(job["result"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
