"""Scores during training: on whole validation images, and on the training patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.forward import predict_logits
from somanet.segmentation.network.inputs import make_targets, to_input
from somanet.segmentation.network.probabilities import foreground, sigmoid
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.losses import Loss


class ObjectScores(Protocol):
    """Scores of the objects in validation images, for the record: no weight depends on them."""

    def add(self, item: LabelledImage, probabilities_CYX: NDArray[np.float32]) -> None:
        """Score one image."""

    def scores(self) -> Mapping[str, float]:
        """`iou`, `precision` and `accuracy` of all images so far; NaN where undefined."""


def validate(
    model: nn.Module,
    spec: ModelSpec,
    items: Sequence[LabelledImage],
    loss_function: Loss,
    *,
    objects: ObjectScores | None = None,
) -> tuple[float, float]:
    """Mean loss and mean foreground IoU over whole images (both empty counts 1); ``objects`` gets the outputs too.

    Ignored pixels count in neither, if the loss function is one that ignores (``make_loss(…, ignoring=True)``).
    """
    losses, ious = [], []
    for item in items:
        logits_CYX = predict_logits(model, to_input(item.image, spec))
        targets_CYX = make_targets(item.labels, spec.outputs, item.ignored)
        losses.append(float(loss_function(torch.from_numpy(logits_CYX)[None], torch.from_numpy(targets_CYX)[None])))
        predicted = foreground(sigmoid(logits_CYX[0]), spec.instances)
        ground_truth = item.labels > 0
        if item.ignored is not None:
            predicted, ground_truth = predicted & ~item.ignored, ground_truth & ~item.ignored
        union = np.count_nonzero(predicted | ground_truth)
        ious.append(np.count_nonzero(predicted & ground_truth) / union if union else 1.0)
        if objects is not None:
            objects.add(item, sigmoid(logits_CYX))
    return float(np.mean(losses)), float(np.mean(ious))


def batch_iou(logits_NCHW: Tensor, targets_NCHW: Tensor, spec: ModelSpec) -> Tensor:
    """Mean foreground IoU of a training batch's patches, with augmentation: one number, still on their device.

    Ignored pixels, whose targets are negative, are left out.
    """
    predicted = (torch.sigmoid(logits_NCHW[:, 0].float()) >= spec.instances.threshold) & (targets_NCHW[:, 0] >= 0)
    ground_truth = targets_NCHW[:, 0] > 0.5
    union = (predicted | ground_truth).flatten(1).sum(1)
    overlap = (predicted & ground_truth).flatten(1).sum(1)
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0).mean()
