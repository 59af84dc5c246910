"""The network that an analysis uses: the one that comes with SomaNet, or one of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import somanet
from somanet.errors import SomaNetError
from somanet.mlops import find_run, resolve_checkpoint
from somanet.provenance import project_root

BUNDLED = Path(somanet.__file__).resolve().parent / "model"
"""Trained on nuclei, neuron crops and simulated crops; its `README.md` is the model card."""


def network_folder(model: Path | str | None) -> Path:
    """The checkpoint folder to use.

    Args:
        model: a folder, or any name that :func:`somanet.mlops.resolve_checkpoint` takes: an MLflow run, an alias such
            as `champion`, an address.

    Raises:
        SomaNetError: none was named and none came with this installation, no network has that name, or a file was
            named instead of a folder.
    """
    if model is not None:
        _refuse_files(Path(model))
        return resolve_checkpoint(model, root=project_root())
    if not (BUNDLED / "config.json").is_file():
        raise SomaNetError(
            "This installation has no network of its own. Name one with --model: a folder that `somanet train` or "
            "`somanet finetune` wrote."
        )
    return BUNDLED


def _refuse_files(path: Path) -> None:
    """A file is no checkpoint: say what it is and what to name instead."""
    if not path.is_file():
        return
    kinds = {".onnx": "an ONNX file", ".xml": "an OpenVINO file", ".zip": "a zip, such as a bioimage.io package"}
    if path.suffix.lower() in kinds:
        raise SomaNetError(
            f"{path} is {kinds[path.suffix.lower()]}, made for other programs; expected the checkpoint folder that it "
            "was exported from. SomaNet makes its own ONNX of a checkpoint: --engine onnxruntime."
        )
    raise SomaNetError(
        f"{path} is a file; expected the checkpoint folder that `somanet train` wrote, with config.json and "
        f"model.safetensors{f': {path.parent}' if path.name in ('model.safetensors', 'config.json') else ''}."
    )


def about_network(folder: Path, sha256: str, root: Path) -> dict[str, Any]:
    """What is known of a network beside its hash: its name, its training, and the MLflow run that made it.

    The run is looked for in the project's store, by the hash of the weights; a network from elsewhere may name it.
    """
    from somanet.segmentation.checkpoint import read_config

    config = read_config(folder)
    run = find_run({"weights_sha256": sha256}, root=root)
    return {
        "name": "bundled" if folder.resolve() == BUNDLED else folder.resolve().name,
        "mlflow_run": run or config.get("mlflow_run"),
        "training": config.get("training"),
        "start_weights_sha256": config.get("start_weights_sha256"),
    }
