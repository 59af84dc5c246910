"""Scores of a part of the frame: the objects in it, and matches restricted to it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import Labels
from somanet.evaluation.tracks import Matches

Inside = list[set[int]]
"""The ids inside, in each frame; frames after the last are empty."""


@dataclass(frozen=True)
class Window:
    """Columns of the frame, from ``x_from_px`` (included) to ``x_to_px`` (excluded)."""

    x_from_px: float = 0.0
    x_to_px: float = math.inf

    def __post_init__(self) -> None:
        if not self.x_from_px < self.x_to_px:
            raise SomaNetError(
                f"The part of the frame must begin before it ends, found {self.x_from_px:g} to {self.x_to_px:g} px."
            )

    def points(self, tracks: pd.DataFrame) -> Inside:
        """Which tracks have their point inside.

        Args:
            tracks: ``track_id``, ``frame``, ``x_px``.
        """
        inside: Inside = [set() for _ in range(1 + int(tracks["frame"].max()))] if len(tracks) else []
        rows = tracks[(tracks["x_px"] >= self.x_from_px) & (tracks["x_px"] < self.x_to_px)]
        for track, t in zip(rows["track_id"].tolist(), rows["frame"].tolist(), strict=True):
            inside[t].add(track)
        return inside

    def objects(self, labels: Iterable[Labels]) -> Inside:
        """Which objects have their centre inside.

        Args:
            labels: YX label images, one at a time.
        """
        return [self._objects(np.asarray(labels_YX)) for labels_YX in labels]

    def _objects(self, labels_YX: Labels) -> set[int]:
        _, x = np.nonzero(labels_YX)
        ids, index = np.unique(labels_YX[labels_YX != 0], return_inverse=True)
        centres = np.bincount(index, weights=x) / np.maximum(np.bincount(index), 1)
        return set(ids[(centres >= self.x_from_px) & (centres < self.x_to_px)].tolist())


def confine(matches: Matches, reference: Inside, predicted: Inside) -> Matches:
    """The matches in a part of the frame.

    A pair belongs where its reference lies, so that the border cuts no pair; an unmatched detection belongs where it
    lies itself. Tracks count with their frames inside.

    Args:
        matches: matches of whole frames.
        reference, predicted: the ids inside, in each frame.
    """
    confined = Matches([], [], [], [])
    for t, (true, pred, pairs, iou) in enumerate(
        zip(matches.reference, matches.predicted, matches.pairs, matches.iou, strict=True)
    ):
        true_inside, pred_inside = (ids[t] if t < len(ids) else set() for ids in (reference, predicted))
        kept = [k for k, (i, _) in enumerate(pairs) if i in true_inside]
        matched, partners = {j for _, j in pairs}, {pairs[k][1] for k in kept}
        confined.reference.append([i for i in true if i in true_inside])
        confined.predicted.append([j for j in pred if j in partners or (j in pred_inside and j not in matched)])
        confined.pairs.append([pairs[k] for k in kept])
        confined.iou.append([iou[k] for k in kept])
    return confined
