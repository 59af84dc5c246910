"""Dim copies of labelled objects: some objects lose light, so that dim ones are learned from real ones.

Labels exist for the cells that a person saw, which are the bright ones; what a dim cell looks like is otherwise learned
from simulations alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.training.loop.settings import AugmentSettings

_SOFT_PX = 1.5
"""The edge of what is faded, which has none itself."""


def fade_objects(
    image_YXC: NDArray[np.generic], labels_YX: NDArray[np.int32], settings: AugmentSettings, rng: np.random.Generator
) -> NDArray[np.generic]:
    """An image in which each object is faded with `fade_probability` to a random share of its light.

    The light above the object's surroundings is multiplied by a factor drawn log-uniformly from `fade_range`; the noise
    that this takes away is added again, so that a dim object is as noisy as its surroundings. Dark objects on bright
    ground become fainter likewise. Without a probability, the image itself, and nothing is drawn.

    Args:
        image_YXC: uint8, or float32 from 0 to 1.
        labels_YX: its objects.
        settings: probability and range.
        rng: source of chance.
    """
    if settings.fade_probability == 0:
        return image_YXC
    values = image_YXC.astype(np.float32)
    for one in np.unique(labels_YX[labels_YX > 0]).tolist():
        drawn, strength = rng.random(2)
        if drawn < settings.fade_probability:
            low, high = np.log(settings.fade_range)
            _fade(values, labels_YX, one, float(np.exp(low + strength * (high - low))), rng)
    if image_YXC.dtype == np.uint8:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.clip(values, 0, 1)


def _fade(
    values_YXC: NDArray[np.float32], labels_YX: NDArray[np.int32], one: int, share: float, rng: np.random.Generator
) -> None:
    """Fade one object in place."""
    mask = (labels_YX == one).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    reach = 6 + int(np.sqrt(mask.sum() / np.pi) / 2)
    box = slice(max(y - reach, 0), y + height + reach), slice(max(x - reach, 0), x + width + reach)
    inside = mask[box]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ring = (cv2.dilate(inside, disc) > 0) & (labels_YX[box] == 0)
    if not ring.any():
        return
    part = values_YXC[box]
    around = np.median(part[ring], axis=0)
    grainy = part - cv2.blur(part, (3, 3))  # without what is larger than a pixel; of white noise 8/9 of the variance
    noise = 1.4826 * np.median(np.abs(grainy[ring]), axis=0) * np.sqrt(9 / 8)
    soft = cv2.GaussianBlur(cv2.dilate(inside, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), _SOFT_PX)
    soft[(labels_YX[box] > 0) & (inside == 0)] = 0  # its neighbours keep their light
    factor = (1 - soft * (1 - share))[..., None]
    grain = rng.standard_normal(part.shape[:2], dtype=np.float32)[..., None]  # the same in every channel, as grey is
    part[:] = around + factor * (part - around) + np.sqrt(1 - factor**2) * noise * grain
