"""`somanet train` and `finetune` into the folder of an earlier network: it is in MLflow, or kept beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from somanet.io.datasets.writers import write_pairs
from somanet.provenance.mlflow import read_run, run_checkpoint
from tests.worlds import make_project, save_bright_network, scene, somanet

QUICK = ("--set", "training.size_px=32", "--set", "training.epochs=1", "--set", "training.samples_per_epoch=2")


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path / "project", tmp_path_factory.getbasetemp())
    write_pairs(project / "crops", [scene(name) for name in "abc"])
    save_bright_network(project / "start")
    return project


def finetune(project: Path, seed: int, *options: str) -> str | None:
    fixed = ("finetune", "crops", "--val", "crops", "--start", "start", "--output", "net")
    return somanet(*fixed, "--seed", seed, *QUICK, *options, cwd=project)


def weights(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text())["weights"]["sha256"])


def lose_weights(project: Path) -> None:
    """Of all runs in the store."""
    for file in (project / "mlruns").rglob("model.safetensors"):
        file.unlink()


def test_the_run_of_the_earlier_network_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert finetune(project, 0) is None
    first, run = weights(project / "net"), read_run(project / "net_report/mlflow_run.json", root=project).run_id
    assert "MLflow keeps it" not in capsys.readouterr().err
    assert finetune(project, 1) is None
    told = capsys.readouterr()
    assert f"net holds the network of run {run}" in told.err
    assert f"--model {run}" in told.err
    assert "Kept the previous" not in told.out
    assert not (project / "net.before").exists()
    assert weights(project / "net") != first == weights(run_checkpoint(run, root=project))


def test_one_that_the_store_has_lost_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once it is replaced: a training that fails leaves it where it is."""
    assert finetune(project, 0) is None
    first = weights(project / "net")
    lose_weights(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("somanet.training.loop.training.train", None)
        with pytest.raises(TypeError):
            finetune(project, 1)
    assert (weights(project / "net"), (project / "net.before").exists()) == (first, False)
    capsys.readouterr()
    assert finetune(project, 1) is None
    assert "Kept the previous folder as net.before" in capsys.readouterr().out
    assert weights(project / "net.before") == first != weights(project / "net")


def test_train_keeps_one_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--output", "net", "--set", "model.encoder=resnet18", *QUICK)
    assert somanet("train", "crops", *options, cwd=project) is None
    first = weights(project / "net")
    lose_weights(project)
    capsys.readouterr()
    assert somanet("train", "crops", "--seed", 1, *options, cwd=project) is None
    assert "Kept the previous folder as net.before" in capsys.readouterr().out
    assert weights(project / "net.before") == first != weights(project / "net")
