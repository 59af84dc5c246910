"""Settings of tracking, in physical units; `None` is estimated from the movie."""

from __future__ import annotations

from somanet.core.settings import NonNegativeFloat, PositiveFloat, Settings
from somanet.tracking.linking import INTENSITY_WEIGHT, OVERLAP_WEIGHT, SHAPE_WEIGHT


class TrackSettings(Settings):
    """How masks are linked to cells."""

    min_soma_area_um2: NonNegativeFloat | None = None
    """Smaller objects are noise; None = a fifth of the movie's median soma, at least 20 µm² (5 µm across)."""
    max_step_um: PositiveFloat | None = None
    """Longest displacement from one frame to the next; None = from the movie's own displacements."""
    max_gap_h: NonNegativeFloat | None = None
    """Longest time for which a cell may be missed; None = 36 minutes, at least one frame and at most five."""
    min_track_h: NonNegativeFloat = 0.5
    """Shorter tracks, and tracks in a single frame, are noise."""
    separate_touching: bool = True
    """Split masks that several somas share for some frames, and merge the parts of one cell."""
    overlap_weight: NonNegativeFloat = OVERLAP_WEIGHT
    shape_weight: NonNegativeFloat = SHAPE_WEIGHT
    intensity_weight: NonNegativeFloat = INTENSITY_WEIGHT
