"""What can be set about the measurement of migration, and the definitions of published studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from somanet.core.settings import Settings
from somanet.migration.drift import DriftSource
from somanet.migration.saltation import FASTEST_UM_PER_H, SLOWEST_UM_PER_H, USUAL, Definition

Preset = Literal["somanet", "vaswani2019"]
PRESETS: Mapping[Preset, Definition] = {
    "somanet": USUAL,
    "vaswani2019": replace(USUAL, min_speed_um_per_h=10.0),
}
"""Definitions by name. ``vaswani2019``: Vaswani et al., eLife 2019;8:e41623, whose published code (mDA-migration,
rest.m) counts a dopaminergic neuron as at rest below 10 µm/h, measured every 10 min; it defines no least length or
pause, so these are SomaNet's."""
Speed = Annotated[float, Field(ge=1e-6, le=1e6)]


class MigrateSettings(Settings):
    """How tracks become numbers."""

    axis_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Direction, for example away from the explant, that angles are counted from: 0 = right, 90 = down."""
    drift: DriftSource = "image"
    """What is subtracted: `image`, the stage as the background shows it; `cells`, what resting cells do; `none`."""
    sigma_um: Annotated[float, Field(ge=1e-6, le=1000)] | None = None
    """Localisation noise per axis; none = from the movie's own steps."""
    preset: Preset = "somanet"
    """A published definition, of :data:`PRESETS`; what is set below replaces its values."""
    min_speed_um_per_h: Speed | None = None
    """A faster step is motion; none = from the movie's slow steps, within the two bounds, or from the preset."""
    slowest_threshold_um_per_h: Speed = SLOWEST_UM_PER_H
    """Lower bound of that speed where the movie's steps decide."""
    fastest_threshold_um_per_h: Speed = FASTEST_UM_PER_H
    """Upper bound of it."""
    min_length_um: Annotated[float, Field(ge=1e-6, le=1e6)] | None = None
    """Least net displacement of a saltation; none = 5 µm, or 4σ if that is more, or from the preset."""
    min_pause_h: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """A shorter rest does not end a saltation; none = every rest of a frame interval does, or from the preset."""
    min_track_h: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Least time that a cell is seen; none = 4 h or 12 frames, or from the preset."""

    @model_validator(mode="after")
    def _ordered(self) -> MigrateSettings:
        if self.slowest_threshold_um_per_h > self.fastest_threshold_um_per_h:
            raise ValueError(
                f"slowest_threshold_um_per_h ({self.slowest_threshold_um_per_h:g}) must not exceed "
                f"fastest_threshold_um_per_h ({self.fastest_threshold_um_per_h:g})"
            )
        return self

    def definition(self) -> Definition:
        """What counts as a saltation, a pause and a track: the preset with what is set."""
        names = ("min_speed_um_per_h", "min_length_um", "min_pause_h", "min_track_h")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        bounds = {name: getattr(self, name) for name in ("slowest_threshold_um_per_h", "fastest_threshold_um_per_h")}
        return replace(PRESETS[self.preset], **bounds, **chosen)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of :func:`somanet.migration.measures.measure_movie`."""
        return {
            "axis_deg": self.axis_deg,
            "drift": self.drift,
            "sigma_um": self.sigma_um,
            "definition": self.definition(),
        }
