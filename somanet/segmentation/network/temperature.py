"""The temperature of a network's soma logits, as stored in its checkpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from somanet.core.settings import Fraction, PositiveFloat, PositiveInt, Settings

SECTION = "calibration"

Nats = Annotated[float, Field(ge=0)]


class TemperatureScaling(Settings):
    """Section `calibration` of a checkpoint's `config.json`."""

    temperature: PositiveFloat
    """Soma logits are divided by it; above 1 the network was overconfident."""
    images: PositiveInt
    """Number of labelled images that it was fitted on."""
    nll_before: Nats
    nll_after: Nats
    """Cross entropy per pixel of those images."""
    ece_before: Fraction
    ece_after: Fraction
    """Expected calibration error, see
    :func:`somanet.segmentation.inference.temperature_scaling.expected_calibration_error`."""
