"""Corrections applied to automatic labels and tracks: the same values again each time, one frame in memory at a time.

A soma of one frame is a *detection*: a row of the automatic table, or one that a person added. Edits of tracks change
which track a detection belongs to, edits of masks which pixels it has. Frames are computed when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from somanet.core.schema import LARGEST_ID
from somanet.corrections.corrected import Corrected, Misfit
from somanet.corrections.edits import MASK_KINDS, Edit, Point
from somanet.corrections.masks import Mask
from somanet.corrections.somas import Somas
from somanet.tracking.detections import Labels

LEAST_IOU = 0.5
"""Of a soma in other automatic results with the one that was edited: from here on it is the same."""
REACH_PX = 3.0
"""How far from where a soma was one is looked for where there are no outlines."""


class _DoesNotFit(Exception):
    """Why an edit cannot be applied; its text becomes a :class:`Misfit`'s reason."""


class _Application:
    """Edits applied to somas one by one, and the names that tracks got on the way."""

    def __init__(self, somas: Somas, *, same: bool, largest_id: int) -> None:
        self._somas, self._same, self._largest = somas, same, largest_id
        self._found = somas.detections
        self._names: dict[int, int] = {}

    def do(self, edit: Edit) -> None:
        """Apply an edit.

        Raises:
            _DoesNotFit: it cannot be; nothing was changed.
        """
        names, largest = dict(self._names), self._largest
        do = self._do_masks if edit.kind in MASK_KINDS else self._do_place if edit.kind == "place" else self._do_tracks
        try:
            do(edit)
        except _DoesNotFit:
            self._names, self._largest = names, largest
            raise

    def _do_masks(self, edit: Edit) -> None:
        frame, shape = self._frame_of(edit)
        for mask in (*edit.before, *edit.after):
            if mask is not None and not mask.fits_in(shape):
                raise _DoesNotFit(f"Its mask lies outside the frame of {shape[0]} × {shape[1]} px.")
        points = edit.points or (None,) * len(edit.ids)
        rows = [
            None if before is None else self._row_with(frame, track, before)
            for track, before in zip(edit.ids, edit.before, strict=True)
        ]
        if len(set(rows) - {None}) < len([row for row in rows if row is not None]):
            raise _DoesNotFit("Two of its somas are one in these results.")
        begun = {
            i: self._begun(edit.ids[i], frame, points[i], fresh=points[i] is None)
            for i, before in enumerate(edit.before)
            if before is None
        }
        if len(set(begun.values())) < len(begun):
            raise _DoesNotFit("Two of its tracks are one in these results.")
        changes = [(row, mask) for row, mask in zip(rows, edit.after, strict=True) if row is not None]
        for row, mask in changes:
            self._somas.draw(row, mask)
        kept = {row for row, mask in changes if mask is not None}
        for i, track in begun.items():
            new = edit.after[i]
            assert new is not None
            kept.add(row := self._found.add(track, frame, *new.centre_yx))
            self._somas.draw(row, new)
        self._somas.give_way(frame, kept)

    def _do_place(self, edit: Edit) -> None:
        before, after = edit.points
        track = edit.ids[0]
        row = None if before is None else self._row_at(track, before)
        if after is not None and self._somas.labels is not None and after.frame >= len(self._somas.labels):
            raise _DoesNotFit(f"The movie has {len(self._somas.labels)} frames.")
        if after is None:
            assert row is not None
            self._found.give(row, 0)
            return
        if row is None:
            named = self._names.get(track, track)
            if named not in self._found.of_track or not (self._same or track in self._names):
                named = self._begun(track, after.frame, None, fresh=True)
            if self._found.at(named, after.frame) is not None:
                raise _DoesNotFit(f"Track {named} has a soma in frame {after.frame} already.")
            row = self._found.add(named, after.frame, after.y_px, after.x_px)
        elif self._found.frame[row] != after.frame:
            raise _DoesNotFit("It would move a soma to another frame.")
        self._found.y_px[row], self._found.x_px[row] = after.y_px, after.x_px
        self._somas.note_drawn(row, None)

    def _do_tracks(self, edit: Edit) -> None:
        found, frame = self._found, edit.frame
        if edit.kind in ("delete_track", "not_a_soma"):
            track = self._track_at(edit.ids[0], edit.points[0])
            found.exchange(rows := list(found.of_track[track].values()), [0] * len(rows))
            return
        if edit.kind == "swap":
            self._swap(edit)
            return
        if edit.kind == "cut":
            before, after = (self._track_at(edit.ids[0], point) for point in edit.points)
            if before != after:
                raise _DoesNotFit(f"It is cut there already: before it is track {before}, from there on {after}.")
            tail = [row for t, row in found.of_track[before].items() if t >= frame]
            if len(tail) in (0, len(found.of_track[before])):
                raise _DoesNotFit(f"Track {before} is not seen on both sides of frame {frame}.")
            new = self._begun(edit.ids[1], frame, None, fresh=True)
            found.exchange(tail, [new] * len(tail))
            return
        a, b = (self._track_at(track, point) for track, point in zip(edit.ids[:2], edit.points, strict=True))
        if a == b:
            raise _DoesNotFit(f"Both are track {a} already.")
        if edit.kind == "join":
            if common := sorted(set(found.of_track[a]) & set(found.of_track[b])):
                raise _DoesNotFit(f"Tracks {a} and {b} are both seen in frame {common[0]}: they are two somas.")
            rows = list(found.of_track[b].values())
            found.exchange(rows, [a] * len(rows))
            return
        rest = [row for t, row in found.of_track[a].items() if t >= frame]
        tail = [row for t, row in found.of_track[b].items() if t >= frame]
        if not tail:
            raise _DoesNotFit(f"Track {b} is not seen from frame {frame} on.")
        if rest and not edit.ids[2]:
            raise _DoesNotFit(f"Track {a} goes on from frame {frame}, and the edit names no track for what is left.")
        new = self._begun(edit.ids[2], frame, None, fresh=True) if rest else 0
        found.exchange([*rest, *tail], [*[new] * len(rest), *[a] * len(tail)])

    def _swap(self, edit: Edit) -> None:
        found, frame = self._found, edit.frame
        (a, b), (a_before, a_after, b_before, b_after) = edit.ids, edit.points
        tracks = [
            None if point is None else self._track_at(track, point)
            for track, point in ((a, a_before), (b, b_before), (a, a_after), (b, b_after))
        ]
        heads, tails = tracks[:2], tracks[2:]
        if None not in tracks and heads == tails[::-1] and heads[0] != heads[1]:
            raise _DoesNotFit(f"Tracks {heads[0]} and {heads[1]} are exchanged there already.")
        one, other = (head if head is not None else tail for head, tail in zip(heads, tails, strict=True))
        if (
            one is None
            or other is None
            or one == other
            or any(
                head is not None and tail is not None and head != tail for head, tail in zip(heads, tails, strict=True)
            )
        ):
            raise _DoesNotFit("The two tracks take other ways in these results.")
        ends = [[row for t, row in found.of_track[track].items() if t >= frame] for track in (one, other)]
        found.exchange([*ends[0], *ends[1]], [*[other] * len(ends[0]), *[one] * len(ends[1])])

    # Which detection, track and id an edit means.

    def _frame_of(self, edit: Edit) -> tuple[int, tuple[int, int]]:
        if self._somas.labels is None:
            raise _DoesNotFit("These results have no outlines.")
        if edit.frame >= len(self._somas.labels):
            raise _DoesNotFit(f"The movie has {len(self._somas.labels)} frames.")
        height, width = self._somas.base(edit.frame).shape
        return edit.frame, (height, width)

    def _row_with(self, frame: int, track: int, before: Mask) -> int:
        """The detection that an edit found with this mask."""
        row = self._found.at(self._names.get(track, track), frame)
        if row is not None and self._somas.mask_of(row) == before:
            return row
        for other in self._somas.drawn_in.get(frame, ()):
            if self._found.track[other] and self._somas.drawn[other] == before and not self._same:
                return other
        if self._same or (row is not None and row in self._somas.drawn):
            seen = "is not there" if row is None else "is not as the edit found it"
            raise _DoesNotFit(f"Soma {track} of frame {frame} {seen}: another edit contradicts it.")
        best, iou = None, 0.0
        crop = self._somas.base(frame)[before.box]
        pixels = before.pixels()
        if crop.shape == pixels.shape:
            for label, shared in zip(*np.unique(crop[pixels], return_counts=True), strict=True):
                candidate = self._somas.automatic_row(frame, int(label))
                if candidate is None:
                    continue
                area = int((self._somas.base(frame) == label).sum())
                if (found := float(shared) / (area + before.area_px - int(shared))) > iou:
                    best, iou = candidate, found
        if best is None or iou < LEAST_IOU:
            raise _DoesNotFit(f"No soma of frame {frame} has the outline that was edited (largest IoU {iou:.2f}).")
        return best

    def _track_at(self, track: int, point: Point | None) -> int:
        """The track that an edit means, as it is called in these results."""
        named = self._names.get(track, track)
        if point is None:
            if named not in self._found.of_track:
                raise _DoesNotFit(f"Track {track} is not there.")
            return named
        if self._found.at(named, point.frame) is not None and (self._same or self._near(named, point)):
            return named
        if self._same:
            if named not in self._found.of_track:
                raise _DoesNotFit(f"Track {track} is not there.")
            raise _DoesNotFit(f"Track {track} has no soma in frame {point.frame}: another edit contradicts it.")
        return self._found.track[self._row_at(track, point)]

    def _near(self, track: int, point: Point) -> bool:
        row = self._found.at(track, point.frame)
        assert row is not None
        return bool(np.hypot(self._found.y_px[row] - point.y_px, self._found.x_px[row] - point.x_px) <= REACH_PX)

    def _row_at(self, track: int, point: Point) -> int:
        """The detection of a track at a place, or, in other results, whichever is there."""
        row = self._found.at(self._names.get(track, track), point.frame)
        if row is not None and (self._same or self._near(self._names.get(track, track), point)):
            return row
        if self._same:
            raise _DoesNotFit(f"Track {track} has no soma in frame {point.frame}.")
        y, x = round(point.y_px), round(point.x_px)
        rows = self._found.of_frame.get(point.frame, set())
        if self._somas.labels is not None and point.frame < len(self._somas.labels):
            frame_YX = self._somas.frame(point.frame)
            inside = 0 <= y < frame_YX.shape[0] and 0 <= x < frame_YX.shape[1]
            label = int(frame_YX[y, x]) if inside else 0
            if label:
                found = self._found.at(label, point.frame)
                assert found is not None
                return found
        nearest = min(
            rows,
            key=lambda one: (np.hypot(self._found.y_px[one] - point.y_px, self._found.x_px[one] - point.x_px), one),
            default=None,
        )
        if nearest is not None and self._near(self._found.track[nearest], point):
            return nearest
        raise _DoesNotFit(f"No soma is where track {track} was in frame {point.frame} ({y}, {x}).")

    def _begun(self, track: int, frame: int, point: Point | None, *, fresh: bool) -> int:
        """The id of a detection that an edit adds: of a new track, or one more of a track that is there."""
        if not fresh:
            named = self._track_at(track, point)
            if self._found.at(named, frame) is not None:
                raise _DoesNotFit(f"Track {named} has a soma in frame {frame} already.")
            return named
        if self._same:
            if track in self._found.of_track:
                raise _DoesNotFit(f"Track {track} is there already, and the edit begins it.")
            return track
        self._largest += 1
        if self._largest > LARGEST_ID:
            raise _DoesNotFit("All track ids are taken.")
        self._names[track] = self._largest
        return self._largest


