"""The intended use of a network: section `intended_use` of a checkpoint's `config.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from somanet.core.settings import PositiveFloat, Settings

SECTION = "intended_use"
OLDER_SECTION = "serves"
"""Its name in older checkpoints."""


class IntendedUse(Settings):
    """The images for which a network is reliable. Without this section, a network accepts all images."""

    modality: Literal["fluorescence"] | None = None
    """`fluorescence`: grey or of one colour, on a dark background."""
    diameter_px: tuple[PositiveFloat, PositiveFloat] | None = Field(default=None)
    """Smallest and largest equivalent diameter of the somas it segments well."""

    @model_validator(mode="after")
    def _ordered(self) -> IntendedUse:
        if self.diameter_px is not None and self.diameter_px[0] >= self.diameter_px[1]:
            raise ValueError("diameter_px must be (smallest, largest) with smallest < largest")
        return self

    @property
    def typical_px(self) -> float | None:
        """The diameter to rescale somas to: the geometric mean of the range; None if the range is unknown."""
        return None if self.diameter_px is None else (self.diameter_px[0] * self.diameter_px[1]) ** 0.5
