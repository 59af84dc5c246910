"""What a network was made for: section `serves` of a checkpoint's `config.json`, and the refusal of other images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from somanet.errors import SomaNetError
from somanet.settings import PositiveFloat, Settings

SECTION = "serves"
SMALLEST_FACTOR, LARGEST_FACTOR = 0.05, 8.0
"""Of rescaling: beyond them an image has nothing left to see, or fills the memory."""


class Serves(Settings):
    """The images that a network can be trusted with. A network that says nothing serves everything."""

    modality: Literal["fluorescence"] | None = None
    """`fluorescence`: grey or of one colour, on a dark background."""
    diameter_px: tuple[PositiveFloat, PositiveFloat] | None = Field(default=None)
    """Smallest and largest equivalent diameter of the somas it finds well."""

    @model_validator(mode="after")
    def _ordered(self) -> Serves:
        if self.diameter_px is not None and self.diameter_px[0] >= self.diameter_px[1]:
            raise ValueError("diameter_px must be (smallest, largest) with smallest < largest")
        return self

    @property
    def typical_px(self) -> float | None:
        """The size to bring somas to: the middle of the range by ratio; None if the range is unknown."""
        return None if self.diameter_px is None else (self.diameter_px[0] * self.diameter_px[1]) ** 0.5


def rescaling_factor(serves: Serves, *, rescale: float | None, diameter_px: float | None) -> float:
    """The factor by which images are resized for a network.

    Args:
        serves: of the network.
        rescale: the factor itself, if given.
        diameter_px: of the somas in the images, if given instead: they are brought to the network's typical size.

    Returns:
        1 if neither is given.

    Raises:
        SomaNetError: both are given, the network does not say which size it knows, or the factor is out of range.
    """
    if rescale is not None and diameter_px is not None:
        raise SomaNetError("Give --rescale or --diameter, not both: each says how the image is resized.")
    if rescale is None and diameter_px is None:
        return 1.0
    told = f"--rescale {rescale:g}" if rescale is not None else f"--diameter {diameter_px:g}"
    factor = rescale if rescale is not None else 0.0
    if diameter_px is not None:
        if serves.typical_px is None:
            raise SomaNetError(
                f"{told} needs a network that says which size of soma it was made for, and this one does not: "
                "give --rescale FACTOR instead."
            )
        factor = serves.typical_px / diameter_px if diameter_px > 0 else 0.0
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        means = "" if rescale is not None else f", a factor of {factor:.3g}"
        raise SomaNetError(
            f"{told}: expected to resize images by {SMALLEST_FACTOR:g} to {LARGEST_FACTOR:g}, found "
            f"{told.split()[1]}{means}. --rescale is the factor, --diameter the somas' diameter in pixels."
        )
    return factor
