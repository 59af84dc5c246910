"""Losses. Each takes logits and targets NCHW and averages over output channels.

Where a target is :data:`somanet.segmentation.network.inputs.IGNORED`, a pixel is neither soma nor background. A loss
made with ``ignoring`` is that of the other pixels alone, so that no gradient comes from these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from somanet.segmentation.network.inputs import IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]

DISTANCE_WEIGHT = 2.0  # brings the distance map's loss to the size of the others'


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy, the paper's loss."""
    return functional.binary_cross_entropy_with_logits(logits, targets)


def distance_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 of the distance map, from 0 at an object's rim to 1 at its centre; small errors count squared."""
    return DISTANCE_WEIGHT * functional.smooth_l1_loss(torch.sigmoid(logits), targets, beta=0.1)


def make_loss(name: str, outputs: Sequence[str] = ("soma",), *, ignoring: bool = False) -> Loss:
    """A loss by name, for a network's outputs.

    Probability outputs use the named loss, a distance map :func:`distance_loss`; the two
    are added.

    Args:
        name: of the loss of probability maps, see :func:`_area_loss`.
        outputs: of the network.
        ignoring: whether pixels may be ignored; choosing the others costs a GPU a pause in each step.
    """
    loss = _loss_of_outputs(name, outputs)
    return _of_counted(loss) if ignoring else loss


def _of_counted(loss: Loss) -> Loss:
    """A loss of the pixels that are not ignored; 0 if all are."""

    def of_counted(logits: Tensor, targets: Tensor) -> Tensor:
        counted_NHW = targets[:, 0] != IGNORED  # the same in every output
        if not counted_NHW.any():
            return 0 * logits.sum()
        logits_1CP, targets_1CP = (maps.movedim(1, -1)[counted_NHW].T[None] for maps in (logits, targets))
        return loss(logits_1CP, targets_1CP)

    return of_counted


def _loss_of_outputs(name: str, outputs: Sequence[str]) -> Loss:
    areas = [number for number, output in enumerate(outputs) if output != "distance"]
    compare = _area_loss(name)
    if len(areas) == len(outputs):
        return compare
    distance = [number for number, output in enumerate(outputs) if output == "distance"]
    return lambda logits, targets: (
        compare(logits[:, areas], targets[:, areas]) + distance_loss(logits[:, distance], targets[:, distance])
    )


def _area_loss(name: str) -> Loss:
    """A loss for probability maps, by name.

    `bce`; `bce+dice`: the sum with the soft Dice loss, which weighs objects and background alike (Milletari 2016);
    `focal`: cross entropy with easy pixels down-weighted, gamma 2, alpha 0.25 (Lin 2017); `tversky`: Dice with false
    negatives (0.7) weighing more than false positives (0.3), against masks that come out too small (Salehi 2017).
    """
    from segmentation_models_pytorch import losses

    if name == "bce":
        return bce
    if name == "bce+dice":
        dice = losses.DiceLoss("multilabel", from_logits=True)
        return lambda logits, targets: bce(logits, targets) + dice(logits, targets)
    if name == "focal":
        focal: Loss = losses.FocalLoss("multilabel", alpha=0.25, gamma=2.0)
        return focal
    if name == "tversky":
        tversky: Loss = losses.TverskyLoss("multilabel", from_logits=True, alpha=0.3, beta=0.7)
        return tversky
    raise ValueError(f"unknown loss {name!r}")
