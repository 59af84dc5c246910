"""Other programs with random weights, run as their own code runs their networks.

Each part runs in that program's environment, see :mod:`benchmarks.peers.environments`. Post-processing is left out:
its time depends on the objects that the network finds, which are meaningless with random weights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.peers.measuring import conv_flops, torch_flops

Output = Callable[[np.ndarray], object]


def grey(image: np.ndarray) -> np.ndarray:
    """One intensity per pixel, float32."""
    return np.asarray(image if image.ndim == 2 else image[..., :3].mean(axis=-1), np.float32)


def stardist(threads: int, side_px: int) -> tuple[Output, int, dict[str, str]]:
    """StarDist's network on a normalised image, its usual way (percentiles 1 and 99.8)."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D

    model = StarDist2D(Config2D(n_rays=32, grid=(2, 2), n_channel_in=1), name=None, basedir=None)
    graph = tf.function(model.keras_model).get_concrete_function(tf.TensorSpec((1, side_px, side_px, 1))).graph
    convolutions = [operation for operation in graph.get_operations() if operation.type == "Conv2D"]
    operations = sum(conv_flops(c.inputs[1].shape.as_list(), c.outputs[0].shape.as_list()) for c in convolutions)

    def network_output(image: np.ndarray) -> object:
        return model.predict(normalize(grey(image), 1, 99.8), show_tile_progress=False)

    return network_output, operations, {name: version(name) for name in ("stardist", "tensorflow")}


def tiles(transforms: Any, side_px: int, tile_px: int, **padding: Any) -> int:
    """Number of tiles into which either Cellpose cuts a square image, after padding it."""
    top, bottom, left, right = transforms.get_pad_yx(side_px, side_px, **padding)
    padded = np.zeros((1, side_px + top + bottom, side_px + left + right), np.float32)
    cut = transforms.make_tiles(padded, bsize=tile_px)[0]
    return int(cut.size // tile_px**2)


def cellpose3(threads: int, side_px: int) -> tuple[Output, int, dict[str, str]]:
    """Cellpose 3: flows and probabilities of a grey image at its own scale; tiles of 224 px, eight at a time."""
    import torch
    from cellpose import models, transforms

    torch.set_num_threads(threads)
    model = models.CellposeModel(gpu=False, pretrained_model=False)
    fast, model.net.mkldnn = model.net.mkldnn, False  # the copy used for counting has no memory to convert
    n_tiles = tiles(transforms, side_px, 224)
    operations = torch_flops(model.net, (1, 2, 224, 224)) * n_tiles
    model.net.mkldnn = fast

    def network_output(image: np.ndarray) -> object:
        return model.eval(grey(image), channels=[0, 0], rescale=1.0, compute_masks=False)

    return network_output, operations, {name: version(name) for name in ("cellpose", "torch")}


def cellpose4(threads: int, side_px: int) -> tuple[Output, int, dict[str, str]]:
    """Cellpose-SAM: flows and probabilities of an image; tiles of 256 px, eight at a time."""
    import torch

    logging.disable(logging.WARNING)  # it warns about an optional second network
    from cellpose import core, transforms, vit

    torch.set_num_threads(threads)
    network = vit.CPSAM(dtype=torch.float32).eval()
    n_tiles = tiles(transforms, side_px, 256, min_size=(256, 256))
    operations = torch_flops(network, (1, 3, 256, 256)) * n_tiles

    def network_output(image: np.ndarray) -> object:
        channels = np.repeat(grey(image)[..., None], 3, axis=-1)[None]
        return core.run_net(network, transforms.normalize_img(channels), batch_size=8, bsize=256)

    return network_output, operations, {name: version(name) for name in ("cellpose", "torch")}


PROGRAMS: dict[str, Callable[[int, int], tuple[Output, int, dict[str, Any]]]] = {
    "stardist": stardist,
    "cellpose3": cellpose3,
    "cellpose4": cellpose4,
}
