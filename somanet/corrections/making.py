"""Edits from what a person does: each function knows what its kind of edit needs to be found again later.

``tracks`` is the table of tracks as the person sees it: corrected so far, ``track_id``, ``frame``, ``y_px`` and
``x_px`` at least. Masks are those of the label movie as the person sees it. None of these functions checks that an edit
makes sense: :func:`somanet.corrections.apply` does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.corrections.edits import PROGRAM, Edit, Point
from somanet.corrections.masks import Mask

_DIGITS = 2


def new_id(tracks: pd.DataFrame, *further: int) -> int:
    """The first id above those of all tracks, and above further ones that are taken."""
    return max([int(tracks["track_id"].max()) if len(tracks) else 0, *further]) + 1


def new(tracks: pd.DataFrame, frame: int, track: int, mask: Mask, *, program: str = PROGRAM) -> Edit:
    """A soma that was missed: of a new track, or of one that lacks it in this frame."""
    return Edit("new", frame, (track,), (None,), (mask,), _anchors(tracks, frame, track), program=program)


def paint(frame: int, track: int, before: Mask, after: Mask | None, *, program: str = PROGRAM) -> Edit:
    """Another outline of one soma; pixels that were another's are taken from it."""
    grown = after is not None and after.area_px > before.area_px
    return Edit("paint" if grown else "erase", frame, (track,), (before,), (after,), program=program)


def delete(frame: int, track: int, before: Mask, *, program: str = PROGRAM) -> Edit:
    """No soma there: it is removed from this frame, and its track has a gap."""
    return Edit("delete", frame, (track,), (before,), (None,), program=program)


def merge(frame: int, tracks: Sequence[int], before: Sequence[Mask], after: Mask, *, program: str = PROGRAM) -> Edit:
    """Several somas of a frame are one, which belongs to the first of these tracks."""
    rest = (None,) * (len(tracks) - 1)
    return Edit("merge", frame, tuple(tracks), tuple(before), (after, *rest), program=program)


def split(
    tracks: pd.DataFrame,
    frame: int,
    ids: Sequence[int],
    before: Mask,
    after: Sequence[Mask],
    *,
    program: str = PROGRAM,
) -> Edit:
    """One soma of a frame is several: the first part stays with ``ids[0]``, the others go to the other ids.

    Each of those is a new track, or one that lacks a soma in this frame.
    """
    points = (None, *(one for track in ids[1:] for one in _anchors(tracks, frame, track)))
    rest = (None,) * (len(ids) - 1)
    return Edit("split", frame, tuple(ids), (before, *rest), tuple(after), points, program=program)


def join(tracks: pd.DataFrame, track: int, other: int, *, program: str = PROGRAM) -> Edit:
    """Two tracks are one cell: all of ``other`` becomes ``track``."""
    start = _points_of(tracks, other)[0].frame
    before = _last_before(tracks, track, start) or _first_from(tracks, track, start)
    return Edit("join", start, (track, other), points=(before, _first_from(tracks, other, start)), program=program)


def cut(tracks: pd.DataFrame, track: int, frame: int, new_track: int, *, program: str = PROGRAM) -> Edit:
    """A track is two cells: from this frame on it is ``new_track``."""
    points = _last_before(tracks, track, frame), _first_from(tracks, track, frame)
    return Edit("cut", frame, (track, new_track), points=points, program=program)


def swap(tracks: pd.DataFrame, track: int, other: int, frame: int, *, program: str = PROGRAM) -> Edit:
    """Two tracks exchange their identities from this frame on."""
    points = tuple(find(tracks, one, frame) for one in (track, other) for find in (_last_before, _first_from))
    return Edit("swap", frame, (track, other), points=points, program=program)


def relink(tracks: pd.DataFrame, track: int, other: int, frame: int, rest: int = 0, *, program: str = PROGRAM) -> Edit:
    """``track`` goes on as ``other`` from this frame on; what it went on as before becomes the new track ``rest``."""
    points = _last_before(tracks, track, frame), _first_from(tracks, other, frame)
    return Edit("relink", frame, (track, other, rest), points=points, program=program)


def delete_track(tracks: pd.DataFrame, track: int, *, soma: bool = True, program: str = PROGRAM) -> Edit:
    """A track is removed from all frames; ``soma=False`` if it never was a soma."""
    point = _first_from(tracks, track, 0)
    return Edit("delete_track" if soma else "not_a_soma", 0, (track,), points=(point,), program=program)


def place(track: int, before: Point | None, after: Point | None, *, program: str = PROGRAM) -> Edit:
    """A position without an outline, as programs that know no masks have them: added, moved, or removed."""
    at = after if after is not None else before
    if at is None:
        raise SomaNetError("A place needs a point before or after.")
    return Edit("place", at.frame, (track,), points=(before, after), program=program)


def undo(edit: Edit, *, program: str = PROGRAM) -> Edit:
    """An edit that was recorded no longer counts; undo an undo to do it again."""
    return Edit("undo", edit.frame, (), undoes=edit.key, program=program)


def _points_of(tracks: pd.DataFrame, track: int) -> list[Point]:
    """Where a track was seen, in order of time."""
    rows = tracks.loc[tracks["track_id"] == track, ["frame", "y_px", "x_px"]].sort_values("frame")
    if rows.empty:
        raise SomaNetError(f"Track {track} is not in the table of tracks. Was it removed by an earlier edit?")
    frames, ys, xs = (rows[name].tolist() for name in ("frame", "y_px", "x_px"))
    return [
        Point(int(t), round(float(y), _DIGITS), round(float(x), _DIGITS))
        for t, y, x in zip(frames, ys, xs, strict=True)
    ]


def _last_before(tracks: pd.DataFrame, track: int, frame: int) -> Point | None:
    return next((point for point in reversed(_points_of(tracks, track)) if point.frame < frame), None)


def _first_from(tracks: pd.DataFrame, track: int, frame: int) -> Point | None:
    return next((point for point in _points_of(tracks, track) if point.frame >= frame), None)


def _anchors(tracks: pd.DataFrame, frame: int, track: int) -> tuple[Point | None]:
    """Where a track is that is there already: its soma nearest in time."""
    if not (tracks["track_id"] == track).any():
        return (None,)
    others = [point for point in _points_of(tracks, track) if point.frame != frame]
    return (min(others, key=lambda point: (abs(point.frame - frame), point.frame), default=None),)
