"""Places of doubt: where a network or a tracking is likely to be wrong, so that a person's time is worth most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.labelling.crops import Crop, around, overlap_share
from somanet.core.counting import counted
from somanet.evaluation.masks import overlap

LOW_CONFIDENCE = 0.7
"""Below this the confidence in a soma is low."""
CHANGED = 0.3
"""1 − IoU from which test-time augmentation changes a soma; 1 if it is found in one of the two only."""
UNUSUAL = 2.0
"""An area that is this many times the median, or that part of it, is unusual."""
JUMP = 6.0
"""A step that long, in median steps and in diameters of a soma beyond the first, is a jump."""
LOW, TTA, SIZE, BEGINS, ENDS, GAP, JUMPS = (
    "low confidence",
    "changed by test-time augmentation",
    "of unusual size",
    "track begins",
    "track ends",
    "gap in a track",
    "jump of a track",
)


@dataclass(frozen=True)
class Place:
    """One place of doubt.

    Attributes:
        frame: from 0; None of a still image.
        y_px, x_px: where.
        kind: why, one of the words above.
        weight: how doubtful, 0 to 1.
        value: the number behind it: the confidence, the IoU, the area over the median, the step in diameters; NaN if
            there is none.
    """

    frame: int | None
    y_px: float
    x_px: float
    kind: str
    weight: float
    value: float = float("nan")


def doubtful_objects(somas: pd.DataFrame) -> list[Place]:
    """Objects of low confidence and of unusual size.

    Args:
        somas: `frame` (or missing), `y_px`, `x_px`, `area_px` and `confidence` of every object.
    """
    if not len(somas):
        return []
    usual = float(somas["area_px"].median())
    found = []
    for row in somas.to_dict("records"):
        place = (None if pd.isna(row["frame"]) else int(row["frame"]), float(row["y_px"]), float(row["x_px"]))
        confidence, ratio = float(row["confidence"]), float(row["area_px"]) / usual
        if confidence < LOW_CONFIDENCE:
            found.append(Place(*place, LOW, 1 - confidence, confidence))
        if not 1 / UNUSUAL < ratio < UNUSUAL:
            found.append(Place(*place, SIZE, min(1.0, abs(float(np.log(ratio))) / 2), ratio))
    return found


def changed_objects(frame: int | None, labels_YX: NDArray[np.int32], augmented_YX: NDArray[np.int32]) -> list[Place]:
    """Objects that test-time augmentation moves, adds or takes away.

    Args:
        frame: of the image.
        labels_YX, augmented_YX: what the network predicts without and with augmentation.
    """
    iou = overlap(labels_YX, augmented_YX).iou
    found = []
    for labels, best in ((labels_YX, iou.max(axis=1, initial=0)), (augmented_YX, iou.max(axis=0, initial=0))):
        ids = np.unique(labels[labels > 0])
        for one, value in zip(ids, best, strict=True):
            if 1 - value > CHANGED and (labels is labels_YX or value == 0):  # each pair once
                y, x = np.nonzero(labels == one)
                found.append(Place(frame, float(y.mean()), float(x.mean()), TTA, 1 - float(value), float(value)))
    return found


def broken_tracks(tracks: pd.DataFrame, shape_YX: tuple[int, int], *, diameter_px: float) -> list[Place]:
    """Where tracks begin or end within the movie and the image, have a gap, or jump.

    Args:
        tracks: `track_id`, `frame`, `y_px`, `x_px`.
        shape_YX: the image's height and width.
        diameter_px: usual diameter of a soma: ends that near to the edge are those of cells that leave.
    """
    if not len(tracks):
        return []
    first_frame, last_frame = int(tracks["frame"].min()), int(tracks["frame"].max())
    ordered = tracks.sort_values(["track_id", "frame"])
    step = np.hypot(ordered["y_px"].diff().to_numpy(float), ordered["x_px"].diff().to_numpy(float))
    after = ordered["frame"].diff().to_numpy(float)
    same = ordered["track_id"].diff().to_numpy(float) == 0
    next_frame = same & (after == 1)
    usual = float(np.median(step[next_frame])) if next_frame.any() else 0.0
    found = []
    rows = list(ordered[["track_id", "frame", "y_px", "x_px"]].itertuples(index=False, name=None))
    for n, (track, frame, y, x) in enumerate(rows):
        place = (int(frame), float(y), float(x))
        inside = min(y, x, shape_YX[0] - y, shape_YX[1] - x) > diameter_px
        if inside and frame > first_frame and (n == 0 or rows[n - 1][0] != track):
            found.append(Place(*place, BEGINS, 1.0))
        if inside and frame < last_frame and (n + 1 == len(rows) or rows[n + 1][0] != track):
            found.append(Place(*place, ENDS, 1.0))
        if same[n] and after[n] > 1:
            found.append(Place(*place, GAP, 1.0, float(after[n] - 1)))
        elif same[n] and step[n] > max(JUMP * usual, diameter_px):
            found.append(Place(*place, JUMPS, 0.8, float(step[n] / diameter_px)))
    return found


def crops_of_doubt(
    places: Sequence[Place],
    source: str,
    shape_YX: tuple[int, int],
    *,
    n_frames: int,
    count: int,
    size_px: int,
) -> list[Crop]:
    """The crops with most doubt, spread over time and place.

    What overlaps a crop that is chosen already counts less, the less the nearer the two are in time, where the unit is
    a part of the movie (frames over ``count``). Places at the image's edge count half: a cell that is cut is doubtful
    by nature, and can hardly be labelled better.

    Args:
        places: of one movie or image.
        source: its name.
        shape_YX: its height and width.
        n_frames: its number of frames.
        count: the largest number of crops.
        size_px: side of a crop.

    Returns:
        The crops, most doubtful first, with their scores and reasons; fewer than ``count`` if there is no more doubt.
    """
    by_frame: dict[int | None, list[Place]] = {}
    for one in places:
        edge = min(one.y_px, one.x_px, shape_YX[0] - one.y_px, shape_YX[1] - one.x_px) < size_px / 16
        weighted = replace(one, weight=one.weight / 2) if edge else one
        by_frame.setdefault(one.frame, []).append(weighted)
    candidates = [
        (crop, [place for place in here if _is_in(place, crop)])
        for frame, here in by_frame.items()
        for crop in dict.fromkeys(around(source, frame, (one.y_px, one.x_px), shape_YX, size_px) for one in here)
    ]
    values = np.array([sum(place.weight for place in inside) for _, inside in candidates])
    part = max(1.0, n_frames / max(count, 1))
    chosen: list[Crop] = []
    worth = values.copy()
    while len(chosen) < count and len(worth) and worth.max() > 0:
        best = int(worth.argmax())
        crop, inside = candidates[best]
        marks = tuple((place.y_px - crop.y_px, place.x_px - crop.x_px) for place in inside)
        chosen.append(replace(crop, score=round(float(values[best]), 3), reasons=reasons_of(inside), marks_YX=marks))
        for n, (other, _) in enumerate(candidates):
            away = abs((other.frame or 0) - (crop.frame or 0)) / part
            worth[n] *= 1 - overlap_share(other, crop) * float(np.exp(-away))
        worth[best] = 0
    return chosen


def _is_in(place: Place, crop: Crop) -> bool:
    return crop.y_px <= place.y_px < crop.y_px + crop.height_px and crop.x_px <= place.x_px < crop.x_px + crop.width_px


def reasons_of(places: Sequence[Place]) -> str:
    """Why a crop was chosen, the heaviest kind first: `2 somas of low confidence (0.41); track ends`."""
    weights = {kind: sum(one.weight for one in places if one.kind == kind) for kind in {one.kind for one in places}}
    found = []
    for kind in sorted(weights, key=lambda kind: (-weights[kind], kind)):
        values = [one.value for one in places if one.kind == kind]
        n = len(values)
        somas = _somas(n)
        if kind == LOW:
            found.append(f"{somas} of low confidence ({min(values):.2f})")
        elif kind == TTA:
            moved = [value for value in values if value > 0]
            if moved:
                found.append(f"{_somas(len(moved))} changed by test-time augmentation (IoU {min(moved):.2f})")
            if len(values) > len(moved):
                found.append(f"{_somas(n - len(moved))} found only with or only without test-time augmentation")
        elif kind == SIZE:
            worst = max(values, key=lambda ratio: abs(np.log(ratio)))
            found.append(f"{somas} of unusual size ({worst:.2g} × the median)")
        else:
            found.append(kind if n == 1 else f"{kind} ({n} ×)")
    return "; ".join(found)


def _somas(n: int) -> str:
    return counted(n, "soma")
