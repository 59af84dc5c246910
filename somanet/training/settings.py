"""The trainings of a parameter file: a network on nuclei, and named variants of its retraining on neurons."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from somanet.core.settings import PositiveInt, Settings
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from somanet.training.loop.settings import TrainSettings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Names of networks and variants: they become parts of commands and paths, so they are kept plain."""


class PretrainParams(Settings):
    """A network and its training on nuclei."""

    model: ModelSpec
    training: TrainSettings


class FinetuneParams(Settings):
    """A named variant: a pretrained network and its retraining on neurons."""

    start: Name
    """Which network of the `pretrain` section."""
    weights: Literal["pretrained", "initial", "random"]
    """`initial`: as that network's own training began (an ImageNet encoder, say); `random`: from scratch."""
    input: Literal["rgb", "contrasts", "background"] | None = None
    """How images enter this variant's network; none = as its start's."""
    instances: InstanceSettings | None = None
    """How this variant's probabilities become labels; none = as its network's."""
    images: PositiveInt | None = None
    """Train on so many of the images only; none = on all."""
    images_drawn: Literal["first", "by_seed"] = "first"
    """`by_seed`: each seed draws its own, nested: those of `images: 2` are among those of `images: 4`."""
    training: TrainSettings

    def adapt(self, spec: ModelSpec) -> ModelSpec:
        """The start's spec with what this variant changes."""
        changes = {"input": self.input, "instances": self.instances}
        return spec.model_copy(update={name: value for name, value in changes.items() if value is not None})
