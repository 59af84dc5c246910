from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from somanet.core.calibration import FileCalibration
from tests.napari.window.worlds import somas
from tests.worlds import save_bright_network


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that outlines exactly what is brighter than half of the range."""
    return save_bright_network(tmp_path_factory.mktemp("bright") / "model")


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
