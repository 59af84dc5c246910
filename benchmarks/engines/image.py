"""One image of 3 x 1024 x 1024 px, by network, engine and threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.engines.timing import CORES, ROUNDS, Row, best_of_rounds, seconds, with_threads
from somanet.segmentation.engines.choice import FASTEST_FIRST, make_engine
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.engine import Engine, Float32
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec

SIDE_PX = 1024


class AsBuiltEngine(EagerEngine):
    """Torch in its default memory layout."""

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.segmentation.engines.engine.Engine.logits`."""
        with torch.inference_mode():
            logits: Float32 = self._model.eval()(torch.from_numpy(images_NCHW)).numpy()
        return logits


def paper_unet() -> Checkpoint:
    """The paper's network with random weights: for speed only."""
    torch.manual_seed(0)
    return Checkpoint(build_model(ModelSpec()).eval(), ModelSpec(), "")


def flops(model: nn.Module, images: np.ndarray) -> int:
    """Operations of one forward pass; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.from_numpy(images))
    return int(counter.get_total_flops())


def one_image(networks: dict[str, Checkpoint], peak: dict[int, float]) -> list[Row]:
    """One image of 3 x 1024 x 1024 px, by network, engine and threads."""
    images = np.random.default_rng(0).random((1, 3, SIDE_PX, SIDE_PX), dtype=np.float32)
    rows: list[Row] = []
    for network, checkpoint in networks.items():
        n_flops = flops(checkpoint.model, images)
        expected = EagerEngine(checkpoint.model).logits(images)
        for threads in sorted({1, CORES}):
            engines: dict[str, Engine] = {
                "torch as built": AsBuiltEngine(checkpoint.model),
                "torch": EagerEngine(checkpoint.model),
                **{name: make_engine(checkpoint, name, threads=threads) for name in FASTEST_FIRST},
            }
            calls: dict[Any, Callable[[], object]] = {
                name: with_threads(threads, lambda engine=engine: engine.logits(images))
                for name, engine in engines.items()
            }
            off = {name: float(np.abs(engine.logits(images) - expected).max()) for name, engine in engines.items()}
            for name, best in best_of_rounds(calls, ROUNDS).items():
                gflops = n_flops / seconds(best, threads) / 1e9
                rows.append(
                    {
                        "network": network,
                        "engine": name,
                        "threads": threads,
                        "ms": 1000 * best[0],
                        "processor_ms": 1000 * best[1],
                        "mpx_per_s": SIDE_PX**2 / seconds(best, threads) / 1e6,
                        "gflops": gflops,
                        "share_of_peak": gflops / peak[threads],
                        "largest_difference": off[name],
                    }
                )
    return rows
