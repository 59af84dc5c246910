"""How a movie is analysed once its somas are segmented, as plain values that are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from somanet.core.settings import Settings, override, parse
from somanet.migration.settings import MigrateSettings
from somanet.tracking.settings import TrackSettings


class AnalysisParams(Settings):
    """Settings of the stages after segmentation."""

    track: TrackSettings = Field(default_factory=TrackSettings)
    migrate: MigrateSettings = Field(default_factory=MigrateSettings)


def analysis_params(values: Mapping[str, Any], assignments: Sequence[str] = ()) -> AnalysisParams:
    """Settings from plain values: sections `track` and `migrate`, and assignments such as `migrate.sigma_um=0.5`.

    Raises:
        SomaNetError: naming the first one that is unknown or out of range.
    """
    return parse(AnalysisParams, override(values, assignments), source="settings")
