"""Devices: which is found, that labels agree, batches of several threads, too little memory; on a second "device" that
is the processor itself, as machines without a graphics processor have no other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines import device_engine, devices, engine_of, with_engine
from somanet.segmentation.engines.choice import make_engine
from somanet.segmentation.engines.device_engine import DeviceEngine, on_device
from somanet.segmentation.engines.devices import CPU, PROCESSOR, Device, find_device
from somanet.segmentation.inference.at_once import MOST_BESIDE_GRAPHICS, usual_workers
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.segmentation.engines.worlds import FAST, bright_checkpoint
from tests.worlds import TWO_SOMAS, bright_network, draw, photograph

CHIP = "Imaginary 9000"


class Card(Device):
    """A graphics processor whose computing the processor does."""

    @property
    def kind(self) -> str:
        return "imaginary"


SECOND = Card(CPU, CHIP, halves=True)
"""torch calls it `cpu`, everything else takes it for a card."""


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Device:
    """A machine whose `auto` and `cuda` are the imaginary card."""
    found = {CPU: PROCESSOR}
    monkeypatch.setattr("somanet.segmentation.engines.choice.find_device", lambda wanted: found.get(wanted, SECOND))
    return SECOND


class Counting(nn.Module):
    """A network that notes the size of each batch, and lacks memory for more than `most` images."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 1, 3, padding=1)
        self.batches: list[int] = []
        self.most = most

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        found: Tensor = self.convolution(images)
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> Counting:
        """The device's copy tells the same list; the processor has memory enough."""
        copied = Counting(self.most)
        copied.load_state_dict(self.state_dict())
        copied.batches, self.most = self.batches, 100
        return copied


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 3, 64, 96), np.float32)


def test_a_machine_without_cards_computes_on_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == find_device("cpu") == PROCESSOR
    with pytest.raises(SomaNetError, match=r"--device cuda: expected such a device, found no CUDA devices \(torch \d"):
        find_device("cuda")
    with pytest.raises(SomaNetError, match=r"--device mps: .* found no Apple graphics .*--device cpu"):
        find_device("mps")


def test_without_a_driver_nothing_asks_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch, whose loading takes seconds, is asked where a driver is, or a card is named."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: CHIP)
    monkeypatch.setattr(devices, "_has_driver", lambda: False)
    assert find_device("auto") == PROCESSOR
    assert find_device("cuda").chip == CHIP
    monkeypatch.setattr(devices, "_has_driver", lambda: True)
    assert find_device("auto").chip == CHIP


def test_cards_are_counted_from_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"card {number}")
    assert find_device("auto") == find_device("cuda") == find_device("cuda:0") == ("cuda:0", "card 0", True)
    assert find_device("cuda:1").chip == "card 1"
    assert find_device("cpu") == PROCESSOR
    with pytest.raises(SomaNetError, match="--device cuda:2: expected such a device, found 2 CUDA devices"):
        find_device("cuda:2")


@pytest.mark.parametrize("wrong", ["", "gpu0", "cuda:", "cuda:-1", "cuda:1111", "CPU", "cuda; rm -r ~", "cuda\n"])
def test_other_names_are_refused(wrong: str) -> None:
    with pytest.raises(SomaNetError, match=r"Unknown device .*expected auto, cpu, cuda, cuda:N"):
        find_device(wrong)


def test_labels_on_a_card_are_those_of_the_processor(card: Device) -> None:
    image, checkpoint = photograph(draw(TWO_SOMAS)), bright_checkpoint()
    choice = with_engine(checkpoint, device="cuda")
    np.testing.assert_array_equal(Segmenter((choice.checkpoint,)).labels(image), Segmenter((checkpoint,)).labels(image))
    assert engine_of(choice.checkpoint.model) == {
        "name": "torch", "version": torch.__version__, "precision": "float16", "device": CPU, "chip": CHIP,
    }  # fmt: skip
    assert next(checkpoint.model.parameters()).dtype == torch.float32  # the network itself is left alone


def test_32_bits_where_16_do_not_agree() -> None:
    """A factor of 70,000 is infinite in 16 bits, and so are all logits; in 32 bits they are -3 to 4."""

    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor([70_000.0]))

        def forward(self, images: Tensor) -> Tensor:
            return (images[:, :1] - 0.4) * 1e-4 * self.factor

    assert on_device(Large(), 3, SECOND).precision == "float32"
    assert on_device(bright_network(), 3, SECOND).precision == "float16"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda logits: logits + 1, "a probability differs by 0.2"),
        (lambda logits: np.full_like(logits, np.nan), "a probability differs by 1"),
    ],
)
def test_a_card_that_computes_something_else_is_refused(
    wrong: Any, words: str, monkeypatch: pytest.MonkeyPatch, card: Device
) -> None:
    right = DeviceEngine.logits
    monkeypatch.setattr(DeviceEngine, "logits", lambda self, images: wrong(right(self, images)))
    network = nn.Conv2d(3, 1, 1).eval()
    with pytest.raises(SomaNetError, match=f"cpu does not agree with the processor: {words}.*Use --device cpu"):
        on_device(network, 3, SECOND)
    checkpoint = Checkpoint(network, ModelSpec(), "0" * 64)
    choice = with_engine(checkpoint, "torch", device="auto")
    assert [note.partition(":")[0] for note in choice.notes] == ["not segmenting on cpu"]
    assert choice.checkpoint is checkpoint
    with pytest.raises(SomaNetError, match="does not agree"):
        with_engine(checkpoint, "torch", device="cuda")


