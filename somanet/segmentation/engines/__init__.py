"""Inference engines: torch as the reference, ONNX Runtime and OpenVINO as faster ones that agree with it.

:func:`with_engine` returns a checkpoint that runs on an engine and can be used wherever a checkpoint is expected.
"""

from somanet.segmentation.engines.choice import (
    EIGHT_BITS,
    ENGINES,
    ONLY_BUNDLED,
    EngineChoice,
    EngineName,
    device_of,
    engine_of,
    with_engine,
)

__all__ = [
    "EIGHT_BITS",
    "ENGINES",
    "ONLY_BUNDLED",
    "EngineChoice",
    "EngineName",
    "device_of",
    "engine_of",
    "with_engine",
]
