"""Quality on held-out images: nuclei of DSB2018's test part, the crops of soma/val, and the movie at x ≥ 440."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.engines.movie import compare_labels
from benchmarks.held_out import cut, frames_never_cropped
from benchmarks.peers.scoring import score_subsets
from benchmarks.yolo.sets import LATER_X_PX
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.segmenter import Segmenter

Scores = dict[str, float]
ACCURACIES = ("nuclei 0.5", "nuclei mean", "soma/val mean", "later mean")
"""Those of which no loss above :data:`NO_LOSS` is allowed."""
NO_LOSS = 0.005


@dataclass(frozen=True)
class HeldOut:
    """Images that no network here has seen.

    Attributes:
        nuclei: fluorescence images of DSB2018's test part.
        crops: soma/val.
        frames: the movie's frames without a training crop; only their part from x = 440 on counts.
    """

    nuclei: Sequence[LabelledImage]
    crops: Sequence[LabelledImage]
    frames: Sequence[LabelledImage]

    @classmethod
    def read(cls, data: Path, *, part: str = "test", n_images: int | None = None) -> HeldOut:
        """From a folder with dsb2018/, soma/ and neuritetracker/; of each set the first images."""
        dataset = open_dataset(data / "dsb2018" / "stage1_train.zip")
        names = read_split(data / "dsb2018" / "split.csv")[part]
        nuclei = [item for item in map(dataset.load, names) if not_fluorescence(item.image) is None]
        crops = list(open_dataset(data / "soma" / "val"))
        frames = list(frames_never_cropped(data))
        return cls(nuclei[:n_images], crops[:n_images], frames[:n_images])


def scored(segmenter: Segmenter, held_out: HeldOut) -> tuple[Scores, list[np.ndarray]]:
    """Scores of a network, and its labels of the movie's frames."""
    nuclei = [(item.name, item.labels, segmenter.labels(item.image)) for item in held_out.nuclei]
    of_images = score_subsets(nuclei, dict.fromkeys((name for name, _, _ in nuclei), True))["fluorescence"]
    crops = [(item.name, item.labels, segmenter.labels(item.image)) for item in held_out.crops]
    of_crops = score_dataset(crops, intervals=False).values
    found = [(item, segmenter.segment(item.image)) for item in held_out.frames]
    of_frames = score_dataset(cut(found, LATER_X_PX), intervals=False).values
    scores = {
        "nuclei 0.5": of_images["images_0.5"],
        "nuclei mean": of_images["images_mean"],
        "soma/val mean": of_crops["mean_ap"],
        "later precision": of_frames["precision"],
        "later recall": of_frames["recall"],
        "later mean": of_frames["mean_ap"],
    }
    return scores, [segmented.labels_YX for _, segmented in found]


def agreement(expected: Iterable[np.ndarray], found: Iterable[np.ndarray]) -> float:
    """Mean IoU of each soma of a movie's labels with the one that covers most of it in others."""
    return float(compare_labels(np.stack(list(expected)), np.stack(list(found)))["mean_iou"])


def loses(scores: Scores, bundled: Scores) -> dict[str, float]:
    """The accuracies that are worse than the bundled network's by more than :data:`NO_LOSS`, and by how much."""
    differences = {name: scores[name] - bundled[name] for name in ACCURACIES}
    return {name: change for name, change in differences.items() if change < -NO_LOSS}
