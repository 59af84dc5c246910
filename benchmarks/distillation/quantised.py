"""A U-Net that computes as if in 8 bits, can be trained so, and is written as an ONNX graph of 8-bit operations.

Values between layers have 8 bits without a sign and one scale for each array; weights have 8 bits with a sign,
symmetric around 0, and one scale for each output channel (Jacob et al. 2018, https://arxiv.org/abs/1712.05877).
Rounding passes gradients on, beyond the range there are none. The first and the last convolution stay in 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from benchmarks.distillation.folding import folded

LEVELS, WEIGHT_LEVELS = 255, 127
MOMENTUM = 0.05
"""Of the moving average of an array's extremes."""


class Quantiser(nn.Module):
    """Rounds values to 256 levels between the extremes that it has seen, of which one level is 0.

    While `observing`, the extremes are a moving average over batches; otherwise they stay.
    """

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.observing = True
        self.register_buffer("low", torch.tensor(float("nan")))
        self.register_buffer("high", torch.tensor(float("nan")))

    def forward(self, values: Tensor) -> Tensor:
        """The rounded values."""
        if self.observing:
            with torch.no_grad():
                low, high = (extreme.clamp(*limits) for extreme, limits in zip(values.aminmax(), _SIDES, strict=True))
                weight = 1.0 if bool(self.low.isnan()) else MOMENTUM
                self.low = torch.nan_to_num(self.low) + weight * (low - torch.nan_to_num(self.low))
                self.high = torch.nan_to_num(self.high) + weight * (high - torch.nan_to_num(self.high))
        return self.again(values)

    def again(self, values: Tensor) -> Tensor:
        """The same of values from another place, of which nothing is learned."""
        scale = max(float(self.high - self.low) / LEVELS, 1e-8)
        zero = min(max(round(-float(self.low) / scale), 0), LEVELS)
        return torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, LEVELS)


_SIDES = ((None, 0.0), (0.0, None))
"""Extremes lie on either side of 0, so that padding is exact."""


class WeightQuantiser(nn.Module):
    """Rounds a convolution's weights, channel by channel."""

    def forward(self, weight_OIKK: Tensor) -> Tensor:
        """The rounded weights."""
        scale = (weight_OIKK.detach().abs().amax((1, 2, 3)) / WEIGHT_LEVELS).clamp(min=1e-8)
        zeros = torch.zeros(len(scale), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight_OIKK, scale, zeros, 0, -WEIGHT_LEVELS - 1, WEIGHT_LEVELS)


class DecoderLevel(nn.Module):
    """A level of the decoder with rounded values where its inputs are joined.

    Args:
        block: smp's level.
        below: rounds what comes from the level below; a doubled image has the same values.
    """

    def __init__(self, block: nn.Module, below: Quantiser) -> None:
        super().__init__()
        found: Any = block
        self.conv1, self.conv2, self.joined = found.conv1, found.conv2, Quantiser()
        self._below = [below]  # not a part of this level

    def forward(
        self, feature_map: Tensor, target_height: int, target_width: int, skip_connection: Tensor | None = None
    ) -> Tensor:
        """As smp's level, for a level with a skip connection."""
        doubled = functional.interpolate(feature_map, size=(target_height, target_width), mode="nearest")
        joined = self.joined(torch.cat([self._below[0].again(doubled), skip_connection], dim=1))
        result: Tensor = self.conv2(self.conv1(joined))
        return result


def quantised(model: nn.Module) -> nn.Module:
    """A copy with folded batch norms that rounds weights and values; it has seen no values yet.

    Args:
        model: a U-Net with an efficientnet as its encoder and a sub-pixel head.
    """
    found: Any = folded(model)
    inner = found.encoder.model
    inner.bn1 = nn.Sequential(inner.bn1, Quantiser())
    last = inner.bn1[1]
    for stage in inner.blocks:
        for number, block in enumerate(stage):
            last = Quantiser()
            stage[number] = nn.Sequential(_rounded_block(block), last)
    for number, block in enumerate(found.decoder.blocks):
        block.conv1.append(Quantiser())
        block.conv2.append(Quantiser())
        found.decoder.blocks[number] = DecoderLevel(block, last)
        last = block.conv2[-1]
    convolutions = [module for module in found.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        if convolution not in (inner.conv_stem, found.segmentation_head[0]):
            parametrize.register_parametrization(convolution, "weight", WeightQuantiser(), unsafe=True)
    network: nn.Module = found
    return network


def _rounded_block(block: nn.Module) -> nn.Module:
    """A block of the encoder with rounded values between its convolutions, and before a shortcut is added."""
    found: Any = block
    names = [name for name in ("bn1", "bn2", "bn3") if hasattr(block, name)]
    for name in names if found.has_skip else names[:-1]:
        setattr(found, name, nn.Sequential(getattr(found, name), Quantiser()))
    return block


def quantisers(model: nn.Module) -> Iterator[Quantiser]:
    """Those of a network."""
    return (module for module in model.modules() if isinstance(module, Quantiser))


def observe(model: nn.Module, *, observing: bool) -> None:
    """Let all ranges follow the values that pass, or stay."""
    for one in quantisers(model):
        one.observing = observing
