"""Networks and images for engines, and how two label images are compared."""

from __future__ import annotations

import numpy as np
import torch

from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network

FAST = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
"""Engine → packages without which its tests are skipped."""


def bright_checkpoint() -> Checkpoint:
    """Classifies every pixel above half of the intensity range as soma."""
    return Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64)


class FixedSize(torch.nn.Module):
    """Reshapes with the size of its example image baked in, as some encoders do."""

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = (int(side) for side in images_NCHW.shape)
        return images_NCHW.reshape(n, channels, height * width).reshape(n, channels, height, width)[:, :1]


class WithoutOnnx(torch.nn.Module):
    """Uses an operation that the exporter does not support."""

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        return torch.asinh(images_NCHW)[:, :1]


def label_iou(expected_YX: np.ndarray, found_YX: np.ndarray) -> float:
    """The least IoU of an expected object with the object that covers most of it; 1 if there is none."""
    ious = [1.0]
    for number in range(1, int(expected_YX.max()) + 1):
        mask = expected_YX == number
        other = int(np.bincount(found_YX[mask]).argmax())
        union = np.sum(mask | (found_YX == other)) if other else np.inf
        ious.append(float(np.sum(mask & (found_YX == other)) / union))
    return min(ious)
