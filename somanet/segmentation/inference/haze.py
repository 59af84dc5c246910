"""Which objects are haze: unsharp tissue, glow and autofluorescence that a network outlines as somas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from somanet.core.counting import counted
from somanet.core.settings import Fraction, NonNegativeFloat, Settings

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse


class HazeRule(Settings):
    """An object is haze if it hardly stands out from its surroundings and the network is unsure of it: both.

    A dim soma on an even background has contrast, and a soma in a busy neighbourhood the network's confidence. The
    defaults leave out the most haze, and no cell, of simulated neurons in haze and of a movie of a Drosophila embryo
    (``python -m benchmarks.background``).
    """

    contrast: NonNegativeFloat = 6.0
    """Haze has less, see :func:`somanet.segmentation.inference.contrast.contrast_of`."""
    confidence: Fraction = 0.75
    """Haze has less, as the mean calibrated soma probability of the network's outline: the rule was chosen for that."""

    def is_haze(self, contrast: NDArray[np.float64], probability: NDArray[np.float64]) -> NDArray[np.bool_]:
        """For each object; one of unknown contrast (NaN) is never haze."""
        return np.asarray((contrast < self.contrast) & (probability < self.confidence))


def rule_for(intended_use: IntendedUse) -> HazeRule | None:
    """The rule for a network's objects; None for a network that is not for fluorescence, where haze looks different."""
    return HazeRule() if intended_use.modality == "fluorescence" else None


def note_on_haze(n_removed: int, n_kept: int) -> str | None:
    """How many objects were left out as haze; None if there were none."""
    if not n_removed:
        return None
    if n_removed == 1:
        return (
            f"1 of {counted(1 + n_kept, 'object')} was left out as haze: it hardly stands out from its "
            "surroundings, and the network is unsure of it. If it is a cell, give --keep-haze."
        )
    return (
        f"{n_removed} of {n_removed + n_kept} objects were left out as haze: they hardly stand out from their "
        "surroundings, and the network is unsure of them. If they are cells, give --keep-haze."
    )
