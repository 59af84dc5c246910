"""The bundled network in 8 bits: the same somas, sums that fit on every processor, and refusals in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file

from somanet.analysis import network
from somanet.analysis.network import BUNDLED, open_networks
from somanet.core.errors import SomaNetError
from somanet.segmentation.engines import EIGHT_BITS, engine_of, with_engine
from somanet.segmentation.engines.graph import example_images, to_onnx
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.openvino_engine import OpenVinoEngine
from somanet.segmentation.engines.stored_graph import GRAPH_INT8, INT8_TOLERANCE, open_stored
from somanet.segmentation.export.eight_bits import in_8_bits, lost_on_average, weight_steps
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS, load_checkpoint
from somanet.simulation import neuron_crops
from tests.segmentation.engines.worlds import bright_checkpoint
from tests.worlds import save_bright_network

INT16, INT32 = np.iinfo(np.int16).max, np.iinfo(np.int32).max


def ious(expected_YX: np.ndarray, found_YX: np.ndarray) -> list[float]:
    """Of each expected soma with the one that covers most of it; 0 if there is none."""
    found = []
    for number in range(1, int(expected_YX.max()) + 1):
        mask = expected_YX == number
        other = int(np.bincount(found_YX[mask]).argmax())
        found.append(float((mask & (found_YX == other)).sum() / (mask | (found_YX == other)).sum()) if other else 0.0)
    return found


def test_the_same_somas_are_found_as_in_32_bits() -> None:
    """On simulated frames of 224 × 256 px that neither ranges nor training come from; a dim one in 30 may be missed."""
    whole, small = (Segmenter((open_stored(BUNDLED, eight_bits=bits),)) for bits in (False, True))
    there: list[float] = []
    back: list[float] = []
    for crop in neuron_crops(n_crops=8, size_px=256, seed=5):
        expected, found = (one.labels(crop.image[:224]) for one in (whole, small))
        there += ious(expected, found)
        back += ious(found, expected)
    assert len(there) > 30
    for each in (there, back):
        assert np.mean(each) >= 0.95
        assert np.mean(np.array(each) < 0.5) <= 1 / 30


def test_it_is_recorded_and_other_than_in_32_bits() -> None:
    whole, small = (open_stored(BUNDLED, eight_bits=bits) for bits in (False, True))
    record = engine_of(small.model)
    assert (record["name"], record["precision"]) == (EIGHT_BITS, "float32+int8")
    assert engine_of(whole.model)["precision"] == "float32"
    assert (small.sha256, small.spec, small.temperature_scaling) == (
        whole.sha256,
        whole.spec,
        whole.temperature_scaling,
    )


def rounded_weights() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Convolution → weights O(IYX) and biases in 8 and 32 bits, as the stored graph makes them of the network's own."""
    graph = onnx.load(BUNDLED / GRAPH_INT8, load_external_data=False).graph
    own = load_file(BUNDLED / WEIGHTS)
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer if not one.external_data}
    made_by = {node.output[0]: node for node in graph.node}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1].endswith("/32"):
            back, offset = (made_by[name] for name in node.input[1:3])
            rounding = made_by[back.input[0]]
            product = made_by[rounding.input[0]]
            weights = own[product.input[0]].astype(np.float32) * held[product.input[1]]
            steps = held[rounding.input[1]].reshape(-1, 1, 1, 1)
            found[node.name] = np.rint(weights / steps).reshape(len(weights), -1), held[offset.input[0]]
    return found


def test_no_sum_can_overflow_on_any_processor() -> None:
    """Inputs reach 255. x86 without VNNI adds two products, of any two weights of a channel, in 16 bits; all add the
    rest in 32."""
    found = rounded_weights()
    assert len(found) == 55
    finest = []
    for weights, biases in found.values():
        magnitudes = np.sort(np.abs(weights), axis=1)
        assert magnitudes.max() <= 127
        assert 255 * magnitudes[:, -2:].sum(axis=1).max() <= INT16
        assert (255 * magnitudes.sum(axis=1) + np.abs(biases.astype(np.int64))).max() <= INT32
        finest.append(magnitudes[:, -2:].sum(axis=1).max())
    assert max(finest) > 126  # and hardly coarser than needed


def test_pairs_of_weights_fit_together_whatever_they_are() -> None:
    """Equal ones, one alone, none, and random ones of any size."""
    rng = np.random.default_rng(3)
    cases = [np.full((1, 2, 1, 3), 0.7), np.eye(1, 6).reshape(1, 2, 1, 3), np.zeros((1, 2, 1, 3))]
    cases += [rng.normal(0, 10.0**power, (1, 2, 1, 3)) for power in range(-6, 4) for _ in range(50)]
    weights = np.concatenate(cases).astype(np.float32)
    steps = weight_steps(weights, np.zeros(len(weights), np.float32), np.float32(0.02))
    magnitudes = np.sort(np.abs(np.rint(weights / steps[:, None, None, None])).reshape(len(weights), -1), axis=1)
    pairs = magnitudes[:, -2:].sum(axis=1)
    assert pairs.max() <= 128
    assert pairs[0] == 128
    assert pairs[3:].min() >= 126


