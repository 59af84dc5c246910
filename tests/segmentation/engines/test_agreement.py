"""Every engine gives torch's outputs: the same logits, the same somas, however it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.io.movies import open_movie
from somanet.segmentation.engines import with_engine
from somanet.segmentation.engines.choice import make_engine
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.graph import TOLERANCE, check_agreement, to_onnx
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.unet import PaperUNet
from somanet.simulation import neuron_crops
from tests.segmentation.engines.worlds import FAST, FixedSize, WithoutOnnx, bright_checkpoint, label_iou
from tests.worlds import TWO_SOMAS, draw, photograph


@pytest.fixture(scope="module", params=list(FAST))
def engine(request: pytest.FixtureRequest) -> str:
    """Each of the faster engines that are installed."""
    for package in FAST[request.param]:
        pytest.importorskip(package)
    return str(request.param)


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_checkpoint(BUNDLED)


def lively_unet() -> Checkpoint:
    """A paper U-Net with random weights whose logits are some units apart."""
    torch.manual_seed(0)
    network = PaperUNet().eval()
    with torch.no_grad():
        network.head.weight.mul_(1000)
    return Checkpoint(network, ModelSpec(), "0" * 64)


def test_logits_agree_on_sizes_and_batches_never_seen(engine: str, bundled: Checkpoint) -> None:
    for checkpoint in (bundled, lively_unet()):
        asked = make_engine(checkpoint, engine)
        for shape in ((1, 3, 96, 128), (3, 3, 32, 64)):
            images = np.random.default_rng(1).random(shape, dtype=np.float32)
            expected = EagerEngine(checkpoint.model).logits(images)
            assert np.ptp(expected) > 1
            np.testing.assert_allclose(asked.logits(images), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_simulated_somas_are_torchs(engine: str, bundled: Checkpoint) -> None:
    choice = with_engine(bundled, engine)
    n_somas = 0
    for crop in neuron_crops(n_crops=3, size_px=160, seed=5):
        image = crop.image[:, :128]  # height and width differ, and one is no multiple of 32
        expected = Segmenter.of(bundled.model, bundled.spec).labels(image[:150])
        found = Segmenter.of(choice.checkpoint.model, bundled.spec).labels(image[:150])
        n_somas += int(expected.max())
        assert found.max() == expected.max()
        assert label_iou(expected, found) >= 0.99
    assert n_somas > 3


def test_the_papers_network_finds_the_same_somas(engine: str) -> None:
    checkpoint = bright_checkpoint()
    labels = draw(TWO_SOMAS)
    choice = with_engine(checkpoint, engine)
    np.testing.assert_array_equal(Segmenter.of(choice.checkpoint.model, ModelSpec()).labels(photograph(labels)), labels)


def movie_labels(checkpoint: Checkpoint, frames: list[np.ndarray], *, workers: int | None = None) -> list[np.ndarray]:
    return [one.labels_YX for one in segmented_frames(Segmenter((checkpoint,)), frames, workers=workers)]


@pytest.mark.real
def test_somas_of_a_real_movie_are_torchs(engine: str, bundled: Checkpoint, data_root: Path) -> None:
    with open_movie(data_root / "neuritetracker" / "cell_body.tif") as movie:
        frames = [movie[t] for t in (0, 31, 63)]
    expected = movie_labels(bundled, frames)
    found = movie_labels(with_engine(bundled, engine, at_once=2).checkpoint, frames)
    for one, other in zip(expected, found, strict=True):
        assert one.max() == other.max() > 10
        assert label_iou(one, other) >= 0.99


def test_frames_at_once_and_one_by_one_are_the_same_bytes(engine: str, bundled: Checkpoint) -> None:
    frames = [crop.image for crop in neuron_crops(n_crops=3, size_px=96, seed=3)] * 2
    one = movie_labels(with_engine(bundled, engine, at_once=1).checkpoint, frames, workers=1)
    many = movie_labels(with_engine(bundled, engine, at_once=2).checkpoint, frames, workers=3)
    np.testing.assert_array_equal(one, many)


def test_many_threads_may_predict_at_once(engine: str) -> None:
    asked = make_engine(lively_unet(), engine, at_once=2)
    batches = [np.random.default_rng(n).random((1, 3, 32 * (1 + n % 3), 64), dtype=np.float32) for n in range(12)]
    expected = [asked.logits(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(asked.logits, batches), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_engine_computes_the_bundled_network_in_float32(engine: str, bundled: Checkpoint) -> None:
    assert EagerEngine(bundled.model).precision == make_engine(bundled, engine).precision == "float32"


def test_another_precision_is_told() -> None:
    """The data types are those of the actual weights, not of the expected ones."""
    whole = torch.nn.Conv2d(3, 1, 1)
    assert EagerEngine(whole).precision == "float32"
    assert EagerEngine(torch.nn.Sequential(whole, torch.nn.Conv2d(1, 2, 1).half())).precision == "float16+float32"


# The checks can fail


def test_labels_that_differ_are_told_apart() -> None:
    labels = draw(TWO_SOMAS)
    assert label_iou(labels, labels) == 1
    assert label_iou(labels, np.where(labels == 2, 0, labels)) == 0
    assert label_iou(labels, np.roll(labels, 1, axis=1)) < 0.93  # one of 16 columns leaves, another comes: 15/17


def test_another_output_is_no_agreement() -> None:
    model = bright_checkpoint().model
    right: Callable[[np.ndarray], np.ndarray] = EagerEngine(model).logits
    assert check_agreement(right, model, 3, "it") < TOLERANCE
    with pytest.raises(SomaNetError, match=r"it does not agree with torch for 2 images of 128 × 160 px: .*found 0\.01"):
        check_agreement(lambda images: right(images) + np.float32(0.01), model, 3, "it")
    with pytest.raises(SomaNetError, match="found nan"):
        check_agreement(lambda images: right(images) * np.float32("nan"), model, 3, "it")
    with pytest.raises(SomaNetError, match=r"expected \(2, 1, 128, 160\), found \(2, 1, 32, 160\)"):
        check_agreement(lambda images: right(images)[:, :, :32], model, 3, "it")


def test_a_network_that_keeps_its_example_size_is_refused(engine: str) -> None:
    checkpoint = Checkpoint(FixedSize().eval(), ModelSpec(), "0" * 64)
    with pytest.raises(SomaNetError, match=r"for 1 image of 192 × 128 px.*has a fixed image size built in"):
        with_engine(checkpoint, engine)


def test_a_network_without_an_onnx_form_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(SomaNetError, match=r"cannot be written as ONNX \(opset 17\): .*asinh.*--engine torch"):
        to_onnx(WithoutOnnx(), 3)
    os.write(1, b"still heard")
    assert capfd.readouterr().out == "still heard"  # the exporter would print its graph
