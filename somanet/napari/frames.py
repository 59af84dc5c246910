"""Movies and labels as arrays that napari shows: a frame is read when it is shown, and a few are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 256 << 20
"""Of frames that were shown last."""


class FrameArray:
    """Frames of one shape as a TYX array, of which napari reads the parts that it shows.

    It is no :class:`collections.abc.Sequence`: of those napari reads all.

    Attributes:
        shape: frames, rows, columns.
        dtype: of a pixel.
        n_read: frames that were read so far, for whoever asks whether the whole movie was.
    """

    def __init__(self, frames: Sequence[Any], *, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        """Take an open movie, or any sequence of YX frames."""
        self.shape, self.dtype, self.n_read = shape, np.dtype(dtype), 0
        self._frames = frames
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._most = max(4, KEPT_BYTES // max(1, shape[1] * shape[2] * self.dtype.itemsize))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 3

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, t: int) -> NDArray[Any]:
        """Frame ``t``, which is not to be changed."""
        if t in self._kept:
            self._kept.move_to_end(t)
            return self._kept[t]
        found = np.asarray(self._read(t))
        self.n_read += 1
        self._kept[t] = found
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found

    def _read(self, t: int) -> NDArray[Any]:
        return np.asarray(self._frames[t], self.dtype)

    def forget(self) -> None:
        """Read every frame anew from here on."""
        self._kept.clear()

    def __getitem__(self, key: Any) -> Any:
        """A copy of a part; the first index is a frame or a slice of frames."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, slice):
            frames = [self.frame(t)[tuple(rest)] for t in range(*first.indices(len(self)))]
            return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        index = int(first)
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected a frame from 0 to {len(self) - 1}, found {index}")
        return np.array(self.frame(index % len(self))[tuple(rest)])


class LabelArray(FrameArray):
    """Labels that can be painted: what is painted in a frame stays until :meth:`forget`."""

    def __init__(self, frames: Sequence[Any], *, shape: tuple[int, int, int]) -> None:
        """Take the labels as corrected so far, by frame."""
        super().__init__(frames, shape=shape, dtype=np.dtype(np.int32))
        self._painted: dict[int, NDArray[Any]] = {}

    def show(self, frames: Sequence[Any]) -> None:
        """Show other labels, and drop what was painted."""
        self._frames = frames
        self.forget()

    def forget(self) -> None:
        """Read every frame anew, and drop what was painted."""
        super().forget()
        self._painted.clear()

    @property
    def painted(self) -> dict[int, NDArray[Any]]:
        """Frames that were painted in, as they are now."""
        return dict(self._painted)

    def frame(self, t: int) -> NDArray[Any]:
        """Frame ``t`` with what was painted."""
        return self._painted[t] if t in self._painted else super().frame(t)

    def __setitem__(self, key: Any, values: Any) -> None:
        """Paint; the first index is a frame, a slice of frames, or an array of frame numbers."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            numbers = range(*first.indices(len(self)))
            given = np.broadcast_to(values, (len(numbers), *np.shape(values)[1:])) if np.ndim(values) else None
            for i, t in enumerate(numbers):
                self._own(t)[tuple(rest)] = values if given is None else given[i]
        elif np.ndim(first):
            frames, given = np.asarray(first), np.broadcast_to(values, np.shape(first))
            for t in np.unique(frames).tolist():
                here = frames == t
                self._own(t)[tuple(np.asarray(axis)[here] for axis in rest)] = given[here]
        else:
            self._own(int(first) % len(self))[tuple(rest)] = values

    def _own(self, t: int) -> NDArray[Any]:
        if t not in self._painted:
            self._painted[t] = np.array(super().frame(t))
        return self._painted[t]
