"""What computes a network's answer: torch as the reference, ONNX Runtime and OpenVINO as faster ones that agree.

:func:`with_engine` gives a checkpoint that answers through an engine; everything that takes a checkpoint takes it.
"""

from somanet.segmentation.engines.choice import ENGINES, Answering, EngineName, engine_of, with_engine

__all__ = ["ENGINES", "Answering", "EngineName", "engine_of", "with_engine"]
