"""A network that another training replaces: MLflow has it, or it stays under another name."""

from __future__ import annotations

from pathlib import Path

from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.typed import quoted


def keep_earlier(output: Path, *, root: Path) -> str | None:
    """See to it that a network which a training is to replace is not lost.

    Args:
        output: where the new network will be written.
        root: the project in whose store the run is searched for that trained the earlier one.

    Returns:
        Where the earlier network is found afterwards, for the user; None where there is none. If no run has it, the
        running command keeps it under another name, and says so itself.
    """
    from somanet.core.hashing import sha256_file
    from somanet.provenance.mlflow import run_checkpoint, training_of
    from somanet.provenance.mlflow.runfile import weights_of
    from somanet.segmentation.network.checkpoint import WEIGHTS

    if not (weights := weights_of(output)):
        return None
    try:
        run = training_of(weights, root=root, required=True)
        if run is not None and sha256_file(run_checkpoint(run, root=root) / WEIGHTS) == weights:
            return (
                f"{output} holds the network of run {run}, which this training replaces there. MLflow keeps it: "
                f"{quoted('--model', run)}"
            )
    except (SomaNetError, ImportError, OSError):  # the store cannot be used, or has lost the file
        pass
    guard.keep_earlier(output)
    return None
