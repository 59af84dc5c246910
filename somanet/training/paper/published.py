"""The paper's results (Schaepe & Agrawal 2019), on its own images: 32 training and 5 validation crops.

Training loss is the final binary cross entropy; IoU is foreground IoU. None = not reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperResult:
    """One result of the paper.

    Attributes:
        what: description, in the paper's words.
        epochs: number of epochs trained.
        loss: final training loss.
        train_iou, val_iou: on its training and validation images.
    """

    what: str
    epochs: int | None = None
    loss: float | None = None
    train_iou: float | None = None
    val_iou: float | None = None


PAPER: Mapping[str, PaperResult] = {
    "baseline": PaperResult("trained on nuclei, untouched", 160, None, 0.10, 0.07),
    "one image": PaperResult("last 3 layers on one image, lr 1e-4", 150, 0.005, 0.6),
    "no augmentation": PaperResult("last 3 layers on 32 crops, lr 1e-4", 100, 0.04),
    "augmentation": PaperResult("the same on 96: mirrored and elastic copies", None, 0.016),
    "run 1": PaperResult("lr 1e-3, batch 8, decay 1e-4", 50, 0.016, 0.39, 0.50),
    "run 2": PaperResult("lr 1e-2", 50, 0.017, 0.17, 0.25),
    "run 3": PaperResult("lr 1e-4", 50, 0.018, 0.25, 0.34),
    "run 4": PaperResult("batch 16", 50, 0.027, 0.22, 0.32),
    "run 5": PaperResult("batch 32", 50, 0.028, 0.24, 0.37),
    "run 6": PaperResult("decay 1e-3", 50, 0.028, 0.22, 0.34),
    "run 7": PaperResult("decay 1e-5", 50, 0.027, 0.25, 0.34),
}
"""Section 4 and the table of the paper's hyperparameter search."""

LOSS_FIGURES: Mapping[str, tuple[str, ...]] = {
    "learning_rate": ("run 2", "run 1", "run 3"),
    "batch_size": ("run 1", "run 4", "run 5"),
    "weight_decay": ("run 6", "run 1", "run 7"),
    "final": ("run 1",),
}
"""The paper's four figures of training losses, and the runs that each compares."""
