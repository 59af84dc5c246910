"""`python -m benchmarks.instances --data ../shared/data`: which output separates touching nuclei best.

Trains for half an hour on one core (or takes the weights of an earlier call), then scores the labels from every
kind of output on the fluorescence images of the validation part, or of the test part with `--part test`. The two
thresholds of the star-convex polygons are those with the best mean accuracy on the validation part.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.instances.flows import split_by_flow
from benchmarks.instances.polygons import candidates, render, suppress, with_outline, without_small
from benchmarks.instances.training import FLOW, MAPS, SPEC, STAR, Network, train
from benchmarks.peers.scoring import both_ways
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

KINDS = ("soma", "boundary", "distance", "flow", "star", "star + outline")
STARS = KINDS[-2:]
PROBABILITIES, OVERLAPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (0.2, 0.3, 0.4, 0.5)
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class StarSettings:
    """Least probability of a polygon, and the largest overlap of two, see :mod:`benchmarks.instances.polygons`."""

    probability: float
    overlap: float


@dataclass(frozen=True)
class Predicted:
    """An image with its labels and the network's output CYX."""

    item: LabelledImage
    output_CYX: NDArray[np.float32]


def postprocess(
    kind: str, output_CYX: NDArray[np.float32], settings: InstanceSettings, star: StarSettings | None = None
) -> Labels:
    """Labels from one kind of output; the soma map is always used, but for polygons that keep their own outline."""
    maps = sigmoid(output_CYX[: len(MAPS)])
    inside, distance = foreground(maps[MAPS.index("soma")], settings), maps[MAPS.index("distance")]
    if kind == "flow":
        return without_small(split_by_flow(inside, output_CYX[FLOW]), settings.min_area_px)
    if star is not None:
        polygons = suppress(candidates(distance, output_CYX[STAR], star.probability), inside.shape, star.overlap)
        labels = render(polygons, inside.shape)
        if kind == "star + outline":
            labels = with_outline(labels, inside, distance)
        return without_small(labels, settings.min_area_px)
    outputs = ("soma",) if kind == "soma" else ("soma", kind)
    return probabilities_to_labels(maps[[MAPS.index(name) for name in outputs]], outputs, settings)


def choose(kind: str, images: Sequence[Predicted], settings: InstanceSettings) -> StarSettings:
    """The thresholds of polygons with the best mean accuracy over IoU 0.5 to 0.9."""
    tried = [StarSettings(*pair) for pair in product(PROBABILITIES, OVERLAPS)]
    return max(tried, key=lambda star: scored(kind, images, settings, star, intervals=False)["mean_ap"])


def scored(
    kind: str,
    images: Sequence[Predicted],
    settings: InstanceSettings,
    star: StarSettings | None = None,
    *,
    intervals: bool = True,
) -> dict[str, Any]:
    """Scores of one kind of output, with the processor time of its post-processing."""
    began = time.process_time()
    labels = [postprocess(kind, image.output_CYX, settings, star) for image in images]
    seconds = time.process_time() - began
    pairs = [(image.item.name, image.item.labels, found) for image, found in zip(images, labels, strict=True)]
    scores = score_dataset(pairs, intervals=intervals)
    row = {**scores.values, "processor_ms_per_mpx": 1e3 * seconds / (sum(found.size for found in labels) / 1e6)}
    if intervals:
        row |= {name: value for name, value in both_ways(scores).items() if name.startswith(("images", "interval"))}
    return row


def main() -> None:
    """Train or load, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/")
    parser.add_argument("--images", type=int, default=6000, help="patches to train on")
    parser.add_argument("--part", default="val", choices=("val", "test"))
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--output", type=Path, default=Path("build/instances"))
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data / "dsb2018/stage1_train.zip")
    split = read_split(arguments.data / "dsb2018/split.csv")
    weights = arguments.output / f"network_{arguments.images}.safetensors"
    if weights.is_file():
        from safetensors.torch import load_file

        network = Network(imagenet=False)
        network.load_state_dict(load_file(weights))
        network.eval()
    else:
        network = train([dataset.load(name) for name in split["train"]], arguments.images, weights)

    def predicted(part: str) -> list[Predicted]:
        items = [dataset.load(name) for name in split[part]]
        with torch.inference_mode():
            return [
                Predicted(item, predict_logits(network, to_input(item.image, SPEC)))
                for item in items
                if not_fluorescence(item.image) is None
            ]

    settings = InstanceSettings(threshold=arguments.threshold, min_area_px=15)
    for_choice = predicted("val")
    images = for_choice if arguments.part == "val" else predicted(arguments.part)
    stars = {kind: choose(kind, for_choice, settings) for kind in STARS}
    rows = {kind: scored(kind, images, settings, stars.get(kind)) for kind in KINDS}
    page = page_of(
        f"{len(images)} fluorescence images ({arguments.part}), threshold {arguments.threshold:g}", rows, stars
    )
    name = f"{arguments.part}_{arguments.threshold:g}"
    write_json(arguments.output / f"{name}.json", rows)
    write_text(arguments.output / f"{name}.md", page)
    print(f"{page}\nWritten: {arguments.output / name}.md and .json")


def page_of(title: str, rows: dict[str, dict[str, Any]], stars: dict[str, StarSettings]) -> str:
    """The table of every kind, and the thresholds of the polygons."""
    columns = {
        "accuracy": ("accuracy at 0.5", ".3f"),
        "mean_ap": ("mean 0.5–0.9", ".3f"),
        "images_0.5": ("per image: 0.5", ".3f"),
        "images_mean": ("mean 0.5–0.9", ".3f"),
        "merges_per_image": ("merges per image", ".2f"),
        "splits_per_image": ("splits per image", ".2f"),
        "processor_ms_per_mpx": ("processor ms per Mpx", ".0f"),
    }
    lines = [[kind, *(f"{row[key]:{shown}}" for key, (_, shown) in columns.items())] for kind, row in rows.items()]
    chosen = "; ".join(
        f"{kind}: probability {star.probability:g}, overlap {star.overlap:g}" for kind, star in stars.items()
    )
    return f"{title}\n\n{table(['output', *(head for head, _ in columns.values())], lines)}\n\n{chosen}\n"


if __name__ == "__main__":
    main()
