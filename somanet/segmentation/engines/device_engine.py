"""torch on a graphics processor: 16-bit numbers where labels agree, images of several threads in one batch."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

import numpy as np

from somanet.core.errors import SomaNetError, first_line
from somanet.segmentation.engines.devices import Device
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.graph import example_images
from somanet.segmentation.network.probabilities import sigmoid

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_AT_ONCE = 8
"""Images in a batch. Further ones wait for the next."""
LEAST_IOU = 0.99
"""Least IoU of the pixels that an output calls its own (probability 0.5) with those of the processor."""
FARTHEST = 0.05
"""Largest difference of a probability from the processor's."""


class DeviceEngine:
    """A copy of a network on a device.

    Threads that segment an image each prepare their images and label the results on processors while the device
    computes: whoever comes first computes the images of all that wait, of one size, as one batch. If the device's
    memory does not suffice, batches become smaller; if it does not suffice for one image, that image is computed on the
    processor. A note says so, once.

    Args:
        model: the network, which stays where it is.
        device: from :func:`somanet.segmentation.engines.devices.find_device`.
        half: whether to compute with 16-bit numbers.
    """

    name = "torch"

    def __init__(self, model: nn.Module, device: Device, *, half: bool) -> None:
        import torch

        self.version = str(torch.__version__)
        self.device = device
        self.notes: list[str] = []
        self._number = torch.float16 if half else torch.float32
        self._on_cpu = EagerEngine(model)
        self._model = copy.deepcopy(model).eval().to(device.name, self._number, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = EagerEngine(self._model).precision
        self._most = MOST_AT_ONCE
        self._busy, self._waiting_lock = threading.Lock(), threading.Lock()
        self._waiting: list[_Request] = []

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.segmentation.engines.engine.Engine.logits`."""
        request = _Request(images_NCHW)
        with self._waiting_lock:
            self._waiting.append(request)
        with self._busy:
            if request.logits is None:  # else someone who came earlier computed it
                self._compute(self._next_batch(request))
        assert request.logits is not None
        return request.logits

    def _next_batch(self, first: _Request) -> list[_Request]:
        """A request and others of its size, no longer waiting."""
        with self._waiting_lock:
            others = [one for one in self._waiting if one is not first and one.shape == first.shape]
            batch = [first]
            for one in others:
                if sum(len(each.images) for each in batch) + len(one.images) <= self._most:
                    batch.append(one)
            self._waiting = [one for one in self._waiting if one not in batch]
        return batch

    def _compute(self, batch: list[_Request]) -> None:
        logits = self._run(np.concatenate([one.images for one in batch]))
        for one in batch:
            one.logits, logits = logits[: len(one.images)], logits[len(one.images) :]

    def _run(self, images_NCHW: Float32) -> Float32:
        import torch

        try:
            return self._on_device(torch.from_numpy(images_NCHW))
        except torch.OutOfMemoryError:
            pass  # goes on outside of the handler, which holds the failed run's memory
        except RuntimeError as error:
            raise SomaNetError(f"{self.device.name} failed: {first_line(error)} Use --device cpu.") from error
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
        n = len(images_NCHW)
        if n == 1:
            self._note(f"{self.device.name} lacks the memory for one image, which is segmented on the processor")
            return self._on_cpu.logits(images_NCHW)
        self._most = most = max(1, n // 2)
        self._note(f"{self.device.name} lacks the memory for {n} images at once; now at most {most}")
        return np.concatenate([self._run(images_NCHW[start : start + most]) for start in range(0, n, most)])

    def _on_device(self, images: Tensor) -> Float32:
        import torch

        with torch.inference_mode():
            batch = images.to(self.device.name, self._number, memory_format=torch.channels_last)
            logits: Float32 = self._model(batch).float().cpu().numpy()
        return logits

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)


class _Request:
    """Images of one thread, and their logits once there are any."""

    def __init__(self, images_NCHW: Float32) -> None:
        self.images = images_NCHW
        self.shape = images_NCHW.shape[1:]
        self.logits: Float32 | None = None


def on_device(model: nn.Module, channels: int, device: Device) -> DeviceEngine:
    """A network on a device, with 16-bit numbers if they are faster there and outputs agree with the processor's.

    Args:
        model: the network.
        channels: channels of its images.
        device: from :func:`somanet.segmentation.engines.devices.find_device`.

    Raises:
        SomaNetError: even with 32-bit numbers the outputs do not agree, or the device fails.
    """
    for half in (True, False) if device.halves else (False,):
        engine = DeviceEngine(model, device, half=half)
        problem = _disagreement(engine, model, channels)
        if problem is None:
            return engine
    raise SomaNetError(f"{device.name} does not agree with the processor: {problem}. Use --device cpu.")


def _disagreement(engine: DeviceEngine, model: nn.Module, channels: int) -> str | None:
    """How a device's outputs differ from the processor's; None if labels are the same with both."""
    reference = EagerEngine(model)
    for images in example_images(channels):
        try:
            expected, found = (sigmoid(one.logits(images)) for one in (reference, engine))
        except SomaNetError as error:
            return str(error)
        farthest = float(np.nan_to_num(np.abs(found - expected), nan=1.0).max())
        if farthest > FARTHEST:
            return f"a probability differs by {farthest:.2g}, expected at most {FARTHEST:g}"
        ours, theirs = expected >= 0.5, found >= 0.5
        either = np.sum(ours | theirs)
        iou = 1.0 if not either else float(np.sum(ours & theirs) / either)
        if iou < LEAST_IOU:
            return f"masks have an IoU of {iou:.3f}, expected at least {LEAST_IOU:g}"
    return None
