"""What padding within convolutions saves: the bundled network with it and without, by turns.

`python -m benchmarks.engines.padding --movie ../shared/data/neuritetracker/cell_body.tif` takes 5 minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.engines.image import SIDE_PX
from benchmarks.engines.movie import read_frames
from benchmarks.engines.timing import timed
from somanet.analysis.network import BUNDLED
from somanet.segmentation.engines.engine import Engine
from somanet.segmentation.engines.engine_network import running
from somanet.segmentation.engines.graph import to_onnx, traced
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.openvino_engine import OpenVinoEngine
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import load_checkpoint


def compared(name: str, before: Callable[[], object], after: Callable[[], object], pairs: int) -> str:
    """A table row: processor seconds of both, the least of the pairs, and their ratio, median and range."""
    found = np.array([[timed(before)[1], timed(after)[1]] for _ in range(pairs)])
    ratios = found[:, 0] / found[:, 1]
    old, new = found.min(axis=0)
    return f"| {name} | {old:.3g} | {new:.3g} | {np.median(ratios):.2f} | {ratios.min():.2f} to {ratios.max():.2f} |"


def main() -> None:
    """Print the table, and whether all labels of the movie are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movie", type=Path, help="instead of simulated frames")
    parser.add_argument("--pairs", type=int, default=3, help="of runs of the movie")
    arguments = parser.parse_args()
    checkpoint = load_checkpoint(BUNDLED)
    graphs = [make(checkpoint.model, checkpoint.spec.in_channels) for make in (traced, to_onnx)]
    print("| what | processor s before | after | times as fast | range of pairs |\n| --- | --- | --- | --- | --- |")
    images = np.random.default_rng(0).random((1, checkpoint.spec.in_channels, SIDE_PX, SIDE_PX), np.float32)
    engines: dict[str, list[Engine]] = {
        "ONNX Runtime": [OnnxRuntimeEngine(one) for one in graphs],
        "OpenVINO": [OpenVinoEngine(one) for one in graphs],
    }
    for name, (old, new) in engines.items():
        for engine in (old, new):
            engine.logits(images)  # the first call chooses kernels
        alone = f"network alone, {name}"
        print(compared(alone, lambda e=old: e.logits(images), lambda e=new: e.logits(images), 10), flush=True)
    frames = read_frames(arguments.movie)
    segmenters = [Segmenter((running(checkpoint, engine),)) for engine in engines["ONNX Runtime"]]
    labels: list[np.ndarray] = []

    def segment(segmenter: Segmenter) -> None:
        found = segmented_frames(segmenter, frames, workers=usual_workers())
        labels.append(np.stack([one.labels_YX for one in found]))

    calls = [lambda s=one: segment(s) for one in segmenters]
    print(compared(f"{len(frames)} frames to labels, ONNX Runtime", *calls, arguments.pairs))
    print(f"labels are the same: {all(np.array_equal(one, labels[0]) for one in labels)}")


if __name__ == "__main__":
    main()
