"""A checkpoint in half the bytes, with the id of the run that trained it inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.files import atomic_paths, make_readable, write_json
from somanet.core.hashing import sha256_file
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.network.intended_use import SECTION, IntendedUse

if TYPE_CHECKING:
    from torch import Tensor


def export_half(
    checkpoint: Path, output: Path, *, mlflow_run: str | None = None, intended_use: IntendedUse | None = None
) -> str:
    """Write a checkpoint with 16-bit weights; loading it makes them 32-bit again. Returns the new weights' SHA-256.

    Weights keep about three digits, which changes probabilities by about 1e-3. A tensor with a number beyond 65504,
    such as the variances of a batch norm, stays in 32 bits: in 16 it would be infinite. Files beside the two of the
    checkpoint are kept. A refusal or a failure leaves an older network whole.

    Args:
        checkpoint: the folder of a trained network.
        output: folder to write the two files into.
        mlflow_run: id of the run that trained it.
        intended_use: its intended use; None keeps the checkpoint's own.

    Raises:
        SomaNetError: the checkpoint is missing or damaged, or the output cannot be written.
    """
    from safetensors.torch import save_file

    loaded = load_checkpoint(checkpoint)
    config = read_config(checkpoint)
    tensors = {name: _in_16_bits(value).contiguous() for name, value in loaded.model.state_dict().items()}
    with atomic_paths(output / WEIGHTS, output / CONFIG) as (weights_file, config_file):
        save_file(tensors, weights_file)
        make_readable(weights_file)
        digest = sha256_file(weights_file)
        weights = {"file": WEIGHTS, "sha256": digest, "exported_from": loaded.sha256, "precision": "float16"}
        section = {} if intended_use is None else {SECTION: intended_use.model_dump(mode="json")}
        write_json(config_file, {**config, **section, "weights": weights, "mlflow_run": mlflow_run})
    return digest


def _in_16_bits(value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    return half if bool(half.isfinite().all()) else value.float()
