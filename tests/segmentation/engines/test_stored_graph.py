"""The bundled network's stored graph: the same numbers as a graph that is made anew, or none at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from somanet.analysis import network
from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.segmentation.engines import engine_of, with_engine
from somanet.segmentation.engines.engine import MULTIPLE
from somanet.segmentation.engines.engine_network import EngineNetwork
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.stored_graph import GRAPH, GRAPH_INT8, open_stored
from somanet.segmentation.export import stored
from somanet.segmentation.export.stored import store_graphs
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import (
    CONFIG,
    WEIGHTS,
    Checkpoint,
    load_checkpoint,
    read_config,
    save_checkpoint,
)
from somanet.segmentation.network.forward import STRIDE
from somanet.simulation import neuron_crops

GRAPHS = {False: GRAPH, True: GRAPH_INT8}


@pytest.fixture(scope="module")
def built() -> Checkpoint:
    """The bundled network, built by torch."""
    return load_checkpoint(BUNDLED)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in (CONFIG, WEIGHTS, GRAPH, GRAPH_INT8):
        shutil.copyfile(BUNDLED / name, tmp_path / name)
    return tmp_path


def engine_in(checkpoint: Checkpoint) -> OnnxRuntimeEngine:
    assert isinstance(checkpoint.model, EngineNetwork)
    assert isinstance(checkpoint.model.engine, OnnxRuntimeEngine)
    return checkpoint.model.engine


def test_labels_and_confidence_are_those_of_a_graph_made_anew(built: Checkpoint) -> None:
    """On simulated crops of 150 × 128 px, whose height is no multiple of 32: equal to the byte."""
    anew, ready = with_engine(built, "onnxruntime").checkpoint, open_stored(BUNDLED)
    n_somas = 0
    for crop in neuron_crops(n_crops=2, size_px=160, seed=5):
        expected, found = (Segmenter((one,)).segment(crop.image[:150, :128]) for one in (anew, ready))
        n_somas += int(expected.labels_YX.max())
        np.testing.assert_array_equal(found.labels_YX, expected.labels_YX)
        np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-6)
    assert n_somas > 2
    assert engine_of(ready.model) == engine_of(anew.model)


def test_a_graph_written_here_computes_the_same_bits(
    built: Checkpoint, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The factors of batch norms can differ in the last bit between processors, so this writes its own."""
    (copied / GRAPH).unlink()
    monkeypatch.setattr(stored, "typical_images", lambda spec: [np.full((1, 3, 64, 96), 0.5, np.float32)])
    store_graphs(copied)
    images = np.random.default_rng(1).random((2, 3, 64, 96), np.float32)
    expected = engine_in(with_engine(built, "onnxruntime").checkpoint).logits(images)
    assert np.ptp(expected) > 1
    np.testing.assert_array_equal(engine_in(open_stored(copied)).logits(images), expected)


def test_everything_but_the_network_is_that_of_the_checkpoint(built: Checkpoint) -> None:
    ready = open_stored(BUNDLED)
    named = ("spec", "sha256", "metadata", "intended_use", "temperature_scaling", "object_confidence")
    assert {name: getattr(ready, name) for name in named} == {name: getattr(built, name) for name in named}
    assert built.temperature_scaling is not None
    assert MULTIPLE == STRIDE


def _other_weights(folder: Path) -> None:
    """A sound checkpoint of the same kind with a weight of another size."""
    other = load_checkpoint(folder)
    other.model.get_parameter("segmentation_head.0.weight").data.mul_(1.5)
    save_checkpoint(folder, other.model, other.spec, {"graphs": read_config(folder)["graphs"]})
    for name in GRAPHS.values():
        shutil.copyfile(BUNDLED / name, folder / name)


def _cut(folder: Path) -> None:
    for name in GRAPHS.values():
        (folder / name).write_bytes((folder / name).read_bytes()[:100_000])


def _damage(folder: Path) -> None:
    """Three hundred bytes in the middle, which outputs alone do not reveal in 8 bits."""
    for name in GRAPHS.values():
        content = bytearray((folder / name).read_bytes())
        middle = len(content) // 2
        content[middle : middle + 300] = bytes(one ^ 0xFF for one in content[middle : middle + 300])
        (folder / name).write_bytes(content)


def _remove(folder: Path) -> None:
    for name in GRAPHS.values():
        (folder / name).unlink()


def _flip(folder: Path) -> None:
    """One bit of one weight, which the configuration's SHA-256 reveals."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize("eight_bits", GRAPHS)
@pytest.mark.parametrize("harm", [_other_weights, _cut, _damage, _flip, _remove])
def test_what_does_not_belong_together_is_not_used(
    harm: Callable[[Path], None], eight_bits: bool, copied: Path
) -> None:
    open_stored(copied, eight_bits=eight_bits)
    harm(copied)
    with pytest.raises(SomaNetError, match=GRAPHS[eight_bits]):
        open_stored(copied, eight_bits=eight_bits)


@pytest.mark.parametrize(("harm", "words"), [(_cut, "cannot be used: "), (_remove, "is missing")])
def test_an_analysis_says_that_the_graph_is_not_used(
    harm: Callable[[Path], object], words: str, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes the same without; where torch is missing too, the file is what has to be restored."""
    monkeypatch.setattr(network, "BUNDLED", copied)
    expected = network.open_networks(None)
    assert expected.notes == ()
    harm(copied)
    found = network.open_networks(None)
    assert [words in note and "built by torch instead" in note for note in found.notes] == [True]
    image = neuron_crops(n_crops=1, size_px=96, seed=5)[0].image[:, :80]
    labels = expected.segmenter.segment(image).labels_YX
    assert labels.any()
    np.testing.assert_array_equal(found.segmenter.segment(image).labels_YX, labels)
    monkeypatch.setattr(network, "find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(SomaNetError, match=f"{words}.*torch, .* is not found here: install SomaNet again"):
        network.open_networks(None)


def test_an_engine_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = OnnxRuntimeEngine.logits
    monkeypatch.setattr(OnnxRuntimeEngine, "logits", lambda self, images: right(self, images) + np.float32(0.01))
    with pytest.raises(SomaNetError, match="does not agree with torch"):
        open_stored(BUNDLED)


def test_a_graph_whose_weights_are_made_otherwise_is_not_stored(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the factors of its batch norms, the bundled network's weights are not those of its graph."""
    before = (copied / GRAPH).read_bytes()
    monkeypatch.setattr(stored, "_factors", lambda model: [])
    with pytest.raises(SomaNetError, match=r"expected each of its arrays to be a weight .*\[32, 3, 3, 3\]"):
        store_graphs(copied)
    assert (copied / GRAPH).read_bytes() == before
