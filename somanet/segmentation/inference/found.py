"""What was found in an image or a movie: its objects, and what a user has to know about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.segmentation.inference.appearance import appearance_of
from somanet.segmentation.inference.clipping import Clipping
from somanet.segmentation.inference.looks import Appearance
from somanet.segmentation.inference.objects import measure_objects
from somanet.segmentation.inference.soma_size import SizeEstimate, decide

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter


@dataclass(frozen=True)
class Found:
    """The somas of an image or of all frames of a movie.

    :func:`somanet.segmentation.inference.size_warnings.warnings_for` says what of it a user has to know.

    Attributes:
        objects: a row per soma, :data:`somanet.core.schema.OBJECT`; of a movie with the frame.
        rescale: the factor by which images were rescaled.
        size: the estimate of the somas' size; None if the factor was given or cannot be estimated.
        n_haze: objects that were left out as haze.
        inverted: taken for dark objects on a bright background.
        clipping: pixels at the ceiling; None where dark objects are looked for.
        appearance: how the objects look; None for a network of which it is not known how they should.
        blank_frames: blank frames of a movie, which get no labels.
        burnt_in: where a scale bar or a time stamp is burnt into a movie, in words; None if nowhere.
        second_look: bright objects hid others, which were looked for in the image or in all frames of the movie.
    """

    objects: pd.DataFrame
    rescale: float = 1.0
    size: SizeEstimate | None = None
    n_haze: int = 0
    inverted: bool = False
    clipping: Clipping | None = None
    appearance: Appearance | None = None
    blank_frames: tuple[int, ...] = ()
    burnt_in: str | None = None
    second_look: bool = False

    @property
    def diameters_px(self) -> NDArray[np.float64]:
        """Of the somas, in the image's own pixels."""
        return self.objects["diameter_px"].to_numpy(float)

    @property
    def n_objects(self) -> int:
        """Number of somas in all frames."""
        return len(self.objects)


def segment_image(segmenter: Segmenter, image: NDArray[Any]) -> tuple[NDArray[np.int32], Found]:
    """The label image of an image by itself, YX, 0 = background, and what is to be said of it.

    Args:
        segmenter: the networks; what is left open about size and inversion is decided by this image.
        image: YX or YXC.
    """
    decided, size = decide(segmenter, [image])
    segmented = decided.segment(image)
    objects = measure_objects(segmented)
    found = Found(
        objects,
        decided.factor,
        size,
        segmented.n_haze,
        bool(decided.inverted),
        segmented.clipping,
        appearance_of(decided, objects),
        second_look=segmented.n_hidden > 0,
    )
    return segmented.labels_YX, found
