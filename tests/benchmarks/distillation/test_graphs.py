"""Rewritten and quantised graphs give the outputs of the network that they stand for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from benchmarks.distillation.folding import folded
from benchmarks.distillation.quantised import Quantiser, WeightQuantiser, observe, quantised, quantisers
from benchmarks.distillation.rewriting import (
    convolve_before_upsampling,
    quarter_kernels,
    with_folded_constants,
)
from somanet.analysis.network import BUNDLED
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.graph import example_images, to_onnx, traced
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.segmentation.network.probabilities import sigmoid


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_checkpoint(BUNDLED)


@pytest.fixture(scope="module")
def images() -> list[Float32]:
    """Two sizes, each with bright squares of which the network makes objects."""
    return list(example_images(3))


def test_folded_batch_norms_give_equal_logits(bundled: Checkpoint, images: list[Float32]) -> None:
    network = folded(bundled.model)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    for batch in map(torch.from_numpy, images):
        with torch.inference_mode():
            torch.testing.assert_close(network(batch), bundled.model(batch), rtol=1e-3, atol=1e-3)


def test_rewritten_graphs_give_the_network_s_logits(bundled: Checkpoint, images: list[Float32]) -> None:
    """Four doublings are convolved before; only the order of sums may change."""
    rewritten = convolve_before_upsampling(to_onnx(bundled.model, 3))
    graphs = (traced(bundled.model, 3), rewritten)
    kinds = [[node.op_type for node in onnx.load_model_from_string(one).graph.node] for one in graphs]
    assert [(one.count("Pad"), one.count("Resize")) for one in kinds] == [(5, 4), (0, 0)]
    engines = [OnnxRuntimeEngine(content) for content in graphs]
    for batch in images:
        expected, close = (engine.logits(batch) for engine in engines)
        np.testing.assert_allclose(close, expected, rtol=1e-4, atol=1e-4)


def test_quarter_kernels_convolve_as_the_whole_kernel_does_on_a_doubled_image() -> None:
    """Four kernels of 2 × 2, laid out so that a doubled grid less its rim is the doubled image's convolution."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 2, 3, 3, generator=generator)
    image = torch.randn(1, 2, 6, 7, generator=generator)
    doubled = torch.nn.functional.interpolate(image, scale_factor=2)
    expected = torch.nn.functional.conv2d(doubled, weight, padding=1)
    quarters = torch.nn.functional.conv2d(image, torch.from_numpy(quarter_kernels(weight.numpy())), padding=1)
    found = torch.nn.functional.pixel_shuffle(quarters, 2)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_values_are_rounded_to_levels_of_which_one_is_zero() -> None:
    """Between −1 and 4.1, 255 steps of 0.02: 0.013 becomes 0.02, 9 the largest, and 0 stays."""
    one = Quantiser()
    one(torch.tensor([-1.0, 4.1]))
    one.observing = False
    torch.testing.assert_close(one(torch.tensor([0.013, 9.0, 0.0])), torch.tensor([0.02, 4.1, 0.0]))
    weights = WeightQuantiser()(torch.tensor([1.27, 0.0149, -5.0, 100.0]).reshape(2, 2, 1, 1)).flatten()
    torch.testing.assert_close(weights, torch.tensor([1.27, 0.01, -4.7244, 100.0]), rtol=1e-3, atol=1e-3)


def test_the_8_bit_graph_gives_the_labels_of_the_rounding_network(bundled: Checkpoint, images: list[Float32]) -> None:
    """Every convolution but the first and last has 8-bit weights; labels differ in less than 1 % of their pixels."""
    network = quantised(bundled.model)
    with torch.inference_mode():
        for batch in images:
            network(torch.from_numpy(batch))
    observe(network, observing=False)
    ranges = [(float(one.low), float(one.high)) for one in quantisers(network)]
    engine = OnnxRuntimeEngine(with_folded_constants(to_onnx(network, 3)))
    assert engine.precision == "float32+int8"
    settings = bundled.spec.instances
    objects = 0
    for batch in images:
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()
        for one, other in zip(expected, engine.logits(batch), strict=True):
            wanted, found = (probabilities_to_labels(sigmoid(x), bundled.spec.outputs, settings) for x in (one, other))
            objects += int(wanted.max())
            assert ((wanted > 0) != (found > 0)).mean() < 0.01 * max((wanted > 0).mean(), 1e-9) + 1e-3
            assert wanted.max() == found.max()
    assert objects > 0
    assert ranges == [(float(one.low), float(one.high)) for one in quantisers(network)], "ranges stay"
