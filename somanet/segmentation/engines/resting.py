"""Engines between two movies."""

from __future__ import annotations

from collections.abc import Iterable

from somanet.segmentation.engines.engine_network import EngineNetwork
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine


def rest(models: Iterable[object]) -> None:
    """Give back the memory that engines keep for the next image of the same size.

    Args:
        models: networks, in an engine or of torch's own, which may compute again later.
    """
    for model in models:
        if isinstance(model, EngineNetwork) and isinstance(model.engine, OnnxRuntimeEngine):
            model.engine.rest()
