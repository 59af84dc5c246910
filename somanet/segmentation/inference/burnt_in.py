"""Scale bars and time stamps that a program burnt into the pixels of a movie.

They stand at the same place in every frame, in one value, and have sharp edges: next to them is the picture, as if they
were not there. What is saturated for the light it gave has a blurred edge, since every lens has one. The value is the
largest that the camera or the file has, or another one, such as the largest of the display that was exported; then what
is drawn is known by its pixels, which stay exactly the same while those around them change with the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Image = NDArray[np.generic]
Floats = NDArray[np.float64]
Box = tuple[slice, slice]

SATURATED = (1.0, *(float(2**bits - 1) for bits in (8, 10, 12, 14, 16)))
"""The largest values of cameras and files."""
SAMPLED_FRAMES, FEWEST_FRAMES = 8, 2
FEWEST_PIXELS = 8
FEWEST_CONSTANT = 4
"""Frames from which pixels of one value in all of them are no chance."""
CLEAR = 5.0
"""What is drawn lies above a frame's median by this many standard deviations of its noise, or grey levels; less is no
soma for a network, and could be a step of few grey levels."""
CORE_PIXELS, STEADY = 4, 0.1
"""Some letter or bar is the same in all frames: so many pixels, of whose neighbours at most this share has their value
in any frame. The edge of a saturated cell comes and goes."""
MOST_COLOURS = 4
PROBABLE_ERROR = 0.6745
"""Half of normal deviates are smaller, in standard deviations."""
EDGE_PX = 3
"""Around drawn pixels, the rim that is looked at; nearer ones than this belong together."""
SHARP, SHARP_BESIDE = 0.25, 0.35
"""Medians of the rim and of its pixels beside drawn ones, from 0, the frame's median, to 1, their value, up to which
the edge is sharp. Smoothed letters reach 0.3 beside them, overexposed cells seen through a lens fall to 0.5."""
MOST_COVERED = 0.1
"""Of the picture; more is no scale bar."""
MARGIN_PX = 2
RING_PX = 6
"""Width of the surroundings whose median fills what is covered."""


@dataclass(frozen=True)
class BurntIn:
    """What is burnt into all frames of a movie.

    Attributes:
        boxes: rows and columns of each scale bar and each line of text.
        shape_YX: of a frame.
    """

    boxes: tuple[Box, ...]
    shape_YX: tuple[int, int]

    @property
    def mask_YX(self) -> Mask:
        """Pixels that hold no data."""
        mask = np.zeros(self.shape_YX, bool)
        for box in self.boxes:
            mask[box] = True
        return mask

    def removed_from(self, image_YX: Image) -> Image:
        """The image with each box filled by the median of its surroundings."""
        filled, mask = image_YX.copy(), self.mask_YX
        for box in self.boxes:
            around = _grown(box, RING_PX, self.shape_YX)
            ring = image_YX[around][~mask[around]].astype(np.float64)
            if ring.size:
                filled[box] = np.asarray(np.median(ring)).astype(image_YX.dtype)
        return filled

    @property
    def in_words(self) -> str:
        """Where it is, for a note."""
        places = (f"rows {y0} to {y1}, columns {x0} to {x1}" for y0, x0, y1, x1 in self.as_list())
        return f"{'; '.join(places)}, counted from 0"

    def as_list(self) -> list[list[int]]:
        """For records: first row, first column, last row and last column of each box, from 0."""
        return [[rows.start, columns.start, rows.stop - 1, columns.stop - 1] for rows, columns in self.boxes]


class Cleaned(Sequence[Image]):
    """The frames of a movie without what is burnt into them."""

    def __init__(self, frames: Sequence[Image], boxes: Sequence[Sequence[int]], shape_YX: tuple[int, int]) -> None:
        """Take the frames and the boxes as :meth:`BurntIn.as_list` gives them."""
        places = tuple((slice(y0, y1 + 1), slice(x0, x1 + 1)) for y0, x0, y1, x1 in boxes)
        self._frames, self._burnt_in = frames, BurntIn(places, shape_YX)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames)

    @overload
    def __getitem__(self, t: int) -> Image: ...
    @overload
    def __getitem__(self, t: slice) -> Sequence[Image]: ...
    def __getitem__(self, t: int | slice) -> Image | Sequence[Image]:
        """A frame."""
        if isinstance(t, slice):
            return [self[one] for one in range(*t.indices(len(self)))]
        return self._burnt_in.removed_from(self._frames[t])


def sampled(n_frames: int) -> list[int]:
    """Numbers of the frames to look at: evenly over the movie, as a time stamp's digits change."""
    return np.unique(np.linspace(0, n_frames - 1, SAMPLED_FRAMES).round().astype(int)).tolist() if n_frames else []


def find_burnt_in(frames: Sequence[Image]) -> BurntIn | None:
    """Find scale bars and time stamps; None if there are none, or too few frames to tell.

    Args:
        frames: some frames YX of a movie, see :func:`sampled`.
    """
    if len(frames) < FEWEST_FRAMES or frames[0].ndim != 2:
        return None
    shape = frames[0].shape
    boxes = dict.fromkeys(
        (b.start, b.stop, c.start, c.stop) for value in _values(frames) for b, c in _drawn(frames, value)
    )
    grown = tuple(_grown((slice(y0, y1), slice(x0, x1)), MARGIN_PX, shape) for y0, y1, x0, x1 in boxes)
    found = BurntIn(grown, (int(shape[0]), int(shape[1])))
    return found if grown and found.mask_YX.mean() <= MOST_COVERED else None


