"""The networks that an analysis uses: the bundled model, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.core.extras import require
from somanet.core.guard import protect
from somanet.core.installation import PACKAGE
from somanet.provenance.code import project_root
from somanet.provenance.mlflow import resolve_checkpoint, training_of
from somanet.segmentation.engines import EIGHT_BITS, ONLY_BUNDLED, EngineName, with_engine
from somanet.segmentation.engines.devices import AUTO, CPU, find_device

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import Checkpoint

BUNDLED_NAME = "bundled"
"""Names the bundled model wherever a network is named; a folder of that name is `./bundled`."""
BUNDLED = PACKAGE / "model"
"""Trained on nuclei, neuron crops and simulated crops; its `README.md` is the model card."""
AGAIN = "install SomaNet again (`pip install --force-reinstall --no-deps somanet`)"
"""What restores the bundled model's files."""


def network_folder(model: Path | str | None, *, updates: bool = False) -> Path:
    """The checkpoint folder to use; it is protected from being written to by the running command.

    Args:
        model: `bundled`, as none; a folder; or any name that
            :func:`somanet.provenance.mlflow.resolve_checkpoint` takes: an MLflow run, an alias such as `champion`, an
            address.
        updates: the command may change it; it is not protected.

    Raises:
        SomaNetError: none was named and this installation has no bundled model, no network has that name, a file was
            named instead of a folder, or a folder is named like the bundled model.
    """
    if str(model) == BUNDLED_NAME and Path(BUNDLED_NAME).exists():
        raise SomaNetError(
            f"{BUNDLED_NAME} is the name of the bundled model, and there is a folder of that name here. Leave the name "
            f"out for the bundled model, or give ./{BUNDLED_NAME} for the folder."
        )
    if model is not None and str(model) != BUNDLED_NAME:
        _refuse_files(Path(model))
        folder = resolve_checkpoint(model, root=project_root())
        return folder if updates else protect(folder)
    if not (BUNDLED / "config.json").is_file():
        raise SomaNetError(
            "This installation has no bundled model. Name one with --model: a folder written by `somanet train` or "
            "`somanet finetune`."
        )
    return protect(BUNDLED)


@dataclass(frozen=True)
class OpenedNetworks:
    """Networks, ready for inference.

    Attributes:
        segmenter: the segmenter with all of them.
        folders: their checkpoints, in the same order.
        notes: messages about the engines for the user.
    """

    segmenter: Segmenter
    folders: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def open_networks(
    models: Sequence[Path | str | None] | None,
    *,
    engine: EngineName = "auto",
    device: str = CPU,
    tta: int = 1,
    rescale: float | None = None,
    diameter_px: float | None = None,
    keep_haze: bool = False,
    threads: int = 1,
    at_once: int = 1,
) -> OpenedNetworks:
    """The named network or networks, each run by an engine.

    Args:
        models: names as :func:`network_folder` takes them; none = the bundled model.
        engine, device, threads, at_once: see :func:`somanet.segmentation.engines.with_engine`.
        tta: see :class:`somanet.segmentation.inference.segmenter.Segmenter`.
        rescale, diameter_px: see :func:`somanet.segmentation.inference.rescaling.rescaling_factor`; if neither is
            given, the factor is estimated from the images.
        keep_haze: whether to keep objects that :class:`somanet.segmentation.inference.haze.HazeRule` calls haze.

    Raises:
        SomaNetError: a network cannot be used, the same one was named twice, or they do not form an ensemble.
    """
    from somanet.segmentation.inference.haze import rule_for
    from somanet.segmentation.inference.rescaling import rescaling_factor
    from somanet.segmentation.inference.segmenter import Segmenter

    folders = tuple(network_folder(model) for model in models or (None,))
    loaded, said = zip(*(_loaded(folder, engine, device, threads) for folder in folders), strict=True)
    weights = [checkpoint.sha256 for checkpoint in loaded]
    if twice := next((n for n, sha256 in enumerate(weights) if sha256 in weights[:n]), None):
        raise SomaNetError(
            f"{folders[twice]} has the same weights as {folders[weights.index(weights[twice])]}, so averaging them "
            "adds nothing. Name each network once."
        )
    factor = rescaling_factor(loaded[0].intended_use, rescale=rescale, diameter_px=diameter_px)
    haze = None if keep_haze else rule_for(Segmenter(loaded).intended_use)
    Segmenter(loaded, tta, factor, haze)  # incompatible networks are refused before engines are built
    choices = [with_engine(one, engine, device=device, threads=threads, at_once=at_once) for one in loaded]
    notes = tuple(dict.fromkeys(note for one in (*said, *(choice.notes for choice in choices)) for note in one))
    return OpenedNetworks(Segmenter(tuple(one.checkpoint for one in choices), tta, factor, haze), folders, notes)


