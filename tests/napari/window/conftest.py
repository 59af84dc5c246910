"""Windows under a display, which `make test-napari` makes where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from somanet.core.calibration import FileCalibration
from tests.napari.window.worlds import somas


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """A folder with `squares.ome.tif` and its results in `results`, found by a network that sees what is bright."""
    from somanet.analysis.movie import AnalysisNetworks, Options, analyze_movie
    from somanet.analysis.network import open_networks
    from somanet.analysis.source import MovieSource
    from somanet.io.movies import write_movie

    folder = tmp_path_factory.mktemp("analysed")
    frames = np.where(somas() > 0, 60000, 6000).astype(np.uint16)
    write_movie(folder / "squares.ome.tif", frames, FileCalibration(1.0, 10.0).complete())
    segmenter = open_networks([bright], engine="torch", rescale=1.0).segmenter
    source = MovieSource(folder / "squares.ome.tif", "squares")
    options = Options(overlay=False, any_modality=True)
    analyze_movie(source, folder / "results", network=AnalysisNetworks(segmenter), options=options)
    return folder


@pytest.fixture
def world(analysed: Path, tmp_path: Path) -> Path:
    """A copy of it for each test."""
    return Path(shutil.copytree(analysed, tmp_path / "world"))


@pytest.fixture
def person(world: Path, qtbot: Any) -> Iterator[Any]:
    """Someone who has opened the results."""
    import napari

    from somanet.napari.window.panel import SomaNetPanel
    from tests.napari.window.events import Person

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet")
    panel.open(world / "results")
    found = Person(panel)
    found.wait(0.5)
    yield found
    panel.close_movie()
    with suppress(RuntimeError):  # its window was closed by the test
        viewer.close()
