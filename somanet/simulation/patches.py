"""Small pictures and where they lie in the frame: only the pixels around a cell are ever computed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

# Below this sigma (pixels) a Gaussian kernel is one pixel wide to within 1 %.
_NO_BLUR_PX = 0.25


@dataclass(frozen=True)
class Patch:
    """A picture whose first pixel lies at ``(top, left)`` of the frame; it may stick out of the frame."""

    top: int
    left: int
    values: FloatImage

    def slices(self, shape_YX: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Slices into the frame and into the patch where both exist; None where they do not meet."""
        height, width = self.values.shape
        y0, y1 = max(self.top, 0), min(self.top + height, shape_YX[0])
        x0, x1 = max(self.left, 0), min(self.left + width, shape_YX[1])
        if y0 >= y1 or x0 >= x1:
            return None
        inner = slice(y0 - self.top, y1 - self.top), slice(x0 - self.left, x1 - self.left)
        return (slice(y0, y1), slice(x0, x1)), inner

    def add_to(self, frame_YX: FloatImage) -> None:
        """Add the patch to a frame in place: light from cells above each other adds up."""
        both = self.slices(frame_YX.shape[:2])
        if both is not None:
            frame_YX[both[0]] += self.values[both[1]]


def blur(image: FloatImage, sigma_px: float) -> FloatImage:
    """Gaussian blur; none below a quarter of a pixel."""
    if sigma_px < _NO_BLUR_PX:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)


def shifted(values: FloatImage, centre_yx_px: NDArray[np.floating]) -> Patch:
    """A patch whose middle lies at a continuous position (bilinear; the patch's rim should be 0)."""
    corner = centre_yx_px - (np.array(values.shape) - 1) / 2
    whole = np.floor(corner)
    dy, dx = corner - whole
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    height, width = values.shape
    return Patch(
        int(whole[0]),
        int(whole[1]),
        np.asarray(cv2.warpAffine(values, move, (width + 1, height + 1)), np.float32),
    )
