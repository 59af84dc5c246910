"""What a network with temporal context sees: a frame and its two neighbours, on the frame's own scale."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from somanet.segmentation.network.inputs import Exposure, measure_exposure, unit_to_input
from somanet.segmentation.network.settings import ModelSpec

Float32 = NDArray[np.float32]
ORDER = (0, -1, 1)
"""The frames of an input, relative to the one that is segmented: itself, the one before, the one after."""


def triplet(frames_TYX: NDArray[np.integer], t: int) -> NDArray[np.integer]:
    """Frames t, t − 1 and t + 1; at the ends of a movie the frame itself stands for the neighbour it lacks."""
    last = len(frames_TYX) - 1
    return np.stack([frames_TYX[min(max(t + step, 0), last)] for step in ORDER])


def on_scale_of_first(frames_KYX: NDArray[np.integer]) -> Float32:
    """Frames from 0 to 1, all by the range of the first, as :func:`somanet.segmentation.network.inputs.to_unit`."""
    low, high = np.percentile(frames_KYX[0].astype(np.float32), (0.1, 99.95))
    values = (frames_KYX.astype(np.float32) - low) / max(float(high - low), 1e-6)
    return np.clip(values, 0, 1).astype(np.float32)


def input_of(units_KYX: Float32, spec: ModelSpec, exposure: Exposure | None = None) -> Float32:
    """The network's input: the channels of every frame, one frame after the other, 3K × Y × X.

    All frames have the first one's exposure, so that a cell that is equally bright in all looks so.

    Args:
        units_KYX: of :func:`on_scale_of_first`.
        spec: of a network with the input `contrasts` or `background`.
        exposure: of the whole first frame; None measures what is given.
    """
    exposure = exposure or measure_exposure(units_KYX[0][..., None], inverted=False)
    return np.concatenate([unit_to_input(unit[..., None], spec, exposure) for unit in units_KYX])


def inflate(model: nn.Module, n_frames: int = len(ORDER)) -> None:
    """Let a network's first convolution see more frames, in place; at first it ignores them (weights 0).

    So its output is the trained network's, whatever the other frames show.
    """
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    others = torch.zeros_like(first.weight).repeat(1, n_frames - 1, 1, 1)
    first.weight = nn.Parameter(torch.cat([first.weight.detach(), others], dim=1))
    first.in_channels *= n_frames
