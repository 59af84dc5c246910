"""Which engine computes: the one that was asked for, or the fastest that is installed and agrees with torch."""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from somanet.errors import SomaNetError

if TYPE_CHECKING:
    from torch import nn

    from somanet.engines.engine import Engine
    from somanet.segmentation.checkpoint import Checkpoint

EngineName = Literal["auto", "openvino", "onnxruntime", "torch"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
FASTEST_FIRST: tuple[EngineName, ...] = ("onnxruntime", "openvino")
"""As fast as each other, measured in docs/engines.md; a process with OpenVINO may not survive SIGTERM in order."""
EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx"}
PACKAGES = {"openvino": ("openvino", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}


@dataclass(frozen=True)
class Answering:
    """A checkpoint that answers through an engine.

    Attributes:
        checkpoint: as loaded, with another ``model`` where the engine is not torch.
        engine: the name of what computes.
        notes: what the user should know, such as why it is not the fastest.
    """

    checkpoint: Checkpoint
    engine: str
    notes: tuple[str, ...] = ()


def with_engine(
    checkpoint: Checkpoint, wanted: EngineName = "auto", *, threads: int = 1, at_once: int = 1
) -> Answering:
    """Let an engine compute a checkpoint's answers, after a proof that it agrees with torch.

    The graph is made in memory, within a second, and compared with torch on two small images each time; so no file can
    be out of date or damaged.

    Args:
        checkpoint: the network.
        wanted: `auto` takes the fastest that is installed and agrees, and says so if that is torch.
        threads: that one answer uses; torch has its own setting.
        at_once: answers that are computed side by side.

    Raises:
        SomaNetError: the engine that was asked for is unknown, not installed, or does not agree with torch.
    """
    if wanted not in ENGINES:
        raise SomaNetError(f"Unknown engine {wanted!r}; there are {', '.join(ENGINES)}.")
    if wanted == "torch":
        return Answering(checkpoint, "torch")
    if wanted != "auto":
        return Answering(_answered_by(checkpoint, wanted, threads, at_once), wanted)
    installed = [name for name in FASTEST_FIRST if not missing_packages(name)]
    if not installed:
        note = (
            "segmenting with torch: the faster engines are not installed (pip install 'somanet[onnx]': about twice "
            "the speed)"
        )
        return Answering(checkpoint, "torch", (note,))
    notes: list[str] = []
    for name in installed:
        try:
            return Answering(_answered_by(checkpoint, name, threads, at_once), name, tuple(notes))
        except SomaNetError as error:
            notes.append(f"not segmenting with {name}: {error}")
    return Answering(checkpoint, "torch", (*notes, "segmenting with torch"))


def engine_of(model: nn.Module) -> dict[str, Any]:
    """What computes a network's answers, for the record of a result: name, version, precision."""
    import torch

    from somanet.engines.module import EngineModule

    if isinstance(model, EngineModule):
        return {"name": model.engine.name, "version": model.engine.version, "precision": "float32"}
    return {"name": "torch", "version": str(torch.__version__), "precision": "float32"}


def missing_packages(name: str) -> tuple[str, ...]:
    """The packages that an engine needs and that are not installed."""
    return tuple(package for package in PACKAGES[name] if importlib.util.find_spec(package) is None)


def _answered_by(checkpoint: Checkpoint, name: EngineName, threads: int, at_once: int) -> Checkpoint:
    from somanet.engines.graph import check_agreement
    from somanet.engines.module import EngineModule

    engine = make_engine(checkpoint, name, threads=threads, at_once=at_once)
    check_agreement(engine.logits, checkpoint.model, checkpoint.spec.in_channels, f"The engine {name}")
    return dataclasses.replace(checkpoint, model=EngineModule(engine))


def make_engine(checkpoint: Checkpoint, name: EngineName, *, threads: int = 1, at_once: int = 1) -> Engine:
    """An engine for a checkpoint, not yet compared with torch; arguments and errors as :func:`with_engine`."""
    from somanet.engines.eager import EagerEngine
    from somanet.engines.graph import to_onnx
    from somanet.engines.ort import OnnxRuntimeEngine
    from somanet.engines.vino import OpenVinoEngine

    if name == "torch":
        return EagerEngine(checkpoint.model)
    if missing := missing_packages(name):
        raise SomaNetError(
            f"The engine {name} is not installed: {' and '.join(missing)} not found. pip install "
            f"'somanet[{EXTRAS[name]}]', or use --engine torch."
        )
    onnx_model = to_onnx(checkpoint.model, checkpoint.spec.in_channels)
    try:
        if name == "openvino":
            return OpenVinoEngine(onnx_model, threads=threads, at_once=at_once)
        return OnnxRuntimeEngine(onnx_model, threads=threads)
    except ImportError as error:
        raise SomaNetError(
            f"The engine {name} is installed but cannot be loaded: {error}. Install it anew, or use --engine torch."
        ) from error
    except Exception as error:  # each runtime has exceptions of its own for a graph that it cannot take
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise SomaNetError(f"The engine {name} cannot run this network: {reason[:200]}. Use --engine torch.") from error
