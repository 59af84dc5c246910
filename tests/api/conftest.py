"""A network of known output and a drawn movie, analysed by the command and by the Python interface."""

from __future__ import annotations

from pathlib import Path

import pytest

import somanet
from tests import worlds
from tests.analysis.worlds import save_movie


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that classifies every pixel brighter than half of the range as soma."""
    return worlds.save_bright_network(tmp_path_factory.mktemp("bright") / "model")


@pytest.fixture(scope="session")
def model(bright: Path) -> somanet.Model:
    return somanet.load_model(bright)


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_movie(tmp_path_factory.mktemp("movies") / "drawn.ome.tif")


@pytest.fixture(scope="session")
def by_command(bright: Path, movie: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of `somanet analyze`, with a noise that is given, so that settings reach it."""
    folder = tmp_path_factory.mktemp("command")
    given = ("--model", bright, "--set", "migrate.sigma_um=0.5", "--export", "napari")
    assert worlds.somanet("analyze", movie, "--output", "out", *given, cwd=folder) is None
    return folder / "out"


@pytest.fixture(scope="session")
def analysis(model: somanet.Model, movie: Path, tmp_path_factory: pytest.TempPathFactory) -> somanet.Analysis:
    """The same by the Python interface."""
    folder = tmp_path_factory.mktemp("python")
    return somanet.analyze(movie, folder / "out", model=model, settings={"migrate.sigma_um": 0.5}, export=["napari"])
