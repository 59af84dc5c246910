"""Whether an image is fluorescence, judged by its intensities and colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.io.label_checks import looks_like_labels
from somanet.segmentation.network.inputs import measure_exposure, to_unit

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse

BLOCKS = 64
"""Number of blocks along the longer side, whose mean colours are compared: single pixels are camera noise."""
BRIGHT = 0.3
"""Median intensity from which a background counts as bright; no fluorescence image of DSB2018 reaches 0.18."""
TAIL_PERCENT, TAIL_RATIO = 0.2, 2.0
"""Dark objects on a bright background may be few: the darkest pixels are then twice as far from the median as the
brightest, although the darkest 5 % of pixels, by which an exposure is measured, are still background."""
OVER_EXPOSED = 0.3
"""Share of pixels at the largest value from which an image of dark objects may be fluorescence, over-exposed."""
FEW_LEVELS = (4, 16)
"""Of an image of so many grey levels, rounding decides which of its tails is longer: read noise, and nothing else."""
DETAIL_SHARE = 12
"""Share of the longer side: anything smaller counts as a detail."""
STAIN_RATIO, STAIN_RMS = 0.03, 0.004
MERGE_RATIO, MERGE_RMS = 0.2, 0.02
"""How far colours deviate from the line of one colour: as a share of the spread along it, and of the whole range. On a
bright background any such spread is stain (least in DSB2018: 0.038 and 0.0049); on a dark one JPEG's colour errors
reach 0.11 and 0.011, two merged channels 0.9 and 0.06."""


def not_fluorescence(image: NDArray[np.generic]) -> str | None:
    """Why an image is not fluorescence (grey or one colour, on a dark background); None if it may be.

    Args:
        image: as :func:`somanet.segmentation.network.inputs.to_unit` takes it; not blank.
    """
    if _is_empty(image):
        return None
    unit_YXC = to_unit(image)
    spread, ratio = _second_colour(unit_YXC)
    intensity = unit_YXC[::2, ::2].mean(axis=-1) / (255.0 if unit_YXC.dtype == np.uint8 else 1.0)
    low, middle, high = np.percentile(intensity, (TAIL_PERCENT, 50, 100 - TAIL_PERCENT))
    if middle > BRIGHT and ratio > STAIN_RATIO and spread > STAIN_RMS:
        return "colours on a bright background, as of stained tissue"
    few_and_dark = middle > BRIGHT and middle - low > TAIL_RATIO * (high - middle)
    if (measure_exposure(unit_YXC).inverted or few_and_dark) and _details_are_dark(intensity):
        why = "dark objects on a bright background, as in bright field or stained tissue"
        at_ceiling = float((intensity == intensity.max()).mean())
        if at_ceiling >= OVER_EXPOSED:
            why += f", or fluorescence so over-exposed that {100 * at_ceiling:.0f} % of the pixels are at the ceiling"
        return why
    if ratio > MERGE_RATIO and spread > MERGE_RMS:
        return "several colours on a dark background, as of merged channels"
    return None


def _is_empty(image: NDArray[np.generic]) -> bool:
    """Whether an image of whole numbers shows no more than a few neighbouring grey levels, as of read noise."""
    if not np.issubdtype(image.dtype, np.integer):
        return False
    grey = image[::2, ::2].astype(np.int64)
    low, high = np.percentile(grey, (TAIL_PERCENT, 100 - TAIL_PERCENT))
    fewest, most = FEW_LEVELS
    return bool(fewest <= high - low + 1 <= most) and len(np.unique(grey)) >= fewest


def _details_are_dark(intensity_YX: NDArray[np.floating]) -> bool:
    """Whether details are darker than their surroundings, whatever the illumination.

    Vignetting also makes a long dark tail, in fluorescence too.
    """
    from scipy import ndimage

    surroundings = ndimage.gaussian_filter(intensity_YX.astype(np.float32), max(intensity_YX.shape) / DETAIL_SHARE)
    low, middle, high = np.percentile(intensity_YX - surroundings, (TAIL_PERCENT, 50, 100 - TAIL_PERCENT))
    return bool(middle - low > high - middle)


def _second_colour(unit_YXC: NDArray[np.generic]) -> tuple[float, float]:
    """How far colours deviate from one straight line through the background's colour.

    Returns:
        The root mean square of that distance, on the range 0 to 1, and its share of the spread along the line.
    """
    import cv2

    height, width = unit_YXC.shape[:2]
    step = max(1, max(height, width) // BLOCKS)
    size = (max(1, width // step), max(1, height // step))
    scale = 255.0 if unit_YXC.dtype == np.uint8 else 1.0
    blocks = cv2.resize(unit_YXC.astype(np.float32), size, interpolation=cv2.INTER_AREA).reshape(-1, 3) / scale
    colours = blocks - np.median(blocks, axis=0)
    along, *across = np.clip(np.linalg.eigvalsh(colours.T @ colours / len(colours))[::-1], 0, None)
    spread = float(np.sqrt(sum(across)))
    return spread, spread / max(float(np.sqrt(along)), 1e-6)


@dataclass(frozen=True)
class ModalityInput:
    """An input whose modality is checked.

    Attributes:
        name: its name in messages.
        read: returns a few of its images, YX or YXC.
    """

    name: str
    read: Callable[[], Sequence[NDArray[Any]]]


def check_modality(inputs: Sequence[ModalityInput], intended_use: IntendedUse) -> None:
    """Refuse label images, and inputs outside a network's intended use, before the work.

    An input with several images is refused if most of its non-blank images are labels or are not fluorescence.

    Raises:
        SomaNetError: naming the first such input, the reason, and the next step.
    """
    refused: list[tuple[str, str]] = []
    for one in inputs:
        images = [image for image in one.read() if image.size and image.min() < image.max()]
        if 2 * sum(map(looks_like_labels, images)) > len(images):
            raise SomaNetError(
                f"{one.name}: expected microscope images, found a background of 0 and patches of one value each, as "
                "of label images or masks. Give the images that they were made from; --any-modality segments them as "
                "they are."
            )
        if intended_use.modality is None:
            continue
        reasons = [reason for image in images if (reason := not_fluorescence(image))]
        if 2 * len(reasons) > len(images):
            refused.append((one.name, reasons[0]))
    if not refused:
        return
    name, reason = refused[0]
    which = name if len(inputs) == 1 else f"{len(refused)} of {len(inputs)} inputs, such as {name}"
    raise SomaNetError(
        f"{which}: expected fluorescence (grey or one colour, on a dark background), which this network was trained "
        f"on; found {reason}. {_next_step(reason)}"
    )


def _next_step(reason: str) -> str:
    if "merged" in reason:
        return "Give the channel of the somas alone; --any-modality segments the image as it is."
    return "Name a network trained on such images with --model; --any-modality segments them anyway."


def sample_indices(n: int) -> tuple[int, ...]:
    """Indices of the first, the middle and the last of n frames or images: enough to tell their modality."""
    return tuple(sorted({0, n // 2, n - 1})) if n else ()


def sample_frames(movie: Sequence[Any]) -> list[NDArray[Any]]:
    """The first, the middle and the last frame of a movie."""
    return [movie[t] for t in sample_indices(len(movie))]
