"""A network with its preprocessing inside, for programs that cannot preprocess an image as SomaNet does."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

# defined where training uses them; equality is tested
from somanet.segmentation.network.inputs import _BELOW_BACKGROUND, _LOG_CONTRAST, _TAIL_RATIO
from somanet.segmentation.network.settings import ModelSpec

BINS = 64


class PreprocessedNetwork(nn.Module):
    """Raw microscope images, NCHW float32, to probabilities NCHW of the same size.

    It does what :func:`somanet.segmentation.network.inputs.to_input` does to an image that is not 8-bit and has no
    missing pixels, in operations that a graph supports. Percentiles are computed over each image of the batch as given:
    a program that cuts it into tiles changes them.

    Args:
        network: preprocessed images to logits.
        spec: the network's specification. Images have 3 channels from 0 to 255 for the input `rgb` (1 if the network
            takes one), else 1 channel in any unit.
        may_invert: images with a bright background are inverted; not for a network that serves fluorescence.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec, *, may_invert: bool = True) -> None:
        super().__init__()
        self.may_invert = may_invert
        self.network = network
        self.kind = spec.input
        smoothing = ndimage.gaussian_filter1d(np.eye(BINS), 2, axis=0)  # of a histogram, as a matrix
        self.smoothing: Tensor
        self.register_buffer("smoothing", torch.from_numpy(smoothing.astype(np.float32)))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Probabilities NCHW."""
        prepared = images_NCHW / 255 if self.kind == "rgb" else self._contrasts(images_NCHW)
        probabilities: Tensor = torch.sigmoid(self.network(prepared))
        return probabilities

    def _contrasts(self, images_N1HW: Tensor) -> Tensor:
        """Three contrasts N3HW of one intensity, objects bright."""
        ordered = _ordered(images_N1HW)
        bottom, top = _percentile(ordered, 0.1), _percentile(ordered, 99.95)
        span = (top - bottom).clamp(min=1e-6)
        unit = ((images_N1HW - _spread(bottom)) / _spread(span)).clamp(0, 1)
        ordered = ((ordered - bottom) / span).clamp(0, 1)

        intensity = unit
        if self.may_invert:
            inverted = _is_inverted(unit)
            intensity = torch.where(_spread(inverted), -unit, unit)
            ordered = torch.where(inverted, -ordered.flip(1), ordered)
        low, high = _percentile(ordered, 1.0), _percentile(ordered, 99.9)
        linear = ((intensity - _spread(low)) / _spread((high - low).clamp(min=1e-6))).clamp(0, 1)
        above = linear
        if self.kind == "background":
            background = self._background(ordered)
            above = (intensity - _spread(background)) / _spread((high - background).clamp(min=1e-6))
            above = above.clamp(-_BELOW_BACKGROUND, 1)
        near_log = _asinh(_LOG_CONTRAST * above) / float(np.arcsinh(_LOG_CONTRAST))
        return torch.cat([linear, linear.sqrt(), near_log], dim=1)

    def _background(self, ordered_NP: Tensor) -> Tensor:
        """The commonest intensity of the darker half, N1: the mode of its smoothed histogram."""
        low, middle = _percentile(ordered_NP, 0.5), _percentile(ordered_NP, 50)
        end = middle + (middle - low) / 8
        width = ((end - low) / BINS).clamp(min=1e-12)
        place = ((ordered_NP - low) / width).floor().clamp(0, BINS - 1).long()
        counted = ((ordered_NP >= low) & (ordered_NP <= end)).float()
        counts = torch.zeros_like(ordered_NP[:, :1]).repeat(1, BINS).scatter_add(1, place, counted)
        mode = (counts @ self.smoothing.T).argmax(dim=1, keepdim=True)
        return torch.where(middle > low, low + (mode + 0.5) * width, middle)


def _asinh(x: Tensor) -> Tensor:
    """The exporter does not support asinh."""
    return x.sign() * (x.abs() + (x * x + 1).sqrt()).log()


def _ordered(images_N1HW: Tensor) -> Tensor:
    """The values of each image in ascending order, N x pixels."""
    return images_N1HW.flatten(1).sort(dim=1).values


def _spread(values_N1: Tensor) -> Tensor:
    return values_N1[:, :, None, None]


def _percentile(ordered_NP: Tensor, percent: float) -> Tensor:
    """Percentile with linear interpolation, as numpy's, N1; the graph keeps the number of pixels variable."""
    last = torch.as_tensor(ordered_NP.shape[1]) - 1
    position = last.double() * (percent / 100)
    below = position.floor()
    fraction = (position - below).float()
    lower = below.long()
    upper = torch.minimum(lower + 1, last)
    first, second = (ordered_NP.index_select(1, index.reshape(1)) for index in (lower, upper))
    return first + fraction * (second - first)


def _is_inverted(unit_N1HW: Tensor) -> Tensor:
    """Whether an image has a long dark tail on a bright background, N1."""
    ordered = _ordered(unit_N1HW[:, :, ::2, ::2])
    p5, p50, p95 = (_percentile(ordered, percent) for percent in (5, 50, 95))
    return (p50 > 0.3) & (p50 - p5 > _TAIL_RATIO * (p95 - p50))
