"""Settings of the measurement: presets, what replaces them, bounds in order."""

from __future__ import annotations

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.settings import parse
from somanet.migration.saltation import USUAL
from somanet.migration.settings import PRESETS, MigrateSettings


def test_the_defaults_are_the_usual_definition() -> None:
    assert MigrateSettings().definition() == USUAL == PRESETS["somanet"]


def test_a_preset_gives_its_values_and_what_is_set_replaces_them() -> None:
    """Vaswani et al. 2019 call a neuron at rest below 10 µm/h."""
    assert MigrateSettings(preset="vaswani2019").definition().min_speed_um_per_h == 10.0
    own = MigrateSettings(preset="vaswani2019", min_speed_um_per_h=14, min_length_um=8, min_pause_h=0.5, min_track_h=2)
    found = own.definition()
    assert (found.min_speed_um_per_h, found.min_length_um, found.min_pause_h, found.min_track_h) == (14, 8, 0.5, 2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slowest_threshold_um_per_h": 40}, "must not exceed"),
        ({"preset": "somebody"}, "vaswani2019"),
        ({"min_length_um": -1}, "min_length_um"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(values: dict[str, object], words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        parse(MigrateSettings, values, source="settings")
