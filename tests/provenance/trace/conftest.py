"""A finished pipeline, and files that the commands wrote in it: made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.io.datasets.writers import write_kaggle
from somanet.provenance.mlflow import DatasetRef, track_run
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.provenance.trace.worlds import other_network, write_lock
from tests.worlds import TWO_SOMAS, bright_network, draw, make_project, mlflow_may_warn, photograph, scene, somanet


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """data → train → score, as their stages left them: files, lock, and the MLflow runs of two networks."""
    root = make_project(tmp_path_factory.mktemp("lineage") / "project", tmp_path_factory.getbasetemp())
    (root / ".dvc").mkdir()
    files = {"code.py": "1", "data/a.csv": "1,2", "data/b.csv": "3,4", "reports/metrics.json": '{"iou": 0.5}'}
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "params.yaml").write_text("seed: 3\ntrain: {epochs: 2, deep: {lr: 0.1}}\n")
    base = save_checkpoint(root / "base", bright_network(), ModelSpec(), {})
    runs = {"base_sha256": base}
    with mlflow_may_warn():
        with track_run("base", experiment="pretrain", root=root, system_metrics=False) as run:
            run.set_tags({"weights_sha256": base, "start_weights_sha256": "random"})
        runs["base"] = run.run_id
        sha256 = save_checkpoint(
            root / "models" / "seed0", other_network(), ModelSpec(), {"start_weights_sha256": base}
        )
        data = DatasetRef("data", root / "data", digest=None, context="training", n_images=2)
        with track_run(
            "mine", experiment="finetune", root=root, params={"epochs": 2}, datasets=[data], system_metrics=False
        ) as run:
            run.set_tags({"weights_sha256": sha256, "start_weights_sha256": base})
        runs |= {"mine": run.run_id, "sha256": sha256}
    write_lock(root)
    return root, runs


@pytest.fixture
def project(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    shutil.copytree(made[0], tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def runs(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, made: tuple[Path, dict[str, str]]) -> Path:
    """An analysis, predictions and scores, made with a network of the project above."""
    root = tmp_path_factory.mktemp("lab") / "project"
    shutil.copytree(made[0], root)
    frames = np.stack([photograph(draw(TWO_SOMAS), np.uint16)] * 6)
    tifffile.imwrite(root / "movie.tif", frames, imagej=True, metadata={"axes": "TYX"})
    write_kaggle(root / "set.zip", [scene("a"), scene("b")])
    scale = ["--pixel-size-um", 1, "--frame-interval-min", 10, "--no-overlay"]
    commands = [
        ["analyze", "movie.tif", "--model", "models/seed0", "--output", "out", *scale],
        ["predict", "set.zip", "--model", "models/seed0", "--output", "labels"],
        ["evaluate", "--predictions", "labels", "--truth", "set.zip", "--output", "scores.json"],
        ["export", "models/seed0", "--output", "half"],
    ]
    for command in commands:
        with mlflow_may_warn():
            assert somanet(*command, cwd=root) is None
    return root