def test_a_large_bias_fits_into_32_bits() -> None:
    """Where weights are tiny beside it, or nothing."""
    weights = np.array([1e-12, 0.0], np.float32).reshape(2, 1, 1, 1)
    steps = weight_steps(weights, np.array([3.0, -3.0], np.float32), np.float32(0.02))
    assert np.abs(3.0 / (steps * 0.02)).max() <= 2**24 * (1 + 1e-6)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_what_rounding_loses_on_average_is_known(groups: int) -> None:
    """Of an input that has its mean everywhere, the law is exact: W x = Ŵ x + lost."""
    rng = np.random.default_rng(groups)
    weights = rng.normal(size=(6, 6 // groups, 3, 2)).astype(np.float32)
    steps, mean_C = np.full(6, 0.4, np.float32), rng.random(6)
    rounded = np.round(weights / 0.4) * 0.4
    for channel, lost in enumerate(lost_on_average(weights, steps, mean_C, groups)):
        group = channel // (6 // groups)
        seen = mean_C[group * (6 // groups) :][: 6 // groups]
        whole, small = (float((one[channel] * seen[:, None, None]).sum()) for one in (weights, rounded))
        assert abs(whole - small) > 1e-3
        assert whole == pytest.approx(small + lost, abs=1e-5)


def test_one_thread_and_two_compute_the_same_bits() -> None:
    images = np.random.default_rng(1).random((2, 3, 96, 160), np.float32)
    one, two = (open_stored(BUNDLED, eight_bits=True, threads=n).model for n in (1, 2))
    np.testing.assert_array_equal(one.engine.logits(images), two.engine.logits(images))  # type: ignore[union-attr, operator]


@pytest.fixture(scope="module")
def graph() -> bytes:
    """The bundled network in 8 bits with its weights inside, for the range of two images."""
    return in_8_bits(to_onnx(load_checkpoint(BUNDLED).model, 3), example_images(3))


def test_openvino_computes_the_graph_as_well(graph: bytes) -> None:
    """It keeps sums of two layers in 32 bits, so that roundings differ, by less than from the network in 32 bits.

    A doubling to the size of another array in 8 bits would take its contents: a difference of 3.
    """
    whole = OnnxRuntimeEngine(to_onnx(load_checkpoint(BUNDLED).model, 3))
    for images in example_images(3):
        expected, found, exact = (
            one.logits(images) for one in (OnnxRuntimeEngine(graph), OpenVinoEngine(graph), whole)
        )
        assert np.ptp(expected) > 5
        assert np.abs(found - expected).mean() < np.abs(expected - exact).mean() < 0.3


def test_a_network_of_other_layers_is_refused() -> None:
    with pytest.raises(
        SomaNetError, match=r"cannot be written in 8 bits: expected layers of the kinds .*, found MaxPool"
    ):
        in_8_bits(to_onnx(bright_checkpoint().model, 3), [])


def test_outputs_that_differ_by_more_than_roundings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right, off = OnnxRuntimeEngine.logits, np.float32(0.5 * INT8_TOLERANCE)
    monkeypatch.setattr(OnnxRuntimeEngine, "logits", lambda self, images: right(self, images) + off)
    open_stored(BUNDLED, eight_bits=True)
    off = np.float32(0.2)
    with pytest.raises(SomaNetError, match=r"cannot be used: its outputs differ by 0\.2 on average .*expected 0\.08"):
        open_stored(BUNDLED, eight_bits=True)
    off = np.float32(np.nan)
    with pytest.raises(SomaNetError, match="differ by nan"):
        open_stored(BUNDLED, eight_bits=True)


def test_it_opens_on_the_processor_and_is_not_computed_in_32_bits_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine_of(open_networks(None, engine=EIGHT_BITS, device="auto").segmenter.first.model)["name"] == EIGHT_BITS
    for name in (CONFIG, WEIGHTS, GRAPH_INT8):
        shutil.copyfile(BUNDLED / name, tmp_path / name)
    (tmp_path / GRAPH_INT8).write_bytes((BUNDLED / GRAPH_INT8).read_bytes()[:1000])
    monkeypatch.setattr(network, "BUNDLED", tmp_path)
    with pytest.raises(
        SomaNetError, match=rf"{GRAPH_INT8} cannot be used: .* Use --engine auto; .*install SomaNet again"
    ):
        open_networks(None, engine=EIGHT_BITS)


def test_another_network_or_device_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = save_bright_network(tmp_path / "own")
    with pytest.raises(
        SomaNetError, match=r"own: --engine onnxruntime-int8 computes the bundled .*Use --engine auto\."
    ):
        open_networks([None, own], engine=EIGHT_BITS)
    with pytest.raises(SomaNetError, match="this is another network"):
        with_engine(bright_checkpoint(), EIGHT_BITS)
    for device in ("cuda", "gpu", "mps"):
        with pytest.raises(SomaNetError, match=rf"--device {device}: .* on the processor only\. Use --device cpu"):
            open_networks(None, engine=EIGHT_BITS, device=device)
    missing: Any = lambda name: None  # noqa: E731
    monkeypatch.setattr(network, "find_spec", missing)
    monkeypatch.setattr("somanet.core.extras._found", lambda name: False)
    with pytest.raises(SomaNetError, match=r"--engine onnxruntime-int8 needs onnx and onnxruntime.*somanet\[onnx\]"):
        open_networks(None, engine=EIGHT_BITS)
