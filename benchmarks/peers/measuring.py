"""Seconds, memory and operations. It runs in every contender's environment, so only numpy is imported here."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

PRODUCT_SIDE = 2048


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def peak_memory_mb() -> float:
    """Peak memory of this process.

    Not from `getrusage` on Linux, where it includes the parent's memory at the time it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        return float(lines["VmHWM"].split()[0]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def matrix_product_gflops(threads: int, *, repeats: int = 5) -> float:
    """Float32 operations per second of torch's matrix product, the best of several: the machine's peak."""
    import torch

    torch.set_num_threads(threads)
    a = torch.rand(PRODUCT_SIDE, PRODUCT_SIDE)
    a @ a
    best = min(rate_seconds(timed(lambda: a @ a), threads) for _ in range(repeats))
    return 2 * PRODUCT_SIDE**3 / best / 1e9


def rate_seconds(wall_and_processor: Sequence[float], threads: int) -> float:
    """The time base of a rate: processor seconds for one thread, which other load does not lengthen; else seconds."""
    wall, processor = wall_and_processor
    return processor if threads == 1 else wall


def conv_flops(kernel_shape: Sequence[int], output_shape: Sequence[int]) -> int:
    """Operations of a convolution without its bias; a multiplication and an addition are two.

    Args:
        kernel_shape: height, width, input channels, output channels.
        output_shape: batch, height, width, output channels.
    """
    return 2 * prod(kernel_shape[:3]) * prod(output_shape)


def torch_flops(network: nn.Module, shape_NCHW: Sequence[int]) -> int:
    """Operations of a network's convolutions and matrix products for a batch; without computing anything."""
    import copy

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    ghost = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(torch.empty(*shape_NCHW, device="meta"))
    return int(counter.get_total_flops())


def _label_one(label: Callable[[np.ndarray], Any], image: np.ndarray, predictions: list[Any]) -> None:
    predictions.append(label(image))


def label_all(
    label: Callable[[np.ndarray], Any], images: Sequence[np.ndarray], *, limit_s: float, keep: bool
) -> tuple[dict[str, float], list[Any]]:
    """Put images through a contender one by one until the time is up, at least one of them.

    Returns:
        Images, pixels, seconds and processor seconds; and the outputs, if they are kept.
    """
    predictions: list[Any] = []
    wall = processor = 0.0
    pixels = count = 0
    for image in images:
        latest: list[Any] = []
        seconds, processor_s = timed(partial(_label_one, label, image, latest))
        predictions += latest if keep else []
        wall, processor = wall + seconds, processor + processor_s
        count, pixels = count + 1, pixels + image.shape[0] * image.shape[1]
        if wall > limit_s:
            break
    return {"images": count, "pixels": pixels, "seconds": wall, "processor_s": processor}, predictions
