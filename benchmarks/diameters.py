"""How large somas may be for a network: segmentation of images resized to a series of soma diameters.

python benchmarks/diameters.py ../shared/data [MODEL]

The images are fluorescence images of the Data Science Bowl's test part, and the crops of `soma/val`. Each is resized by
its own factor, so that the median equivalent diameter of its ground truth somas is the given size. Accuracy is
TP / (TP + FP + FN) at IoU 0.5, counted over all somas that do not touch an image's edge.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from somanet.analysis.network import network_folder
from somanet.core.markdown import table
from somanet.evaluation.masks import interior, object_scores, score_image
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.diameters import diameters_px, median_or_nan
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.rescaling import resize
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint

SIZES_PX = (5, 6.5, 8, 10, 13, 16, 20, 26, 32, 40, 48, 56, 64, 80)
MOST_PX = 900
"""Longer sides are cropped to this after resizing, so that large somas do not take minutes."""
MOST_IMAGES = 12


def resized(item: LabelledImage, factor: float) -> LabelledImage:
    """A resized image and its labels, the labels by nearest neighbour; a large one is cropped to its centre."""
    height, width = (max(1, round(side * factor)) for side in item.labels.shape)
    rows = np.minimum((np.arange(height) + 0.5) / factor, item.labels.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) / factor, item.labels.shape[1] - 1).astype(int)
    labels = item.labels[np.ix_(rows, columns)]
    top, left = max(0, height - MOST_PX) // 2, max(0, width - MOST_PX) // 2
    part = (slice(top, top + MOST_PX), slice(left, left + MOST_PX))
    return LabelledImage(item.name, resize(item.image, (height, width))[part], labels[part])


def accuracy(
    checkpoint: Checkpoint, items: list[LabelledImage], *, rescale: float | None = None
) -> tuple[float, float]:
    """Accuracy, and the median predicted diameter; at the image's own size or, if given, rescaled."""
    segmenter = Segmenter((checkpoint,), rescale=1.0 if rescale is None else rescale)
    found = [segmenter.labels(item.image) for item in items]
    pairs = [interior(item.labels, labels) for item, labels in zip(items, found, strict=True)]
    counts = [score_image(true, predicted, thresholds=(0.5,)) for true, predicted in pairs]
    tp, fp, fn = (sum(count[f"{kind}_0.5"] for count in counts) for kind in ("tp", "fp", "fn"))
    diameters = np.concatenate([diameters_px(labels) for labels in found])
    return object_scores(tp, fp, fn)["accuracy"], median_or_nan(diameters)


def main() -> None:
    """Print a table of both sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", nargs="?")
    given = parser.parse_args()
    checkpoint = with_engine(load_checkpoint(network_folder(given.model)), threads=2).checkpoint
    nuclei = open_dataset(given.data / "dsb2018" / "stage1_train.zip")
    test = read_split(given.data / "dsb2018" / "split.csv")["test"]
    somas = open_dataset(given.data / "soma" / "val")
    sets = {
        "nuclei": [item for name in test if not not_fluorescence((item := nuclei.load(name)).image)][:MOST_IMAGES],
        "neurons": [somas.load(name) for name in somas.names],
    }
    rows = []
    for name, items in sets.items():
        for size in SIZES_PX:
            shown = [
                resized(item, size / median_or_nan(diameters_px(item.labels))) for item in items if item.labels.any()
            ]
            plain, diameter = accuracy(checkpoint, shown)
            again, _ = accuracy(checkpoint, shown, rescale=20 / size)
            rows.append([name, f"{size:g}", f"{plain:.3f}", f"{diameter:.1f}", f"{again:.3f}"])
    head = ["set", "median diameter (px)", "accuracy", "predicted (px)", "accuracy with --rescale to 20 px"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
