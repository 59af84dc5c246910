"""Batch norms as part of the convolutions before them: the same outputs, and weights as they will be multiplied."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import nn


def folded(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose convolutions have taken in the batch norm that follows each.

    Channel by channel, with the norm's scale over its standard deviation as a factor f: w' = f w and b' = shift +
    f (b − mean). What a batch norm of timm does besides, its activation, stays in its place.
    """
    found = copy.deepcopy(model).eval()
    for parent in list(found.modules()):
        for (_, convolution), (name, norm) in itertools.pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(convolution, norm)
                setattr(parent, name, getattr(norm, "act", nn.Identity()))
    return found


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    values: Any = norm
    factor = values.weight.detach() / torch.sqrt(values.running_var + norm.eps)
    bias = torch.zeros_like(values.running_mean) if convolution.bias is None else convolution.bias.detach()
    weight = convolution.weight.detach() * factor[:, None, None, None]
    convolution.weight = nn.Parameter(weight)
    convolution.bias = nn.Parameter(values.bias.detach() + (bias - values.running_mean) * factor)
