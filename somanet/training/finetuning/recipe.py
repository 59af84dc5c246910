"""The settings for fine-tuning the bundled network on some crops of a lab's own."""

from __future__ import annotations

from typing import Any

from somanet.training.settings import FinetuneParams

OWN_CROPS: dict[str, Any] = {
    "start": "bundled",
    "weights": "pretrained",
    "training": {
        "epochs": 10,
        "samples_per_epoch": 40,
        "batch_size": 4,
        "size_px": 256,
        "loss": "bce+dice",
        "optimizer": "adamw",
        "learning_rate": 3e-4,
        "schedule": "cosine",
        "warmup_fraction": 0.1,
        "gradient_clip": 1.0,
        "augment": {"mode": "online", "independent": True, "brighter_elsewhere": 3.0},
    },
}
"""As the bundled network was fine-tuned (`somanet/model/recipe.yaml`), with a third of its learning rate and for 400
patches, which two cores train on in one to two minutes: all blocks, since its three outputs share them."""


def own_crops() -> FinetuneParams:
    """The same as settings."""
    return FinetuneParams.model_validate(OWN_CROPS)
