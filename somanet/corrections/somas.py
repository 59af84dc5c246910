"""The somas of a movie while they are corrected: where each is, its track, and its mask.

Frames of the automatic labels are read when they are needed, and one in memory at a time but for a few.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.corrections.masks import Mask
from somanet.tracking.detections import Labels, check_labels, objects_of

_KEPT_FRAMES = 8


@dataclass
class Detections:
    """Where every detection is, and the track to which it belongs."""

    frame: list[int]
    y_px: list[float]
    x_px: list[float]
    track: list[int]
    of_track: dict[int, dict[int, int]] = field(default_factory=dict)
    of_frame: dict[int, set[int]] = field(default_factory=dict)

    @classmethod
    def of_table(cls, tracks: pd.DataFrame) -> Detections:
        """The detections of a table of tracks: ``frame``, ``y_px``, ``x_px``, ``track_id``."""
        frames, ys, xs, ids = (tracks[name].tolist() for name in ("frame", "y_px", "x_px", "track_id"))
        found = cls(frames, ys, xs, ids)
        for row, (frame, track) in enumerate(zip(found.frame, found.track, strict=True)):
            found.of_track.setdefault(track, {})[frame] = row
            found.of_frame.setdefault(frame, set()).add(row)
        return found

    def at(self, track: int, frame: int) -> int | None:
        """The detection of a track in a frame; None if it has none."""
        return self.of_track.get(track, {}).get(frame)

    def add(self, track: int, frame: int, y_px: float, x_px: float) -> int:
        """Add a detection to a track, which has none in that frame; return its number."""
        row = len(self.frame)
        self.frame.append(frame)
        self.y_px.append(y_px)
        self.x_px.append(x_px)
        self.track.append(0)
        self.give(row, track)
        return row

    def give(self, row: int, track: int) -> None:
        """Give a detection to a track, which has none in that frame; 0 removes it."""
        frame, old = self.frame[row], self.track[row]
        if old and self.of_track.get(old, {}).get(frame) == row:
            del self.of_track[old][frame]
            if not self.of_track[old]:
                del self.of_track[old]
        self.track[row] = track
        if track:
            self.of_track.setdefault(track, {})[frame] = row
            self.of_frame.setdefault(frame, set()).add(row)
        else:
            self.of_frame[frame].discard(row)

    def exchange(self, rows: Sequence[int], tracks: Sequence[int]) -> None:
        """Give detections to tracks all at once."""
        for row in rows:
            self.give(row, 0)
        for row, track in zip(rows, tracks, strict=True):
            self.give(row, track)


class Somas:
    """Detections, numbered as the rows of the automatic table and then as they were added, and their masks.

    Attributes:
        labels: the automatic ones by frame number; None without.
        detections: where each is, and its track.
        drawn: detection → the mask that a person drew or changed; None for a position without one.
        drawn_in: frame → such detections.
    """

    def __init__(self, labels: Sequence[Labels] | None, tracks: pd.DataFrame) -> None:
        """Take automatic results; see :func:`somanet.corrections.apply`."""
        self.labels = labels
        self.detections = Detections.of_table(tracks)
        self.drawn: dict[int, Mask | None] = {}
        self.drawn_in: dict[int, set[int]] = {}
        self._automatic = tracks["track_id"].to_numpy()
        self._by_label: dict[int, dict[int, int]] = {}
        for row, (frame, track) in enumerate(zip(self.detections.frame, self.detections.track, strict=True)):
            self._by_label.setdefault(frame, {})[track] = row
        self._cache: OrderedDict[int, Labels] = OrderedDict()

    def frame(self, t: int) -> NDArray[np.int32]:
        """A frame as it is corrected so far: value = track id."""
        found = self.detections
        return self.ids(t, {row: found.track[row] for row in found.of_frame.get(t, ())})

    def automatic_row(self, frame: int, label: int) -> int | None:
        """The detection with a label of the automatic results, if no edit has changed it."""
        row = self._by_label.get(frame, {}).get(label)
        return None if row is None or row in self.drawn or not self.detections.track[row] else row

    def base(self, frame: int) -> Labels:
        """The automatic labels of a frame; a few are kept."""
        assert self.labels is not None
        if frame in self._cache:
            self._cache.move_to_end(frame)
            return self._cache[frame]
        labels_YX = np.asarray(self.labels[frame])
        check_labels(labels_YX, frame)
        self._cache[frame] = labels_YX
        if len(self._cache) > _KEPT_FRAMES:
            self._cache.popitem(last=False)
        return labels_YX

    def mask_of(self, row: int) -> Mask | None:
        """The outline of a detection as it is corrected so far; None for a position without one."""
        if row in self.drawn:
            return self.drawn[row]
        label = int(self._automatic[row])
        return Mask.of_label(self.base(self.detections.frame[row]), label)

    def note_drawn(self, row: int, mask: Mask | None) -> None:
        """Note that a person drew the outline of a detection, or gave its position, and nothing else."""
        self.drawn[row] = mask
        self.drawn_in.setdefault(self.detections.frame[row], set()).add(row)

    def draw(self, row: int, mask: Mask | None) -> None:
        """Give a detection another mask; without one it is removed."""
        if mask is None:
            self.detections.give(row, 0)
        else:
            self.detections.y_px[row], self.detections.x_px[row] = mask.centre_yx
        self.note_drawn(row, mask)

    def give_way(self, frame: int, rows: Iterable[int]) -> None:
        """Take the pixels of new masks from the somas that had them."""
        rows = set(rows)
        for row in rows:
            mask = self.drawn[row]
            assert mask is not None
            under = self.base(frame)[mask.box][mask.pixels()]
            others = {self.automatic_row(frame, int(label)) for label in np.unique(under)}
            others |= {one for one in self.drawn_in.get(frame, ()) if self.detections.track[one]}
            for other in others - rows - {None}:
                assert other is not None
                old = self.mask_of(other)
                if old is not None and (left := old.without(mask)) != old:
                    self.draw(other, left)

    def ids(self, frame: int, names: dict[int, int]) -> NDArray[np.int32]:
        """A frame in which each detection has the value that ``names`` gives it."""
        labels_YX = self.base(frame)
        present, index, _ = objects_of(labels_YX)
        by_label = self._by_label.get(frame, {})
        values = np.zeros(len(present), np.int32)
        for place, label in enumerate(present.tolist()):
            row = by_label.get(label)
            if label and row is None:
                raise SomaNetError(
                    f"Frame {frame}: the label movie has the soma {label}, which the table of tracks lacks. Are they "
                    "of the same results?"
                )
            if row is not None and row not in self.drawn:
                values[place] = names.get(row, 0)
        ids_YX: NDArray[np.int32] = values[index]
        for row in self.drawn_in.get(frame, ()):
            mask = self.drawn[row]
            if row in names and mask is not None:
                mask.paint(ids_YX, names[row])
        return ids_YX
