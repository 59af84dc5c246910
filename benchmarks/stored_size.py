"""Nuclei of many sizes: what the estimated size gains or loses against images as they are stored.

python -m benchmarks.stored_size --data ../shared/data        # the fluorescence images of DSB2018, val and test

Images that are rescaled by the estimate are labelled as stored, too. Accuracy: TP / (TP + FP + FN) at IoU 0.5, mean
over images.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import somanet
from somanet.core.markdown import table
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.modality import not_fluorescence


@dataclass(frozen=True)
class Compared:
    """An image that the estimate rescales, with its accuracy so and as stored."""

    factor: float
    rescaled: float
    stored: float


def accuracy(item: LabelledImage, labels_YX) -> float:  # type: ignore[no-untyped-def]
    """Of the labels of one image."""
    return float(dict(score_dataset([(item.name, item.labels, labels_YX)]).values)["accuracy"])


def main() -> None:
    """Print a row per part and direction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data / "dsb2018/stage1_train.zip")
    split = read_split(arguments.data / "dsb2018/split.csv")
    as_stored, default = somanet.load_model("bundled", rescale=1), somanet.load_model("bundled")
    lines = []
    for part in ("val", "test"):
        items = [item for item in map(dataset.load, split[part]) if not_fluorescence(item.image) is None]
        found: list[Compared] = []
        for item in items:
            seen = default.describe(item.image)
            if seen.rescale != 1:
                scores = (accuracy(item, labels) for labels in (seen.labels_YX, as_stored.segment(item.image)))
                found.append(Compared(seen.rescale, *scores))
        for way, chosen in (
            ("smaller", [one for one in found if one.factor < 1]),
            ("larger", [one for one in found if one.factor > 1]),
        ):
            if not chosen:
                continue
            gains = [one.rescaled - one.stored for one in chosen]
            counts = f"{sum(gain > 0 for gain in gains)}, {sum(gain < 0 for gain in gains)}"
            means = (f"{mean(getattr(one, name) for one in chosen):.3f}" for name in ("stored", "rescaled"))
            lines.append([f"{part} ({len(items)})", f"{len(chosen)} made {way}", *means, counts])
    print(table(["part (images)", "rescaled", "as stored", "as rescaled", "better, worse"], lines))


if __name__ == "__main__":
    main()
