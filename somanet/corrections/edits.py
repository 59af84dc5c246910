"""One correction of a person as a value, and as a line of `corrections.jsonl`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import somanet
from somanet.core.errors import SomaNetError
from somanet.core.schema import LARGEST_ID
from somanet.corrections.masks import LARGEST_PLACE, Mask

MaskKind = Literal["new", "paint", "erase", "merge", "split", "delete"]
TrackKind = Literal["join", "cut", "swap", "relink", "delete_track", "not_a_soma"]
Kind = Literal[
    "new", "paint", "erase", "merge", "split", "delete",
    "join", "cut", "swap", "relink", "delete_track", "not_a_soma",
    "place", "undo",
]  # fmt: skip
MASK_KINDS: tuple[str, ...] = get_args(MaskKind)
TRACK_KINDS: tuple[str, ...] = get_args(TrackKind)
KINDS: tuple[str, ...] = get_args(Kind)

_N_POINTS = {"join": 2, "cut": 2, "swap": 4, "relink": 2, "delete_track": 1, "not_a_soma": 1, "place": 2}
_N_IDS = {"join": 2, "cut": 2, "swap": 2, "relink": 3, "delete_track": 1, "not_a_soma": 1, "place": 1, "undo": 0}
_MOST_TEXT = 200
PROGRAM = f"somanet {somanet.__version__}"


@dataclass(frozen=True)
class Point:
    """Where a soma was in one frame: its centre, in pixels."""

    frame: int
    y_px: float
    x_px: float


@dataclass(frozen=True)
class Edit:
    """One correction. Build it with :mod:`somanet.corrections.making`, which knows what each kind needs.

    Ids are those of the corrected tracks as they are when the edit is made: values of the label movie.

    Attributes:
        kind: one of :data:`KINDS`.
        frame: the frame it concerns; of kinds of tracks, the first one (0 for a whole track).
        ids: somas or tracks, in the order that the kind says.
        before: of kinds of masks, the mask of each id in that frame, None where there is none.
        after: likewise, as the person left it.
        points: where those ids were seen, by which they are found again in results of another network. Kinds of tracks
            have a fixed number; kinds of masks none, or one for each id (None: a track that the edit begins).
        undoes: of the kind ``undo``: the key of the edit that no longer counts.
        program: what recorded it.
        time: when, UTC (ISO 8601).
        author: who, if given.
    """

    kind: Kind
    frame: int
    ids: tuple[int, ...]
    before: tuple[Mask | None, ...] = ()
    after: tuple[Mask | None, ...] = ()
    points: tuple[Point | None, ...] = ()
    undoes: str = ""
    program: str = PROGRAM
    time: str = ""
    author: str | None = None

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise SomaNetError(f"An edit of the kind {str(self.kind)[:40]!r}: {problem}")

    @property
    def key(self) -> str:
        """The edit's name, by which it is undone: the first digits of the SHA-256 of its content."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()[:16]

    def stamped(self, *, author: str | None = None) -> Edit:
        """The same edit with the time, if it has none yet, and the author, if one is given."""
        return replace(self, time=self.time or now(), author=author if author is not None else self.author)

    def as_json(self) -> dict[str, Any]:
        """As stored: without what is empty, and with the key."""
        return {"key": self.key, **self._content()}

    def _content(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "frame": self.frame, "ids": list(self.ids)}
        for name in ("before", "after"):
            if masks := getattr(self, name):
                found[name] = [None if mask is None else mask.as_json() for mask in masks]
        if self.points:
            found["points"] = [None if one is None else [one.frame, one.y_px, one.x_px] for one in self.points]
        if self.undoes:
            found["undoes"] = self.undoes
        found |= {"program": self.program, "time": self.time}
        return found | ({} if self.author is None else {"author": self.author})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Edit:
        """What :meth:`as_json` gave.

        Raises:
            SomaNetError: it is not an edit, naming what is wrong with it.
        """
        kind, frame, ids = value.get("kind"), value.get("frame"), value.get("ids")
        if kind not in KINDS:
            raise SomaNetError(f"unknown kind of edit {str(kind)[:40]!r}; this version knows {', '.join(KINDS)}.")
        if type(frame) is not int or not isinstance(ids, list) or not all(type(one) is int for one in ids):
            raise SomaNetError("an edit needs a frame, and ids, as whole numbers.")
        texts = {name: value.get(name, "") for name in ("undoes", "program", "time")}
        author = value.get("author")
        if not all(isinstance(text, str) for text in (*texts.values(), author or "")):
            raise SomaNetError("an edit's program, time, author and undone edit must be texts.")
        lists = {name: value.get(name, []) for name in ("before", "after", "points")}
        if not all(isinstance(one, list) for one in lists.values()):
            raise SomaNetError("an edit's masks and points must be lists.")
        before, after = (tuple(map(_mask_or_none, lists[name])) for name in ("before", "after"))
        points = tuple(map(_point_or_none, lists["points"]))
        return cls(kind, frame, tuple(ids), before, after, points, **texts, author=author)