def test_masks_that_differ_in_few_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All probabilities near 0.5: a small difference moves pixels over the threshold."""
    right = DeviceEngine.logits

    class Undecided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nothing = nn.Parameter(torch.zeros(1))

        def forward(self, images: Tensor) -> Tensor:
            return 0.02 * (images[:, :1] - 0.2) + self.nothing

    monkeypatch.setattr(DeviceEngine, "logits", lambda self, images: right(self, images) - np.float32(0.001))
    with pytest.raises(SomaNetError, match="masks have an IoU of 0"):
        on_device(Undecided(), 3, SECOND)


def test_a_card_that_fails_says_so() -> None:
    class Failing(Counting):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED\nlong explanation")

    engine = DeviceEngine(nn.Conv2d(3, 1, 1), SECOND, half=False)
    engine._model = Failing()
    with pytest.raises(SomaNetError, match=r"cpu failed: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED.* Use --device cpu"):
        engine.logits(images(1))


def test_images_of_several_threads_become_batches() -> None:
    network = Counting()
    engine = DeviceEngine(network, SECOND, half=False)
    shown = [images(1, seed) for seed in range(11)]
    expected = [network.convolution(torch.from_numpy(one)).detach().numpy() for one in shown]
    with engine._busy, ThreadPoolExecutor(11) as pool:
        found = [pool.submit(engine.logits, one) for one in shown]
        while len(engine._waiting) < 11:
            threading.Event().wait(0.001)
        engine._busy.release()  # all wait: now they start
        for theirs, ours in zip(found, expected, strict=True):
            np.testing.assert_allclose(theirs.result(), ours, atol=1e-5)
        engine._busy.acquire()
    assert sorted(network.batches) == [3, 8]
    assert engine._waiting == []


def test_images_of_another_size_are_another_batch() -> None:
    network = Counting()
    engine = DeviceEngine(network, SECOND, half=False)
    shown = [images(1), images(1)[:, :, :32], images(1)]
    with engine._busy, ThreadPoolExecutor(3) as pool:
        found = [pool.submit(engine.logits, one) for one in shown]
        while len(engine._waiting) < 3:
            threading.Event().wait(0.001)
        engine._busy.release()
        assert [one.result().shape for one in found] == [(1, 1, 64, 96), (1, 1, 32, 96), (1, 1, 64, 96)]
        engine._busy.acquire()
    assert sorted(network.batches) == [1, 2]


@pytest.mark.parametrize(
    ("most", "tried", "notes"),
    [
        (100, [7], []),
        (3, [7, 3, 3, 1], ["lacks the memory for 7 images at once; now at most 3"]),
        (0, [7, 3, 1, 1, 1, 3, 1, 1, 1, 1], ["lacks the memory for 7 images", "for 3 images", "for one image, which"]),
    ],
)
def test_too_little_memory_makes_batches_smaller(most: int, tried: list[int], notes: list[str]) -> None:
    network = Counting(most)
    expected = network.convolution(torch.from_numpy(images(7))).detach().numpy()
    engine = DeviceEngine(network, SECOND, half=False)
    np.testing.assert_allclose(engine.logits(images(7)), expected, atol=1e-5)
    on_card = list(network.batches)
    assert len(engine.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, engine.notes, strict=True))
    if most:
        assert on_card == tried
        assert engine._most == (8 if most > 7 else 3)
    else:
        assert engine._most == 1


def test_a_movie_on_a_card_is_the_movie_on_the_processor(card: Device) -> None:
    frames = [photograph(draw(TWO_SOMAS)) for _ in range(5)]
    ours, theirs = (
        Segmenter((with_engine(bright_checkpoint(), "torch", device=device).checkpoint,)) for device in ("cpu", "cuda")
    )
    for one, other in zip(segmented_frames(ours, frames), segmented_frames(theirs, frames), strict=True):
        np.testing.assert_array_equal(one.labels_YX, other.labels_YX)
        np.testing.assert_allclose(one.confidence, other.confidence, atol=0.01)


def test_more_workers_beside_a_card(monkeypatch: pytest.MonkeyPatch, card: Device) -> None:
    monkeypatch.setattr("somanet.segmentation.inference.at_once.available_processors", lambda: 64)
    on_card = Segmenter((with_engine(bright_checkpoint(), device="cuda").checkpoint,))
    assert usual_workers(on_card) == MOST_BESIDE_GRAPHICS
    assert usual_workers() == usual_workers(Segmenter((bright_checkpoint(),))) == 4


def test_engines_refuse_devices_that_they_lack() -> None:
    cuda = Device("cuda:0", CHIP, halves=True)
    for name in FAST:
        for package in FAST[name]:
            pytest.importorskip(package)
    with pytest.raises(SomaNetError, match=r"ONNX Runtime cannot compute on cuda:0: this build has .*CPUExecution"):
        make_engine(bright_checkpoint(), "onnxruntime", device=cuda)
    with pytest.raises(SomaNetError, match=r"OpenVINO cannot compute on cuda:0: it finds CPU"):
        make_engine(bright_checkpoint(), "openvino", device=cuda)
    with pytest.raises(SomaNetError, match=r"OpenVINO cannot compute on gpu: it finds CPU"):
        with_engine(bright_checkpoint(), device="gpu")


def test_params_name_a_device_that_exists() -> None:
    from pydantic import ValidationError

    from somanet.config import SegmentParams

    assert SegmentParams(model="m").device == "auto"
    assert SegmentParams(model="m", device="cuda:1").device == "cuda:1"
    with pytest.raises((SomaNetError, ValidationError), match="Unknown device"):
        SegmentParams(model="m", device="tpu")
    assert devices.AUTO == "auto"
    assert device_engine.LEAST_IOU == 0.99
