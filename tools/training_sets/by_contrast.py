"""Labels by plain contrast, for images of few bright objects that no person has outlined; what is unsure is ignored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected
from skimage.measure import regionprops

from somanet.io.datasets.layouts import LabelledImage


@dataclass(frozen=True)
class ContrastRules:
    """What counts as an object. Lengths in pixels.

    Attributes:
        sigma: blur of an object; its surroundings are blurred six times as much.
        sure: an object stands this many standard deviations of the noise above its surroundings;
        unsure: a patch that stands this many above is ignored, if it is no object.
        least_px: the smallest object or patch.
        solidity: least share of its convex hull that an object fills; others are ignored.
        margin: a rim of this width around an object is ignored, where a person might draw the line elsewhere.
    """

    sigma: float = 5.0
    sure: float = 8.0
    unsure: float = 4.0
    least_px: int = 150
    solidity: float = 0.93
    margin: int = 1


def label_by_contrast(name: str, image: NDArray[np.generic], rules: ContrastRules) -> LabelledImage:
    """An image with the objects that stand out, each down to half of its height above its surroundings.

    Args:
        name: of the image.
        image: YX or YXC; the brightest channel counts.
        rules: what counts as an object.
    """
    light = np.atleast_3d(image).max(axis=-1).astype(np.float32)
    difference = cv2.GaussianBlur(light, (0, 0), rules.sigma) - cv2.GaussianBlur(light, (0, 0), 6 * rules.sigma)
    middle = np.median(difference)
    noise = max(1.4826 * float(np.median(np.abs(difference - middle))), 1e-9)
    fine = cv2.GaussianBlur(light, (0, 0), rules.sigma / 2)
    labels = np.zeros(light.shape, np.int32)
    ignored = np.zeros(light.shape, bool)
    patches = connected(difference - middle > rules.unsure * noise, connectivity=1)
    for patch in regionprops(patches, intensity_image=difference - middle):
        if patch.area < rules.least_px:
            continue
        mask = patches == patch.label
        near = cv2.dilate(mask.astype(np.uint8), np.ones((6 * int(rules.sigma) + 1,) * 2, np.uint8)) > 0
        around = float(np.median(light[near & ~mask]))
        core = mask & (fine > around + (float(np.percentile(fine[mask], 90)) - around) / 2)
        [shape, *more] = sorted(regionprops(connected(core)), key=lambda one: -one.area) or [None]
        sure = patch.intensity_max >= rules.sure * noise and shape is not None and not more
        if sure and shape.area >= rules.least_px and shape.solidity >= rules.solidity:
            labels[core] = labels.max() + 1
        else:
            ignored |= mask
    size = 2 * rules.margin + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    ignored |= cv2.dilate((labels > 0).astype(np.uint8), disc) > 0
    return LabelledImage(name, image, labels, ignored=ignored & (labels == 0))
