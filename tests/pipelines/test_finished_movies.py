"""A movie is the unit of work of the stages: one more movie computes one, with the bytes of a run from scratch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipelines.migrate
import pipelines.report
import pipelines.segment
import pipelines.track
from somanet.analysis.finished import FinishedMovies
from somanet.core.files import write_json
from tests.analysis.worlds import save_movie
from tests.worlds import save_bright_network

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "segment": (pipelines.segment, "segment_movie"),
    "track": (pipelines.track, "_tracked"),
    "migrate": (pipelines.migrate, "_measured"),
    "report": (pipelines.report, "_reported"),
}
Counts = dict[str, int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Counts]:
    """Runs the four stages in a project with these movies, after DVC's manner; how many movies each computed."""
    folder = tmp_path / "project"
    (folder / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["segment"]["model"] = str(save_bright_network(folder / "models" / "bright"))
    params["report"]["overlay"] = False
    shutil.copytree(ROOT / "corrections", folder / "corrections")
    counts: Counts = {}
    monkeypatch.setattr(pipelines.report, "record_movie", lambda *arguments, **options: None)
    for name, (module, function) in STAGES.items():
        original = getattr(module, function)

        def counted(*arguments: Any, name: str = name, original: Callable[..., Any] = original) -> Any:
            counts[name] = counts.get(name, 0) + 1
            return original(*arguments)

        monkeypatch.setattr(module, function, counted)

    def runs(*movies: str, fresh: bool = False, **changed: dict[str, Any]) -> Counts:
        if fresh:
            shutil.rmtree(folder / "mlruns", ignore_errors=True)
        shutil.rmtree(folder / "data", ignore_errors=True)
        shutil.rmtree(folder / "reports", ignore_errors=True)  # DVC removes what a stage is to write
        (folder / "data" / "raw" / "movies").mkdir(parents=True)
        listed = {}
        for movie in movies:
            save_movie(folder / "data" / "raw" / "movies" / f"{movie}.ome.tif")
            listed[movie] = {"file": f"{movie}.ome.tif"}
        write_json(folder / "data" / "raw" / "movies.json", listed)
        mine = {
            name: {**section, **changed.get(name, {})} if name in changed else section
            for name, section in params.items()
        }
        (folder / "params.yaml").write_text(yaml.safe_dump(mine, sort_keys=False))
        counts.clear()
        for module, _ in STAGES.values():
            module.main()
        return dict(counts)

    return runs


def written() -> dict[str, bytes]:
    """Every file that the stages wrote."""
    places = (Path("data/masks"), Path("data/tracks"), Path("data/migration"), Path("reports"))
    return {str(file): file.read_bytes() for place in places for file in place.rglob("*") if file.is_file()}


def all_of(n: int) -> Counts:
    return dict.fromkeys(STAGES, n)


@pytest.mark.slow
def test_one_more_movie_computes_one(run: Callable[..., Counts]) -> None:
    assert run("a", "b") == all_of(2)
    assert run("a", "b", "c") == all_of(1)
    incremental = written()
    assert run("a", "b", "c", fresh=True) == all_of(3)
    assert written() == incremental
    assert len([name for name in incremental if name.endswith("tracks.csv")]) == 6  # tracked and reported
    assert run("a", "c") == {}
    assert not Path("data/masks/b").exists()
    assert set(json.loads(Path("reports/track/metrics.json").read_text())) == {"a", "c"}


@pytest.mark.slow
def test_a_change_computes_what_depends_on_it(run: Callable[..., Counts]) -> None:
    """A setting of tracking that changes the tracks; of measuring; and what damages what is kept."""
    run("a", "b")
    after_tracking = {"track": 2, "migrate": 2, "report": 2}
    assert run("a", "b", track={"min_track_h": 2.0}) == after_tracking
    assert run("a", "b", migrate={"axis_deg": 45}) == {"migrate": 2, "report": 2}
    [damaged, _] = sorted(Path("mlruns/movies/segment").glob("*/files/masks.tif"))
    damaged.write_bytes(damaged.read_bytes() + b"x")
    assert run("a", "b") == {"segment": 1}


def test_what_is_kept_is_of_this_code_and_these_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = FinishedMovies("track", tmp_path)
    key = finished.key({"movie": "a"})
    assert key == FinishedMovies("track", tmp_path / "elsewhere").key({"movie": "a"})
    assert key not in (finished.key({"movie": "b"}), FinishedMovies("segment", tmp_path).key({"movie": "a"}))
    monkeypatch.setattr("somanet.analysis.finished.code_digest", lambda package: "other code")
    assert finished.key({"movie": "a"}) != key


def test_a_failure_keeps_nothing_and_a_full_disk_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished, folder = FinishedMovies("track", tmp_path / "kept"), tmp_path / "a"

    def written_by(text: str) -> dict[str, Any]:
        folder.mkdir()
        (folder / "tracks.csv").write_text(text)
        if text == "half":
            raise OSError("killed")
        return {"n": 1, "share": float("nan")}

    with pytest.raises(OSError, match="killed"):
        finished.result({}, folder, lambda: written_by("half"))
    assert not list((tmp_path / "kept").glob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("somanet.analysis.finished.write_json", _no_space)
        assert finished.result({}, folder, lambda: written_by("whole")) == ({"n": 1, "share": None}, True)
    assert not list((tmp_path / "kept").glob("*"))
    assert finished.result({}, folder, lambda: written_by("whole"))[1]
    (folder / "stale.txt").write_text("of an earlier run")
    assert finished.result({}, folder, lambda: written_by("half")) == ({"n": 1, "share": None}, False)
    assert [file.name for file in folder.iterdir()] == ["tracks.csv"]
    assert (folder / "tracks.csv").read_text() == "whole"


def _no_space(*arguments: Any) -> None:
    raise OSError(28, "No space left on device")
