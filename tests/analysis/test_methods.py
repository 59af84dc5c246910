"""Words of the methods that are not numbers."""

from __future__ import annotations

import pytest

from somanet.analysis.methods import _segmented

NETWORK = {"name": "bundled", "sha256": "0" * 64, "spec": None}


@pytest.mark.parametrize(
    ("haze", "words"),
    [
        (None, "haze = kept)"),
        (
            {"contrast": 6.0, "confidence": 0.75},
            "haze = objects with contrast below 6 and confidence below 0.75, left out)",
        ),
    ],
)
def test_what_became_of_haze_is_said(haze: dict[str, float] | None, words: str) -> None:
    manifest = {"model": NETWORK, "parameters": {"segment": {"rescale": 0.38, "haze": haze}, "track": {}}}
    assert f"rescale = 0.38, {words}" in _segmented(manifest)
    assert manifest["parameters"]["segment"]["haze"] == haze


def test_frames_that_were_segmented_twice_and_in_8_bits_say_so() -> None:
    manifest = {"model": NETWORK, "parameters": {"segment": {}, "track": {}}}
    assert "a second time" not in _segmented({**manifest, "second_look": False})
    assert "a second time" in _segmented({**manifest, "second_look": True})
    assert "8 bits" not in _segmented({**manifest, "model": {**NETWORK, "engine": {"precision": "float32"}}})
    assert "computed in 8 bits" in _segmented(
        {**manifest, "model": {**NETWORK, "engine": {"precision": "float32+int8"}}}
    )
