"""The plug-in's manifest, and the command where napari is missing: what holds without napari."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import somanet.napari
from somanet.core import extras
from tests.worlds import somanet as run

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = yaml.safe_load((Path(somanet.napari.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_manifest_is_installed_and_names_what_exists() -> None:
    """Without importing it, as napari may be missing."""
    assert MANIFEST["name"] == PROJECT["project"]["name"]
    entry = PROJECT["project"]["entry-points"]["napari.manifest"]["somanet"]
    assert entry == "somanet.napari:napari.yaml"
    assert "napari.yaml" in PROJECT["tool"]["setuptools"]["package-data"]["somanet.napari"]
    commands = {command["id"]: command["python_name"] for command in MANIFEST["contributions"]["commands"]}
    for widget in MANIFEST["contributions"]["widgets"]:
        module, _, name = commands[widget["command"]].partition(":")
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert re.search(rf"^class {name}\(QWidget\):$", source, flags=re.MULTILINE)


def test_without_napari_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from somanet.core.calibration import FileCalibration
    from somanet.io.movies import write_movie

    write_movie(tmp_path / "movie.ome.tif", np.zeros((3, 20, 30), np.uint16), FileCalibration(1.0, 10.0))
    monkeypatch.setitem(extras.PACKAGES, "napari", ("no_such_napari",))
    error = run("napari", "movie.ome.tif", cwd=tmp_path)
    assert error is not None
    assert "`somanet napari` needs no_such_napari, not found here: pip install 'somanet[napari]'" in error
    assert "\n" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["movie.ome.tif"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.tif"], "nothing.tif"),
        (["movie.ome.tif", "--movie", "movie.ome.tif"], "is no folder of results"),
        (["."], "."),
    ],
)
def test_what_cannot_be_opened_is_said_before_napari_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    (tmp_path / "movie.ome.tif").write_bytes(b"no movie")
    monkeypatch.setitem(extras.PACKAGES, "napari", ("no_such_napari",))
    error = run("napari", *arguments, cwd=tmp_path)
    assert error is not None
    assert "no_such_napari" not in error
    assert words in error
    assert "\n" not in error
