"""Int8 quantisation: close where the network tolerates it, never the default."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.graph import to_onnx
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.settings import ModelSpec
from tests.segmentation.engines.worlds import FAST, bright_checkpoint
from tests.worlds import TWO_SOMAS, draw, photograph

IMAGES = to_input(photograph(draw(TWO_SOMAS)), ModelSpec())[None]


@pytest.fixture(scope="module")
def graph() -> bytes:
    for package in FAST["onnxruntime"]:
        pytest.importorskip(package)
    return to_onnx(bright_checkpoint().model, 3)


def test_a_network_of_two_brightnesses_bears_it(graph: bytes) -> None:
    """Logits are -8 and 8; an activation has 256 steps from 0 to 0.9, so 20 times it is right within 0.1 or so."""
    from benchmarks.engines.int8 import quantise
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine

    before = logging.root.level
    small = quantise(graph, [IMAGES])
    assert logging.root.level == before
    assert len(small) < 0.5 * len(graph)
    expected, found = (OnnxRuntimeEngine(content).logits(IMAGES) for content in (graph, small))
    assert 0 < np.abs(found - expected).max() < 0.5
    np.testing.assert_array_equal(found > 0, expected > 0)


@pytest.mark.parametrize("name", list(FAST))
def test_its_precision_is_told(graph: bytes, name: str) -> None:
    """By what the runtime actually runs, although the engine requests float32 in the same way."""
    for package in FAST[name]:
        pytest.importorskip(package)
    from benchmarks.engines.int8 import quantise
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
    from somanet.segmentation.engines.openvino_engine import OpenVinoEngine

    make = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}[name]
    assert make(graph).precision == "float32"
    found = make(quantise(graph, [IMAGES])).precision.split("+")
    assert "float32" in found  # the images
    assert {"int8", "uint8"} & set(found)


def test_only_named_layers_are_changed(graph: bytes) -> None:
    from benchmarks.engines.int8 import quantise

    assert len(quantise(graph, [IMAGES], parts=("/down1/",))) > 0.95 * len(graph)
    with pytest.raises(SomaNetError, match="No convolution has /decoder/ in its name"):
        quantise(graph, [IMAGES], parts=("/decoder/",))


def test_nothing_to_scale_to_is_refused(graph: bytes) -> None:
    from benchmarks.engines.int8 import quantise

    with pytest.raises(SomaNetError, match="found none"):
        quantise(graph, [])
