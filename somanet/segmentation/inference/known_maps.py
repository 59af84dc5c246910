"""Maps of a few images that the estimate of the somas' size has computed, for when these images are labelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Maps = list[NDArray[np.float32]]
"""Each network's output, CYX."""

MOST_IMAGES = 3
"""So many are kept, of a megapixel each at most: some 25 MB for a network with two outputs."""


class KnownMaps:
    """What networks made of images at their own scale; kept until :meth:`close`, and given for equal images ever after.

    Images are compared pixel by pixel (0.1 ms for a frame of 0.4 megapixels), so that equal maps are those of equal
    input, and nothing has to tell frames apart.
    """

    def __init__(self) -> None:
        self._keeping = True
        self._how: tuple[object, ...] = ()
        self._kept: list[tuple[NDArray[Any], Maps]] = []

    def __len__(self) -> int:
        """Number of images."""
        return len(self._kept)

    def close(self) -> None:
        """Keep no more: what is segmented from now on is seen once."""
        self._keeping = False

    def of(self, how: tuple[object, ...], image: NDArray[Any], compute: Callable[[], Maps]) -> Maps:
        """The maps of an image, computed if they are not known.

        Args:
            how: all that maps depend on besides the image, such as the networks; only maps of the same objects as at
                the first call are known.
            image: as the networks are given it.
            compute: makes them.
        """
        if self._keeping and not self._how:
            self._how = how
        if len(how) != len(self._how) or any(a is not b for a, b in zip(how, self._how, strict=True)):
            return compute()
        for known, maps in self._kept:
            if known.dtype == image.dtype and np.array_equal(known, image):
                return maps
        found = compute()
        if self._keeping and len(self._kept) < MOST_IMAGES:
            self._kept.append((image, found))
        return found
