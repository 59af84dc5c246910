"""Small label movies, and a whole-array implementation of edits to compare with."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.corrections import Edit, Mask, making

SHAPE = (5, 37, 53)  # T != Y != X


def discs(seed: int, *, n: int = 7) -> np.ndarray:
    """TYX labels of discs that drift, some of which are missed in some frames; ids are tracks."""
    rng = np.random.default_rng(seed)
    T, Y, X = SHAPE
    y, x = np.mgrid[:Y, :X]
    labels = np.zeros(SHAPE, np.int32)
    starts = rng.uniform([3, 3], [Y - 4, X - 4], (n, 2))
    for t in range(T):
        for i, (cy, cx) in enumerate(starts, start=1):
            if rng.random() < 0.85:
                inside = (y - cy - t) ** 2 + (x - cx + t) ** 2 < rng.uniform(4, 20)
                labels[t][inside & (labels[t] == 0)] = i
    return labels


def table_of(labels: np.ndarray) -> pd.DataFrame:
    """``track_id``, ``frame``, ``y_px``, ``x_px`` of every object, by means of its pixels."""
    rows = []
    for t, frame in enumerate(labels):
        for i in np.unique(frame[frame > 0]):
            y, x = np.nonzero(frame == i)
            rows.append((int(i), t, y.mean(), x.mean()))
    table = pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])
    table = table.astype({"track_id": "int64", "frame": "int64", "y_px": "float64", "x_px": "float64"})
    return table.sort_values(["track_id", "frame"], ignore_index=True)


def edit_array(labels: np.ndarray, edit: Edit) -> np.ndarray:
    """What an edit makes of a whole label movie: plain array assignments."""
    labels = labels.copy()
    a, b, c = (*edit.ids, 0, 0, 0)[:3]
    later = np.arange(len(labels))[:, None, None] >= edit.frame
    before = labels.copy()
    if edit.kind in ("new", "paint", "erase", "merge", "split", "delete"):
        frame = labels[edit.frame]
        for i, mask in zip(edit.ids, edit.before, strict=True):
            if mask is not None:
                frame[frame == i] = 0
        for i, mask in zip(edit.ids, edit.after, strict=True):
            if mask is not None:
                frame[dense(mask)] = i
    elif edit.kind == "join":
        labels[before == b] = a
    elif edit.kind == "cut":
        labels[(before == a) & later] = b
    elif edit.kind == "swap":
        labels[(before == a) & later] = b
        labels[(before == b) & later] = a
    elif edit.kind == "relink":
        labels[(before == a) & later] = c
        labels[(before == b) & later] = a
    else:
        assert edit.kind in ("delete_track", "not_a_soma")
        labels[before == a] = 0
    return labels


def dense(mask: Mask) -> np.ndarray:
    """A mask as a whole frame, run by run."""
    frame = np.zeros(SHAPE[1:], bool)
    position, value = 0, False
    for run in mask.runs:
        for k in range(position, position + run):
            frame[mask.top + k // mask.width, mask.left + k % mask.width] |= value
        position, value = position + run, not value
    return frame


def mask_of(pixels: np.ndarray) -> Mask:
    found = Mask.of_pixels(pixels)
    assert found is not None
    return found


def random_edit(labels: np.ndarray, rng: np.random.Generator) -> Edit | None:
    """A valid edit of a label movie; None if the draw made none."""
    tracks = table_of(labels)
    if tracks.empty:
        return making.new(tracks, 1, 1, Mask(3, 4, 2, 2, (0, 4)))
    row = tracks.iloc[int(rng.integers(len(tracks)))]
    i, t = int(row["track_id"]), int(row["frame"])
    frame = labels[t]
    others = sorted(set(tracks["track_id"]) - {i})
    j = int(rng.choice(others)) if others else 0
    fresh = making.new_id(tracks, int(rng.integers(3)))
    own = mask_of(frame == i)
    kind = rng.choice(
        ["new", "paint", "merge", "split", "delete", "join", "cut", "swap", "relink", "delete_track", "not_a_soma"]
    )
    blob = np.zeros(frame.shape, bool)
    cy, cx = rng.integers(frame.shape[0]), rng.integers(frame.shape[1])
    blob[cy : cy + rng.integers(1, 9), cx : cx + rng.integers(1, 9)] = True
    if kind == "new":
        missing = [k for k in others if not (frame == k).any()]
        track = int(rng.choice(missing)) if missing and rng.random() < 0.5 else fresh
        return making.new(tracks, t, track, mask_of(blob))
    if kind == "paint":
        after = (frame == i) | blob if rng.random() < 0.6 else (frame == i) & (rng.random(frame.shape) < 0.7)
        return making.paint(t, i, own, Mask.of_pixels(after))
    if kind == "merge":
        if not j or not (frame == j).any():
            return None
        both = (frame == i) | (frame == j)
        return making.merge(t, [i, j], [own, mask_of(frame == j)], mask_of(both | blob))
    if kind == "split":
        part = (frame == i) & (np.arange(frame.shape[1]) > own.left + own.width // 2)
        if not part.any() or part.sum() == own.area_px:
            return None
        rest = (frame == i) & ~part
        return making.split(tracks, t, [i, fresh], own, [mask_of(rest), mask_of(part)])
    if kind == "delete":
        return making.delete(t, i, own)
    if kind in ("delete_track", "not_a_soma"):
        return making.delete_track(tracks, i, soma=kind == "delete_track")
    if kind == "cut":
        frames = tracks.loc[tracks["track_id"] == i, "frame"]
        if frames.min() == frames.max():
            return None
        return making.cut(tracks, i, int(rng.integers(frames.min() + 1, frames.max() + 1)), fresh)
    if not j:
        return None
    if kind == "join":
        together = set(tracks.loc[tracks["track_id"] == i, "frame"]) & set(tracks.loc[tracks["track_id"] == j, "frame"])
        return None if together else making.join(tracks, i, j)
    if kind == "swap":
        return making.swap(tracks, i, j, t)
    last = tracks.loc[tracks["track_id"] == j, "frame"].max()
    return None if last < t else making.relink(tracks, i, j, t, fresh)
