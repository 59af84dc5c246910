"""An evaluation with its files, and its scores in the MLflow run of the training."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.images import read_image
from somanet.provenance.mlflow import read_run, track_run, write_run_file
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import (
    Recording,
    evaluate_checkpoint,
    load_items,
    record_evaluation,
    write_evaluation,
)
from tests.training.experiments.worlds import artifacts, steps, weights_sha256
from tests.worlds import bright_network, mlflow_may_warn, save_bright_network, scene

MISSING_B = """
    ............
    .aaa........
    .aaa........
    .aaa........
    ............
    ............
    ............
    ............
"""


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory):
    """A perfect prediction on one image; on the other the network predicts a soma that the ground truth lacks."""
    saved = save_bright_network(tmp_path_factory.mktemp("bright") / "model")
    right, other = scene("a"), scene("b", MISSING_B)
    items = [right, LabelledImage("b", right.image, other.labels)]
    with pytest.MonkeyPatch.context() as patch:
        from somanet.evaluation.scores import bootstrap_intervals

        patch.setitem(bootstrap_intervals.__kwdefaults__, "resamples", 50)
        return evaluate_checkpoint(saved, items, thresholds=(0.5, 0.9), panel_images=2)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    from somanet.evaluation.scores import bootstrap_intervals

    monkeypatch.setitem(bootstrap_intervals.__kwdefaults__, "resamples", 50)


def test_the_scores_of_a_checkpoint(evaluation) -> None:
    """a: 3·3 + 2·4 = 17 of 17 squares; b: 9 of 17. 3 of 4 objects are right: precision 3/4, recall 1."""
    values = evaluation.everything.values
    assert values["iou"] == pytest.approx((1 + 9 / 17) / 2)
    assert (values["precision"], values["recall"], values["accuracy"]) == (0.75, 1.0, 0.75)


def test_the_files_of_an_evaluation(evaluation, tmp_path: Path) -> None:
    returned = write_evaluation({0: evaluation, 1: evaluation}, tmp_path / "out", title="twice")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(returned))
    assert (written["n_seeds"], written["n_images"]) == (2, 2)
    assert written["precision"] == 0.75
    assert written["spread_over_seeds"]["precision"] == 0
    assert written["interior"]["precision"] == 0.75
    assert set(written["seeds"]) == {"0", "1"}
    assert set(written["ap"]) == {"0.5", "0.9"}
    table = pd.read_csv(tmp_path / "out" / "per_image.csv")
    assert table[["name", "seed"]].to_numpy().tolist() == [["a", 0], ["b", 0], ["a", 1], ["b", 1]]
    assert read_image(tmp_path / "out" / "panels.png").ndim == 3


def test_one_seed_has_no_spread(evaluation, tmp_path: Path) -> None:
    assert write_evaluation({3: evaluation}, tmp_path, title="once")["n_seeds"] == 1
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert set(written["spread_over_seeds"].values()) == {None}


def test_an_evaluation_joins_the_run_of_its_training(project: Path, evaluation, tmp_path: Path) -> None:
    with track_run("v", experiment="finetune", root=project, params={"a": 1}, system_metrics=False) as run:
        write_run_file(tmp_path / "seed0.json", run)
    recording = Recording(project, "finetune", "v", tags={"variant": "v"})
    record_evaluation(tmp_path / "seed0.json", evaluation, [scene("z")], on="neurons", recording=recording)
    joined = read_run(tmp_path / "seed0.json", root=project)
    assert joined.run_id == run.run_id
    assert joined.status == "FINISHED"
    assert joined.params == {"a": "1"}
    assert joined.metrics["precision_neurons"] == joined.metrics["interior_precision_neurons"] == 0.75
    assert "precision" not in joined.metrics  # it was not trained on these images' fellows
    assert "somanet.resumed" not in joined.tags
    assert artifacts(project, run.run_id) == {"tables/neurons_per_image.csv", "figures/neurons_panels.png"}


def test_a_model_s_own_page_shows_its_settings_and_scores(project: Path, trained, evaluation, tmp_path: Path) -> None:
    run = read_run(project / "report", root=project)
    recording = Recording(project, "pretrain", "small")
    record_evaluation(project / "report" / "mlflow_run.json", evaluation, [scene("z")], on="page", recording=recording)
    client = open_client(project)
    [logged] = client.get_run(run.run_id).outputs.model_outputs
    model = client.get_logged_model(logged.model_id)
    assert model.params["training.learning_rate"] == "0.002"
    shown = {metric.key: metric.value for metric in model.metrics}
    assert model.name == "small"
    assert shown["iou_page"] == evaluation.everything.values["iou"]
    assert read_run(project / "report", root=project).metrics["iou_page"] == shown["iou_page"]
    assert "train_loss" not in shown


def test_an_evaluation_finds_the_run_by_the_weights(project: Path, trained, evaluation) -> None:
    """Of two runs with the same weights, that with the recording's tags: variants may have the same settings."""
    sha256 = weights_sha256(project / "model")
    with track_run("twin", experiment="pretrain", root=project, tags={"weights_sha256": sha256}, system_metrics=False):
        pass  # newer
    recording = Recording(project, "pretrain", "small", tags={"variant": "v1"})
    record_evaluation(project / "model", evaluation, [scene("z")], on="found", recording=recording)
    assert "iou_found" in read_run(project / "report", root=project).metrics


