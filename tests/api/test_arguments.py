"""Arguments of another kind, or without a sensible value, are refused in one line that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import somanet
from somanet.core.files import write_json
from tests.api.test_tracks import SCALE, straight_cells


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: somanet.analyze(None, "out"), "movie: expected a path .* found None. Save frames in memory"),
        (lambda: somanet.analyze(np.zeros((2, 3, 4)), "out"), "movie: .* found ndarray. Save frames in memory"),
        (lambda: somanet.analyze("movie.tif", 3), "output: .* found int. Name the file or folder"),
        (lambda: somanet.analyze("movie.tif", "out", tracks=[]), "tracks: .* found list"),
        (lambda: somanet.open_analysis(None), "folder: .* found None"),
        (lambda: somanet.read_tracks(np.zeros(3)), "path: .* found ndarray. A table in memory"),
        (lambda: somanet.read_tracks(b"tracks.csv"), "path: .* found bytes"),
        (lambda: somanet.load_model(None), "network's name, or several as a list, found None"),
        (lambda: somanet.load_model(np.zeros((40, 50))), "found array.*… .ndarray"),
        (lambda: somanet.load_model(diameter_px="a"), "diameter_px: expected a number, found 'a'"),
        (lambda: somanet.load_model().segment("image.tif"), "an array of real numbers, found str"),
        (lambda: somanet.load_model().segment(None), "an array of real numbers, found NoneType"),
        (lambda: somanet.measure("tracks.csv"), "tracks as a pandas table, found str"),
        (lambda: somanet.measure(straight_cells(), (2.0, 15.0)), r"calibration=somanet\.Calibration.*found .2\.0, 15"),
        (lambda: somanet.measure(straight_cells(), SCALE, settings="a=1"), "settings as a dictionary, .* found 'a=1'"),
    ],
)
def test_another_kind_is_a_type_error_of_one_line(call: Callable[[], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        call()
    assert isinstance(caught.value, somanet.SomaNetError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -3.0, np.float32(0)])
@pytest.mark.parametrize("name", ["diameter_px", "rescale"])
def test_a_size_that_is_none_is_a_value_error(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected a positive number, found .*estimated") as caught:
        somanet.load_model(**{name: value})
    assert isinstance(caught.value, somanet.SomaNetError)


@pytest.mark.parametrize("value", [float("nan"), 0, -3.0, "a", None])
def test_a_scale_that_is_none_is_a_value_error(value: Any) -> None:
    for scale in ((value, 12.0), (1.28, value)):
        with pytest.raises(ValueError, match="must be a positive number, found") as caught:
            somanet.Calibration(*scale)
        assert isinstance(caught.value, somanet.SomaNetError)


def test_a_measurement_tells_its_counts() -> None:
    """Of two straight cells, seen for 24 frames of 15 min, one moves all the time."""
    measured = somanet.measure(straight_cells(), SCALE, settings={"sigma_um": 0.1})
    assert repr(measured) == "<Measurement: 2 tracks, 2 cells observed long enough, 1 saltation>"


def test_a_folder_of_results_names_its_file(tmp_path: Path) -> None:
    parts: dict[str, dict[str, str]] = {key: {} for key in ("somanet", "files", "code", "parameters")}
    movie = {"movie": "a", "file": "a.ome.tif", "sha256": "0"}
    write_json(tmp_path / "manifest.json", {**parts, "input": movie})
    with pytest.raises(somanet.SomaNetError, match=r"a folder of SomaNet's results\. Read .*tracks\.csv, or"):
        somanet.read_tracks(tmp_path)
