"""`python -m benchmarks.instances --data ../shared/data`: which output separates touching nuclei best.

Trains for about 15 minutes on 2 cores (or takes the weights of an earlier call), then scores the labels from every
kind of output on the fluorescence images of the validation part, or of the test part with `--part test`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.instances.flows import split_by_flow
from benchmarks.instances.training import MAPS, SPEC, new_network, train
from somanet.core.files import write_json, write_text
from somanet.core.markdown import table
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.network.forward import predict_logits
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.probabilities import foreground, sigmoid
from somanet.segmentation.network.settings import InstanceSettings

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
Labels = NDArray[np.int32]


def postprocess(kind: str, output_CYX: NDArray[np.float32], settings: InstanceSettings) -> Labels:
    """Labels from one kind of output; the soma map is always used."""
    maps = sigmoid(output_CYX[: len(MAPS)])
    if kind == "flow":
        return split_by_flow(foreground(maps[0], settings), output_CYX[len(MAPS) :], settings.min_area_px)
    outputs = ("soma",) if kind == "soma" else ("soma", kind)
    return probabilities_to_labels(maps[[MAPS.index(name) for name in outputs]], outputs, settings)


def main() -> None:
    """Train or load, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/")
    parser.add_argument("--images", type=int, default=9000, help="patches to train on")
    parser.add_argument("--part", default="val", choices=("val", "test"))
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--output", type=Path, default=Path("build/instances"))
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data / "dsb2018/stage1_train.zip")
    split = read_split(arguments.data / "dsb2018/split.csv")
    weights = arguments.output / f"network_{arguments.images}.safetensors"
    if weights.is_file():
        from safetensors.torch import load_file

        network = new_network(imagenet=False)
        network.load_state_dict(load_file(weights))
        network.eval()
    else:
        network = train([dataset.load(name) for name in split["train"]], arguments.images, weights)
    items = [
        item for item in (dataset.load(name) for name in split[arguments.part]) if not_fluorescence(item.image) is None
    ]
    with torch.inference_mode():
        outputs = [predict_logits(network, to_input(item.image, SPEC)) for item in items]
    settings = InstanceSettings(threshold=arguments.threshold, min_area_px=15)
    rows = {kind: score(kind, items, outputs, settings) for kind in ("soma", "boundary", "distance", "flow")}
    head = ["output", "accuracy at 0.5", "mean 0.5–0.9", "merges per image", "splits per image", "ms per Mpx"]
    lines = []
    for kind, row in rows.items():
        shown = (f"{row[name]:.3f}" for name in ("accuracy", "mean_ap"))
        counts = (f"{row[name]:.2f}" for name in ("merges_per_image", "splits_per_image"))
        lines.append([kind, *shown, *counts, f"{row['ms_per_mpx']:.0f}"])
    title = f"{len(items)} fluorescence images ({arguments.part}), threshold {arguments.threshold:g}"
    page = f"{title}\n\n{table(head, lines)}\n"
    name = f"{arguments.part}_{arguments.threshold:g}"
    write_json(arguments.output / f"{name}.json", rows)
    write_text(arguments.output / f"{name}.md", page)
    print(f"{page}\nWritten: {arguments.output / name}.md and .json")


def score(
    kind: str, items: list[LabelledImage], outputs: list[NDArray[np.float32]], settings: InstanceSettings
) -> dict[str, float]:
    """Scores of one kind of output, with the time of its post-processing."""
    began = time.perf_counter()
    labels = [postprocess(kind, network_output, settings) for network_output in outputs]
    seconds = time.perf_counter() - began
    pairs = [(item.name, item.labels, found) for item, found in zip(items, labels, strict=True)]
    values = dict(score_dataset(pairs, thresholds=THRESHOLDS).values)
    return {**values, "ms_per_mpx": 1e3 * seconds / (sum(item.labels.size for item in items) / 1e6)}


if __name__ == "__main__":
    main()
