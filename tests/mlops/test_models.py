from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from somanet.errors import SomaNetError
from somanet.mlops import load_logged_model, read_run, track_run
from somanet.mlops.client import open_client
from somanet.mlops.models import fixed_axes, small_example


class TinyUnet(nn.Module):
    """One step down, one up, with the skip connection that ties sizes together."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.head = nn.Conv2d(7, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.up(self.down(images)), images], dim=1))


class Stubborn(TinyUnet):
    """Its way depends on the pixels: no graph can be traced."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * (2 if images.sum().item() > 0 else 1)


class FixedSize(nn.Module):
    """Works at 64 × 96 only."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.reshape(-1, 3, 64, 96) * torch.ones(64, 96)


def files_of(root: Path, run_id: str, folder: str | None = None) -> list[str]:
    return sorted(Path(entry.path).name for entry in open_client(root).list_artifacts(run_id, folder))


def test_a_model_logged_at_one_size_predicts_at_others(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    model = TinyUnet().train().to(memory_format=torch.channels_last)
    with torch.no_grad():
        model(torch.rand(4, 3, 32, 32))  # running means that are not the initial ones
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        uri = run.log_model(model, torch.rand(1, 3, 48, 80))
    assert uri is not None
    assert model.training  # the caller's network is left as it was
    assert [record for record in caplog.records if record.name.startswith("somanet")] == []

    loaded = load_logged_model(uri, root)
    import mlflow.pyfunc

    [description] = (root / "mlruns").rglob("MLmodel")
    served = mlflow.pyfunc.load_model(str(description.parent))
    client = open_client(root)
    client.create_registered_model("soma")
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    client.create_model_version("soma", logged.artifact_location, run.run_id)
    client.set_registered_model_alias("soma", "champion", "1")
    for name in (f"runs:/{run.run_id}/model", "models:/soma@champion"):
        assert isinstance(load_logged_model(name, root), nn.Module)
    for name in ("models:/m-0", f"runs:/{run.run_id}/other"):
        with pytest.raises(SomaNetError):
            load_logged_model(name, root)
    assert "MLFLOW_TRACKING_URI" not in os.environ  # loading leaves no trace
    model.eval()
    for n, height, width in [(1, 128, 160), (3, 40, 24), (2, 64, 96)]:
        images = torch.rand(n, 3, height, width)
        with torch.no_grad():
            expected = model(images).numpy()
            assert expected.shape == (n, 2, height, width)
            np.testing.assert_allclose(loaded(images).numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(served.predict(images.numpy()), expected, atol=1e-5)

    text = description.read_text()
    assert "[-1,3,-1,-1]" in "".join(text.split())
    assert run.run_id in text
    assert {path.name for path in (description.parent / "data").iterdir()} == {"model.pt2"}  # no pickle
    requirements = (description.parent / "requirements.txt").read_text()
    assert "torch==" in requirements
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


@pytest.mark.parametrize("network", [Stubborn, FixedSize])
def test_a_network_without_export_is_one_warning_and_keeps_its_weights(
    root: Path, caplog: pytest.LogCaptureFixture, network: type[nn.Module]
) -> None:
    from safetensors.torch import load_file

    model = network()
    with (
        caplog.at_level(logging.WARNING),
        track_run("a", experiment="e", root=root, system_metrics=False) as run,
    ):
        assert run.log_model(model, torch.rand(2, 3, 64, 96)) is None
    [warning] = [record for record in caplog.records if record.name.startswith("somanet")]
    assert "was not logged as an MLflow model" in warning.message
    assert "\n" not in warning.message
    assert read_run(run.run_id, root=root).status == "FINISHED"
    assert files_of(root, run.run_id, "checkpoint") == ["config.json", "model.safetensors"]
    [weights] = (root / "mlruns").rglob("*.safetensors")
    assert load_file(weights).keys() == model.state_dict().keys()
    assert open_client(root).search_logged_models([run.experiment_id]) == []


def test_the_checkpoint_of_record_is_stored_beside_the_model(root: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "paper"
    checkpoint.mkdir()
    (checkpoint / "weights.safetensors").write_bytes(b"w")
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        assert run.log_model(Stubborn(), torch.rand(2, 3, 8, 8), checkpoint=checkpoint) is None
    assert files_of(root, run.run_id, "checkpoint") == ["paper"]
    assert files_of(root, run.run_id, "checkpoint/paper") == ["weights.safetensors"]


def test_the_example_is_small_and_no_axis_is_like_another() -> None:
    example = small_example(torch.rand(1, 5, 512, 512))
    assert example.shape == (2, 5, 64, 96)
    assert len(set(example.shape)) == 4
    assert example.dtype == np.float32


def test_an_unknown_archive_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"something else")
    assert fixed_axes(tmp_path / "model.pt2") == []
