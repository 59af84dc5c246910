"""Padding within convolutions: the same outputs at every size, and left alone wherever they could differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from somanet.analysis.network import BUNDLED
from somanet.segmentation.engines.graph import to_onnx, traced
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.padding import pad_in_convolution
from somanet.segmentation.engines.stored_graph import GRAPH
from somanet.segmentation.network.checkpoint import load_checkpoint

SHAPES = ((1, 3, 32, 96), (2, 3, 224, 160))
"""Odd multiples of 32 among them: the network's inner arrays then have odd sides."""


def operations(graph: bytes | onnx.ModelProto) -> Counter[str]:
    """How many there are of each kind."""
    model = onnx.load_model_from_string(graph) if isinstance(graph, bytes) else graph
    return Counter(node.op_type for node in model.graph.node)


def convolve(images: torch.Tensor, kernel: int, stride: int, dilation: int = 1, pads: int = 0) -> torch.Tensor:
    """Two outputs; weights are drawn anew from the same seed."""
    weight = torch.from_numpy(np.random.default_rng(kernel).normal(size=(2, 3, kernel, kernel)).astype(np.float32))
    return functional.conv2d(images, weight, stride=stride, dilation=dilation, padding=pads)


def same(
    images: torch.Tensor, kernel: int, stride: int, *, value: float = 0.0, mode: str = "constant", first: int = 0
) -> torch.Tensor:
    """Padded so that a side of n has ceil(n / stride) outputs; ``first`` of 1 has the odd zero before the image."""
    amounts = []
    for axis in (3, 2):
        side = torch.as_tensor(images.shape[axis])
        total = torch.clamp((torch.ceil(side / stride) - 1) * stride + kernel - side, min=0)
        before = (total + first) // 2
        amounts += [before, total - before]
    whole = [one.to(torch.int64) for one in amounts]
    return functional.pad(images, whole, mode, value if mode == "constant" else None)


def graph_of(forward: Callable[[torch.Tensor], torch.Tensor]) -> bytes:
    class Network(torch.nn.Module):
        def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
            return forward(images_NCHW)

    return traced(Network(), 3)


def assert_equal_outputs(before: bytes, after: bytes, shapes: tuple[tuple[int, ...], ...]) -> None:
    """To the bit."""
    old, new = OnnxRuntimeEngine(before), OnnxRuntimeEngine(after)
    for seed, shape in enumerate(shapes):
        images = np.random.default_rng(seed).random(shape, np.float32)
        expected = old.logits(images)
        assert np.ptp(expected) > 0.1
        np.testing.assert_array_equal(new.logits(images), expected)


def test_the_bundled_network_pads_in_its_convolutions_with_equal_logits() -> None:
    """Five strided convolutions pad as TensorFlow does; the stored graph has no padding of its own either."""
    model = load_checkpoint(BUNDLED).model
    before, after = traced(model, 3), to_onnx(model, 3)
    old, new = operations(before), operations(after)
    assert (old["Pad"], new["Pad"], old["Conv"]) == (5, 0, new["Conv"])
    assert new.total() < old.total() / 2
    stored = operations(onnx.load(BUNDLED / GRAPH, load_external_data=False))
    assert (stored["Pad"], stored["Conv"]) == (0, new["Conv"])
    assert_equal_outputs(before, after, SHAPES)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (4, 3), (2, 2), (3, 1)])
def test_outputs_are_equal_at_sizes_of_every_remainder(kernel: int, stride: int) -> None:
    before = graph_of(lambda images: convolve(same(images, kernel, stride), kernel, stride))
    after = pad_in_convolution(before)
    assert (operations(before)["Pad"], operations(after)["Pad"]) == (1, 0)
    onnx.checker.check_model(onnx.load_model_from_string(after), full_check=True)
    assert_equal_outputs(before, after, tuple((1, 3, 64 + rest, 91 - rest) for rest in range(stride + 1)))


def _read_twice(images: torch.Tensor) -> torch.Tensor:
    padded = same(images, 3, 2)
    return convolve(padded, 3, 2) + padded.mean()


def _amounts_of_values(images: torch.Tensor) -> torch.Tensor:
    """The shape of another array and the brightest pixel, which is below 1, decide."""
    n = images.amax().to(torch.int64)
    return convolve(functional.pad(images, [n, n + 1, n, n + 1]), 3, 2)


LEFT: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "another value": lambda images: convolve(same(images, 3, 2, value=0.5), 3, 2),
    "a copy of the rim": lambda images: convolve(same(images, 3, 2, mode="replicate"), 3, 2),
    "a second reader": _read_twice,
    "the odd zero before the image": lambda images: convolve(same(images, 3, 2, first=1), 3, 2),
    "of another kernel": lambda images: convolve(same(images, 5, 2), 3, 2),
    "of another stride": lambda images: convolve(same(images, 3, 3), 3, 2),
    "constant amounts": lambda images: convolve(functional.pad(images, (0, 1, 0, 1)), 3, 2),
    "amounts by values": _amounts_of_values,
    "a convolution that pads already": lambda images: convolve(same(images, 3, 2), 3, 2, pads=1),
    "a dilated convolution": lambda images: convolve(same(images, 3, 2), 3, 2, dilation=2),
    "a kernel smaller than its stride": lambda images: convolve(same(images, 1, 2), 1, 2),
}


@pytest.mark.parametrize("forward", LEFT.values(), ids=LEFT)
def test_a_padding_that_could_differ_stays(forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    before = graph_of(forward)
    assert operations(before)["Pad"] == 1
    assert pad_in_convolution(before) == before


def test_a_graph_without_padding_stays() -> None:
    before = graph_of(lambda images: convolve(images, 3, 2, pads=1))
    assert operations(before)["Pad"] == 0
    assert pad_in_convolution(before) == before
