from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import ServedModel, TrackedRun, load_logged_model, logged_checkpoint, read_run, track_run
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import SERVING_CODE


@pytest.fixture
def served(tmp_path: Path) -> ServedModel:
    torch.manual_seed(0)
    spec = ModelSpec(outputs=("soma", "boundary"))
    save_checkpoint(tmp_path / "paper", build_model(spec), spec, {})
    return ServedModel(tmp_path / "paper", SERVING_CODE, 3, 2)


def model_of(root: Path, run: TrackedRun, name: str = "model") -> str:
    """The address of the run's only whole network of that name."""
    models = open_client(root).search_logged_models([run.experiment_id], filter_string=f"name = '{name}'")
    [model] = [one for one in models if (one.source_run_id, one.status) == (run.run_id, "READY")]
    return f"models:/{model.model_id}"


def files_of(root: Path, run_id: str, folder: str | None = None) -> list[str]:
    return sorted(Path(entry.path).name for entry in open_client(root).list_artifacts(run_id, folder))


def test_a_logged_model_predicts_at_any_size(root: Path, served: ServedModel) -> None:
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(served)
    uri = model_of(root, run)
    loaded = load_logged_model(uri, root)
    model = load_checkpoint(served.checkpoint).model
    for n, height, width in [(1, 128, 160), (3, 64, 32), (2, 64, 96)]:
        images = torch.rand(n, 3, height, width)
        with torch.no_grad():
            expected = model(images).numpy()
        assert expected.shape == (n, 2, height, width)
        np.testing.assert_allclose(loaded.predict(images.numpy()), expected, atol=1e-5)
    assert loaded.predict(np.zeros((1, 3, 70, 50), np.float32)).shape == (1, 2, 70, 50)

    [description] = (root / "mlruns").rglob("MLmodel")
    text = description.read_text()
    assert "[-1,3,-1,-1]" in "".join(text.split())
    assert run.run_id in text
    stored = [path.suffix for path in description.parent.rglob("*") if path.is_file()]
    assert not {".pkl", ".pt", ".pt2", ".pth"} & set(stored)  # nothing that needs unpickling
    assert "torch==" in (description.parent / "requirements.txt").read_text()
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_logged_model_is_found_by_run_and_by_alias(root: Path, served: ServedModel) -> None:
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(served)
    uri = model_of(root, run)
    client = open_client(root)
    client.create_registered_model("soma")
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    client.create_model_version("soma", logged.artifact_location, run.run_id)
    client.set_registered_model_alias("soma", "champion", "1")
    expected = load_checkpoint(served.checkpoint).sha256
    for name in (uri, f"runs:/{run.run_id}/model", "models:/soma@champion"):
        assert load_checkpoint(logged_checkpoint(name, root)).sha256 == expected
    for name in ("models:/m-0", f"runs:/{run.run_id}/other"):
        with pytest.raises(SomaNetError):
            load_logged_model(name, root)
    assert "MLFLOW_TRACKING_URI" not in os.environ  # loading leaves no trace


def test_a_model_is_logged_once_and_one_that_was_cut_short_is_replaced(root: Path, served: ServedModel) -> None:
    """Killed while its files were stored, then after it was complete; logging again leaves one complete model."""
    client = open_client(root)
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        client.create_logged_model(run.experiment_id, name="model", source_run_id=run.run_id)
        run.log_model(served)
        first = model_of(root, run)
        run.log_model(served)
        run.log_model(served, name="other")
    assert model_of(root, run) == first
    other = model_of(root, run, "other")
    models = client.search_logged_models([run.experiment_id])
    assert {f"models:/{model.model_id}" for model in models} == {first, other}
    assert {model.status for model in models} == {"READY"}
    outputs = client.get_run(run.run_id).outputs.model_outputs
    assert sorted(f"models:/{output.model_id}" for output in outputs) == sorted([first, other])  # in no order


def test_a_model_that_cannot_be_logged_is_one_warning_and_keeps_its_checkpoint(
    root: Path, served: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ServedModel(served.checkpoint, served.code.with_name("no_such_file.py"), 3, 2)
    with caplog.at_level(logging.WARNING), track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(broken)
    [warning] = [record for record in caplog.records if record.name.startswith("somanet")]
    assert "was not logged as an MLflow model" in warning.message
    assert "\n" not in warning.message
    assert read_run(run.run_id, root=root).status == "FINISHED"
    assert files_of(root, run.run_id, "checkpoint/paper") == ["config.json", "model.safetensors"]
    assert open_client(root).search_logged_models([run.experiment_id]) == []
