"""A narrower copy of a trained U-Net: the channels that matter most, and the next convolution refitted to them.

Channels are taken out where nothing but the next convolution reads them: the expanded channels inside the encoder's
inverted residuals, and the outputs of the decoder's convolutions. What the next convolution loses is made up for by
least squares on examples, as in He et al. 2017 (https://arxiv.org/abs/1707.06168), but without their LASSO: a channel
counts by its variance and by how strongly it is read.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK = 16
"""Channels that a convolution with AVX-512 computes at once: other widths cost as much as the next multiple."""
POSITIONS = 192
"""Places of an example at which the inputs of a convolution are looked at."""
RIDGE = 1e-3


@dataclass(frozen=True)
class Cut:
    """Channels to take out.

    Attributes:
        layers: what computes them, a layer after the other: convolutions, depthwise ones and batch norms.
        reader: the convolution that reads them, as the first of its input channels.
        after: what follows it: a batch norm, or the reader itself if it has a bias.
        kept: number of channels that stay.
    """

    layers: Sequence[nn.Module]
    reader: nn.Conv2d
    after: nn.Module
    kept: int


def narrowed(
    model: nn.Module, examples_NCHW: Tensor, *, encoder_share: float, decoder_channels: Sequence[int]
) -> nn.Module:
    """A copy with fewer channels, in evaluation mode.

    Args:
        model: a U-Net with an efficientnet as its encoder and a sub-pixel head.
        examples_NCHW: inputs as they enter the network, typical of later use.
        encoder_share: share of the expanded channels to keep, rounded to :data:`BLOCK`; 1 = all.
        decoder_channels: widths of the decoder's levels, deepest first, none above the model's.
    """
    small = copy.deepcopy(model).eval()
    cuts = [*_encoder_cuts(small, encoder_share), *_decoder_cuts(small, decoder_channels)]
    columns = _read_columns(small, [cut.reader for cut in cuts], examples_NCHW)
    for cut, inputs_PK in zip(cuts, columns, strict=True):
        apply(cut, inputs_PK)
    return small


def narrow_like(model: nn.Module, *, encoder_share: float, decoder_channels: Sequence[int]) -> nn.Module:
    """The same shapes without meaningful weights, for weights that are loaded afterwards."""
    small = copy.deepcopy(model).eval()
    for cut in (*_encoder_cuts(small, encoder_share), *_decoder_cuts(small, decoder_channels)):
        kept = torch.arange(cut.kept)
        _keep_inputs(cut.reader, kept, cut.layers)
        _keep_outputs(cut.layers, kept)
    return small


def _encoder_cuts(model: nn.Module, share: float) -> Iterator[Cut]:
    if share >= 1:
        return
    for block in model.get_submodule("encoder").modules():
        if hasattr(block, "conv_pwl"):
            found: Any = block
            hidden = found.conv_pwl.in_channels
            kept = min(max(BLOCK, round(share * hidden / BLOCK) * BLOCK), hidden)
            yield Cut((found.conv_pw, found.bn1, found.conv_dw, found.bn2), found.conv_pwl, found.bn3, kept)


def _decoder_cuts(model: nn.Module, channels: Sequence[int]) -> Iterator[Cut]:
    decoder: Any = model.get_submodule("decoder")
    head: Any = model.get_submodule("segmentation_head")
    readers = [*((block.conv1[0], block.conv1[1]) for block in decoder.blocks[1:]), (head[0], head[0])]
    for block, kept, (reader, after) in zip(decoder.blocks, channels, readers, strict=True):
        if kept < block.conv1[0].out_channels:
            yield Cut((block.conv1[0], block.conv1[1]), block.conv2[0], block.conv2[1], kept)
        if kept < block.conv2[0].out_channels:
            yield Cut((block.conv2[0], block.conv2[1]), reader, after, kept)


def _read_columns(model: nn.Module, readers: Sequence[nn.Conv2d], examples_NCHW: Tensor) -> list[Tensor]:
    """Of each convolution, inputs at random places, P × K: K as a weight is laid out, channel by channel."""
    found: dict[nn.Conv2d, list[Tensor]] = {reader: [] for reader in readers}
    generator = torch.Generator().manual_seed(0)

    def look(reader: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        conv: Any = reader
        columns_NKP = functional.unfold(inputs[0], conv.kernel_size, padding=conv.padding, stride=conv.stride)
        places = torch.randint(columns_NKP.shape[2], (POSITIONS,), generator=generator)
        found[conv].append(columns_NKP[:, :, places].movedim(1, 2).flatten(0, 1))

    hooks = [reader.register_forward_pre_hook(look) for reader in found]
    with torch.inference_mode():
        for example in examples_NCHW.split(1):
            model(example)
    for hook in hooks:
        hook.remove()
    return [torch.cat(found[reader]) for reader in readers]


def apply(cut: Cut, inputs_PK: Tensor) -> None:
    """Take the least important channels out, in place.

    Args:
        cut: where, and how many stay.
        inputs_PK: what its reader reads at some places.
    """
    reader = cut.reader
    taps = reader.kernel_size[0] * reader.kernel_size[1]
    n = _outputs_of(cut.layers[0])
    weight_OK = reader.weight.detach().flatten(1).double()
    values = inputs_PK.double()
    mean_K = values.mean(0)
    centred = values - mean_K
    covariance = centred.T @ centred / len(centred)
    loss_K = covariance.diagonal() * weight_OK.square().sum(0)
    importance = loss_K.reshape(-1, taps).sum(1)[:n]
    kept = importance.topk(cut.kept).indices.sort().values
    rest = torch.arange(n, reader.in_channels)
    columns = (torch.cat([kept, rest])[:, None] * taps + torch.arange(taps)).flatten()
    system = covariance[columns][:, columns]
    system += RIDGE * system.diagonal().mean() * torch.eye(len(columns), dtype=system.dtype)
    refitted = torch.linalg.solve(system, covariance[columns] @ weight_OK.T).T
    shift = weight_OK @ mean_K - refitted @ mean_K[columns]
    _keep_inputs(reader, kept, cut.layers)
    with torch.no_grad():
        reader.weight.copy_(refitted.reshape(reader.weight.shape))
        after: Any = cut.after
        if after is reader:
            after.bias += shift
        else:
            after.running_mean -= shift
    _keep_outputs(cut.layers, kept)


def _outputs_of(layer: nn.Module) -> int:
    conv: Any = layer
    return int(conv.out_channels)


def _keep_inputs(reader: nn.Conv2d, kept: Tensor, layers: Sequence[nn.Module]) -> None:
    """Only some of the first input channels, and all behind them."""
    columns = torch.cat([kept, torch.arange(_outputs_of(layers[0]), reader.in_channels)])
    reader.weight = nn.Parameter(reader.weight.detach()[:, columns].clone())
    reader.in_channels = len(columns)


def _keep_outputs(layers: Sequence[nn.Module], kept: Tensor) -> None:
    """Only some of the channels; a depthwise convolution has as many groups."""
    for layer in layers:
        found: Any = layer
        found.weight = nn.Parameter(found.weight.detach()[kept].clone())
        if found.bias is not None:
            found.bias = nn.Parameter(found.bias.detach()[kept].clone())
        if isinstance(layer, nn.Conv2d):
            found.out_channels = len(kept)
            if layer.groups > 1:
                found.in_channels = found.groups = len(kept)
        else:
            found.num_features = len(kept)
            for name in ("running_mean", "running_var"):
                setattr(found, name, getattr(found, name)[kept].clone())