def _loaded(folder: Path, engine: EngineName, device: str, threads: int) -> tuple[Checkpoint, tuple[str, ...]]:
    """A network: of the bundled one a stored graph, where the default engine runs it on the processor, or 8 bits are.

    Returns:
        It, and why it was built in place of the stored graph, for the user.

    Raises:
        SomaNetError: it cannot be loaded; the stored graph cannot be used, and torch is not installed; 8 bits cannot be
            used.
    """
    from somanet.segmentation.engines.stored_graph import open_stored
    from somanet.segmentation.network.checkpoint import load_checkpoint

    if engine == EIGHT_BITS:
        return _in_8_bits(folder, device, threads), ()
    stored = folder == BUNDLED and engine in ("auto", "onnxruntime") and find_spec("onnxruntime") is not None
    if stored and find_device(device).kind == CPU:
        try:
            return open_stored(folder, threads=threads), ()
        except SomaNetError as error:
            if find_spec("torch") is None:
                raise SomaNetError(f"{error} torch, which would do without it, is not found here: {AGAIN}.") from None
            instead = "The network is built by torch instead, which takes longer; if the file is damaged"
            return load_checkpoint(folder), (f"{error} {instead}, {AGAIN}.",)
    return load_checkpoint(folder), ()


def _in_8_bits(folder: Path, device: str, threads: int) -> Checkpoint:
    """The bundled network in 8 bits.

    Raises:
        SomaNetError: it is another network, the device is not the processor, or ONNX Runtime or the graph cannot be
            used.
    """
    from somanet.segmentation.engines.stored_graph import open_stored

    if folder.resolve() != BUNDLED:
        raise SomaNetError(f"{folder}: {ONLY_BUNDLED}")
    if device not in (AUTO, CPU):
        raise SomaNetError(
            f"--device {device}: --engine {EIGHT_BITS} computes on the processor only. Use --device cpu, or "
            "--engine auto."
        )
    if find_spec("onnxruntime") is None:
        require("onnx", purpose=f"--engine {EIGHT_BITS}")
    try:
        return open_stored(folder, eight_bits=True, threads=threads)
    except SomaNetError as error:
        raise SomaNetError(f"{error} Use --engine auto; if the file is damaged, {AGAIN}.") from error


def about_networks(opened: OpenedNetworks, root: Path) -> dict[str, Any]:
    """:func:`about_network` of the first; `ensemble` lists it for each of several."""
    pairs = zip(opened.folders, opened.segmenter.networks, strict=True)
    each = [about_network(folder, network.sha256, root) for folder, network in pairs]
    if len(each) == 1:
        return each[0]
    return {**each[0], "ensemble": each}


def _refuse_files(path: Path) -> None:
    """The error for a file, which is not a checkpoint: what it is and what to name instead."""
    if not path.is_file():
        return
    kinds = {".onnx": "an ONNX file", ".xml": "an OpenVINO file", ".zip": "a zip, such as a bioimage.io package"}
    if path.suffix.lower() in kinds:
        raise SomaNetError(
            f"{path} is {kinds[path.suffix.lower()]} for other programs; expected the checkpoint folder that it "
            "was exported from. SomaNet converts a checkpoint to ONNX itself: --engine onnxruntime."
        )
    raise SomaNetError(
        f"{path} is a file; expected a checkpoint folder written by `somanet train`, with config.json and "
        f"model.safetensors{f': {path.parent}' if path.name in ('model.safetensors', 'config.json') else ''}."
    )


def about_network(folder: Path, sha256: str, root: Path | None = None) -> dict[str, Any]:
    """Metadata of a network besides its hash: its name, its training, and the MLflow run that trained it.

    The run is looked up in the project's store by the hash of the weights; a network from elsewhere may name it.
    Without a project nothing is looked up: outputs of a pipeline do not name runs, which differ each time.
    """
    from somanet.segmentation.network.checkpoint import read_config

    config = read_config(folder)
    run = None if root is None else training_of(sha256, root=root)
    return {
        "name": BUNDLED_NAME if folder.resolve() == BUNDLED else folder.resolve().name,
        "mlflow_run": run or config.get("mlflow_run"),
        "training": config.get("training"),
        "start_weights_sha256": config.get("start_weights_sha256"),
    }