def test_an_evaluation_of_a_network_from_elsewhere_names_its_weights(project: Path, evaluation, tmp_path: Path) -> None:
    sha256 = save_checkpoint(tmp_path / "other", bright_network(), ModelSpec(), {})
    record_evaluation(tmp_path / "other", evaluation, [scene("z")], on="a", recording=Recording(project, "x", "v"))
    client = open_client(project)
    runs = client.search_runs([client.get_experiment_by_name("evaluate").experiment_id])
    assert [run.data.metrics["recall"] for run in runs if run.data.tags.get("network_sha256") == sha256] == [1.0]


def test_an_evaluation_of_a_run_from_elsewhere_gets_a_run_of_its_own(project: Path, evaluation, tmp_path: Path) -> None:
    (tmp_path / "seed0.json").write_text(json.dumps({"run_id": "f" * 32}))
    recording = Recording(project, "x", "v")
    record_evaluation(tmp_path / "seed0.json", evaluation, [scene("z")], on="neurons", recording=recording)
    client = open_client(project)
    runs = client.search_runs([client.get_experiment_by_name("evaluate").experiment_id])
    [run] = [run for run in runs if run.data.tags.get("trained_by") == "f" * 32]
    assert run.data.metrics["recall"] == 1.0
    assert run.data.tags["scored_on"] == "neurons"


def test_the_scores_that_decide_are_those_on_the_validation_images(project: Path, trained) -> None:
    """The checkpoint scored again on the image that chose its epoch gives the run's own scores, to the last digit."""
    items, recording = load_items(project / "nuclei"), Recording(project, "pretrain", "small")
    before = read_run(project / "report", root=project)
    assert before.tags["scored_on"] in ("validation", "cells")
    again = evaluate_checkpoint(project / "model", items[3:], thresholds=(0.5, 0.9), panel_images=1)
    for score in ("iou", "precision", "accuracy"):
        assert before.metrics.get(score, math.nan) == pytest.approx(again.everything.values[score], nan_ok=True)
    points = steps(project, before.run_id, "iou")
    record_evaluation(project / "report", again, items[3:], on="cells", recording=recording)
    after = read_run(project / "report", root=project)
    assert steps(project, before.run_id, "iou") == points
    assert after.metrics["mean_ap"] == again.everything.values["mean_ap"]
    assert after.tags["scored_on"] == "cells"
    assert "iou_cells" not in after.metrics
    with pytest.raises(SomaNetError, match=r"other images.*under another name"):
        record_evaluation(project / "report", again, items[:1], on="cells", recording=recording)