def _values(frames: Sequence[Image]) -> list[float]:
    """Values that may be drawn: the largest of a camera or file, and those of pixels that stay where others change."""
    top = float(max(frame.max() for frame in frames))
    values = [top] if top in SATURATED else []
    same: Mask = np.logical_and.reduce([frame == frames[0] for frame in frames])
    if len(frames) < FEWEST_CONSTANT or not same.any() or same.mean() > MOST_COVERED:
        return values
    first, second = frames[0].astype(np.float64), frames[1].astype(np.float64)
    noise = float(np.median(np.abs(second - first))) / PROBABLE_ERROR / math.sqrt(2)
    step = 1.0 if np.issubdtype(frames[0].dtype, np.integer) else 0.0
    least = float(np.median(first)) + CLEAR * max(noise, step)
    groups, n_groups = ndimage.label(same, np.ones((3, 3), bool))
    counts: dict[float, int] = {}
    for number, place in enumerate(ndimage.find_objects(groups, max_label=n_groups), start=1):
        inside = frames[0][place][groups[place] == number]
        if inside.size >= FEWEST_PIXELS:
            found, n_pixels = np.unique(inside, return_counts=True)
            value, n = float(found[n_pixels.argmax()]), int(n_pixels.max())
            if n >= FEWEST_PIXELS and value > least:
                counts[value] = counts.get(value, 0) + n
    return list(dict.fromkeys([*values, *sorted(counts, key=lambda value: -counts[value])[:MOST_COLOURS]]))


def _drawn(frames: Sequence[Image], value: float) -> list[Box]:
    """The boxes of what is drawn in one value in all frames, and of letters beside it that only some show."""
    bright = np.stack([frame == value for frame in frames])
    if not bright.any(axis=(1, 2)).all():
        return []
    ever: Mask = np.logical_or.reduce(bright)
    groups, n_groups = ndimage.label(ndimage.binary_dilation(ever, np.ones((3, 3), bool), iterations=EDGE_PX))
    levels = [_level(frame.astype(np.float64), value) for frame in frames]
    sharp: list[Box] = []
    lasting: list[Box] = []
    for number, place in enumerate(ndimage.find_objects(groups, max_label=n_groups), start=1):
        inside = groups[place] == number
        box = _box_of(ever[place] & inside, place)
        shown = [bright[t][place] & inside for t in range(len(frames))]
        if (ever[place] & inside).sum() < FEWEST_PIXELS:
            continue
        if all(_is_sharp(levels[t][place], one, inside) for t, one in enumerate(shown) if one.any()):
            sharp.append(box)
            lasting += [box] if _has_core(np.stack(shown)) else []
    shape = frames[0].shape
    return [box for box in sharp if any(_is_beside(box, other, shape) for other in lasting)]


def _level(values_YX: Floats, top: float) -> Floats:
    """From 0, the frame's median, to 1, the value of what is drawn."""
    middle = float(np.median(values_YX))
    return np.asarray((values_YX - middle) / max(top - middle, 1e-9), np.float64)


def _is_sharp(level_YX: Floats, bright_YX: Mask, inside_YX: Mask) -> bool:
    """Whether the rim of drawn pixels is as dark as the picture."""
    for width_px, most in ((1, SHARP_BESIDE), (EDGE_PX, SHARP)):
        rim = ndimage.binary_dilation(bright_YX, np.ones((3, 3), bool), iterations=width_px) & inside_YX & ~bright_YX
        if not rim.any() or float(np.median(level_YX[rim])) > most:
            return False
    return True


def _has_core(shown_TYX: Mask) -> bool:
    """Whether something is drawn in all frames, and a part of it is the same in them up to its edge.

    Or in the first or second half of the frames, as a text moves when a number grows by a digit.
    """
    half = len(shown_TYX) // 2
    halves = (shown_TYX[:half], shown_TYX[half:]) if half >= FEWEST_CONSTANT else ()
    return bool(shown_TYX.any(axis=(1, 2)).all()) and any(map(_is_steady, (shown_TYX, *halves)))


def _is_steady(shown_TYX: Mask) -> bool:
    always: Mask = np.logical_and.reduce(shown_TYX)
    ever: Mask = np.logical_or.reduce(shown_TYX)
    parts, n_parts = ndimage.label(always, np.ones((3, 3), bool))
    for number in range(1, n_parts + 1):
        part = parts == number
        around = ndimage.binary_dilation(part, np.ones((3, 3), bool)) & ~part
        if part.sum() >= CORE_PIXELS and around.any() and ever[around].mean() <= STEADY:
            return True
    return False


def _box_of(mask_YX: Mask, place: Box) -> Box:
    """The box of a mask that is cut out of an image."""
    found = ndimage.find_objects(mask_YX.astype(np.uint8))[0]
    rows, columns = (
        slice(outer.start + inner.start, outer.start + inner.stop) for outer, inner in zip(place, found, strict=True)
    )
    return rows, columns


def _grown(box: Box, by_px: int, shape_YX: tuple[int, ...]) -> Box:
    rows, columns = (
        slice(max(side.start - by_px, 0), min(side.stop + by_px, length))
        for side, length in zip(box, shape_YX, strict=True)
    )
    return rows, columns


def _is_beside(box: Box, lasting: Box, shape_YX: tuple[int, ...]) -> bool:
    """Whether a box is another, or within its height of it: a digit of its text that not every frame shows."""
    reach = _grown(lasting, lasting[0].stop - lasting[0].start, shape_YX)
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(box, reach, strict=True))
