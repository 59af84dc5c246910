"""Every command takes a network by its run: what the store keeps is enough to rebuild it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import read_labels, write_image
from somanet.provenance.mlflow import read_run, register_run, run_id_from, set_alias
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.worlds import TWO_SOMAS, draw, make_project, mlflow_may_warn, photograph, scene, somanet

TINY = ("--set", "training.epochs=1", "--set", "training.size_px=32", "--set", "training.learning_rate=1e-6")


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="module")
def trained(bright: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A project that fine-tuned the bright network, and lost its folder: the run's id and the weights' hash."""
    root = make_project(tmp_path_factory.mktemp("names") / "project", tmp_path_factory.getbasetemp())
    write_kaggle(root / "set.zip", [scene("a"), scene("b"), scene("c")])
    write_image(root / "cells.png", photograph(draw(TWO_SOMAS)))
    start = ["--start", bright, "--output", "models/own", "--blocks", 1, *TINY]
    assert somanet("finetune", "set.zip", *start, cwd=root) is None
    assert somanet("predict", "cells.png", "--model", "models/own", "--output", "before", cwd=root) is None
    run_id = run_id_from(root / "models" / "own_report")
    sha256 = load_checkpoint(root / "models" / "own").sha256
    with mlflow_may_warn():
        register_run(run_id, root, tags={"weights_sha256": sha256})
        set_alias("champion", "1", root)
    shutil.rmtree(root / "models")
    return root, run_id, sha256


@pytest.mark.parametrize("name", ["{run}", "runs:/{run}/own", "champion"])
def test_a_network_is_rebuilt_from_its_run_alone(trained: tuple[Path, str, str], name: str, tmp_path: Path) -> None:
    """The labels are those of the deleted checkpoint: two somas, pixel by pixel."""
    root, run_id, sha256 = trained
    model = name.format(run=run_id)
    assert somanet("predict", "cells.png", "--model", model, "--output", tmp_path, cwd=root) is None
    found = read_labels(tmp_path / "cells.tif")
    assert found.max() == 2
    assert np.array_equal(found, read_labels(root / "before" / "cells.tif"))
    assert json.loads((tmp_path / "predictions.json").read_text())["model_sha256"] == sha256


def test_the_run_of_a_command_has_the_scores_that_decide(trained: tuple[Path, str, str]) -> None:
    """Nearly unchanged weights find every soma of the one validation image: MLflow's search finds the run by it."""
    root, run_id, _ = trained
    run = read_run(run_id, root=root)
    assert [run.metrics[score] for score in ("iou", "precision", "accuracy")] == [1, 1, 1]
    assert (run.tags["scored_on"], run.params["data.validation.name"]) == ("set.zip", "set.zip")
    assert (run.params["start"], run.params["variant"], run.params["weights"]) == ("model", "own", "pretrained")
    client = open_client(root)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, "metrics.iou > 0.5 and metrics.accuracy > 0.5")
    assert [one.info.run_id for one in found] == [run_id]


def test_the_other_commands_take_it_too(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    root, run_id, sha256 = trained
    ground_truth = ["--truth", "set.zip", "--output", tmp_path / "m.json"]
    assert somanet("evaluate", "--model", "champion", *ground_truth, cwd=root) is None
    told = json.loads((tmp_path / "m.json").read_text())["provenance"]
    assert told["model_sha256"] == sha256
    assert told["truth"]["name"] == "set.zip"

    assert somanet("export", run_id, "--output", tmp_path / "half", cwd=root) is None
    config = json.loads((tmp_path / "half" / "config.json").read_text())
    assert (config["weights"]["exported_from"], config["mlflow_run"]) == (sha256, run_id)

    start = ["--start", "champion", "--output", tmp_path / "next", "--blocks", 1, *TINY]
    assert somanet("finetune", "set.zip", *start, cwd=root) is None
    assert load_checkpoint(tmp_path / "next").metadata["start_weights_sha256"] == sha256
    assert read_run(tmp_path / "next_report", root=root).tags["start_weights_sha256"] == sha256


def test_an_analysis_names_the_run_behind_an_alias(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    root, run_id, sha256 = trained
    frames = np.stack([photograph(draw(TWO_SOMAS), np.uint16)] * 6)
    tifffile.imwrite(tmp_path / "movie.tif", frames, imagej=True, metadata={"axes": "TYX"})
    scale = ["--pixel-size-um", 1, "--frame-interval-min", 10, "--no-report", "--no-overlay"]
    assert somanet("analyze", tmp_path / "movie.tif", "--model", "champion", "--output", tmp_path / "out", *scale,
                   cwd=root) is None  # fmt: skip
    model = json.loads((tmp_path / "out" / "manifest.json").read_text())["model"]
    assert (model["sha256"], model["mlflow_run"], model["name"]) == (sha256, run_id, "own")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["predict", "set.zip", "--model", "0" * 32, "--output", "o"], "is not in sqlite:///mlruns/mlflow.db"),
        (["predict", "set.zip", "--model", "challenger", "--output", "o"], "it has champion (version 1)"),
        (["evaluate", "--truth", "set.zip", "--model", "best", "--output", "o"], "no such alias"),
        (["finetune", "set.zip", "--start", "models:/somanet/9", "--output", "o"], "cannot be found"),
        (["export", "runs:/abc/model", "--output", "o"], "cannot be found"),
        (["predict", "cells.png", "--model", "models/none", "--output", "o"], "No checkpoint at models/none"),
    ],
)
def test_an_unknown_name_is_one_line(trained: tuple[Path, str, str], command: list[str], words: str) -> None:
    error = somanet(*command, cwd=trained[0])
    assert error is not None
    assert words in error
    assert "\n" not in error
    assert not (trained[0] / "o").exists()
