"""What can be set about the measurement of migration."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class MigrateSettings(BaseModel):
    """How tracks become numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Direction, for example away from the explant, that angles are counted from: 0 = right, 90 = down."""
    remove_drift: bool = True
    """Subtract the median step of all cells, as the stage's drift."""
    sigma_um: Annotated[float, Field(gt=0)] | None = None
    """Localisation noise per axis; none = from the movie's own steps at rest."""
