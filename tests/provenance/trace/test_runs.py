"""From a network to its MLflow run, the run's data and the network that it started from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from somanet.provenance.code import collect
from somanet.provenance.mlflow import runfile, track_run, training_of, write_run_file
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.trace.records import NetworkNode
from somanet.provenance.trace.runs import RunReader
from somanet.provenance.trace.trace import trace
from tests.provenance.trace.worlds import write_lock


def test_a_network_leads_to_its_run_and_to_what_it_started_from(project: Path, runs: dict[str, str]) -> None:
    chain = trace(project / "models" / "seed0" / "model.safetensors")
    networks = [one for one in chain.links if one.what == "network"]
    assert [one.name for one in networks] == [runs["sha256"], runs["base_sha256"]]
    assert networks[0].made_from == (f"network {runs['base_sha256']}", f"run {runs['mine']}")
    assert networks[1].made_from == (f"run {runs['base']}",)
    assert {one.name for one in chain.links if one.what == "run"} == {runs["mine"], runs["base"]}
    assert chain.changed == ()


def test_data_that_a_run_used_and_that_changed(project: Path) -> None:
    """DVC's lock may follow the new data; the run's own digest still shows the change."""
    (project / "data" / "a.csv").write_text("9")
    write_lock(project)
    changed = trace(project / "models" / "seed0").changed
    assert [one for one in changed if one.startswith("data data") and "the run used" in one]


def test_another_commit_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runfile.record_of

    def at_commit(*arguments: Any) -> Any:
        record = real(*arguments)
        record.tags["mlflow.source.git.commit"] = "a" * 40
        return record

    monkeypatch.setattr("somanet.provenance.mlflow.runfile.record_of", at_commit)
    monkeypatch.setattr("somanet.provenance.trace.trace.collect", _at("a" * 40))
    assert trace(project / "reports" / "metrics.json").changed == ()
    monkeypatch.setattr("somanet.provenance.trace.trace.collect", _at("b" * 40))
    chain = trace(project / "reports" / "metrics.json")
    both = chain.moved  # the network's run, and that of its start
    words = f"it ran the code of commit {'a' * 40}; the project is now at {'b' * 40}"
    assert [words in one for one in both] == [True, True]
    assert chain.changed == ()


def test_an_experiment_with_the_same_weights_is_not_taken_for_the_training(project: Path) -> None:
    """Trained, repeated in an experiment that was then discarded, and put into a study by an earlier version."""
    weights = "d" * 64
    runs = []
    for experiment in (None, "loud-fox"):
        with track_run("v", experiment="finetune", root=project, system_metrics=False) as run:
            run.set_tags({"weights_sha256": weights} | ({"dvc.experiment": experiment} if experiment else {}))
        runs.append(run.run_id)
    assert training_of(weights, root=project) == runs[0]
    with track_run("study", experiment="finetune", root=project, tags={"somanet.study": "x"}) as study:
        pass
    open_client(project).set_tag(runs[0], "mlflow.parentRunId", study.run_id)
    with track_run("m", experiment="x", root=project, tags={"network_sha256": weights}, system_metrics=False) as movie:
        write_run_file(project / "movie.json", movie)
    chain = trace(project / "movie.json")
    assert {one.name for one in chain.links if one.what == "run"} == {movie.run_id, runs[0]}


def test_a_run_named_beside_a_network_comes_before_others_with_its_weights(project: Path, runs: dict[str, str]) -> None:
    """`models/seed0` names no run; its weights are trained again; a file that names the first run decides."""
    with track_run("again", experiment="finetune", root=project, system_metrics=False) as later:
        later.set_tags({"weights_sha256": runs["sha256"]})
    reader = RunReader(project, None)
    [unnamed] = reader.read(NetworkNode(runs["sha256"], start="random")).origins
    [named] = reader.read(NetworkNode(runs["sha256"], run_id=runs["mine"], start="random")).origins
    [wrong] = reader.read(NetworkNode(runs["sha256"], run_id=runs["base"], start="random")).origins
    assert [one.name for one in (unnamed, named, wrong)] == [later.run_id, runs["mine"], later.run_id]


def _at(commit: str) -> Any:
    return lambda root: replace(collect(root), git_commit=commit)


def test_a_training_that_changed_no_weight_does_not_lead_back_to_itself(project: Path) -> None:
    """Its run records that the weights started from themselves; a movie's run leads to it through the weights."""
    weights = "c" * 64
    with track_run("still", experiment="finetune", root=project, system_metrics=False) as training:
        training.set_tags({"weights_sha256": weights, "start_weights_sha256": weights})
    tags = {"network_sha256": weights}
    with track_run("movie", experiment="finetune", root=project, tags=tags, system_metrics=False) as movie:
        write_run_file(project / "movie.json", movie)
    chain = trace(project / "movie.json")
    made_from = {one.id: one.made_from for one in chain.links}
    assert made_from == {
        "file movie.json": (f"run {movie.run_id}",),
        f"run {movie.run_id}": (f"network {weights}",),
        f"network {weights}": (f"run {training.run_id}",),
        f"run {training.run_id}": (),
    }
    assert next(one for one in chain.links if one.what == "network").metadata["started_from"] == weights
