"""Settings of tracking, in physical units; `None` is estimated from the movie."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from somanet.core.settings import Settings
from somanet.tracking.linking import INTENSITY_WEIGHT, OVERLAP_WEIGHT, SHAPE_WEIGHT

Weight = Annotated[float, Field(ge=0, le=1e6)]


class TrackSettings(Settings):
    """How masks are linked to cells."""

    min_soma_area_um2: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """Smaller objects are noise; None = a fifth of the movie's median soma, at least 20 µm² (5 µm across)."""
    max_step_um: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    """Longest displacement from one frame to the next; None = from the movie's own displacements."""
    max_gap_h: Annotated[float, Field(ge=0, le=1e4)] | None = None
    """Longest time for which a cell may be missed; None = 36 minutes, at least one frame and at most five."""
    min_track_h: Annotated[float, Field(ge=0, le=1e6)] = 0.5
    """Shorter tracks, and tracks in a single frame, are noise."""
    separate_touching: bool = True
    """Split masks that several somas share for some frames, and merge the parts of one cell."""
    overlap_weight: Weight = OVERLAP_WEIGHT
    shape_weight: Weight = SHAPE_WEIGHT
    intensity_weight: Weight = INTENSITY_WEIGHT
