"""What can be set about tracking, in physical units; `None` is read from the movie itself."""

from __future__ import annotations

from somanet.core.settings import NonNegativeFloat, PositiveFloat, Settings
from somanet.tracking.linking import INTENSITY_WEIGHT, OVERLAP_WEIGHT, SHAPE_WEIGHT


class TrackSettings(Settings):
    """How masks become cells with an identity."""

    min_soma_area_um2: NonNegativeFloat | None = None
    """Smaller objects are noise; none = a fifth of the movie's median soma, at least 20 µm² (5 µm across)."""
    max_step_um: PositiveFloat | None = None
    """Longest step from one frame to the next; none = from the movie's own steps."""
    max_gap_h: NonNegativeFloat | None = None
    """Longest time for which a cell may be missed; none = 36 minutes, at least one frame and at most five."""
    min_track_h: NonNegativeFloat = 0.5
    """Tracks seen for less, or in one frame only, are noise."""
    separate_touching: bool = True
    """Give somas that share a mask for some frames masks of their own, and join the parts of one cell."""
    overlap_weight: NonNegativeFloat = OVERLAP_WEIGHT
    shape_weight: NonNegativeFloat = SHAPE_WEIGHT
    intensity_weight: NonNegativeFloat = INTENSITY_WEIGHT
