"""Where the automatic results are probably wrong: places to look at, the most suspicious first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from somanet.tracking.detections import Labels

COLUMNS = ("track_id", "frame", "y_px", "x_px", "area_px", "confidence", "drawn")
"""What is needed of a detection: ``confidence`` NaN where no network judged it, ``drawn`` 1 where a person drew it."""
SPREADS = 5.0
"""A step or a change of size is unusual from so many robust standard deviations above the median on."""
LEAST_STEP_DIAMETERS = 0.5
"""No step below half a soma's diameter is a jump, whatever the others are."""
LEAST_RATIO = 1.5
"""Nor a change of area below this ratio unusual."""
SHORT_SHARE, SHORT_FRAMES = 0.25, 12
"""A track is short below this share of the movie, and below this number of frames."""
UNSURE = 0.7
"""From this confidence up, the network is sure."""
NEAR_FRAMES = 3
"""Places of one track within so many frames are one place: the most suspicious of them."""
GAP_PX = 1
"""Somas touch if at most this many pixels of background lie between them."""


class Contact(NamedTuple):
    """Two somas of a frame that touch, and over how many pixels."""

    one: int
    other: int
    length_px: int


@dataclass(frozen=True)
class Place:
    """A detection that is probably wrong.

    Attributes:
        frame, track: which one.
        y_px, x_px: where.
        score: from 0 to 1, how suspicious: signs add up as if each were an independent probability of an error, which
            they are not: only the order means something.
        reasons: the signs in words, the strongest first.
    """

    frame: int
    track: int
    y_px: float
    x_px: float
    score: float
    reasons: tuple[str, ...]


def find_places(
    points: pd.DataFrame,
    *,
    n_frames: int,
    shape_YX: tuple[int, int],
    contacts: Mapping[int, Iterable[Contact]] | None = None,
) -> list[Place]:
    """The places of a movie, the most suspicious first.

    Signs are: a short track; a track that begins or ends inside the picture and the movie; a step far longer than the
    others; an area that changes far more than others from one frame to the next; somas that touch; an unsure network.
    What a person drew is neither unsure nor of unusual size, nor is what the edge of the picture cuts.

    Args:
        points: one row per detection, :data:`COLUMNS`.
        n_frames: of the movie.
        shape_YX: of a frame.
        contacts: of each frame, from :func:`touching`; a frame that is not there is taken to have none.
    """
    table = points.sort_values(["track_id", "frame"], ignore_index=True)
    if table.empty:
        return []
    signs = _Signs(len(table))
    diameter_px = 2 * float(np.sqrt(table["area_px"].median() / np.pi))
    _short_tracks(table, signs, n_frames)
    _ends(table, signs, n_frames, shape_YX, margin_px=diameter_px)
    _jumps(table, signs, diameter_px)
    _sizes(table, signs, shape_YX, margin_px=diameter_px)
    _unsure(table, signs)
    _touching(table, signs, contacts or {}, diameter_px)
    return _peaks(table, signs)


def touching(read: Callable[[], Labels], centres_yx: Sequence[tuple[float, float]], reach_px: float) -> list[Contact]:
    """The pairs of somas in a label image with at most :data:`GAP_PX` pixels of background between them.

    Args:
        read: gives the label image; it is not called where no two somas are near each other.
        centres_yx: of its somas.
        reach_px: only somas whose centres are at most this far apart are looked at.

    Returns:
        pairs by id, each with the number of pairs of pixels, one of each soma, that far apart along rows or columns.
    """
    found: dict[tuple[int, int], int] = {}
    centres = np.asarray(centres_yx, np.float64).reshape(-1, 2)
    near = sorted(cKDTree(centres).query_pairs(reach_px)) if len(centres) > 1 else []
    labels = np.asarray(read()) if near else np.zeros((0, 0), np.int32)
    for pair in near:
        here = centres[list(pair)]
        top, left = np.maximum(here.min(axis=0) - reach_px, 0).astype(int).tolist()
        bottom, right = (here.max(axis=0) + reach_px + 1).astype(int).tolist()
        for one, length in _contacts(labels[top:bottom, left:right]).items():
            found[one] = max(length, found.get(one, 0))
    return [Contact(*pair, length) for pair, length in sorted(found.items())]


def _contacts(labels: Labels) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for step in range(1, GAP_PX + 2):
        for first, second in ((labels[:-step], labels[step:]), (labels[:, :-step], labels[:, step:])):
            meet = (first > 0) & (second > 0) & (first != second)
            for a, b in zip(first[meet].tolist(), second[meet].tolist(), strict=True):
                pair = (min(a, b), max(a, b))
                found[pair] = found.get(pair, 0) + 1
    return found


class _Signs:
    """Of each detection the chance that it is right in spite of its signs, and these."""

    def __init__(self, n: int) -> None:
        self.right = np.ones(n)
        self.reasons: list[list[tuple[float, str]]] = [[] for _ in range(n)]

    def add(self, row: int, score: float, reason: str) -> None:
        score = float(np.clip(score, 0, 0.99))
        if score > 0:
            self.right[row] *= 1 - score
            self.reasons[row].append((score, reason))


def _short_tracks(table: pd.DataFrame, signs: _Signs, n_frames: int) -> None:
    limit = min(SHORT_FRAMES, SHORT_SHARE * n_frames)
    for track, rows in table.groupby("track_id").indices.items():
        if len(rows) < limit:
            signs.add(int(rows[0]), 0.8 * (1 - len(rows) / limit), f"track {track} has only {len(rows)} frames")


