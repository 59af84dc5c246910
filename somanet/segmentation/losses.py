"""What training minimises. Every loss takes logits and targets NCHW and averages over output channels."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy, the paper's loss."""
    return functional.binary_cross_entropy_with_logits(logits, targets)


def make_loss(name: str) -> Loss:
    """A loss by name.

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
