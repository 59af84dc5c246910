"""The study's run in MLflow, and how its trainings refer to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from somanet.provenance.mlflow import (
    STUDY,
    RunRecord,
    find_run,
    read_run,
    read_tables,
    study_runs,
    study_tag,
    track_run,
)
from somanet.provenance.mlflow.client import open_client
from somanet.training.paper.recording import record_study
from somanet.training.paper.results import Result
from tests.training.comparison.worlds import write_run
from tests.training.paper.worlds import small_study
from tests.worlds import make_project, mlflow_may_warn


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path / "project", tmp_path_factory.getbasetemp())


def train(root: Path, name: str) -> str:
    """A training's run, whose weights have the hash of its name."""
    run_id = write_run(root, name, {}, experiment="finetune")
    open_client(root).set_tag(run_id, "weights_sha256", weights(name))
    return run_id


def weights(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def with_weights(results: Mapping[str, Result], names: Mapping[str, str]) -> dict[str, Result]:
    """Row → its result, with the weights that are named for it."""
    return {
        row: replace(result, network=replace(result.network, weights={0: weights(names[row])} if row in names else {}))
        for row, result in results.items()
    }


def recorded(key: str, root: Path) -> RunRecord:
    run_id = find_run({STUDY: key}, root=root)
    assert run_id is not None
    return read_run(run_id, root=root)


def test_one_run_holds_all_and_a_second_time_it_is_the_same(project: Path) -> None:
    _, results, _ = small_study()
    trained = {name: train(project, name) for name in ("best", "other")}
    results = with_weights(results, dict(zip(results, results, strict=True)))  # the others were trained elsewhere
    undefined = {**results["fast"].network.metrics, "precision": None}  # nothing was predicted
    results["fast"] = replace(results["fast"], network=replace(results["fast"].network, metrics=undefined))
    picture = project / "loss.png"
    picture.write_bytes(b"picture")
    page, client = project / "comparison.md", open_client(project)
    page.write_text("table")
    first, second = (
        record_study("A study", results, [picture], [page], experiment="finetune", root=project) for _ in range(2)
    )
    assert first == second
    study = recorded(first, project)
    assert (study.name, study.status, study.experiment) == ("A study", "FINISHED", "finetune")
    stored = [entry.path for part in ("study", "comparison") for entry in client.list_artifacts(study.run_id, part)]
    assert stored == ["study/loss.png", "comparison/comparison.md"]
    [(_, tables)] = read_tables([study], suffix=".csv", root=project)
    table = tables["study"].set_index("row")
    assert table["iou"].round(6).to_dict() == {"baseline: n": 0.2, "best": 0.5, "fast": 0.5, "other": 0.8}
    assert table["precision"].isna().to_dict() == {"baseline: n": False, "best": False, "fast": True, "other": False}
    assert {run.run_id for run in study_runs(study.run_id, root=project)} == set(trained.values())
    assert f"tags.{study_tag(study.run_id)} != ''" in study.tags["mlflow.note.content"]
    assert "somanet.resumed" not in study.tags

    retrained = train(project, "best again")
    results |= with_weights({"best": results["best"]}, {"best": "best again"})
    third = recorded(record_study("A study", results, [], [], experiment="finetune", root=project), project)
    assert third.run_id != study.run_id
    assert {run.run_id for run in study_runs(third.run_id, root=project)} == {retrained, trained["other"]}
    assert {run.run_id for run in study_runs(study.run_id, root=project)} == set(trained.values())


def test_a_study_gives_no_run_a_parent(project: Path) -> None:
    """A trial below its sweep stays there; a training without a parent gets none, from two studies."""
    _, results, _ = small_study()
    sweep = train(project, "sweep")
    with track_run("trial", experiment="sweep", root=project, parent_run_id=sweep, system_metrics=False) as trial:
        pass
    alone = train(project, "alone")
    open_client(project).set_tag(trial.run_id, "weights_sha256", weights("trial"))
    named = with_weights(results, {"best": "trial", "other": "alone"})
    for title in ("A study", "A later study"):
        study = recorded(record_study(title, named, [], [], experiment="finetune", root=project), project)
        assert {run.run_id for run in study_runs(study.run_id, root=project)} == {trial.run_id, alone}
    assert read_run(trial.run_id, root=project).tags["mlflow.parentRunId"] == sweep
    assert "mlflow.parentRunId" not in read_run(alone, root=project).tags
