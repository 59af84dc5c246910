"""What the refinement of outlines gains and harms: a network with and without it, on every kind of image.

somanet calibrate ../shared/data/soma/train crops.zip --refine --output build/refined     # the bundled network, refined
python -m benchmarks.refinement --data ../shared/data --model build/refined

Somas: the crops of `soma/train` (on which the refinement was chosen) and `soma/val`, and later frames at x >= 440.
Nuclei: the fluorescence images of the Data Science Bowl's test part, and two other laboratories' images. Tissue: an
embryo and microglia, whose references are coarse. Milliseconds are processor time for 520 x 696 px, of the refinement
alone and of everything from the image to labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.background import Image, embryo, hela, live_nuclei, microglia
from benchmarks.held_out import frames_never_cropped
from benchmarks.peers.images import load_images
from benchmarks.yolo.sets import LATER_X_PX
from somanet.analysis.network import network_folder
from somanet.core.errors import SomaNetError
from somanet.core.markdown import table
from somanet.evaluation.masks import Labels
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.instances import probabilities_to_labels, refined
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.rescaling import settings_at
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.segmentation.network.checkpoint import load_checkpoint

FRAME_PX = 520 * 696
COLUMNS = ("iou", "precision", "recall", "mean_ap", "ap_0.9", "size_bias")


class Set(NamedTuple):
    """Labelled images, the column from which they count, and whether their magnification is estimated."""

    load: Callable[[], list[LabelledImage]]
    x_from_px: int = 0
    estimated: bool = False


def sets_of(data: Path) -> dict[str, Set]:
    """All sets by name."""
    wild = data / "wild" / "movies"

    def crops(part: str) -> list[LabelledImage]:
        dataset = open_dataset(data / "soma" / part)
        return [dataset.load(name) for name in dataset.names]

    def named(images: Iterable[Image]) -> list[LabelledImage]:
        return [LabelledImage(str(n), one.image, np.asarray(one.cells_YX, np.int32)) for n, one in enumerate(images)]

    def nuclei() -> list[LabelledImage]:
        return [item for item in load_images("test", data) if not_fluorescence(item.image) is None]

    return {
        "soma/train": Set(lambda: crops("train")),
        "soma/val": Set(lambda: crops("val")),
        "later frames, x ≥ 440": Set(lambda: list(frames_never_cropped(data)), LATER_X_PX),
        "DSB2018 test, fluorescence": Set(nuclei),
        "HeLa nuclei (laptrack)": Set(lambda: named(hela(wild / "laptrack_hela")), estimated=True),
        "live nuclei (celldetective)": Set(lambda: named(live_nuclei(wild / "celldetective")), estimated=True),
        "Drosophila embryo": Set(lambda: named(embryo(wild / "drosophila_h2b")), estimated=True),
        "microglia in tissue": Set(lambda: named(microglia(wild / "microglia_2p" / "M1_1d")), estimated=True),
    }


def compared(one: Set, segmenter: Segmenter) -> tuple[list[list[str]], list[str]]:
    """Scores without and with refinement, and milliseconds of refinement and of the whole."""
    items = one.load()
    segmenter = segmenter.at(1.0)
    if one.estimated:
        shown = [item.image for item in items[:: max(1, len(items) // 3)]]
        segmenter, _ = decide(Segmenter(segmenter.networks), shown)
    spec = segmenter.first.spec
    settings = settings_at(spec.instances, segmenter.factor)
    pairs: tuple[list[tuple[str, Labels, Labels]], ...] = ([], [])
    seconds = np.zeros(2)
    for item in items:
        began = time.process_time()
        maps_CYX = segmenter.probabilities(item.image)
        before = probabilities_to_labels(maps_CYX, spec.outputs, settings)
        outlined = time.process_time()
        after = refined(before, item.image, maps_CYX[spec.outputs.index("soma")], settings)
        seconds += np.array([time.process_time() - outlined, time.process_time() - began])
        for found, labels in zip(pairs, (before, after), strict=True):
            found.append((item.name, item.labels[:, one.x_from_px :], labels[:, one.x_from_px :]))
    scores = [score_dataset(found, intervals=False).values for found in pairs]
    ms = 1000 * seconds * FRAME_PX / sum(item.labels.size for item in items)
    return [[f"{found[key]:.3f}" for key in COLUMNS] for found in scores], [f"{value:.0f}" for value in ms]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, help="a network with `instances.refine`")
    parser.add_argument("--only", nargs="+", help="names of sets")
    given = parser.parse_args()
    checkpoint = with_engine(load_checkpoint(network_folder(given.model)), threads=1).checkpoint
    if checkpoint.spec.instances.refine is None:
        raise SomaNetError("This network's outlines are not refined: expected one with `instances.refine`.")
    rows = []
    for name, one in sets_of(given.data).items():
        if given.only and name not in given.only:
            continue
        (before, after), ms = compared(one, Segmenter((checkpoint,)))
        rows.append([name, *(f"{a} → {b}" for a, b in zip(before, after, strict=True)), *ms])
        print(*rows[-1], sep=" | ", flush=True)
    print(table(["images", *COLUMNS, "ms refinement", "ms in all"], rows))


if __name__ == "__main__":
    main()
