"""A network as an ONNX graph, and the check that running the graph gives the network's own outputs."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError, first_line
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.padding import pad_in_convolution

if TYPE_CHECKING:
    from torch import nn

OPSET = 17
"""Old enough for programs of 2022 and later, new enough for the operations of the networks."""
INPUT, OUTPUT = "images", "logits"
TOLERANCE = 1e-4
"""Largest difference of a logit, absolute and relative, between the network and its graph."""
CHECKED_SHAPES = ((2, 128, 160), (1, 192, 128))
"""Batch, height, width: a graph with a size of its example baked in as a constant fails one of them."""


def to_onnx(model: nn.Module, channels: int, *, output: str = OUTPUT) -> bytes:
    """The network as an ONNX model with free batch, height and width, of as few operations as give the same outputs.

    Args:
        model: images NCHW to an output NCHW of the same height and width.
        channels: channels of the images.
        output: name of the output.

    Raises:
        SomaNetError: the network has an operation that ONNX lacks.
    """
    return pad_in_convolution(traced(model, channels, output=output))


def traced(model: nn.Module, channels: int, *, output: str = OUTPUT) -> bytes:
    """The graph as torch's exporter writes it; arguments and errors as for :func:`to_onnx`.

    It is traced: torch's newer exporter solves for the sizes symbolically, which took minutes for a U-Net.
    """
    import torch

    batch, height, width = CHECKED_SHAPES[0]
    free = {0: "batch", 2: "height", 3: "width"}
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), _silence():
        # about the exporter's age, and about values that become constants: the check on two sizes would reveal those
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                model.eval(),
                (torch.zeros(batch, channels, height, width),),
                buffer,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[output],
                dynamic_axes={INPUT: free, output: free},
            )
        except Exception as error:  # the exporter passes on whatever an operation's export rule raises
            raise SomaNetError(
                f"This network cannot be written as ONNX (opset {OPSET}): {first_line(error)} It runs with torch "
                "(--engine torch); another encoder may be exportable."
            ) from error
    content: bytes = buffer.getvalue()
    return content


@contextmanager
def _silence() -> Iterator[None]:
    """Silence stdout, even of compiled code: the exporter prints the whole graph when it fails."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def check_agreement(run: Callable[[Float32], Float32], model: nn.Module, channels: int, who: str) -> float:
    """The largest difference between the outputs of a graph and of the network, on images of two sizes.

    Args:
        run: runs the graph.
        model: the network, run in torch.
        channels: channels of the images.
        who: the graph's name in error messages.

    Raises:
        SomaNetError: it exceeds :data:`TOLERANCE`, or the graph does not accept images of another size.
    """
    reference = EagerEngine(model)
    largest = 0.0
    for images in example_images(channels):
        expected = reference.logits(images)
        try:
            found = run(images)
        except Exception as error:  # each runtime has its own
            raise SomaNetError(
                f"{who} fails for {_size(images)}: {first_line(error)} The network has a fixed image size built in "
                "and cannot be exported; it runs with torch (--engine torch)."
            ) from error
        if found.shape != expected.shape:
            raise SomaNetError(
                f"{who} returns the wrong size for {_size(images)}: expected {expected.shape}, found {found.shape}. "
                "The network has a fixed image size built in and cannot be exported; it runs with torch "
                "(--engine torch)."
            )
        if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
            off = np.abs(found - expected).max()
            raise SomaNetError(
                f"{who} does not agree with torch for {_size(images)}: expected a difference of at most {TOLERANCE:g}, "
                f"found {off:.2g}. The network cannot be exported faithfully; it runs with torch (--engine torch)."
            )
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest


def example_images(channels: int) -> Iterator[Float32]:
    """Batches NCHW of :data:`CHECKED_SHAPES`: bright squares on a dark, noisy background, about 0 to 1."""
    rng = np.random.default_rng(0)
    for batch, height, width in CHECKED_SHAPES:
        images = rng.normal(0.2, 0.03, (batch, channels, height, width))
        images[:, :, 16:40, 24:44] += 0.5
        images[:, :, 44:60, 60:80] += 0.7
        yield np.clip(images, 0, 1).astype(np.float32)


def _size(images_NCHW: Float32) -> str:
    n, _, height, width = images_NCHW.shape
    return f"{counted(n, 'image')} of {height} × {width} px"
