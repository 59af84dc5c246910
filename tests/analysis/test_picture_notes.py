"""What segmentation found about a picture reaches the report's notes and the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.manifest import provenance_of
from somanet.analysis.stages.report import notes_of
from somanet.core.files import write_json
from somanet.migration.settings import MigrateSettings

CLIPPED = {"ceiling": 255.0, "n_px": 5000, "n_at_ceiling": 600, "n_soma_px": 400}
NOISE = {"n_objects": 80, "contrast": 4.1, "confidence": 0.87}


def results(folder: Path, **segmentation: Any) -> Path:
    """The stages' records of a movie with tracks, as far as notes need them."""
    found = {"blank_frames": [], "n_objects": 80, "model_sha256": "0" * 64, **segmentation}
    write_json(folder / names.MOVIE, {"truncated": False, "n_frames": 9})
    write_json(folder / names.SEGMENTATION, found)
    write_json(folder / names.TRACKING, {"n_tracks": 4})
    return folder


def test_the_notes_are_there_when_they_should_be(tmp_path: Path) -> None:
    """600 of 5,000 pixels are 12 %, 1.5 times the 400 of somas. Records of an older version know of neither."""
    older = notes_of(results(tmp_path))
    fine = {"clipping": {**CLIPPED, "n_at_ceiling": 3}, "appearance": {**NOISE, "confidence": 0.96}}
    assert notes_of(results(tmp_path, **fine)) == older
    assert notes_of(results(tmp_path, clipping=None, appearance=None)) == older
    *before, clipped, noise = notes_of(results(tmp_path, clipping=CLIPPED, appearance=NOISE))
    assert tuple(before) == older
    assert clipped.startswith("12 % of the pixels are at the ceiling of 255, 1.5 times as many as the somas have")
    assert noise.startswith("The 80 objects look like those that this network draws where there are no somas")


def test_the_manifest_has_the_numbers(tmp_path: Path) -> None:
    found = provenance_of(results(tmp_path, clipping=CLIPPED, appearance=NOISE), MigrateSettings())
    assert (found["clipping"], found["appearance"]) == (CLIPPED, NOISE)
