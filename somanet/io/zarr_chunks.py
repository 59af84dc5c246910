"""Which chunks of a zarr movie are stored: a missing one reads as the fill value, without an error."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.core.counting import counted, listed
from somanet.core.problems import FileProblem
from somanet.io.movie_layout import Layout

_MOSTLY = 0.5
"""A place belongs to the picture if it is stored this share as often as the place that is stored most."""

Key = tuple[int, ...]
"""Where a chunk lies in its array: a number along each axis."""


@dataclass(frozen=True)
class Stored:
    """What is stored of a movie.

    Attributes:
        end: frames before the end of what is stored: all of them in a whole movie.
        note: a sentence about chunks that are missing before it, with their frames; empty if there are none.
    """

    end: int
    note: str = ""


def find_stored(folder: Path, array: Any, layout: Layout, source: Path) -> Stored:
    """Look for the chunks (or shards) of the channel and planes that are read, by the names of files alone.

    A program may leave out a chunk of nothing but the fill value, and zarr does so unless told otherwise. Therefore a
    chunk is missing only where the same place of other frames is stored, at least half as often as the place that is
    stored most: margins that a registration left black are stored in no frame or in few. Frames without any chunk at
    the end of the recording are the end of a copy that was interrupted, with the frame before them if that lacks some
    chunks. What a shard lacks has no name of its own, and is not found.

    Args:
        folder: the array's own folder.
        array: the array.
        layout: what is read of it.
        source: the movie, for messages.

    Raises:
        FileProblem: of the kind `missing`: nothing is stored.
    """
    what = "shard" if array.shards else "chunk"
    grid = [max(length, 1) for length in array.shards or array.chunks]
    chosen = _chosen(array.shape, grid, layout)
    time = next((i for axis, i in zip(layout.axes, layout.stored, strict=True) if axis == "T"), None)
    length, n_steps = (1, 1) if time is None else (grid[time], len(chosen[time]))
    n_chunks = math.prod(map(len, chosen))
    steps: list[set[Key]] = [set() for _ in range(n_steps)]
    places: dict[Key, Key] = {}  # one tuple for each: they are the same in all frames
    for key in _keys(folder, array):
        if len(key) == len(chosen) and all(i in along for i, along in zip(key, chosen, strict=True)):
            step = 0 if time is None else key[time]
            place = key if time is None else (*key[:time], *key[time + 1 :])
            steps[step].add(places.setdefault(place, place))
    if not any(steps):
        raise FileProblem(
            f"{source}: none of its {counted(n_chunks, what)} is stored, so that every frame would be black: only the "
            "metadata were copied, or nothing was recorded. Fetch the whole folder again.",
            "missing",
        )
    times_stored = Counter(place for step in steps for place in step)
    least = _MOSTLY * max(times_stored.values())
    usual = {place for place, number in times_stored.items() if number >= least}
    lacking = [len(usual - step) for step in steps]
    end = max(number for number, step in enumerate(steps) if step) + 1
    if end < n_steps and end > 1 and lacking[end - 1]:
        end -= 1
    n_frames = min(end * length, layout.n_frames)
    frames = [t for t in range(n_frames) if lacking[t // length]]
    note = _note(sum(lacking[:end]), counted(n_chunks, what), what, array.fill_value, frames) if frames else ""
    return Stored(n_frames, note)


def _note(number: int, of_all: str, what: str, fill_value: Any, frames: Sequence[int]) -> str:
    verb = "is" if number == 1 else "are"
    return (
        f"{number} of {of_all} {verb} not stored and {verb} read as {float(fill_value or 0):g}: "
        f"{'frame' if len(frames) == 1 else 'frames'} {listed([str(t) for t in frames])}, counted from 0. Was a copy "
        f"interrupted? A program that leaves out empty {what}s writes such files, too."
    )


def _chosen(shape: Sequence[int], grid: Sequence[int], layout: Layout) -> list[Sequence[int] | set[int]]:
    """Along each axis of the array, the numbers of the chunks that are read."""
    chosen: list[Sequence[int] | set[int]] = [
        range(-(-size // length)) for size, length in zip(shape, grid, strict=True)
    ]
    at = {i: axis for axis, i in zip(layout.axes, layout.stored, strict=True)}
    fixed = layout.at(0, layout.planes[0])
    for i, length in enumerate(grid):
        axis = at.get(i)
        if axis == "Z":
            chosen[i] = {z // length for z in layout.planes}
        elif axis is None or axis not in "TYX":
            chosen[i] = {fixed.get(axis or "", 0) // length}
    return chosen


def _keys(folder: Path, array: Any) -> Iterator[Key]:
    """Where the stored chunks lie, in zarr 2 and 3, whichever way their files are named."""
    named = array.metadata.encode_chunk_key((1,) * array.ndim)  # c/1/1/1, 1.1.1 or the like
    separator = "/" if "/" in named else "."
    before = named.partition("1")[0]
    for place, _, names in os.walk(folder):
        below = place[len(str(folder)) :].replace(os.sep, "/").lstrip("/")
        for name in names:
            path = f"{below}/{name}" if below else name
            numbers = path[len(before) :].split(separator)
            if path.startswith(before) and len(numbers) == array.ndim and all(map(str.isdecimal, numbers)):
                yield tuple(map(int, numbers))
