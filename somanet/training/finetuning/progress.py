"""How far a fine-tuning is, and its end on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from somanet.core.errors import SomaNetError


@dataclass(frozen=True)
class Progress:
    """How far a fine-tuning is.

    Attributes:
        step: `training` counts epochs; `comparing` held-out crops, once for each network.
        done, total: of these.
        text: for the user, such as `epoch 3 of 10: validation IoU 0.812`.
    """

    step: Literal["training", "comparing"]
    done: int
    total: int
    text: str


class Cancelled(SomaNetError):
    """The fine-tuning was cancelled; nothing was written, and the same call goes on after the last whole epoch."""

    def __init__(self) -> None:
        super().__init__("Fine-tuning was cancelled; nothing was written. The same call resumes it.")
