"""A network's prediction for an image of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.engine_network import EngineNetwork
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.probabilities import sigmoid
from somanet.segmentation.network.settings import ModelSpec

if TYPE_CHECKING:
    from torch import nn

Float32 = NDArray[np.float32]

TILE_PX = 1024
OVERLAP_PX = 128  # about the networks' effective receptive field


def predict_probabilities(
    model: nn.Module, image: NDArray[np.generic], spec: ModelSpec, *, tile_px: int = TILE_PX
) -> Float32:
    """Probability of every output at every pixel: CYX float32; tiles as in :func:`predict_input`."""
    return predict_input(model, to_input(image, spec), n_outputs=len(spec.outputs), tile_px=tile_px)


def predict_input(model: nn.Module, input_CYX: Float32, *, n_outputs: int, tile_px: int = TILE_PX) -> Float32:
    """Probability of every output at every pixel of a network input: CYX float32.

    Inputs larger than ``tile_px`` are predicted in overlapping tiles, blended with weights that fall towards a tile's
    edge, so that a network's own memory does not grow with the image.

    Raises:
        SomaNetError: a probability is not a number.
    """
    _, height, width = input_CYX.shape
    if height <= tile_px and width <= tile_px:
        return _numbers(sigmoid(predict_logits(model, input_CYX)))
    total = np.zeros((n_outputs, height, width), np.float32)
    places = [
        np.s_[y : y + tile_px, x : x + tile_px] for y in _starts(height, tile_px) for x in _starts(width, tile_px)
    ]
    weight = _blend_weight(min(height, tile_px), min(width, tile_px))
    for place in places:
        total[:, *place] += sigmoid(predict_logits(model, input_CYX[:, *place])) * weight
    weight_sum = np.zeros((height, width), np.float32)  # afterwards, when the network's memory is free again
    for place in places:
        weight_sum[place] += weight
    total /= weight_sum
    return _numbers(total)


def predict_logits(model: nn.Module, input_CYX: Float32) -> Float32:
    """Logits CYX of one network input CYX, by torch or by the engine that runs the network."""
    if isinstance(model, EngineNetwork):
        return model.logits(input_CYX)
    from somanet.segmentation.network import forward

    return forward.predict_logits(model, input_CYX)


def _numbers(probabilities_CYX: Float32) -> Float32:
    """The same; a network with NaN for an image would silently find nothing there."""
    if np.isnan(probabilities_CYX.sum()):
        wrong = float(np.isnan(probabilities_CYX).mean())
        raise SomaNetError(
            f"The network's probabilities for an image are not numbers (NaN, {wrong:.0%} of them); expected 0 to 1. "
            "Its weights are finite but overflow on the way: were they damaged or edited? Use another network, or "
            "train anew."
        )
    return probabilities_CYX


def _starts(length: int, tile: int) -> list[int]:
    """First pixels of tiles that cover a length, overlapping by at least ``OVERLAP_PX``; the last ends at the edge."""
    if length <= tile:
        return [0]
    step = tile - min(OVERLAP_PX, tile // 2)
    return [*range(0, length - tile, step), length - tile]


def _blend_weight(height: int, width: int) -> Float32:
    """A pyramid: 1 in the middle, falling over the overlap towards the edges, never 0."""

    def ramp(n: int) -> Float32:
        return np.minimum(np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / OVERLAP_PX, 1).astype(np.float32)

    return np.outer(ramp(height), ramp(width))
