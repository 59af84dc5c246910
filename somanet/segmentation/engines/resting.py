"""Engines between two movies."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from somanet.segmentation.engines.module import EngineModule
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine


def rest(models: Iterable[nn.Module]) -> None:
    """Give back the memory that engines keep for the next image of the same size.

    Args:
        models: networks, which may compute again later.
    """
    for model in models:
        if isinstance(model, EngineModule) and isinstance(model.engine, OnnxRuntimeEngine):
            model.engine.rest()
