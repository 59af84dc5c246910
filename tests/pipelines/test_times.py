"""A table of times on its way from `data.folders` to the movie that is segmented."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.data import RAW, collect
from somanet.analysis.project import project_movies
from somanet.config import DataFolders, MovieEntry
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.io.datasets.writers import write_kaggle
from tests.analysis.worlds import N_FRAMES, frames_TYX, save_movie
from tests.worlds import scene

ROWS = "".join(f"{t},{20 * t + 120 * (t > 7)}\n" for t in range(N_FRAMES))


def test_times_go_with_their_movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two movies of one folder, one with times: the copy is read, so that DVC sees a change of the table."""
    given = tmp_path / "given"
    write_kaggle(given / "set.zip", [scene("a"), scene("b")])
    for name in ("stopped", "steady"):
        save_movie(given / "dish" / f"{name}.tif", frames_TYX())
    save_movie(given / "alone.tif", frames_TYX())
    (given / "dish" / "clock.csv").write_text(f"frame,t_min\n{ROWS}")
    monkeypatch.chdir(tmp_path)
    movies = (
        MovieEntry(file="dish/stopped.tif", times="dish/clock.csv"),
        MovieEntry(file="dish/steady.tif"),
        MovieEntry(file="alone.tif"),
    )
    folders = DataFolders(
        source="set.zip", source_split=None, target_train="set.zip", target_val="set.zip", movies=movies
    )
    collect(folders, given)
    alone, steady, stopped = project_movies(RAW)
    assert alone.name == "alone"
    assert (steady.name, steady.source.times) == ("dish_steady", None)
    facts = stopped.source.describe()
    assert facts["times_h"] == pytest.approx([t / 3 + 2 * (t > 7) for t in range(N_FRAMES)])
    assert facts["times"]["file"] == "dish_stopped.csv"
    (given / "dish" / "clock.csv").unlink()
    assert stopped.source.describe() == facts


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "movies.json", {"a": {"file": "a.tif", "times": "../secret.csv"}})
    with pytest.raises(SomaNetError, match="secret"):
        project_movies(tmp_path)
