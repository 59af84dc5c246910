"""The students: what each is, and with which weights it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.distillation.pruning import narrow_like, narrowed
from somanet.core.files import atomic_path, make_folder
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Student:
    """A cheaper network.

    Attributes:
        title: for tables.
        learning_rate: the largest; what starts trained needs less.
        decoder_channels: widths of its decoder's levels, deepest first.
        encoder: another encoder than the teacher's, with random weights; None = the teacher's, narrowed.
        encoder_share: share of the expanded channels that the teacher's encoder keeps.
    """

    title: str
    learning_rate: float
    decoder_channels: tuple[int, ...]
    encoder: str | None = None
    encoder_share: float = 1.0

    def spec(self, teacher: ModelSpec) -> ModelSpec:
        """How its images are prepared and its outputs read; what a checkpoint cannot say is `encoder_share`."""
        changes = {"decoder_channels": self.decoder_channels, "encoder_weights": None}
        return teacher.model_copy(update=changes | ({"encoder": self.encoder} if self.encoder else {}))

    def starting(self, teacher: Checkpoint, examples_NCHW: Tensor, *, seed: int) -> nn.Module:
        """The network with the weights that it begins with.

        Args:
            teacher: the trained network.
            examples_NCHW: inputs for the choice of channels.
            seed: of random weights.
        """
        torch.manual_seed(seed)
        if self.encoder is not None:
            return build_model(self.spec(teacher.spec))
        return narrowed(teacher.model, examples_NCHW, **self._widths)

    def load(self, teacher: Checkpoint, folder: Path) -> nn.Module:
        """The trained network from a folder of :func:`save`."""
        from safetensors.torch import load_file

        other = self.encoder is not None
        model = build_model(self.spec(teacher.spec)) if other else narrow_like(teacher.model, **self._widths)
        model.load_state_dict(load_file(folder / WEIGHTS))
        return model.eval()

    @property
    def _widths(self) -> dict[str, float | Sequence[int]]:
        return {"encoder_share": self.encoder_share, "decoder_channels": self.decoder_channels}


STUDENTS = {
    "slim": Student("the same, half the expanded channels and a narrow decoder", 1e-3, (48, 32, 32, 16), None, 0.5),
    "narrow": Student("the same encoder, narrow decoder", 1e-3, (48, 32, 32, 16)),
    "mobilenet": Student("mobilenetv3 small", 2.5e-3, (96, 48, 32, 16), "tu-mobilenetv3_small_100"),
}


def save(model: nn.Module, folder: Path) -> None:
    """Write a network's weights."""
    from safetensors.torch import save_file

    with atomic_path(make_folder(folder) / WEIGHTS) as temporary:
        save_file({name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}, temporary)
