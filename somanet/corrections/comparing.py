"""Results that came back from another program, compared with what it was given: the differences as edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.corrections import making
from somanet.corrections.applying import LEAST_IOU
from somanet.corrections.corrected import Corrected
from somanet.corrections.edits import Edit, Point
from somanet.corrections.masks import Mask
from somanet.tracking.detections import Labels, check_labels

SAME_PX = 0.1
"""Positions nearer than this are one point, rounded by another program."""
LEAST_SHARE = 0.5
"""Of the points of an export that must be found again in what came back, for it to be that export, corrected."""
_THEIRS = "theirs"


def edits_from_tracks(corrected: Corrected, tracks: pd.DataFrame, *, source: str, program: str) -> list[Edit]:
    """The edits that lead from results to tracks of the same cells, corrected elsewhere.

    Tracks are compared by the points they share, so that another numbering is no difference. A point that came back at
    the same place keeps its outline; one that was moved or added is a position without one.

    Args:
        corrected: the results that were exported, corrected so far.
        tracks: ``track_id``, ``frame``, ``y_px``, ``x_px``.
        source: the file, for messages.
        program: which recorded them, for the edits.

    Raises:
        SomaNetError: most points are others: they are not from these results.
    """
    own = corrected.points()[["track_id", "frame", "y_px", "x_px"]]
    theirs = tracks[["track_id", "frame", "y_px", "x_px"]].reset_index(drop=True)
    found = same_points(own, theirs)
    _check_share(int((found >= 0).sum()), len(own), len(theirs), source, "positions")
    identity = np.where(found >= 0, theirs["track_id"].to_numpy()[found] if len(theirs) else 0, 0)
    edits = _removals(corrected, own, identity, program)
    own = own.assign(**{_THEIRS: identity})
    kept = own[own[_THEIRS] > 0].reset_index(drop=True)
    taken = int(own["track_id"].max()) if len(own) else 0
    links, kept = _links(kept, taken, program)
    edits += links
    names = dict(zip(kept[_THEIRS].tolist(), kept["track_id"].tolist(), strict=True))
    fresh = max([taken, *kept["track_id"].tolist()], default=0)
    added = np.setdiff1d(np.arange(len(theirs)), found)
    for track, at in _points(theirs.iloc[added].sort_values(["track_id", "frame"])):
        if track not in names:
            fresh += 1
            names[track] = fresh
        edits.append(making.place(names[track], None, at, program=program))
    return edits


def edits_from_labels(
    corrected: Corrected,
    labels: Sequence[Labels],
    *,
    source: str,
    program: str,
    cells: Mapping[int, int] | None = None,
) -> list[Edit]:
    """The edits that lead from results to a label movie of the same cells, corrected elsewhere.

    One frame is in memory at a time.

    Args:
        corrected: the results that were exported, corrected so far; with labels.
        labels: YX label images, one for each frame.
        source: the file, for messages.
        program: which recorded them, for the edits.
        cells: value → the cell it is part of; a value that is missing is a cell of its own. If None, values are taken
            for identities if most of those of unchanged outlines go with one track each; else only outlines count.

    Raises:
        SomaNetError: another number or size of frames, most outlines are others, or a changed soma is in two places.
    """
    if len(labels) != len(corrected):
        raise SomaNetError(
            f"{source}: expected {len(corrected)} label images, one for each frame, found {len(labels)}. Is it the "
            "label movie of other results?"
        )
    points = corrected.points()
    tracks = points[["track_id", "frame", "y_px", "x_px"]]
    fresh = int(tracks["track_id"].max()) if len(tracks) else 0
    edits: list[Edit] = []
    values: dict[tuple[int, int], int] = {}  # (frame, track) -> their value, once the outlines are theirs
    n_own = n_theirs = n_same = most_values = 0
    apart = ""
    for t in range(len(corrected)):
        own_YX, their_YX = corrected[t], np.asarray(labels[t])
        try:
            check_labels(their_YX, t)
        except SomaNetError as error:
            raise SomaNetError(f"{source}: {error}") from error
        if own_YX.shape != their_YX.shape:
            raise SomaNetError(
                f"{source}: frame {t} has {their_YX.shape[0]} × {their_YX.shape[1]} px, the movie "
                f"{own_YX.shape[0]} × {own_YX.shape[1]}. Was it resized or cropped?"
            )
        pair = _Pair(t, own_YX, their_YX, tracks, program)
        found, fresh = pair.edits(fresh)
        apart = apart or pair.in_two_places(source)
        edits += found
        values |= {(t, track): value for track, value in pair.values.items()}
        n_own, n_theirs, n_same = n_own + pair.n_own, n_theirs + pair.n_theirs, n_same + pair.n_near
        most_values = max(most_values, pair.n_theirs)
    if n_own and not n_theirs:
        raise SomaNetError(
            f"{source} has no soma in any frame, and these results have {n_own}. Was it saved empty? If none of them "
            "is a soma, delete the tracks in napari."
        )
    if most_values == 1 and n_own > len(corrected):
        raise SomaNetError(
            f"{source}: all somas of a frame have one value; expected another for each. Is it a mask? Make labels of "
            "it (Fiji: Analyze Particles with Count Masks, or MorphoLibJ's Connected Components Labeling), or correct "
            "the label movie itself."
        )
    _check_share(n_same, n_own, n_theirs, source, "outlines")
    if apart:
        raise SomaNetError(apart)
    pairs = Counter((track, value) for (_, track), value in values.items())
    if cells is None:
        most: dict[tuple[int, int], int] = {}
        for pair_of, n in pairs.items():
            for side in (0, 1):
                most[side, pair_of[side]] = max(most.get((side, pair_of[side]), 0), n)
        agree = [sum(n for (of, _), n in most.items() if of == side) for side in (0, 1)]
        if min(agree) <= LEAST_SHARE * len(values):
            return edits
        cells = {}
    table = _after(corrected, edits, values)
    table[_THEIRS] = [cells.get(value, value) for value in table[_THEIRS].tolist()]
    links, _ = _links(table, fresh, program)
    return edits + links


class _Pair:
    """One frame before and after."""

    def __init__(self, t: int, own_YX: Labels, their_YX: Labels, tracks: pd.DataFrame, program: str) -> None:
        self._t, self._own, self._theirs, self._tracks, self._program = t, own_YX, their_YX, tracks, program
        own_px, their_px = _areas(own_YX), _areas(their_YX)
        self.n_own, self.n_theirs, self.n_near = len(own_px), len(their_px), 0
        both = (own_YX > 0) & (their_YX > 0)
        pairs, counts = np.unique(np.stack([own_YX[both], their_YX[both]]), axis=1, return_counts=True)
        self._shared = {(int(a), int(b)): int(n) for (a, b), n in zip(pairs.T, counts, strict=True)}
        self._own_px, self._their_px = own_px, their_px
        self.values: dict[int, int] = {}
        self._changed: list[int] = []

    def in_two_places(self, source: str) -> str:
        """What is wrong if a changed soma of theirs has pieces farther apart than its diameter; empty if none has."""
        for value in self._changed:
            gap_px, diameter_px = piece_gap(self._theirs == value)
            if gap_px > diameter_px:
                return (
                    f"{source}, frame {self._t}: the value {value} is in two places {gap_px:.0f} px apart; expected "
                    "one soma. Was another soma painted with its number, or were the labels converted to 8 bits "
                    "(Fiji scales them)? Give each soma a number of its own, in 16 bits."
                )
        return ""

    def edits(self, fresh: int) -> tuple[list[Edit], int]:
        """The edits of this frame, and the largest id that is taken then."""
        own_px, their_px = self._own_px, self._their_px
        for (a, b), n in self._shared.items():
            if n == own_px[a] == their_px[b]:
                self.values[a] = b
        left = {a for a in own_px if a not in self.values}
        new = set(their_px) - set(self.values.values())
        self.n_near = len(self.values)
        changes: list[tuple[list[int], list[int]]] = []  # ours and theirs that belong together
        for b in sorted(new):  # several of ours are one of theirs
            ours = [a for a in left if 2 * self._shared.get((a, b), 0) > own_px[a]]
            if len(ours) > 1:
                ours.sort(key=lambda a: (-self._shared[a, b], a))
                changes.append((ours, [b]))
                left -= set(ours)
                new.discard(b)
        for a in sorted(left):  # several of theirs are one of ours
            parts = [b for b in new if 2 * self._shared.get((a, b), 0) > their_px[b]]
            if len(parts) > 1:
                parts.sort(key=lambda b: (-self._shared[a, b], b))
                changes.append(([a], parts))
                left.discard(a)
                new -= set(parts)
        for a, b in sorted(self._shared, key=lambda pair: (-self._iou(*pair), pair)):
            if a in left and b in new and self._iou(a, b) >= LEAST_IOU:
                changes.append(([a], [b]))
                left.discard(a)
                new.discard(b)
                self.n_near += 1
        changes += [([], [b]) for b in sorted(new)]
        self._changed = sorted(b for _, theirs in changes for b in theirs)
        edits = [making.delete(self._t, a, _mask(self._own, a), program=self._program) for a in sorted(left)]
        # Each edit is of what the ones before it have left: a soma that grows takes pixels of its neighbour.
        work_YX = np.where(np.isin(self._own, sorted(left)), 0, self._own)
        for ours, theirs in changes:
            fresh = self._add(edits, work_YX, ours, theirs, fresh)
        return edits, fresh

    def _add(self, edits: list[Edit], work_YX: NDArray[Any], ours: list[int], theirs: list[int], fresh: int) -> int:
        """Add the edit by which somas of ours become somas of theirs; gives the largest id that is taken then."""
        t, program = self._t, self._program
        after = [_mask(self._theirs, b) for b in theirs]
        there = {a: mask for a in ours if (mask := Mask.of_label(work_YX, a)) is not None}
        n_ids = max(len(theirs) - len(there), 0)
        ids = [*there, *range(fresh + 1, fresh + 1 + n_ids)]
        before = list(there.values())
        if len(there) > 1:
            edits.append(making.merge(t, ids, before, after[0], program=program))
        elif there and len(theirs) > 1:
            edits.append(making.split(self._tracks, t, ids, before[0], after, program=program))
        elif there:
            if before[0] != after[0]:
                edits.append(making.paint(t, ids[0], before[0], after[0], program=program))
        else:
            for one, mask in zip(ids, after, strict=True):
                edits.append(making.new(self._tracks, t, one, mask, program=program))
        for one in there:
            work_YX[work_YX == one] = 0
        for one, b, mask in zip(ids, theirs, after, strict=False):
            mask.paint(work_YX, one)
            self.values[one] = b
        return fresh + n_ids

    def _iou(self, a: int, b: int) -> float:
        n = self._shared.get((a, b), 0)
        return n / (self._own_px[a] + self._their_px[b] - n)


def piece_gap(mask_YX: NDArray[np.bool_]) -> tuple[float, float]:
    """How far the pieces of a mask lie from the largest one at most, and the diameter of a disk of that one's area.

    Returns:
        Both in pixels; no gap if the mask is in one piece.
    """
    from scipy import ndimage

    (box,) = ndimage.find_objects(mask_YX.astype(np.uint8))
    pieces, n = ndimage.label(mask_YX[box], np.ones((3, 3)))
    areas = np.bincount(pieces.ravel())[1:]
    largest = int(areas.argmax()) + 1
    diameter_px = float(2 * np.sqrt(areas.max() / np.pi))
    if n == 1:
        return 0.0, diameter_px
    away = ndimage.distance_transform_edt(pieces != largest)
    nearest = ndimage.minimum(away, pieces, [piece for piece in range(1, n + 1) if piece != largest])
    return float(np.max(nearest)), diameter_px


def _mask(labels_YX: Labels, label: int) -> Mask:
    found = Mask.of_label(labels_YX, label)
    assert found is not None
    return found


def _areas(labels_YX: Labels) -> dict[int, int]:
    ids, counts = np.unique(labels_YX[labels_YX > 0], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _after(corrected: Corrected, edits: Sequence[Edit], values: Mapping[tuple[int, int], int]) -> pd.DataFrame:
    """The points once the outlines are theirs, with their value."""
    points = corrected.points()[["track_id", "frame", "y_px", "x_px"]]
    places = {(at.frame, track): (at.y_px, at.x_px) for track, at in _points(points)}
    for edit in edits:
        for track, mask in zip(edit.ids, edit.after, strict=True):
            if mask is not None:
                places[edit.frame, track] = mask.centre_yx
    rows = [(track, t, *places[t, track], value) for (t, track), value in values.items()]
    table = pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px", _THEIRS])
    return table.sort_values(["track_id", "frame"], ignore_index=True)


def _links(table: pd.DataFrame, taken: int, program: str) -> tuple[list[Edit], pd.DataFrame]:
    """Swaps, cuts and joins by which tracks become theirs, and the table with the ids that they then have.

    Args:
        table: points by ``track_id`` and ``frame``, with their identity in ``theirs``.
        taken: the largest id that is taken.
        program: for the edits.
    """
    table = table.sort_values(["track_id", "frame"], ignore_index=True)
    taken = max([taken, *table["track_id"].tolist()], default=0)
    edits: list[Edit] = []
    while (found := _swap(table)) is not None:
        one, other, frame = found
        edits.append(making.swap(table, one, other, frame, program=program))
        late, own = table["frame"] >= frame, table["track_id"]
        table = table.assign(track_id=own.mask(late & (own == one), other).mask(late & (own == other), one))
        table = table.sort_values(["track_id", "frame"], ignore_index=True)
    ids, theirs, frames = (table[name].to_numpy() for name in ("track_id", _THEIRS, "frame"))
    places = np.flatnonzero((ids[1:] == ids[:-1]) & (theirs[1:] != theirs[:-1])) + 1
    for place in places[::-1].tolist():  # from the end, so that each cut is one of the track's own id
        track = int(table["track_id"].to_numpy()[place])
        taken += 1
        edits.append(making.cut(table, track, int(frames[place]), taken, program=program))
        table.loc[(table["track_id"] == track) & (table["frame"] >= frames[place]), "track_id"] = taken
    for _, rows in table.groupby(_THEIRS):
        parts = rows.groupby("track_id")["frame"].min().sort_values().index.tolist()
        first = min(parts)
        for other in parts:
            if other != first:
                edits.append(making.join(table, int(first), int(other), program=program))
                table.loc[table["track_id"] == other, "track_id"] = first
    return edits, table


def _swap(table: pd.DataFrame) -> tuple[int, int, int] | None:
    """The first two tracks that exchange what they are of theirs, and from which frame on; None if there are none."""
    ids, theirs, frames = (table[name].to_numpy() for name in ("track_id", _THEIRS, "frame"))
    places = np.flatnonzero((ids[1:] == ids[:-1]) & (theirs[1:] != theirs[:-1])) + 1
    seen: dict[tuple[int, int, int], int] = {}
    for place in places[np.argsort(frames[places], kind="stable")].tolist():
        frame, before, after = int(frames[place]), int(theirs[place - 1]), int(theirs[place])
        if (frame, after, before) in seen:
            return seen[frame, after, before], int(ids[place]), frame
        seen[frame, before, after] = int(ids[place])
    return None


def _removals(corrected: Corrected, own: pd.DataFrame, identity: NDArray[np.int64], program: str) -> list[Edit]:
    """Edits that remove the points that did not come back."""
    edits: list[Edit] = []
    for track, rows in own.groupby("track_id"):
        gone = rows[identity[rows.index.to_numpy()] == 0]
        if len(gone) == len(rows):
            edits.append(making.delete_track(own, int(str(track)), program=program))
            continue
        edits += list(_single_removals(corrected, gone, program))
    return edits


def _single_removals(corrected: Corrected, gone: pd.DataFrame, program: str) -> Iterator[Edit]:
    for track, at in _points(gone):
        mask = Mask.of_label(corrected[at.frame], track) if len(corrected) else None
        if mask is not None:
            yield making.delete(at.frame, track, mask, program=program)
        else:
            yield making.place(track, at, None, program=program)


def _points(table: pd.DataFrame) -> Iterator[tuple[int, Point]]:
    """Track and place of each row."""
    columns = (table[name].tolist() for name in ("track_id", "frame", "y_px", "x_px"))
    for track, frame, y, x in zip(*columns, strict=True):
        yield int(track), Point(int(frame), round(float(y), 3), round(float(x), 3))


def same_points(own: pd.DataFrame, theirs: pd.DataFrame) -> NDArray[np.int64]:
    """For each of our points the row of theirs at the same place, or -1."""
    from scipy.spatial import KDTree

    found = np.full(len(own), -1, np.int64)
    groups = theirs.groupby("frame").indices
    for t, rows in own.groupby("frame").indices.items():
        others = groups.get(t)
        if others is None:
            continue
        ours_yx, theirs_yx = (
            table.iloc[place][["y_px", "x_px"]].to_numpy(float) for table, place in ((own, rows), (theirs, others))
        )
        distance, nearest = KDTree(theirs_yx).query(ours_yx)
        back = KDTree(ours_yx).query(theirs_yx)[1]
        same = (distance <= SAME_PX) & (back[nearest] == np.arange(len(rows)))
        found[rows[same]] = others[nearest[same]]
    return found


def _check_share(n_same: int, n_own: int, n_theirs: int, source: str, what: str) -> None:
    if n_same < LEAST_SHARE * max(min(n_own, n_theirs), 1):
        raise SomaNetError(
            f"{source}: only {n_same} of its {n_theirs} {what} are those of these results, which have {n_own}. Was it "
            "exported from other results? Tracks of another origin are measured by `somanet analyze MOVIE --tracks`."
        )
