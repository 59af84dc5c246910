"""What computes a network's answer: torch as the reference, ONNX Runtime and OpenVINO as faster ones that agree.

:func:`with_engine` gives a checkpoint that answers through an engine; everything that takes a checkpoint takes it.
"""

from somanet.engines.choice import ENGINES, Answering, EngineName, engine_of, with_engine
from somanet.engines.record import record_of

__all__ = ["ENGINES", "Answering", "EngineName", "engine_of", "record_of", "with_engine"]
