"""What kind of microscopy an image is from, as far as its pixels say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COLOURLESS = 5.0
"""An image is grey if its strongest and weakest channel differ by less than this on average, on the scale of 8 bits."""


def is_grey_fluorescence(image: NDArray[Any]) -> bool:
    """Whether an image is grey and has bright objects on a dark background, as nuclei in fluorescence are published.

    The two rules: the mean over pixels of (strongest - weakest channel) is below :data:`COLOURLESS`, and
    :func:`somanet.segmentation.inputs.measure_exposure` does not find the image inverted. Stained tissue fails the
    first, bright field the second. A fluorescence image in one pseudo-colour, such as green, fails the first as well:
    the rule is for choosing the images that published scores of grey fluorescence can be compared on, not for
    recognising a microscope.

    Args:
        image: YX or YXC with C = 1, 3 or 4 (opacity is dropped), the whole image as stored.

    Raises:
        SomaNetError: as :func:`somanet.segmentation.inputs.to_unit`.
    """
    from somanet.segmentation.inputs import measure_exposure, to_unit

    unit_YXC = to_unit(image)
    eight_bit = unit_YXC.astype(np.float32) * (1 if unit_YXC.dtype == np.uint8 else 255)
    colour = float(np.mean(eight_bit.max(axis=-1) - eight_bit.min(axis=-1)))
    return colour < COLOURLESS and not measure_exposure(unit_YXC).inverted
