"""A movie has one name in crops to label, in its analysis and in the plug-in's training set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from somanet.analysis.labelling.propose import named_as_movies
from somanet.io.images import write_image
from somanet.segmentation.inference.input_files import find_inputs
from tests.analysis.worlds import save_movie


def test_movies_are_named_as_by_analyze_and_images_by_their_files(tmp_path: Path) -> None:
    write_image(tmp_path / "c.ome.png", np.zeros((40, 60), np.uint8))
    paths = [save_movie(tmp_path / "a.ome.tif"), save_movie(tmp_path / "b.tif"), tmp_path / "c.ome.png"]
    assert [item.name for item in named_as_movies(find_inputs(paths))] == ["a", "b", "c.ome"]


def test_a_name_that_another_input_has_is_not_taken(tmp_path: Path) -> None:
    paths = [save_movie(tmp_path / name) for name in ("a.ome.tif", "a.tif")]
    assert [item.name for item in named_as_movies(find_inputs(paths))] == ["a.ome", "a"]
