"""`somanet train --set model.architecture=… --set model.encoder=…`: trains, or refuses in one line with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.architectures import architectures, encoders
from somanet.core.errors import SomaNetError
from somanet.io.images import read_image, read_labels
from somanet.provenance.mlflow import load_logged_model, read_run
from somanet.provenance.mlflow.client import open_client
from tests.cli.invoking import refusal, run
from tests.worlds import make_project, mlflow_may_warn

QUICK = [("UnetPlusPlus", "resnet18"), ("Segformer", "mit_b0"), ("DeepLabV3Plus", "mobilenet_v2")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("architectures") / "project", tmp_path_factory.getbasetemp())
    run("simulate", "--output", project / "sim", "--nuclei", 4, "--crops", 1, "--frames", 2, "--size-px", 96)
    return project


def arguments(project: Path, architecture: str, encoder: str, size_px: int) -> list[object]:
    settings = {
        "model.architecture": architecture,
        "model.encoder": encoder,
        "training.epochs": 2,
        "training.batch_size": 2,
        "training.size_px": size_px,
        "training.device": "cpu",
    }
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return [
        "train",
        project / "sim" / "nuclei.zip",
        "--output",
        project / "models" / f"{architecture}-{encoder}",
        *sets,
    ]


def train_and_use(
    project: Path, architecture: str, encoder: str, size_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs; the scores are recorded; the written network and the logged one label an image alike."""
    monkeypatch.chdir(project)
    command: Any = arguments(project, architecture, encoder, size_px)
    with mlflow_may_warn():
        run(*command)
        network = command[3]
        recorded = read_run(network.with_name(f"{network.name}_report"), root=project)
        assert recorded.params["model.architecture"] == architecture
        assert recorded.params["training.epochs"] == "2"
        assert {"iou", "accuracy", "train_loss"} <= set(recorded.metrics)
        image = network.with_name("image.png")
        if not image.exists():
            save_first(project / "sim" / "nuclei.zip", image)
        labels = network.with_name(f"{network.name}_labels")
        run("predict", image, "--model", network, "--output", labels, "--engine", "torch")
        [logged] = open_client(project).get_run(recorded.run_id).outputs.model_outputs
        found = load_logged_model(f"models:/{logged.model_id}", project).predict(read_image(image))
    np.testing.assert_array_equal(read_labels(labels / "image.tif"), found["labels"])
    # an undefined precision is not recorded: no epoch's network predicted an object
    predicted = recorded.metrics["accuracy"] == recorded.metrics["accuracy"] and "precision" in recorded.metrics
    assert predicted or recorded.metrics["accuracy"] == 0


def save_first(dataset: Path, path: Path) -> None:
    import cv2

    from somanet.io.datasets.layouts import open_dataset

    opened = open_dataset(dataset)
    cv2.imwrite(str(path), opened.load_image(opened.names[0]))


@pytest.mark.parametrize(("architecture", "encoder"), QUICK)
def test_three_that_differ(project: Path, architecture: str, encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train_and_use(project, architecture, encoder, 64, monkeypatch)


@pytest.mark.parametrize(
    ("architecture", "encoder", "words"),
    [
        ("PAN", "vgg11", "PAN cannot use the encoder vgg11: "),
        ("DPT", "resnet18", "such as tu-vit_tiny_patch16_224"),
        ("Unet", "tu-swin_tiny_patch4_window7_224", "cannot compute an image of 64 x 64 px"),
        ("Unetplus", "resnet18", "Unknown architecture 'Unetplus'. Did you mean UnetPlusPlus"),
        ("Unet", "resnet19", "Unknown encoder 'resnet19'. Did you mean"),
        ("Unet", "", "needs an encoder"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_leaves_nothing(
    project: Path, architecture: str, encoder: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with mlflow_may_warn():
        assert words in refusal(*arguments(project, architecture, encoder, 64))
    assert not list((project / "models").glob(f"{architecture}-{encoder}*"))


USUAL = {"DPT": ("tu-vit_tiny_patch16_224", "tu-test_vit")}
"""The encoders with which an architecture must train; others may be refused."""
WALKED = [
    *((one, encoder) for one in architectures() for encoder in USUAL.get(one, ("resnet18", "tu-regnety_002"))),
    *((one, encoder) for one in ("Unet", "FPN") for encoder in encoders()),
]
"""All that the installed smp has: every architecture, and every family of encoders."""


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "encoder"), list(dict.fromkeys(WALKED)))
def test_every_architecture_and_family_of_encoders_at_256_px(
    project: Path, architecture: str, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ""
    try:
        train_and_use(project, architecture, encoder, 256, monkeypatch)
    except SomaNetError as error:
        refused = str(error)
    if refused:
        assert encoder not in USUAL.get(architecture, ("resnet18", "tu-regnety_002")), refused
        assert "\n" not in refused
        assert "Set model.encoder to another one, such as" in refused


def test_the_page_is_of_architectures_and_encoders_that_exist() -> None:
    """The table that `python -m benchmarks.architectures` writes."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    [header] = [line for line in page.splitlines() if line.startswith("| encoder |")]
    assert {cell.strip() for cell in header.strip("|").split("|")[1:]} == set(architectures())
    rows = {line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")}
    assert {"resnet18", "mit_b0"} <= rows <= set(encoders())
