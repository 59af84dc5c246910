"""`dvc repro` on a corrected movie gives the corrected numbers, and runs again when the corrections change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.correct import files_of_corrections
from somanet.analysis.stages.files import read_tracks_of
from somanet.analysis.stages.segment import segment_movie
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file
from somanet.corrections import Header, append, making, read
from somanet.io.movies import sha256_movie
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.analysis.worlds import save_movie
from tests.worlds import save_bright_network

ROOT = Path(__file__).resolve().parents[2]


def test_the_stage_track_depends_on_the_folder_of_corrections() -> None:
    for folder in (ROOT, *(path.parent for path in ROOT.glob("profiles/*/params.yaml"))):
        params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        assert "${correct.folder}" in stages["track"]["deps"]
        assert (folder / params["correct"]["folder"] / "README.md").is_file()  # git keeps no empty folder


def test_a_file_of_no_movie_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "film.jsonl").write_text("")
    assert files_of_corrections(tmp_path, ["film", "other"]) == {"film": tmp_path / "film.jsonl"}
    with pytest.raises(SomaNetError, match="of no movie"):
        files_of_corrections(tmp_path, ["other"])
    with pytest.raises(SomaNetError, match=r"correct\.folder"):
        files_of_corrections(tmp_path / "none", ["other"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the stages `track` and `migrate`, with a segmented movie."""
    folder = tmp_path_factory.mktemp("corrected") / "project"
    (folder / "data" / "raw" / "movies").mkdir(parents=True)
    movie = save_movie(folder / "data" / "raw" / "movies" / "film.ome.tif")
    write_json(folder / "data" / "raw" / "movies.json", {"film": {"file": movie.name}})
    model = save_bright_network(folder / "models" / "bright")
    segment_movie(MovieSource(movie, "film"), Segmenter((load_checkpoint(model),)), folder / "data" / "masks" / "film")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    graph = {"vars": ["params.yaml"], "stages": {name: stages[name] for name in ("track", "migrate")}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    shutil.copytree(ROOT / "corrections", folder / "corrections")
    for package in ("somanet", "pipelines"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=folder, check=True, env=environment(folder))
    return folder


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PYTHONPATH": str(folder), "PATH": path, "DVC_NO_ANALYTICS": "1"}


def repro(folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}


@pytest.mark.slow
def test_corrections_are_a_dependency(project: Path) -> None:
    assert repro(project) == {"track", "migrate"}
    assert repro(project) == set()
    tracks, migration = project / "data" / "tracks" / "film", project / "data" / "migration" / "film"
    automatic = (tracks / names.TRACKS).read_bytes()
    before = json.loads((migration / names.SUMMARY).read_text())
    header = Header(
        "film",
        sha256_movie(project / "data" / "raw" / "movies" / "film.ome.tif"),
        sha256_file(tracks / names.LABELS_TIFF),
        sha256_file(tracks / names.TRACKS),
    )
    path = project / "corrections" / "film.jsonl"
    edit = append(path, making.cut(read_tracks_of(tracks), 2, 6, 3), header)
    assert repro(project) == {"track", "migrate"}
    assert repro(project) == set()
    table = pd.read_csv(tracks / names.TRACKS)
    assert sorted(table["track_id"].unique()) == [1, 2, 3]
    assert (tracks / names.AUTOMATIC / names.TRACKS).read_bytes() == automatic
    found = json.loads((tracks / names.TRACKING).read_text())["corrections"]
    assert (found["sha256"], found["applied"], found["made_on_these_results"]) == (sha256_file(path), {"cut": 1}, True)
    summary = json.loads((migration / names.SUMMARY).read_text())
    assert summary["before_corrections"]["numbers"] == before["numbers"]
    assert summary["n_cells"] + summary["n_short"] == 3
    metrics = json.loads((project / "reports" / "track" / "metrics.json").read_text())
    assert metrics["film"]["n_tracks"] == 3
    append(path, making.undo(edit), header)
    assert repro(project) == {"track", "migrate"}
    undone = pd.read_csv(tracks / names.TRACKS)
    pd.testing.assert_frame_equal(undone.drop(columns="edited"), pd.read_csv(tracks / names.AUTOMATIC / names.TRACKS))
    assert len(read(path).edits) == 2
