"""What can be set about the measurement of migration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from somanet.core.settings import Settings
from somanet.migration.drift import DriftSource


class MigrateSettings(Settings):
    """How tracks become numbers."""

    axis_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Direction, for example away from the explant, that angles are counted from: 0 = right, 90 = down."""
    drift: DriftSource = "image"
    """What is subtracted: `image`, the stage as the background shows it; `cells`, what resting cells do; `none`."""
    sigma_um: Annotated[float, Field(ge=1e-6, le=1000)] | None = None
    """Localisation noise per axis; none = from the movie's own steps at rest."""
