"""From a network's logits in an object to the probability that the object is right, as stored in a checkpoint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import Fraction, PositiveFloat, PositiveInt, Settings

SECTION = "confidence"


class ObjectConfidence(Settings):
    """Section `confidence` of a checkpoint's `config.json`: a logistic curve (Platt 1999) of labelled objects."""

    intercept: float
    slope: PositiveFloat
    """Confidence is 1 / (1 + exp(-(intercept + slope x))), where x is the mean soma logit of the object's pixels."""
    images: PositiveInt
    objects: PositiveInt
    """Number of labelled images, and of objects in them, that it was fitted on."""
    right: Fraction
    """Share of these objects that match a soma at IoU 0.5: that is what right means."""

    def of(self, mean_logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The confidence in objects with these mean logits."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (self.intercept + self.slope * mean_logits))))
