"""Weights of other programs' networks as checkpoints: so far of a U-Net with the widths of the paper's.

`UNet2` of UNet-pytorch (github.com/limingwu8/UNet-pytorch, made for the Data Science Bowl 2018) has the paper's widths
and number of parameters. It differs from :class:`somanet.segmentation.network.unet.PaperUNet` in names; in the order
in which skips and upsampled maps are concatenated, so that the four convolutions behind have the halves of their input
channels swapped; and in the sigmoid, which here is in the loss. Its own input is 0 to 255, divided by 255 in the
network, as ours is before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.core.foreign import check_file, parsing
from somanet.core.hashing import sha256_file
from somanet.core.limits import WEIGHTS_BYTES
from somanet.core.problems import FileProblem
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.unet import PaperUNet

if TYPE_CHECKING:
    from torch import Tensor

EXPECTED = "weights of UNet-pytorch, as torch.save(model.state_dict(), path) writes them"
_LEVELS = {"conv1": "down1", "conv2": "down2", "conv3": "down3", "conv4": "down4", "conv5": "bottom", "conv10": "head"}
_LEVELS |= {f"up_pool{10 - level}": f"upsample{level}" for level in (1, 2, 3, 4)}
_LEVELS |= {f"conv{10 - level}": f"up{level}" for level in (1, 2, 3, 4)}
_AFTER_CONCATENATION = re.compile(r"up[1-4]\.0\.weight")


def import_unet_pytorch(source: Path | str, output: Path | str) -> str:
    """Turn weights of UNet-pytorch's `UNet2` into a checkpoint; returns the SHA-256 of the new weights.

    Args:
        source: the file; nothing but tensors is read from it, as a pickle may run any program.
        output: the checkpoint's folder.

    Raises:
        SomaNetError: a file of another kind, a whole pickled module, or weights of another architecture.
    """
    import torch

    source = Path(source)
    check_file(source, EXPECTED, limit=WEIGHTS_BYTES)
    remedy = "A whole module is a program, and is not run: save its state_dict() instead."
    with parsing(source, EXPECTED, remedy=remedy):
        try:
            found = torch.load(source, map_location="cpu", weights_only=True)
        except Exception as error:
            if "weights_only" not in str(error):
                raise
            raise FileProblem(  # torch's own words advise to run it
                f"{source}: expected {EXPECTED}, found something else in it. Nothing was run. {remedy}"
            ) from error
    tensors = _renamed(_state(found, source), source)
    first, last = (tensors.get(name) for name in ("down1.0.weight", "head.weight"))
    in_channels = first.shape[1] if first is not None and first.ndim == 4 else 3
    classes = last.shape[0] if last is not None and last.ndim == 4 else 1  # other shapes are refused below
    if in_channels not in (1, 3) or classes != 1:
        raise SomaNetError(
            f"{source}: expected a network of 1 or 3 input channels and one class, found {in_channels} and {classes}."
        )
    spec = ModelSpec(architecture="paper-unet", in_channels=in_channels)
    model = PaperUNet(spec.in_channels, len(spec.outputs))
    _check_shapes(tensors, model.state_dict(), source)
    model.load_state_dict({name: tensors.get(name, value) for name, value in model.state_dict().items()})
    about = {"program": "UNet-pytorch (UNet2)", "file": source.name, "sha256": sha256_file(source)}
    return save_checkpoint(output, model, spec, {"imported": about})


def _state(found: Any, source: Path) -> dict[str, Tensor]:
    """The tensors by name, without what data-parallel training and wrappers put around them."""
    import torch

    for key in ("state_dict", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise SomaNetError(f"{source}: expected {EXPECTED}, found {type(found).__name__}. Save its state_dict().")
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def _renamed(state: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The tensors under our names, channels in our order."""
    import torch

    tensors: dict[str, Tensor] = {}
    unknown = []
    for name, value in state.items():
        level, _, rest = name.partition(".")
        if level not in _LEVELS:
            unknown.append(name)
            continue
        ours = f"{_LEVELS[level]}.{rest}"
        counted = rest.endswith("num_batches_tracked")
        if value.layout != torch.strided or value.device.type != "cpu" or not (value.is_floating_point() or counted):
            kind = f"{value.dtype}, {value.layout}, {value.device}".replace("torch.", "")
            raise SomaNetError(
                f"{source}: expected real, dense numbers, found {name} as {kind}. Save its state_dict()."
            )
        if not counted:
            value = value.float()
            if not bool(value.isfinite().all()):
                raise SomaNetError(f"{source}: {name} has NaN or infinite weights. Did its training diverge?")
        if rest.endswith("running_var") and bool((value < 0).any()):
            raise SomaNetError(f"{source}: {name} has variances below 0. Is the file damaged?")
        if _AFTER_CONCATENATION.fullmatch(ours) and value.ndim == 4 and value.shape[1] % 2 == 0:
            upsampled, skip = value.chunk(2, dim=1)
            value = torch.cat([skip, upsampled], dim=1)
        tensors[ours] = value
    there = {name.partition(".")[0] for name in tensors}
    lacking = [theirs for theirs, ours in _LEVELS.items() if ours not in there]
    if unknown or lacking:
        what = f"it has {unknown[0][:60]}" if unknown else f"it lacks {lacking[0]}"
        raise SomaNetError(
            f"{source}: expected the weights of UNet-pytorch's UNet2 (conv1 … conv10, up_pool6 … up_pool9), found "
            f"those of another architecture: {what}. Only that one is imported."
        )
    return tensors


def _check_shapes(tensors: Mapping[str, Tensor], ours: Mapping[str, Tensor], source: Path) -> None:
    """Refuse another network with the same names, such as UNet-pytorch's `UNet`, which is four times as wide."""
    wanted = {name: tuple(value.shape) for name, value in ours.items() if not name.endswith("num_batches_tracked")}
    wrong = [name for name, shape in wanted.items() if name not in tensors or tuple(tensors[name].shape) != shape]
    wrong += [name for name in tensors if name not in ours]
    if wrong:
        first = wrong[0]
        shape = tuple(tensors[first].shape) if first in tensors else "none"
        raise SomaNetError(
            f"{source}: expected the paper's U-Net with the widths 16, 32, 64, 128, 256, found another architecture: "
            f"{len(wrong)} of {len(wanted)} tensors differ, such as {first} with the shape {shape}, not "
            f"{wanted.get(first, 'any')}. Is it UNet-pytorch's larger UNet? Only UNet2 is imported."
        )
