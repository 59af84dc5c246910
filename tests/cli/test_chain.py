"""The commands one after the other, as a newcomer would type them."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from somanet.io.images import read_labels
from somanet.provenance.mlflow import read_run
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.worlds import mlflow_may_warn, somanet


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


def test_every_command_leaves_what_it_says(chain: Path) -> None:
    expected = [
        *("sim/nuclei.zip", "sim/crops.zip", "sim/movie.ome.tif", "sim/movie_truth_labels.tif", "nuclei.csv"),
        *("sim/movie_truth_tracks.csv", "sim/movie_truth_saltations.csv", "sim/movie_first_frame.png"),
        *(f"models/{n}/{f}" for n in ("nuclei", "neurons") for f in ("model.safetensors", "config.json")),
        *(
            f"models/neurons_report/{f}"
            for f in ("history.csv", "validation.csv", "training.json", "curves.png", "mlflow_run.json")
        ),
        *("labels/before/predictions.json", "before.json", "after/metrics.json"),
        *(f"comparison/comparison.{suffix}" for suffix in ("json", "md", "png")),
    ]
    assert [name for name in expected if not (chain / name).is_file()] == []
    assert [p for p in chain.rglob("*") if ".part" in p.name or p.name.endswith(".old")] == []
    assert len(pd.read_csv(chain / "nuclei.csv")) == 6


def test_every_crop_has_labels_and_a_picture(chain: Path) -> None:
    for folder, suffixes in (("before", {".tif"}), ("after", {".tif"}), ("after/pictures", {".png"})):
        files = [f for f in (chain / "labels" / folder).iterdir() if f.is_file() and f.suffix not in (".json", ".csv")]
        assert len(files) == 5
        assert {f.suffix for f in files} == suffixes
    for file in (chain / "labels" / "after").glob("*.tif"):
        assert read_labels(file).shape == (256, 256)


def test_predictions_name_their_network(chain: Path) -> None:
    told = json.loads((chain / "labels/after/predictions.json").read_text(encoding="utf-8"))
    assert told["model_sha256"] == load_checkpoint(chain / "models/neurons").sha256
    assert [one["file"] for one in told["labels"]] == sorted(f.name for f in (chain / "labels/after").glob("*.tif"))
    assert str(chain) not in json.dumps(told)


def test_what_is_shared_names_no_folder_of_this_computer(chain: Path) -> None:
    """Results, records of trainings, and what MLflow has of its runs; only where its own files lie is absolute."""
    own = [path for path in chain.rglob("*") if path.is_file() and "mlruns" not in path.relative_to(chain).parts]
    assert len(own) > 40
    assert [path for path in own if os.fsencode(chain) in path.read_bytes()] == []
    with contextlib.closing(sqlite3.connect(chain / "mlruns" / "mlflow.db")) as store:
        for table in ("tags", "params", "datasets", "inputs", "input_tags"):
            rows = store.execute(f"SELECT * FROM {table}").fetchall()
            assert [row for row in rows if str(chain) in repr(row)] == [], table


def test_only_the_last_three_blocks_moved(chain: Path) -> None:
    start, end = load_checkpoint(chain / "models/nuclei"), load_checkpoint(chain / "models/neurons")
    before, after = start.model.state_dict(), end.model.state_dict()
    moved = {name.split(".")[0] for name in before if not before[name].equal(after[name])}
    assert moved == {"head", "up1", "upsample1"}
    assert end.metadata["start_weights_sha256"] == start.sha256
    assert end.metadata["trainable_blocks"] == ["head", "up1", "upsample1"]


def test_both_trainings_are_runs_of_the_project(chain: Path) -> None:
    for name, experiment in (("nuclei", "train"), ("neurons", "finetune")):
        run = read_run(chain / f"models/{name}_report/mlflow_run.json", root=chain)
        assert (run.experiment, run.status) == (experiment, "FINISHED")
        assert run.params["training.size_px"] == "64"
        assert set(run.datasets) == {"nuclei.zip" if name == "nuclei" else "crops.zip"}


def test_the_comparison_has_both(chain: Path) -> None:
    assert list(json.loads((chain / "comparison/comparison.json").read_text(encoding="utf-8"))) == ["before", "after"]


def test_a_named_network_of_the_parameter_file_can_be_trained(chain: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(
        "pretrain: {small: {model: {}, training: {epochs: 1, size_px: 32, loss: bce+dice}}}\n"
        "finetune: {last1: {start: small, weights: initial, instances: {min_area_px: 33}, "
        "training: {epochs: 1, size_px: 64, trainable_blocks: 1}}}\n"
    )
    split = tmp_path / "split.csv"
    names = sorted(f.stem for f in (chain / "labels/before").glob("*.tif"))
    rows = [f"{name},{'val' if i == 0 else 'train'}" for i, name in enumerate(names[:3])]
    split.write_text("\n".join(["image_id,split", *rows]) + "\n")
    common = ["--params", params, "--split", split, "--seed", 3]
    assert somanet(
        "train", "sim/crops.zip", "--output", tmp_path / "a", "--network", "small", *common, cwd=chain
    ) is None  # fmt: skip
    config = load_checkpoint(tmp_path / "a")
    assert config.metadata["training"]["loss"] == "bce+dice"
    assert config.metadata["training"]["seed"] == 3
    arguments = ["--start", tmp_path / "a", "--variant", "last1", "--set", "training.size_px=32", *common]
    assert somanet("finetune", "sim/crops.zip", "--output", tmp_path / "b", *arguments, cwd=chain) is None
    config = load_checkpoint(tmp_path / "b")
    assert config.metadata["training"]["size_px"] == 32
    assert config.metadata["trainable_blocks"] == ["head"]
    assert config.spec.instances.min_area_px == 33


@pytest.mark.slow
def test_a_real_process_says_one_line_and_exits_with_1(tmp_path: Path) -> None:
    command = ["predict", "nothing.png", "--model", "m", "--output", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "somanet", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: nothing.png not found. Check the path.\n"
    assert list(tmp_path.iterdir()) == []
