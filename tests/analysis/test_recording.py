"""An analysed movie in MLflow: a child of the run that trained its network, if the store has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from somanet.analysis import names
from somanet.analysis.cohort.tables import comparison_metric
from somanet.analysis.cohort.write import build_cohort
from somanet.analysis.recording import record_cohort, record_movie
from somanet.analysis.stages.files import read_metadata
from somanet.core.files import read_json
from somanet.provenance.mlflow import RUN_FILE, find_run, read_run, run_of_results, track_run
from somanet.provenance.mlflow.client import open_client
from tests.analysis.cohort.worlds import question, save_study
from tests.analysis.worlds import save_movie, save_results, tracks
from tests.worlds import make_project, mlflow_may_warn

SCORES = {
    "masks": dict.fromkeys(("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1", "precision", "recall", "followed"), 0.5)
    | {"SEG": np.nan, "identity_switches": 2.0}
}


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path / "project", tmp_path_factory.getbasetemp())
    save_results(root / "results", tracks(4, seed=0, jumps=3))
    save_movie(root / "movie.tif")
    return root


def manifest(run_id: str | None) -> dict[str, Any]:
    return {
        "input": {
            "movie": "movie", "sha256": "1" * 64, "n_frames": 60, "pixel_size_um": 1.0, "frame_interval_min": 10.0
        },
        "model": {"sha256": "2" * 64, "mlflow_run": run_id},
        "parameters": {"track": {"max_step_um": 20.0}, "migrate": {"axis_deg": 0.0}},
    }  # fmt: skip


def record(root: Path, run_id: str | None) -> str:
    return record_movie(
        manifest(run_id),
        read_metadata(root / "results" / names.SUMMARY),
        SCORES,
        movie=root / "movie.tif",
        files=[root / "results" / names.SUMMARY],
        root=root,
        run_file=root / "results" / "mlflow_run.json",
    )


def test_a_movie_is_a_child_of_its_network_s_run(project: Path) -> None:
    with track_run("net", experiment="finetune", root=project, tags={"weights_sha256": "2" * 64}) as trained:
        pass
    assert find_run({"weights_sha256": "2" * 64}, root=project) == trained.run_id
    run = read_run(record(project, trained.run_id), root=project)
    assert (run.experiment, run.name, run.tags["mlflow.parentRunId"]) == ("finetune", "movie movie", trained.run_id)
    assert run.params["track.max_step_um"] == "20.0"
    assert run.metrics["migration_n_cells"] == 4
    assert run.metrics["tracks_masks_TRA"] == 0.5
    assert "tracks_masks_SEG" not in run.metrics  # undefined scores are not recorded
    assert set(run.datasets) == {"movie"}
    assert read_run(project / "results", root=project).run_id == run.run_id


@pytest.mark.parametrize("known", [None, "f" * 32])
def test_a_network_from_elsewhere_leaves_the_movie_alone(project: Path, known: str | None) -> None:
    run = read_run(record(project, known), root=project)
    assert run.experiment == "movies"
    assert "mlflow.parentRunId" not in run.tags
    assert run.tags["network_sha256"] == "2" * 64


def test_looking_for_a_run_makes_no_store(tmp_path: Path) -> None:
    assert find_run({"weights_sha256": "2" * 64}, root=tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_or_other_run_is_not_found(project: Path) -> None:
    with (
        pytest.raises(ValueError, match="stop"),
        track_run("net", experiment="finetune", root=project, tags={"weights_sha256": "3" * 64}),
    ):
        raise ValueError("stop")
    assert find_run({"weights_sha256": "3" * 64}, root=project) is None
    assert find_run({"weights_sha256": "4" * 64}, root=project) is None


def test_a_cohort_is_the_parent_of_a_run_for_each_movie_that_names_its_analysis(project: Path) -> None:
    analysis = record(project, None)
    folders = save_study(project / "study")
    shutil.copyfile(project / "results" / "mlflow_run.json", folders[0] / RUN_FILE)
    cohort = build_cohort(folders, project / "cohort", question(project / "c.csv", folders))
    run_id = record_cohort(
        read_json(project / "cohort" / names.COHORT_RECORD, expected="a record"),
        comparison_metric(cohort.comparisons),
        cohort.rows_of_movies(),
        results=project / "cohort",
        root=project,
        run_file=project / "cohort" / RUN_FILE,
    )
    run = read_run(run_id, root=project)
    (project / "cohort" / RUN_FILE).unlink()  # the record's hash leads to the run too
    assert run_of_results(project / "cohort", names.COHORT_RECORD, root=project) == run_id
    assert run.experiment == "cohorts"
    assert run.params["reference"] == "control"
    client = open_client(project)
    experiment = client.get_experiment_by_name("cohorts")
    found = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    children = {child.data.tags["movie"]: child for child in found}
    assert set(children) == {folder.name for folder in folders}
    first = children["control00"]
    assert first.data.tags["movie_run"] == analysis
    assert (first.data.tags["group"], first.data.tags["donor"]) == ("control", "control0")
    assert first.data.metrics["migration_n_cells"] == 4
    metrics = client.get_run(run_id).data.metrics
    name = "patient - control/frequency_corrected_per_h/difference"
    assert metrics[name] == pytest.approx(cohort.comparisons[0].difference)
    assert {file.path for file in client.list_artifacts(run_id)} >= {"results", "figures"}
