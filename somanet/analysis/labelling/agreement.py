"""How far two labellings of the same images agree: no score against one of them can mean more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.typed import typed
from somanet.evaluation.scores import Scores, score_dataset
from somanet.io.label_checks import Checked, describe_doubts
from somanet.segmentation.inference.ground_truth import read_ground_truth

SYMMETRIC = ("iou", "f1", "accuracy", "mean_ap")
"""Scores that do not depend on which labelling comes first."""
WORDS = {
    "iou": "IoU of the foregrounds, mean over images",
    "f1": "objects that both have (F1 at IoU 0.5)",
    "accuracy": "both have, of all that one has (AP at IoU 0.5)",
    "mean_ap": "the same, mean over IoU 0.5 to 0.9",
    "size_bias": "area in the second over area in the first",
}


@dataclass(frozen=True)
class Agreement:
    """Two labellings compared.

    Attributes:
        scores: of the second against the first, everything.
        interior: without objects cut by the image's edge.
        n_first, n_second: objects of each.
        notes: what the user has to know.
    """

    scores: Scores
    interior: Scores
    n_first: int
    n_second: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: of each score the value and the 95 % interval over images."""
        return {
            **_chosen(self.scores),
            "interior": _chosen(self.interior),
            "n_images": len(self.scores.per_image),
            "n_objects": {"first": self.n_first, "second": self.n_second},
        }


def _chosen(scores: Scores) -> dict[str, Any]:
    return {
        **{name: scores.values[name] for name in WORDS},
        "interval95": {name: list(scores.intervals[name]) for name in WORDS},
    }


def agreement(first: Path, second: Path, *, binary: bool | None = None, seed: int = 0) -> Agreement:
    """Compare two labellings: data sets of any layout, or folders of label images, by the images' names.

    Args:
        first, second: the labellings.
        binary: as for :func:`somanet.io.label_checks.check_labels`.
        seed: of the bootstrap.

    Raises:
        SomaNetError: no image in common, images of another size, or labels that cannot be used.
    """
    a, b = read_ground_truth(first, binary=binary), read_ground_truth(second, binary=binary)
    shared = [name for name in a if name in b]
    if not shared:
        raise SomaNetError(
            f"{first} and {second}: expected labels of the same images, found no name in both (such as "
            f"{next(iter(a), 'none')!r} and {next(iter(b), 'none')!r}). A second person gets the same crops by "
            f"`{typed('label', 'propose', 'INPUT', '--crops', first, '--output', 'SECOND')}`."
        )
    pairs = [(name, a[name].labels, b[name].labels) for name in shared]
    scores, interior = (score_dataset(pairs, ignore_edge=edge, seed=seed) for edge in (False, True))
    return Agreement(
        scores,
        interior,
        _count(a, shared),
        _count(b, shared),
        (*_alone(a, b, first, second), *_doubts(a, b, first, second)),
    )


def _count(labels: Mapping[str, Checked], shared: list[str]) -> int:
    return sum(int(np.count_nonzero(np.unique(labels[name].labels))) for name in shared)


def _alone(a: Mapping[str, Checked], b: Mapping[str, Checked], first: Path, second: Path) -> list[str]:
    found = []
    for here, there, path in ((a, b, first), (b, a, second)):
        if alone := sorted(set(here) - set(there)):
            found.append(f"{len(alone)} images are in {path} only, such as {alone[0]!r}, and were left out")
    return found


def _doubts(a: Mapping[str, Checked], b: Mapping[str, Checked], first: Path, second: Path) -> list[str]:
    return [
        f"{path}: {note}"
        for path, labels in ((first, a), (second, b))
        for note in describe_doubts({name: one.doubts for name, one in labels.items()})
    ]
