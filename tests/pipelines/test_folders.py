"""The real profile's way on a pretend data folder: archives, folders and movies from a linked `input`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_labels
from somanet.io.movies import write_movie
from somanet.provenance.mlflow import read_run, run_of_results
from somanet.simulation import neuron_crops, simulate_movie, simulate_nuclei
from tests.pipelines.conftest import Project, check_that_every_command_speaks_of, shrink
from tests.worlds import mlflow_may_warn

pytestmark = pytest.mark.e2e
SCALE = Calibration(1.28, 12.0)


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


def write_data(folder: Path, params: dict[str, Any]) -> None:
    """What `data.folders` of the real profile names, made from the simulation."""
    named = params["data"]["folders"]
    nuclei = simulate_nuclei(n_images=10, shape_YX=(64, 96), seed=1)
    write_kaggle(folder / named["source"], nuclei)
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    rows = [f"{item.name},{part}" for item, part in zip(nuclei, parts, strict=True)]
    (folder / named["source_split"]).write_text("\n".join(["image_id,split", *rows]) + "\n")
    write_kaggle(folder / named["target_train"], neuron_crops(n_crops=4, size_px=64, seed=1, n_movies=2))
    crops = neuron_crops(n_crops=3, size_px=64, seed=1, first_movie=2, n_movies=2)
    write_pairs(folder / named["target_val"], crops)
    for seed, movie in enumerate(named["movies"]):
        simulated = simulate_movie(seed=seed, n_frames=4, shape_YX=(64, 80), calibration=SCALE)
        (folder / movie["file"]).parent.mkdir(parents=True, exist_ok=True)
        scale = FileCalibration() if "pixel_size_um" in movie else SCALE
        write_movie(folder / movie["file"], simulated.frames_TYX, scale)
        if "reference_tracks" in movie:
            tracks = simulated.tracks.rename(columns={"track_id": "track"})[["track", "frame", "y_px", "x_px"]]
            tracks.to_csv(folder / movie["reference_tracks"], index=False)
            write_labels(folder / movie["reference_labels"], simulated.labels_TYX)


def small(params: dict[str, Any]) -> None:
    """The paper's network and recipe with two seeds."""
    shrink(params, {"paper": "paper"}, {"paper_last3": "last3"})
    params["seeds"] = [0, 1]
    params["pretrain"]["paper"]["training"]["epochs"] = 1
    params["finetune"]["last3"]["training"]["epochs"] = 1


@pytest.fixture(scope="module")
def project(checkout: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = checkout("profiles/real")
    project.change(small)
    data = tmp_path_factory.mktemp("data")
    project.change(lambda params: write_data(data, params))
    (project.profile / "input").symlink_to(data)
    assert project.repro() == {
        *("data", "manifest", "pretrain@paper", "baseline@paper", "finetune@last3", "evaluate@last3"),
        *("compare", "study", "segment", "track", "migrate", "report", "cohort", "trust"),
    }
    return project


def test_a_second_run_runs_nothing(project: Project) -> None:
    assert project.repro() == set()


def test_the_given_split_is_used(project: Project) -> None:
    split = pd.read_csv(project.profile / "reports/data/split.csv")
    assert split["split"].value_counts().to_dict() == {"train": 6, "val": 2, "test": 2}
    nuclei = json.loads((project.profile / "reports/baseline/paper/nuclei/metrics.json").read_text(encoding="utf-8"))
    assert nuclei["n_images"] == 2


def test_movies_are_described_with_their_scale(project: Project) -> None:
    movies = pd.read_csv(project.profile / "reports/data/movies.csv")
    assert len(movies) == 2
    assert set(movies["status"]) == {"accepted"}
    assert movies["pixel_size_um"].dropna().tolist() == [1.28]  # the other file has none; data.folders gives it


def test_movies_are_analysed_with_the_network_that_comes_with_somanet(project: Project) -> None:
    """The scale comes from the file or from the parameters; movies with a reference are scored."""
    scales = {}
    for folder in (project.profile / "reports/movies").iterdir():
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        scales[manifest["input"]["movie"]] = manifest["input"]["pixel_size_um"]
        assert manifest["model"]["name"] == "bundled"
        run_id = run_of_results(folder, "manifest.json", root=project.root)
        assert run_id is not None
        run = read_run(run_id, root=project.root)
        assert (run.experiment, run.status) == ("movies", "FINISHED")  # its training is in no store here
    assert scales == {"neuritetracker_cell_body": 1.28, "mitocheck_movie": 0.645}
    scores = json.loads((project.profile / "reports/track/metrics.json").read_text(encoding="utf-8"))
    assert set(scores["neuritetracker_cell_body"]) > {"points_detection", "masks"}
    assert set(scores["mitocheck_movie"]) == {"n_tracks", "n_points"}


def test_every_seed_has_a_network_and_a_run_and_the_spread_is_told(project: Project) -> None:
    for seed in (0, 1):
        assert (project.profile / f"models/finetune/last3/seed{seed}/model.safetensors").is_file()
        run = read_run(project.profile / f"models/finetune/last3/seed{seed}", root=project.root)
        assert (run.name, run.status, run.params["seed"]) == (f"real/last3-seed{seed}", "FINISHED", str(seed))
        assert run.datasets["target_train"] == project.recorded("data/packed/target_train")
    metrics = json.loads((project.profile / "reports/evaluate/last3/metrics.json").read_text(encoding="utf-8"))
    assert (metrics["n_seeds"], metrics["n_images"], list(metrics["seeds"])) == (2, 3, ["0", "1"])
    assert metrics["spread_over_seeds"]["iou"] is not None


def test_lock_and_reports_hold_no_path_of_this_machine(project: Project) -> None:
    target = str((project.profile / "input").resolve())
    texts = [p for p in (project.profile / "reports").rglob("*") if p.suffix in (".md", ".json", ".csv")]
    for file in (*texts, project.profile / "dvc.lock", *(project.profile / "models").rglob("*.json")):
        text = file.read_text(encoding="utf-8")
        assert target not in text, file
        assert str(project.root) not in text, file


def test_a_missing_source_is_one_line(project: Project) -> None:
    before = (project.profile / "params.yaml").read_text(encoding="utf-8")

    def lose(params: dict[str, Any]) -> None:
        params["data"]["folders"]["source"] = "lost.zip"

    project.change(lose)
    output = project.dvc("repro", ok=False)
    [line] = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "lost.zip, named in data.folders, not found" in line
    (project.profile / "params.yaml").write_text(before)
    assert project.repro() == set()


def test_a_profile_is_shared_by_a_remote_of_its_own(project: Project, tmp_path: Path) -> None:
    """A colleague without the data folder has all results, and the project around it has nothing to do with them."""
    project.dvc("remote", "add", "--default", "lab", str(tmp_path / "remote"))
    project.commit("results")
    project.dvc("push")
    colleague = project.clone(tmp_path / "clone")
    (colleague.profile / "input").symlink_to((project.profile / "input").resolve())
    check_that_every_command_speaks_of(colleague, other="profiles/")
    for arguments in (["status"], ["push", "--remote", "lab"], ["metrics", "show"]):
        done = colleague.run(sys.executable, "-m", "dvc", *arguments, cwd=colleague.root, ok=arguments[0] != "push")
        assert "profiles/" not in done
    assert not (colleague.root / "models/finetune/last3").exists()
