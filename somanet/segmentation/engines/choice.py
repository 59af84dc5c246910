"""Choice of the inference engine: the requested one, or the fastest that is installed and agrees with torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from somanet.core.errors import SomaNetError, first_line
from somanet.core.extras import missing, require
from somanet.segmentation.engines.devices import AUTO, CPU, OPENVINO_GPU, PROCESSOR, Device, find_device

if TYPE_CHECKING:
    from torch import nn

    from somanet.segmentation.engines.engine import Engine
    from somanet.segmentation.network.checkpoint import Checkpoint

EngineName = Literal["auto", "openvino", "onnxruntime", "onnxruntime-int8", "torch"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
EIGHT_BITS: Literal["onnxruntime-int8"] = "onnxruntime-int8"
"""The bundled network in 8 bits: :func:`somanet.segmentation.engines.stored_graph.open_stored`; never by `auto`."""
ComputedName = Literal["auto", "openvino", "onnxruntime", "torch"]
FastName = Literal["openvino", "onnxruntime"]
FASTEST_FIRST: tuple[FastName, ...] = ("onnxruntime", "openvino")
"""Equally fast, see docs/engines.md; ordered so because OpenVINO can prevent an orderly end after SIGTERM."""
EXTRAS: dict[FastName, str] = {"openvino": "openvino", "onnxruntime": "onnx"}
"""Engine → the extra that installs it."""


ONLY_BUNDLED = (
    f"--engine {EIGHT_BITS} computes the bundled network, which has a graph in 8 bits; this is another network. Use "
    "--engine auto."
)


@dataclass(frozen=True)
class EngineChoice:
    """A checkpoint that runs on an engine.

    Attributes:
        checkpoint: as loaded, with an :class:`somanet.segmentation.engines.engine_network.EngineNetwork` as ``model``
            where the engine is not torch on the processor.
        engine: its name.
        notes: messages for the user, such as why it is not the fastest engine.
    """

    checkpoint: Checkpoint
    engine: str
    notes: tuple[str, ...] = ()


def with_engine(
    checkpoint: Checkpoint,
    wanted: EngineName = "auto",
    *,
    device: str = CPU,
    threads: int = 1,
    at_once: int = 1,
) -> EngineChoice:
    """Run a checkpoint on an engine, after checking that the engine agrees with torch.

    The graph is built in memory, within a second, and compared with torch on two small images each time, so that no
    file can be out of date or damaged. For the bundled network, whose graph is stored, see
    :func:`somanet.segmentation.engines.stored_graph.open_stored`.

    Args:
        checkpoint: the network; one that an engine runs already is returned as it is.
        wanted: `auto` takes the fastest that is installed and agrees, with a note if that is torch. On a graphics
            processor it is torch, and for the device `gpu` OpenVINO. :data:`EIGHT_BITS` runs already or not at all.
        device: where to compute, see :func:`somanet.segmentation.engines.devices.find_device`; with `auto`, a graphics
            processor that fails or does not agree is passed over with a note.
        threads: threads per inference call; torch has its own setting.
        at_once: number of concurrent inference calls.

    Raises:
        SomaNetError: the requested engine is unknown, not installed, or does not agree with torch; the device is
            unknown, is not there, or cannot run the engine.
    """
    if wanted not in ENGINES:
        raise SomaNetError(f"Unknown engine {wanted!r}; there are {', '.join(ENGINES)}.")
    from somanet.segmentation.engines.engine_network import EngineNetwork

    if isinstance(checkpoint.model, EngineNetwork):
        return EngineChoice(checkpoint, checkpoint.model.engine.name)
    if wanted == EIGHT_BITS:
        raise SomaNetError(ONLY_BUNDLED)
    found = find_device(device)
    if found.kind == CPU:
        return _on_processor(checkpoint, wanted, threads, at_once)
    try:
        return _on_graphics(checkpoint, wanted, found, at_once)
    except SomaNetError as error:
        if device != AUTO:
            raise
        choice = _on_processor(checkpoint, wanted, threads, at_once)
        return dataclasses.replace(choice, notes=(f"not segmenting on {found.name}: {error}", *choice.notes))


def _on_graphics(checkpoint: Checkpoint, wanted: ComputedName, device: Device, at_once: int) -> EngineChoice:
    from somanet.segmentation.engines.device_engine import on_device
    from somanet.segmentation.engines.engine_network import running

    if wanted == "torch" or (wanted == "auto" and device.kind != OPENVINO_GPU):
        engine = on_device(checkpoint.model, checkpoint.spec.in_channels, device)
        return EngineChoice(running(checkpoint, engine), "torch")
    name: FastName = "openvino" if wanted == "auto" else wanted
    return EngineChoice(_computed_by(checkpoint, name, 1, at_once, device), name)


def _on_processor(checkpoint: Checkpoint, wanted: ComputedName, threads: int, at_once: int) -> EngineChoice:
    if wanted == "torch":
        return EngineChoice(checkpoint, "torch")
    if wanted != "auto":
        return EngineChoice(_computed_by(checkpoint, wanted, threads, at_once), wanted)
    installed = [name for name in FASTEST_FIRST if not missing(EXTRAS[name])]
    if not installed:
        note = (
            "segmenting with torch: ONNX Runtime, which belongs to SomaNet, is missing (pip install 'somanet[onnx]': "
            "about twice the speed)"
        )
        return EngineChoice(checkpoint, "torch", (note,))
    notes: list[str] = []
    for name in installed:
        try:
            return EngineChoice(_computed_by(checkpoint, name, threads, at_once), name, tuple(notes))
        except SomaNetError as error:
            notes.append(f"not segmenting with {name}: {error}")
    return EngineChoice(checkpoint, "torch", (*notes, "segmenting with torch"))


def engine_of(model: nn.Module) -> dict[str, Any]:
    """The engine that a network runs on, for the record of a result: name, version, precision, device and its chip.

    `notes` is there if the engine had to change something on the way.
    """
    from somanet.segmentation.engines.eager import EagerEngine
    from somanet.segmentation.engines.engine_network import EngineNetwork

    engine: Engine = model.engine if isinstance(model, EngineNetwork) else EagerEngine(model)
    record: dict[str, Any] = {"name": engine.name, "version": engine.version, "precision": engine.precision}
    record["device"] = engine.device.name
    if engine.device.chip:
        record["chip"] = engine.device.chip
    return record | ({"notes": list(engine.notes)} if engine.notes else {})


def device_of(model: nn.Module) -> Device:
    """Where a network computes."""
    from somanet.segmentation.engines.engine_network import EngineNetwork

    return model.engine.device if isinstance(model, EngineNetwork) else PROCESSOR


def _computed_by(
    checkpoint: Checkpoint, name: FastName, threads: int, at_once: int, device: Device = PROCESSOR
) -> Checkpoint:
    from somanet.segmentation.engines.engine_network import running
    from somanet.segmentation.engines.graph import check_agreement

    engine = make_engine(checkpoint, name, threads=threads, at_once=at_once, device=device)
    check_agreement(engine.logits, checkpoint.model, checkpoint.spec.in_channels, f"The engine {name}")
    return running(checkpoint, engine)


def make_engine(
    checkpoint: Checkpoint, name: FastName, *, threads: int = 1, at_once: int = 1, device: Device = PROCESSOR
) -> Engine:
    """An engine for a checkpoint, not yet compared with torch; arguments and errors as :func:`with_engine`."""
    from somanet.segmentation.engines.graph import to_onnx
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
    from somanet.segmentation.engines.openvino_engine import OpenVinoEngine

    require(EXTRAS[name], purpose=f"--engine {name}", otherwise=", or use --engine torch")
    onnx_model = to_onnx(checkpoint.model, checkpoint.spec.in_channels)
    try:
        if name == "openvino":
            return OpenVinoEngine(onnx_model, threads=threads, at_once=at_once, device=device)
        return OnnxRuntimeEngine(onnx_model, threads=threads, device=device)
    except SomaNetError:
        raise
    except ImportError as error:
        raise SomaNetError(
            f"The engine {name} is installed but cannot be loaded: {first_line(error)} Reinstall it, or use "
            "--engine torch."
        ) from error
    except Exception as error:  # each runtime raises its own exceptions for unsupported graphs
        raise SomaNetError(
            f"The engine {name} cannot run this network: {first_line(error)} Use --engine torch."
        ) from error
