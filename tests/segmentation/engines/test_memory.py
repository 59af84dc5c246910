"""ONNX Runtime keeps the memory of the largest image, and gives it back before a larger one or when asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.onnxruntime_engine import SMALL_PX, OnnxRuntimeEngine
from tests.worlds import bright_network

SMALL = (1, 3, SMALL_PX, SMALL_PX)


@pytest.fixture
def engine() -> OnnxRuntimeEngine:
    from somanet.segmentation.engines.graph import to_onnx

    return OnnxRuntimeEngine(to_onnx(bright_network().eval(), 3))


def test_memory_is_given_back_before_a_larger_image(engine: OnnxRuntimeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of 12,288, 10,240, again 12,288 and twice 15,360 px, and the end; then of any size."""
    runs: list[tuple[tuple[int, ...], bool]] = []

    def run(outputs: None, inputs: dict[str, Float32], options: Any = None) -> list[Float32]:
        [images] = inputs.values()
        runs.append((images.shape, options is not None))
        return [images]

    monkeypatch.setattr(engine, "_session", SimpleNamespace(run=run))
    one, smaller, larger = (1, 3, 96, 128), (1, 3, 64, 160), (1, 3, 96, 160)
    for shape in (one, smaller, one, larger, larger):
        engine.logits(np.zeros(shape, np.float32))
    engine.rest()
    engine.rest()
    engine.logits(np.zeros(smaller, np.float32))
    given_back = (SMALL, True)
    kept = [(one, False), (smaller, False), (one, False), given_back, (larger, False), (larger, False), given_back]
    assert runs == [*kept, (smaller, False)]


def test_results_are_the_same_after_a_rest(engine: OnnxRuntimeEngine) -> None:
    images = np.random.default_rng(0).normal(size=(1, 3, 96, 128)).astype(np.float32)
    first = engine.logits(images)
    engine.rest()
    np.testing.assert_array_equal(engine.logits(images), first)