def apply(
    labels: Sequence[Labels] | None, tracks: pd.DataFrame, edits: Iterable[Edit], *, same: bool = True
) -> Corrected:
    """Apply corrections to automatic results.

    Nothing that is passed in is changed, and equal input gives equal output. Frames are read when they are needed, and
    computed when they are asked for: a movie is never in memory as a whole.

    Args:
        labels: YX label images, value = track id, 0 = background, by frame number; None if the results have none.
        tracks: ``track_id``, ``frame``, ``y_px`` and ``x_px`` at least, of the same results.
        edits: in the order in which they were made, undos included.
        same: the edits were made on these results. Else the somas and tracks they mean are found by outline
            (:data:`LEAST_IOU`) and place, and new tracks are numbered anew.

    Returns:
        The corrected results, with the edits that do not fit and why.
    """
    edits = list(edits)
    undone = undone_keys(edits) - {edit.key for edit in edits if edit.kind == "undo"}
    somas = Somas(labels, tracks.reset_index(drop=True))
    largest = max([*somas.detections.of_track, *(one for edit in edits for one in edit.ids)], default=0)
    application = _Application(somas, same=same, largest_id=largest)
    misfits: list[Misfit] = []
    applied: list[Edit] = []
    for number, edit in enumerate(edits, start=1):
        if edit.kind == "undo" or edit.key in undone:
            continue
        try:
            application.do(edit)
        except _DoesNotFit as reason:
            misfits.append(Misfit(number, edit, str(reason)))
        else:
            applied.append(edit)
    return Corrected(somas, misfits=misfits, applied=applied, n_undone=len(undone))


def undone_keys(edits: Sequence[Edit]) -> set[str]:
    """Keys of edits that do not count, undos among them: an undo that is undone itself counts no more."""
    found: set[str] = set()
    for edit in reversed(edits):
        if edit.kind == "undo" and edit.key not in found:
            found.add(edit.undoes)
    return found
