"""The outline of one soma in one frame as run lengths in its bounding box: small, exact, and one text for one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.limits import IMAGE_PIXELS
from somanet.tracking.detections import Labels

LARGEST_PLACE = 1 << 31
"""Above any row or column of a frame."""


@dataclass(frozen=True)
class Mask:
    """The pixels of one soma.

    Equal shapes at equal places are equal values: the box is the smallest one, and runs are as long as they can be.

    Attributes:
        top, left: of the bounding box, in pixels of the frame.
        height, width: of the box.
        runs: lengths of runs over the box row by row, background and soma in turn, beginning with background (0 if the
            first pixel is soma); the last run is soma, and what follows it is background.
    """

    top: int
    left: int
    height: int
    width: int
    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = (self.top, self.left, self.height, self.width)
        if not all(0 <= size < LARGEST_PLACE for size in sizes) or not (self.height and self.width):
            raise SomaNetError(f"A mask has the box {list(sizes)}; expected top, left, height and width from 0.")
        IMAGE_PIXELS.check(self.height * self.width, "A mask", declared="its box")
        if len(self.runs) % 2 or not self.runs or self.runs[0] < 0 or any(run < 1 for run in self.runs[1:]):
            raise SomaNetError("A mask's runs must be pairs of background and soma, each of 1 pixel or more.")
        if sum(self.runs) > self.height * self.width:
            raise SomaNetError(
                f"A mask's runs cover {sum(self.runs)} pixels, more than its box of {self.height} × {self.width}."
            )
        if not self._fills_box():
            raise SomaNetError("A mask's box is larger than the mask; expected the smallest one.")

    @classmethod
    def of_pixels(cls, mask_YX: NDArray[np.bool_], *, top: int = 0, left: int = 0) -> Mask | None:
        """The mask of an image's true pixels; None if there are none.

        Args:
            mask_YX: a frame, or a part of it.
            top, left: of that part in the frame.
        """
        rows, columns = np.flatnonzero(mask_YX.any(axis=1)), np.flatnonzero(mask_YX.any(axis=0))
        if not len(rows):
            return None
        box = mask_YX[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        flat = np.concatenate([[False], box.ravel(), [False]])
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        runs = np.diff(changes, prepend=0).tolist()
        height, width = box.shape
        return cls(int(top + rows[0]), int(left + columns[0]), height, width, tuple(runs))

    @classmethod
    def of_label(cls, labels_YX: Labels, label: int) -> Mask | None:
        """The mask of one label of an image; None if the image lacks it."""
        return cls.of_pixels(np.asarray(labels_YX) == label)

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the box in the frame."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return sum(self.runs[1::2])

    @property
    def centre_yx(self) -> tuple[float, float]:
        """Mean row and column of its pixels."""
        y, x = np.nonzero(self.pixels())
        return self.top + float(y.mean()), self.left + float(x.mean())

    def pixels(self) -> NDArray[np.bool_]:
        """The box as YX bool."""
        flat = np.zeros(self.height * self.width, bool)
        ends = np.cumsum(self.runs)
        for start, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
            flat[start:end] = True
        return flat.reshape(self.height, self.width)

    def fits_in(self, shape_YX: tuple[int, int]) -> bool:
        """Whether it lies within a frame."""
        return self.top + self.height <= shape_YX[0] and self.left + self.width <= shape_YX[1]

    def paint(self, labels_YX: NDArray[np.integer], label: int) -> None:
        """Set its pixels in a frame, in place."""
        labels_YX[self.box][self.pixels()] = label

    def without(self, other: Mask) -> Mask | None:
        """Its pixels that are not the other's; None if there are none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.height, other.top + other.height)
        right = min(self.left + self.width, other.left + other.width)
        if bottom <= top or right <= left:
            return self
        mine, theirs = self.pixels(), other.pixels()
        part = mine[top - self.top : bottom - self.top, left - self.left : right - self.left]
        part &= ~theirs[top - other.top : bottom - other.top, left - other.left : right - other.left]
        return Mask.of_pixels(mine, top=self.top, left=self.left)

    def as_json(self) -> dict[str, list[int]]:
        """As stored: ``box`` (top, left, height, width) and ``runs``."""
        return {"box": [self.top, self.left, self.height, self.width], "runs": list(self.runs)}

    @classmethod
    def from_json(cls, value: Any) -> Mask:
        """What :meth:`as_json` gave.

        Raises:
            SomaNetError: it is not a mask.
        """
        box, runs = (_whole(value.get(name)) if isinstance(value, dict) else () for name in ("box", "runs"))
        if len(box) != 4 or not runs:
            raise SomaNetError("A mask must have a box of 4 whole numbers (top, left, height, width), and runs.")
        top, left, height, width = box
        return cls(top, left, height, width, runs)

    def _fills_box(self) -> bool:
        box = self.pixels()
        return bool(box[0].any() and box[-1].any() and box[:, 0].any() and box[:, -1].any())


def _whole(value: Any) -> tuple[int, ...]:
    """A list of JSON as whole numbers of a possible size; empty if it is anything else."""
    fits = isinstance(value, list) and all(type(one) is int and abs(one) <= LARGEST_PLACE for one in value)
    return tuple(value) if fits else ()
