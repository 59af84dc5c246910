"""The preprocessing inside the network is the same as in training."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from somanet.segmentation.engines.graph import check_agreement, to_onnx
from somanet.segmentation.export.preprocessed_network import PreprocessedNetwork, _percentile
from somanet.segmentation.network.inputs import measure_exposure, to_input, to_unit
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import TWO_SOMAS, draw


class Seen(torch.nn.Module):
    """A network whose probabilities equal its input, if that is between 0 and 1."""

    def forward(self, prepared_NCHW: torch.Tensor) -> torch.Tensor:
        return torch.logit(prepared_NCHW.clamp(1e-6, 1 - 1e-6))


def dim_somas() -> np.ndarray:
    """64 × 96, 16-bit: somas of 900 and 4,000 counts on a background of 300 that is noisy and unevenly lit."""
    labels = draw(TWO_SOMAS)
    background = np.random.default_rng(0).normal(300, 20, labels.shape) + np.linspace(0, 60, labels.shape[1])
    return (background + np.array([0, 600, 3700])[labels]).astype(np.uint16)


WORLDS = {
    "dark": dim_somas(),
    "bright background": 5000 - dim_somas(),
    "constant": np.full((64, 96), 7, np.uint16),
    "float": dim_somas().astype(np.float32) / 1e4,
}


@pytest.mark.parametrize("kind", ["contrasts", "background"])
@pytest.mark.parametrize("world", list(WORLDS))
def test_images_enter_as_in_training(world: str, kind: Literal["contrasts", "background"]) -> None:
    image = WORLDS[world]
    spec = ModelSpec(input=kind)
    expected = np.clip(to_input(image, spec), 1e-6, 1 - 1e-6)
    batch = torch.from_numpy(image.astype(np.float32))[None, None]
    found = PreprocessedNetwork(Seen(), spec)(batch).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_worlds_take_both_ways() -> None:
    assert not measure_exposure(to_unit(WORLDS["dark"])).inverted
    assert measure_exposure(to_unit(WORLDS["bright background"])).inverted


def test_a_network_for_fluorescence_never_inverts() -> None:
    image, spec = WORLDS["bright background"], ModelSpec(input="background")
    expected = np.clip(to_input(image, spec, inverted=False), 1e-6, 1 - 1e-6)
    batch = torch.from_numpy(image.astype(np.float32))[None, None]
    found = PreprocessedNetwork(Seen(), spec, may_invert=False)(batch).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected - to_input(image, spec)).max() > 0.5


def test_each_image_of_a_batch_is_measured_alone() -> None:
    spec = ModelSpec(input="background")
    images = np.stack([WORLDS["dark"], WORLDS["bright background"]]).astype(np.float32)[:, None]
    network = PreprocessedNetwork(Seen(), spec)
    together = network(torch.from_numpy(images))
    for n in range(2):
        torch.testing.assert_close(together[n], network(torch.from_numpy(images[n : n + 1]))[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_are_divided_by_255(channels: Literal[1, 3]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, channels)).astype(np.uint8)
    spec = ModelSpec(in_channels=channels)
    found = PreprocessedNetwork(Seen(), spec)(torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None]))
    np.testing.assert_allclose(found.numpy()[0], np.clip(to_input(image, spec), 1e-6, 1 - 1e-6), atol=1e-5)


@pytest.mark.parametrize("percent", [0.1, 50, 99.95, 100])
def test_percentiles_are_numpys(percent: float) -> None:
    values = np.random.default_rng(0).normal(0, 1, (2, 37)).astype(np.float32)
    found = _percentile(torch.from_numpy(values).sort(dim=1).values, percent)
    np.testing.assert_allclose(found.numpy()[:, 0], np.percentile(values, percent, axis=1), rtol=1e-6)


def test_a_graph_can_hold_it_with_free_sizes() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine

    network = PreprocessedNetwork(Seen(), ModelSpec(input="background")).eval()
    engine = OnnxRuntimeEngine(to_onnx(network, 1))
    assert check_agreement(engine.logits, network, 1, "the graph") < 1e-4
