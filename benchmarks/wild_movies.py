"""Real movies of other laboratories, segmented as they are and with the size estimated and haze left out.

python -m benchmarks.wild_movies --data ../shared/data

Objects per frame, and cells: tracks of the first frames. The scale of most is not known; for tracking, the typical soma
has 20 µm, and frames are 10 min apart. Where masks exist, IoU of the foreground, and TP / (TP + FP + FN) at IoU 0.5.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.evaluation.masks import object_scores, score_image
from somanet.segmentation.inference.diameters import diameters_px, median_or_nan
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.segmentation.inference.video import segmented_frames
from somanet.tracking.movie import track_masks
from somanet.tracking.settings import TrackSettings

MOST_FRAMES = 8
TYPICAL_UM, INTERVAL_MIN = 20.0, 10.0


class Sample(NamedTuple):
    """The first frames of a movie, the masks of each if there are any, and what is known of the right number."""

    frames: list[NDArray[Any]]
    masks: list[NDArray[np.int64]]
    expected: str


def first(movie: NDArray[Any]) -> list[NDArray[Any]]:
    """Its first frames."""
    return list(movie[:MOST_FRAMES])


def samples(wild: Path) -> dict[str, Callable[[], Sample]]:
    """Movies by name; those that the bundled network refuses as bright field are left out."""

    def laptrack() -> Sample:
        images, labels = (tifffile.imread(wild / "laptrack_hela" / f"example_{one}.tif") for one in ("images", "label"))
        return Sample(first(images), [one.astype(np.int64) for one in first(labels)], "45 labelled")

    def live_nuclei() -> Sample:
        labels = tifffile.imread(wild / "celldetective" / "sample_labelled.tif")
        return Sample(
            [tifffile.imread(wild / "celldetective" / "sample.tif")[3]], [labels.astype(np.int64)], "48 labelled"
        )

    def embryo() -> Sample:
        paths = sorted((wild / "drosophila_h2b").glob("*.tif"))[:MOST_FRAMES]
        return Sample([tifffile.imread(path) for path in paths], [], "about 8 nuclei")

    def small() -> Sample:
        movie = tifffile.imread(wild / "mia_cil11813" / "Ex2_Cell-Image-Library-11813.tif")
        return Sample(first(movie), [], "129 by its authors, 190 with `--diameter 8`")

    def leukocytes() -> Sample:
        return Sample(first(tifffile.imread(wild / "napari_bio" / "2D_timelapse.tif")), [], "14 tracks in all")

    def projected() -> Sample:
        return Sample(first(tifffile.imread(wild / "sktracker" / "TZ_nucleus.ome.tif").max(axis=1)), [], "3 nuclei")

    def microglia(number: str) -> Sample:
        movie = tifffile.imread(wild / "microglia_2p" / "M1_1d" / f"crop_reg_{number}.tif")
        return Sample(first(movie), [], "1 chosen cell, others at the edge")

    return {
        "laptrack_hela": laptrack,
        "celldetective, live nuclei": live_nuclei,
        "drosophila_h2b": embryo,
        "mia_cil11813": small,
        "napari_bio": leukocytes,
        "sktracker TZ_nucleus, max": projected,
        **{f"microglia_2p {number}": lambda number=number: microglia(number) for number in ("000", "003", "007")},
    }


def measured(sample: Sample, segmenter: Segmenter) -> tuple[list[str], float]:
    """Objects per frame, cells, IoU and accuracy; and the factor of rescaling."""
    frames = sample.frames
    segmenter, _ = decide(segmenter, [frames[n] for n in sorted({0, len(frames) // 2, len(frames) - 1})])
    found = [one.labels_YX for one in segmented_frames(segmenter, frames)]
    diameter = median_or_nan(np.concatenate([diameters_px(labels) for labels in found]))
    cells = "–"
    if len(frames) > 1 and diameter > 0:
        grey = [frame if frame.ndim == 2 else frame.max(axis=-1) for frame in frames]
        scale = Calibration(TYPICAL_UM / diameter, INTERVAL_MIN)
        tracked = track_masks(found, grey, scale, settings=TrackSettings(), blank_frames=(), keep=list)
        cells = str(tracked.tracks["track_id"].nunique())
    scores = ["–", "–"]
    if sample.masks:
        counts = [
            score_image(true, labels, thresholds=(0.5,)) for true, labels in zip(sample.masks, found, strict=True)
        ]
        tp, fp, fn = (sum(count[f"{kind}_0.5"] for count in counts) for kind in ("tp", "fp", "fn"))
        scores = [f"{np.mean([count['iou'] for count in counts]):.3f}", f"{object_scores(tp, fp, fn)['accuracy']:.3f}"]
    per_frame = sum(int(labels.max()) for labels in found) / len(found)
    return [f"{per_frame:.1f}", cells, *scores], segmenter.factor


def main() -> None:
    """Print a table with a row for each movie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    segmenter = open_networks(None).segmenter
    as_stored = replace(segmenter, rescale=1.0, haze=None)
    rows = []
    for name, read in samples(data / "wild" / "movies").items():
        sample = read()
        before, _ = measured(sample, as_stored)
        after, factor = measured(sample, segmenter)
        pairs = [a if a == b else f"{b} → {a}" for b, a in zip(before, after, strict=True)]
        rows.append([name, sample.expected, f"{factor:.2f}", *pairs])
        print(*rows[-1], sep=" | ", flush=True)
    head = ["movie", "right, per frame", "rescaled by", "objects per frame", "cells", "IoU", "accuracy 0.5"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