def now() -> str:
    """The time in UTC, to the millisecond."""
    moment = dt.datetime.now(dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mask_or_none(value: Any) -> Mask | None:
    return None if value is None else Mask.from_json(value)


def _point_or_none(value: Any) -> Point | None:
    if value is None:
        return None
    numbers: list[Any] = value if isinstance(value, list) and len(value) == 3 else [None]
    if type(numbers[0]) is not int or not all(type(one) in (int, float) for one in numbers):
        raise SomaNetError("a point must be a frame, a row and a column.")
    frame, y, x = numbers
    return Point(frame, float(y), float(x))


def _problem(edit: Edit) -> str:
    """What contradicts the kind of an edit; empty if nothing does."""
    if edit.kind not in KINDS:
        return f"unknown; this version knows {', '.join(KINDS)}."
    if not 0 <= edit.frame < LARGEST_PLACE or any(not 0 <= one <= LARGEST_ID for one in edit.ids):
        return f"expected a frame from 0 and ids of 1 to {LARGEST_ID}."
    if any(len(text) > _MOST_TEXT for text in (edit.undoes, edit.program, edit.time, edit.author or "")):
        return f"its program, time, author or undone edit is longer than {_MOST_TEXT} characters."
    for point in edit.points:
        if point is not None and not (
            0 <= point.frame < LARGEST_PLACE and math.isfinite(point.y_px) and math.isfinite(point.x_px)
        ):
            return "a point needs a frame from 0 and finite coordinates."
    n_ids, masks = _N_IDS.get(edit.kind), (edit.before, edit.after)
    if edit.kind == "undo":
        return "" if edit.undoes and not (edit.ids or any(masks) or edit.points) else "expected only what it undoes."
    if edit.undoes:
        return "only an undo names another edit."
    named = edit.ids[:2] if edit.kind == "relink" else edit.ids  # the third is 0 if nothing is left over
    if 0 in named or len(set(edit.ids)) < len(edit.ids):
        return f"expected ids from 1, each once, found {list(edit.ids)[:6]}."
    if n_ids is not None:
        if len(edit.ids) != n_ids or len(edit.points) != _N_POINTS[edit.kind] or any(masks):
            return f"expected {n_ids} ids, {_N_POINTS[edit.kind]} points and no masks."
        if edit.kind == "place" and edit.points == (None, None):
            return "expected a point before or after."
        return ""
    return _problem_of_masks(edit)


def _problem_of_masks(edit: Edit) -> str:
    n = len(edit.ids)
    if not n or len(edit.before) != n or len(edit.after) != n or len(edit.points) not in (0, n):
        return "expected ids, and for each the mask before and after."
    there, stays = ([mask is not None for mask in masks] for masks in (edit.before, edit.after))
    fits = {
        "new": n == 1 and not any(there) and all(stays),
        "delete": all(there) and not any(stays),
        "merge": n > 1 and all(there) and stays[0] and not any(stays[1:]),
        "split": n > 1 and there[0] and not any(there[1:]) and all(stays),
    }.get(edit.kind, all(there))
    if not fits:
        return "the masks before and after are not those of such an edit."
    after = [mask for mask in edit.after if mask is not None]
    for i, mask in enumerate(after):
        if any(mask.without(other) != mask for other in after[:i]):
            return "two masks have the same pixels."
    return ""
