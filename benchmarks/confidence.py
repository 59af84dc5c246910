"""Whether confidence tells right objects from wrong ones, and says how often they are right.

python -m benchmarks.confidence --data ../shared/data                    # the bundled network
python -m benchmarks.confidence --data ../shared/data --model FOLDER     # one with a fitted confidence

On sets that no network was trained on (`soma/val` set the temperature), and on the Data Science Bowl's test part, whose
training part was trained on. An object is right if it matches a soma at IoU 0.5; objects that the border cuts do not
count. `ranked`: the probability that a right object has more than a wrong one (the area under the ROC curve). Mean
probability: of soma over the network's outline, calibrated by the temperature. Expected calibration error: over ten
bins, the distance of the mean confidence from the share of right objects.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import Predictions, confidence_table, reliability, right_and_confidence
from benchmarks.refinement import Set, sets_of
from somanet.analysis.network import network_folder
from somanet.core.markdown import table
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.segmentation.network.checkpoint import load_checkpoint

UNSEEN = (
    "soma/val",
    "later frames, x ≥ 440",
    "HeLa nuclei (laptrack)",
    "live nuclei (celldetective)",
    "microglia in tissue",
)
SAME_DOMAIN = "DSB2018 test, fluorescence"
BINS = 10
KINDS = ("confidence", "mean probability", "contrast")
Judged = dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]
"""By kind: whether each object is right, and what is said of it."""


def judged(one: Set, segmenter: Segmenter) -> Judged:
    """All objects of a set, haze included."""
    items = one.load()
    segmenter = segmenter.at(1.0)
    if one.estimated:
        segmenter, _ = decide(Segmenter(segmenter.networks), [item.image for item in items[:: max(1, len(items) // 3)]])
    found: dict[str, Predictions] = {kind: [] for kind in KINDS}
    for item in items:
        segmented = segmenter.segment(item.image)
        mean = segmented.confidence
        if segmenter.first.object_confidence is not None:
            mean = replace(segmenter, as_outlined=True).segment(item.image).confidence  # of the same objects
        known = np.nan_to_num(segmented.contrast, nan=float(np.nanmedian([*segmented.contrast, 0.0])))
        for kind, values in zip(KINDS, (segmented.confidence, mean, known), strict=True):
            found[kind].append((item, segmented._replace(confidence=values)))
    return {kind: right_and_confidence(predictions, one.x_from_px) for kind, predictions in found.items()}


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """Expected calibration error over objects."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    said = np.bincount(bins, confidence, BINS)
    observed = np.bincount(bins, right, BINS)
    return float(np.abs(said - observed).sum() / max(len(right), 1))


def row(name: str, found: Judged) -> list[str]:
    """Objects, wrong ones, ranking by each kind, calibration error of the first two."""
    right = found[KINDS[0]][0]
    ranked = [reliability(*found[kind])["ranked"] for kind in KINDS]
    errors = [calibration_error(*found[kind]) for kind in KINDS[:2]]
    return [name, str(len(right)), str(int((~right).sum())), *(f"{value:.3f}" for value in (*ranked, *errors))]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="default: the bundled network")
    given = parser.parse_args()
    checkpoint = with_engine(load_checkpoint(network_folder(given.model)), threads=1).checkpoint
    sets = sets_of(given.data)
    found = {name: judged(sets[name], Segmenter((checkpoint,))) for name in (*UNSEEN, SAME_DOMAIN)}
    pooled: Judged = {
        kind: (
            np.concatenate([found[name][kind][0] for name in UNSEEN]),
            np.concatenate([found[name][kind][1] for name in UNSEEN]),
        )
        for kind in KINDS
    }
    rows = [row(name, found[name]) for name in UNSEEN]
    rows += [row("these five together", pooled), row(SAME_DOMAIN, found[SAME_DOMAIN])]
    head = ["objects of", "number", "wrong", *(f"ranked by {kind}" for kind in KINDS)]
    print(table([*head, "calibration error", "of the mean probability"], rows))
    print("\nRight objects, by confidence, of the five sets together:\n")
    print(confidence_table({kind: reliability(*pooled[kind]) for kind in KINDS[:2]}))


if __name__ == "__main__":
    main()
