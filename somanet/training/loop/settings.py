"""The settings of a training: optimisation, augmentation, images, and length."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from somanet.core.settings import Fraction, PositiveFloat, PositiveInt, Settings

Zoom = Annotated[float, Field(ge=0.05, le=20)]
Share = Annotated[float, Field(gt=0, le=1)]
Batch = Annotated[int, Field(gt=0, le=65_536)]


class AugmentSettings(Settings):
    """Random changes to a training image and its labels. Probabilities are per sample."""

    mode: Literal["none", "paper", "authors", "online"] = "none"
    """`paper`: originals + mirrored + elastic, fixed before training (x3). `online`: drawn anew every epoch.
    `authors`: the three of `paper` as the authors' code makes them, each three times in an epoch: elastic copies with
    empty masks, whose pixels hardly move, and a mirror of every axis; for measuring what that changes."""
    independent: bool = False
    """For mode `online`: apply each change independently of the others. Without it all start from the same random
    numbers, so that a rare one acts only where every commoner one does: less variety, kept for existing trainings."""
    elastic_probability: Fraction = 0.3
    elastic_alpha: Annotated[float, Field(gt=0, le=10_000)] = 34.0
    elastic_sigma: Annotated[float, Field(gt=0, le=1000)] = 4.0
    scale_range: tuple[Zoom, Zoom] = (0.8, 1.25)
    """Zoom factors, drawn log-uniformly enough for a narrow range."""
    intensity_probability: Fraction = 0.7
    """Brightness, contrast and gamma."""
    noise_probability: Fraction = 0.3
    blur_probability: Fraction = 0.2
    mirror: Literal["horizontal", "every-axis"] = "horizontal"
    """For mode `paper`. `every-axis`, as in the authors' code: upside down, left to right, and the colours reversed."""
    recolour_probability: Fraction = 0.0
    """Grey to single colour: for `rgb` inputs from microscopes with and without pseudo-colour."""
    brighter_elsewhere: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """For training images that are crops: the whole image's brightest pixels may be up to this many times as far above
    the crop's darkest as the crop's own are, and its darkest a tenth of the crop's range below them. Without it, a dim
    soma is only ever scaled by its crop's neighbours, never by the frame's brightest. Not for input `rgb`."""

    fade_probability: Fraction = 0.0
    """Of each object, to be faded to a share of its light, so that dim ones are learned from labels of bright ones
    (:mod:`somanet.training.loop.fading`). For mode `online`."""
    fade_range: tuple[Share, Share] = (0.08, 0.6)
    """The share of its light that remains, drawn log-uniformly."""

    @model_validator(mode="after")
    def _ordered(self) -> AugmentSettings:
        for name in ("scale_range", "fade_range"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be (low, high) with low <= high")
        if self.fade_probability > 0 and self.mode != "online":
            raise ValueError("fade_probability is for mode online: set it to 0, or the mode")
        return self


class UnlabelledSettings(Settings):
    """How unlabelled images are used, see :mod:`somanet.training.loop.mean_teacher`."""

    weight: PositiveFloat = 10.0
    """Weight of the mean squared difference of the two outputs, added to the loss on labels."""
    batch_size: Batch = 4
    """Unlabelled patches in each step, in addition to `batch_size` labelled ones."""
    ramp_fraction: Fraction = 0.3
    """Share of all steps over which the weight rises as exp(-5 (1 - t)²), t from 0 to 1 (Laine & Aila 2017)."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    """Count only pixels where the teacher's probability of soma or background is at least this; none = every pixel."""


class TrainSettings(Settings):
    """One training: what is optimised, how, and for how long."""

    epochs: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    samples_per_epoch: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    """Images drawn per epoch; none = each image once."""
    sampling: Literal["equal", "area"] = "equal"
    """How often each image is drawn: all equally, or by the square root of its area, so that a large image with many
    somas is drawn more often than a small one."""
    batch_size: Batch = 8
    size_px: Annotated[int, Field(ge=32, le=8192, multiple_of=32)] = 256
    """Side of the square patches that the network is trained on."""
    fit: Literal["crop", "resize"] = "crop"
    """How an image of another size becomes such a patch."""
    loss: Literal["bce", "bce+dice", "focal", "tversky"] = "bce"
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_fraction: Fraction = 0.0
    """Share of all steps over which the learning rate rises linearly from zero."""
    gradient_clip: PositiveFloat | None = None
    """Largest gradient norm; none = no clipping."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of an exponential moving average of the weights, which is then scored and kept."""
    unlabelled: UnlabelledSettings | None = None
    """How unlabelled images are used; needs such images and `ema_decay`. None = not at all."""
    trainable_blocks: PositiveInt | Literal["all"] = "all"
    """Number of blocks to train, counted from the output; the others, batch-norm statistics included, are frozen."""
    trainable_tensors: PositiveInt | None = None
    """Instead of blocks, as in the authors' code: the number of last parameter tensors to train, with every
    batch norm's statistics updated, frozen or not. For measuring what that changes."""
    early_stopping_epochs: PositiveInt | None = None
    """Stop after this many epochs without a better validation IoU."""
    validate_every: PositiveInt = 1
    augment: AugmentSettings = AugmentSettings()
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    workers: Annotated[int, Field(ge=0, le=16)] = 0

    @model_validator(mode="after")
    def _one_freezing(self) -> TrainSettings:
        if self.trainable_tensors is not None and self.trainable_blocks != "all":
            raise ValueError("trainable_tensors replaces trainable_blocks: leave trainable_blocks at 'all'")
        return self

    @model_validator(mode="after")
    def _has_a_teacher(self) -> TrainSettings:
        if self.unlabelled is not None and self.ema_decay == 0:
            raise ValueError(
                "unlabelled needs a moving average of the weights as its teacher: set ema_decay, such as 0.98"
            )
        return self
