"""Corrections of one movie's results while a person makes them: do, undo, redo, each recorded at once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.swapping import free_name
from somanet.corrections import Corrected, Edit, Header, Mask, Recorder, apply, making, read
from somanet.napari.splitting import YX, split_by_line
from somanet.tracking.detections import Labels


class Session:
    """The corrections of one movie, and what they make of its labels and tracks.

    An edit is applied first, and refused if it does not fit; then it is recorded. If the file takes no edits (a full
    disk, a folder that may only be read), they stay here as :attr:`unsaved` and are written with the next one, by
    :meth:`save`, or to another file by :meth:`save_to`.

    Attributes:
        path: the file of corrections.
        edits: all, in order, undone ones and undos included.
        corrected: what they make of the automatic results.
        unsaved: those that are not on the disk.
        problem: why not; empty if all are.
    """

    def __init__(
        self, labels: Sequence[Labels], tracks: pd.DataFrame, header: Header, path: Path, *, author: str | None = None
    ) -> None:
        """Take up the corrections in a file, if it is there.

        Args:
            labels: automatic labels by frame, value = track id. Frames are read again and again: keep some.
            tracks: the automatic table of tracks.
            header: which results these are.
            path: the file of corrections.
            author: who makes them.

        Raises:
            SomaNetError: the file is there and cannot be read, or has corrections of other results.
        """
        self._labels, self._automatic, self._author = labels, tracks, author
        self.header, self.path = header, path
        self.edits: list[Edit] = []
        self.unsaved: list[Edit] = []
        self.problem = ""
        self._recorder: Recorder | None = None
        if path.exists():
            found = read(path, movie_sha256=header.movie_sha256, position=header.position)
            if not found.header.is_of(header):
                raise SomaNetError(
                    f"{path} has corrections of other automatic results of this movie. Apply them to these first "
                    "(somanet correct), or move the file away."
                )
            self.edits = list(found.edits)
        self._open()
        self.corrected: Corrected = apply(labels, tracks, self.edits)

    # What is seen.

    def frame(self, t: int) -> NDArray[np.int32]:
        """The corrected labels of a frame, YX int32, value = track id."""
        return np.asarray(self.corrected[t], np.int32)

    @property
    def points(self) -> pd.DataFrame:
        """The corrected detections; see :meth:`somanet.corrections.Corrected.points`."""
        return self.corrected.points()

    @property
    def n_active(self) -> int:
        """Number of edits that count: neither undone nor undos."""
        return len(self.corrected.applied)

    def next_id(self) -> int:
        """An id that no track has or had."""
        named = [one for edit in self.edits for one in edit.ids]
        return making.new_id(self._automatic, *named)

    def frames_of(self, track: int) -> list[int]:
        """The frames in which a track has a soma."""
        points = self.points
        return sorted(points.loc[points["track_id"] == track, "frame"].tolist())

    # Masks.

    def paint(self, t: int, painted_YX: NDArray[np.integer]) -> list[Edit]:
        """Take a frame as a person painted it: new somas, other outlines, and somas that were painted away.

        Pixels that one soma took from another are one edit, that of the soma which grew.

        Raises:
            SomaNetError: an edit does not fit; then what was painted before it in this frame is kept.
        """
        before_YX = self.frame(t)
        changed = before_YX != painted_YX
        if not changed.any():
            return []
        gained = [int(one) for one in np.unique(painted_YX[changed]) if one]
        lost = [int(one) for one in np.unique(before_YX[changed]) if one and one not in gained]
        done = []
        for track in gained:
            mask = Mask.of_label(painted_YX, track)
            assert mask is not None
            before = Mask.of_label(self.frame(t), track)
            if before is None:
                done.append(self.do(making.new(self.points, t, track, mask)))
            elif before != mask:
                done.append(self.do(making.paint(t, track, before, mask)))
        for track in lost:
            before, after = Mask.of_label(self.frame(t), track), Mask.of_label(painted_YX, track)
            if before is not None and before != after:
                done.append(
                    self.do(making.delete(t, track, before) if after is None else making.paint(t, track, before, after))
                )
        return done

    def new(self, t: int, mask_YX: NDArray[np.bool_], *, track: int | None = None) -> Edit:
        """A soma that was missed; of a new track, or of one that lacks it in this frame."""
        mask = Mask.of_pixels(mask_YX)
        if mask is None:
            raise SomaNetError("The new soma has no pixels. Paint it.")
        return self.do(making.new(self.points, t, self.next_id() if track is None else track, mask))

    def merge(self, t: int, tracks: Sequence[int]) -> Edit:
        """Several somas of a frame are one; it belongs to the track that is seen in most frames."""
        if len(set(tracks)) < 2:
            raise SomaNetError(
                "Merging needs two somas of this frame. Select them: click one, then Shift-click the other."
            )
        labels_YX = self.frame(t)
        ordered = sorted(set(tracks), key=lambda one: (-len(self.frames_of(one)), one))
        masks = [self._mask(labels_YX, one, t) for one in ordered]
        whole = Mask.of_pixels(np.isin(labels_YX, ordered))
        assert whole is not None
        return self.do(making.merge(t, ordered, masks, whole))

    def split(self, t: int, track: int, start_yx: YX, end_yx: YX) -> Edit:
        """One soma is two, on either side of a line.

        The part that lies nearer to where the track was one frame before, or is one frame later, stays with it; the
        other begins a new track. Of a track that is seen in this frame only the larger part stays.
        """
        labels_YX = self.frame(t)
        before = self._mask(labels_YX, track, t)
        parts = split_by_line(labels_YX == track, start_yx, end_yx)
        first, second = (Mask.of_pixels(part) for part in parts)
        assert first is not None
        assert second is not None
        if (near := self._nearby(track, t)) is not None:
            first, second = sorted((first, second), key=lambda one: np.hypot(*np.subtract(one.centre_yx, near)))
        return self.do(making.split(self.points, t, (track, self.next_id()), before, (first, second)))

    def delete(self, t: int, track: int) -> Edit:
        """No soma there: it is removed from this frame."""
        return self.do(making.delete(t, track, self._mask(self.frame(t), track, t)))

    # Tracks.

    def join(self, track: int, other: int, t: int) -> Edit:
        """Two tracks are one cell, under the id of the earlier one.

        Where both are seen in the same frames, the one that is seen before frame ``t`` goes on as the other from there.
        """
        if track == other:
            raise SomaNetError(
                "Joining needs two tracks. Select a soma of each: click one, then Shift-click the other."
            )
        first, second = sorted((track, other), key=lambda one: (self.frames_of(one) or [0])[0])
        if not set(self.frames_of(first)) & set(self.frames_of(second)):
            return self.do(making.join(self.points, first, second))
        goes_on = any(frame >= t for frame in self.frames_of(first))
        return self.do(making.relink(self.points, first, second, t, self.next_id() if goes_on else 0))

    def cut(self, track: int, t: int) -> Edit:
        """From this frame on, a track is another cell."""
        frames = self.frames_of(track)
        if not frames or not frames[0] < t <= frames[-1]:
            raise SomaNetError(f"Track {track} has no frames on both sides of frame {t}: there is nothing to cut.")
        return self.do(making.cut(self.points, track, t, self.next_id()))

    def swap(self, track: int, other: int, t: int) -> Edit:
        """Two tracks exchange their identities from this frame on."""
        if track == other:
            raise SomaNetError(
                "Swapping needs two tracks. Select a soma of each: click one, then Shift-click the other."
            )
        return self.do(making.swap(self.points, track, other, t))

    def delete_track(self, track: int, *, soma: bool = True) -> Edit:
        """A track is removed from all frames; ``soma=False`` if it never was a soma."""
        return self.do(making.delete_track(self.points, track, soma=soma))

    # Do, undo, redo.

    def do(self, edit: Edit) -> Edit:
        """Apply an edit and record it.

        Raises:
            SomaNetError: it does not fit; nothing was changed.
        """
        edit = edit.stamped(author=self._author)
        trial = apply(self._labels, self._automatic, [*self.edits, edit])
        if refused := next((one for one in trial.misfits if one.number == len(self.edits) + 1), None):
            raise SomaNetError(refused.reason)
        self._record(edit)
        self.edits.append(edit)
        self.corrected = trial
        return edit

    def undo(self) -> Edit | None:
        """Take back the last edit that counts, also of an earlier sitting; None if there is none."""
        last = self._last_that_counts()
        return None if last is None else self._take_back(last)

    def redo(self) -> Edit | None:
        """Do again what was undone last, unless another edit was made since; None if there is nothing."""
        counts = self._counting()
        for edit in reversed(self.edits):
            if edit.kind != "undo":
                break
            if counts[edit.key] and not self._is_redo(edit):
                return self._take_back(edit)
        return None

    def _take_back(self, edit: Edit) -> Edit:
        undo = making.undo(edit).stamped(author=self._author)
        self._record(undo)
        self.edits.append(undo)
        self.corrected = apply(self._labels, self._automatic, self.edits)
        return edit

    def _counting(self) -> dict[str, bool]:
        """Key of each edit → whether it counts."""
        counts: dict[str, bool] = {}
        undoes: dict[str, str] = {}
        for edit in self.edits:
            counts[edit.key] = True
            if edit.kind == "undo":
                undoes[edit.key] = edit.undoes
        for key in reversed(list(undoes)):
            if counts[key]:
                counts[undoes[key]] = False
        return counts

    def _last_that_counts(self) -> Edit | None:
        counts = self._counting()
        return next((edit for edit in reversed(self.edits) if edit.kind != "undo" and counts[edit.key]), None)

    def _is_redo(self, undo: Edit) -> bool:
        """Whether an undo takes back an undo."""
        undone = next(edit for edit in self.edits if edit.key == undo.undoes)
        return undone.kind == "undo"

    # The file.

    def save(self) -> None:
        """Write what is not on the disk yet.

        Raises:
            SomaNetError: it still cannot be written; nothing is lost.
        """
        if not self.unsaved:
            return
        if self._recorder is None:
            self._open()
        if self._recorder is None:
            raise SomaNetError(self.problem)
        while self.unsaved:
            try:
                self._recorder.append(self.unsaved[0])
            except SomaNetError as error:
                self.problem = str(error)
                raise
            del self.unsaved[0]
        self.problem = ""

    def save_to(self, path: Path) -> None:
        """Record into another file from here on, beginning with all edits so far.

        Raises:
            SomaNetError: it is there already, or cannot be written.
        """
        if path.exists():
            raise SomaNetError(f"{path} is there already. Choose a new name.")
        recorder = Recorder(path, self.header)
        recorder.__enter__()
        try:
            for edit in self.edits:
                recorder.append(edit)
        except SomaNetError:
            recorder.__exit__(None, None, None)
            raise
        self._release()
        self._recorder, self.path, self.unsaved, self.problem = recorder, path, [], ""

    def pause(self) -> None:
        """Release the file, while another command reads or moves it; :meth:`resume` takes it up again."""
        self._release()

    def resume(self) -> None:
        """Take up the file again; see :meth:`pause`."""
        self._open()

    def close(self) -> Path | None:
        """Write what is unsaved and release the file.

        Returns:
            where unsaved edits were kept instead, if the file did not take them; None if all is in it.
        """
        try:
            self.save()
        except SomaNetError:
            return self._rescue()
        finally:
            self._release()
        return None

    def _record(self, edit: Edit) -> None:
        self.unsaved.append(edit)
        try:
            self.save()
        except SomaNetError as error:
            self.problem = str(error)

    def _open(self) -> None:
        recorder = Recorder(self.path, self.header)
        try:
            self._recorder = recorder.__enter__()
        except SomaNetError as error:
            self._recorder, self.problem = None, str(error)

    def _release(self) -> None:
        if self._recorder is not None:
            self._recorder.__exit__(None, None, None)
            self._recorder = None

    def _rescue(self) -> Path:
        """All edits in a file of the user's folder, or of the system's for temporary files."""
        for folder in (Path.home(), Path(tempfile.gettempdir())):
            place = free_name(folder / f"corrections_{self.header.movie}.jsonl", "rescued")
            try:
                with Recorder(place, self.header) as recorder:
                    for edit in self.edits:
                        recorder.append(edit)
            except SomaNetError:
                continue
            return place
        lines = "\n".join(json.dumps(edit.as_json()) for edit in self.unsaved)
        raise SomaNetError(f"{self.problem} These corrections could not be kept anywhere:\n{lines}")

    def _mask(self, labels_YX: Labels, track: int, t: int) -> Mask:
        mask = Mask.of_label(labels_YX, track)
        if mask is None:
            raise SomaNetError(f"Track {track} has no soma in frame {t}. Select one that is there.")
        return mask

    def _nearby(self, track: int, t: int) -> YX | None:
        """Where a track is one frame before, else one frame later."""
        points = self.points
        for frame in (t - 1, t + 1):
            rows = points[(points["track_id"] == track) & (points["frame"] == frame)]
            if len(rows):
                return float(rows["y_px"].iloc[0]), float(rows["x_px"].iloc[0])
        return None
