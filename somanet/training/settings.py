"""The trainings in a parameter file: pretraining on nuclei, and named variants of fine-tuning on neurons."""

from __future__ import annotations

from typing import Literal

from somanet.core.names import Name
from somanet.core.settings import PositiveInt, Settings
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from somanet.training.loop.settings import TrainSettings


class PretrainParams(Settings):
    """A network and its pretraining on nuclei."""

    model: ModelSpec
    training: TrainSettings


class FinetuneParams(Settings):
    """A named variant: a pretrained network and its fine-tuning on neurons."""

    start: Name
    """Name of the network in the `pretrain` section."""
    weights: Literal["pretrained", "initial", "random"]
    """`initial`: those that network's own training started from (an ImageNet encoder, say); `random`: from scratch."""
    input: Literal["rgb", "contrasts", "background"] | None = None
    """How images enter this variant's network; none = as in its start."""
    evaluation: Literal["running statistics", "batch statistics"] | None = None
    """Statistics by which this variant's batch norms normalise outside of its training; none = as in its start."""
    instances: InstanceSettings | None = None
    """How this variant's probabilities become labels; none = as in its start, but for a refinement of outlines, which
    suits the labels that it was chosen on (`somanet calibrate --refine`)."""
    images: PositiveInt | None = None
    """Number of images to train on; none = all."""
    images_drawn: Literal["first", "by_seed"] = "first"
    """`by_seed`: each seed draws its own; draws are nested: those of `images: 2` are among those of `images: 4`."""
    training: TrainSettings

    def adapt(self, spec: ModelSpec) -> ModelSpec:
        """The start's spec with this variant's changes."""
        instances = self.instances or spec.instances.model_copy(update={"refine": None})
        changes = {"input": self.input, "evaluation": self.evaluation}
        given = {name: value for name, value in changes.items() if value is not None}
        return spec.model_copy(update={"instances": instances, **given})