def _ends(table: pd.DataFrame, signs: _Signs, n_frames: int, shape_YX: tuple[int, int], *, margin_px: float) -> None:
    edge_px = _from_edge(table, shape_YX)
    frame, track = table["frame"].to_numpy(), table["track_id"].to_numpy()
    changes = track[1:] != track[:-1]
    first, last = np.concatenate([[True], changes]), np.concatenate([changes, [True]])
    for row in np.flatnonzero(first & (frame > 0) & (edge_px > margin_px)).tolist():
        signs.add(row, 0.5, f"track {track[row]} begins in frame {frame[row]}, {edge_px[row]:.0f} px from the edge")
    for row in np.flatnonzero(last & (frame < n_frames - 1) & (edge_px > margin_px)).tolist():
        signs.add(row, 0.5, f"track {track[row]} ends in frame {frame[row]}, {edge_px[row]:.0f} px from the edge")


def _jumps(table: pd.DataFrame, signs: _Signs, diameter_px: float) -> None:
    rows, gaps = _steps(table)
    if not len(rows):
        return
    y, x = table["y_px"].to_numpy(), table["x_px"].to_numpy()
    step_px = np.hypot(y[rows] - y[rows - 1], x[rows] - x[rows - 1]) / np.sqrt(gaps)
    limit = max(_unusual(step_px), LEAST_STEP_DIAMETERS * diameter_px)
    for row, step in zip(rows.tolist(), step_px.tolist(), strict=True):
        if step > limit:
            signs.add(row, 1 - (limit / step) ** 2, f"a step of {step:.0f} px, {step / diameter_px:.1f} diameters")


def _sizes(table: pd.DataFrame, signs: _Signs, shape_YX: tuple[int, int], *, margin_px: float) -> None:
    rows, _ = _steps(table)
    area = table["area_px"].to_numpy(float)
    left_out = table["drawn"].to_numpy(bool) | ~(area > 0) | (_from_edge(table, shape_YX) < margin_px)
    rows = rows[~(left_out[rows] | left_out[rows - 1])]
    if not len(rows):
        return
    ratio = area[rows] / area[rows - 1]
    change = np.abs(np.log(ratio))
    limit = max(_unusual(change), float(np.log(LEAST_RATIO)))
    for row, value, times in zip(rows.tolist(), change.tolist(), ratio.tolist(), strict=True):
        if value > limit:
            signs.add(row, 1 - (limit / value) ** 2, f"its area is {times:.2g} times that of the frame before")


def _unsure(table: pd.DataFrame, signs: _Signs) -> None:
    confidence = table["confidence"].to_numpy(float)
    by_hand = table["drawn"].to_numpy(bool)
    for row in np.flatnonzero(~by_hand & (confidence < UNSURE)).tolist():
        signs.add(row, (UNSURE - confidence[row]) / UNSURE, f"the network is unsure of it ({confidence[row]:.2f})")


def _touching(
    table: pd.DataFrame, signs: _Signs, contacts: Mapping[int, Iterable[Contact]], diameter_px: float
) -> None:
    """One sign for each time that two somas meet: in the frame where they touch most."""
    places = {
        place: row for row, place in enumerate(zip(table["frame"].tolist(), table["track_id"].tolist(), strict=True))
    }
    met: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for frame in sorted(contacts):
        for one, other, length in contacts[frame]:
            met.setdefault((one, other), []).append((frame, length))
    for (one, other), touches in met.items():
        times = [[touches[0]]]
        for touch in touches[1:]:
            if touch[0] - times[-1][-1][0] > NEAR_FRAMES:
                times.append([])
            times[-1].append(touch)
        for time in times:
            frame, length = max(time, key=lambda touch: touch[1])
            row = places.get((frame, one), places.get((frame, other)))
            if row is not None:
                frames = f"frames {time[0][0]} to {time[-1][0]}" if len(time) > 1 else f"frame {frame}"
                signs.add(row, 0.4 * min(1.0, length / diameter_px), f"tracks {one} and {other} touch in {frames}")


def _from_edge(table: pd.DataFrame, shape_YX: tuple[int, int]) -> NDArray[np.float64]:
    """How far a soma's centre lies from the edge of the picture, in pixels."""
    y, x = table["y_px"].to_numpy(float), table["x_px"].to_numpy(float)
    return np.asarray(np.minimum.reduce([y, x, shape_YX[0] - 1 - y, shape_YX[1] - 1 - x]), np.float64)


def _steps(table: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Rows that continue a track, and how many frames after the row before."""
    track, frame = table["track_id"].to_numpy(), table["frame"].to_numpy()
    rows = np.flatnonzero(track[1:] == track[:-1]) + 1
    return rows, frame[rows] - frame[rows - 1]


def _unusual(values: NDArray[np.float64]) -> float:
    """The value from which on one is unusual: robust to up to half of them being so."""
    median = float(np.median(values))
    return median + SPREADS * 1.4826 * float(np.median(np.abs(values - median)))


def _peaks(table: pd.DataFrame, signs: _Signs) -> list[Place]:
    score = 1 - signs.right
    track, frame = table["track_id"].tolist(), table["frame"].tolist()
    taken: dict[int, list[int]] = {}
    found = []
    for row in np.lexsort((table["frame"], -score.round(9))).tolist():
        if score[row] <= 0:
            break
        if any(abs(frame[row] - other) <= NEAR_FRAMES for other in taken.get(track[row], ())):
            continue
        taken.setdefault(track[row], []).append(frame[row])
        reasons = tuple(words for _, words in sorted(signs.reasons[row], key=lambda one: -one[0]))
        at = table.iloc[row]
        found.append(Place(frame[row], track[row], float(at["y_px"]), float(at["x_px"]), float(score[row]), reasons))
    return found
