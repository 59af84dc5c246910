"""The mean of networks that were fine-tuned from one start with different seeds, as one network.

SEEDS=build/bundled/seed; python -m tools.average ${SEEDS}0/neurons ${SEEDS}1/neurons --output build/bundled/mean

Every weight is the mean of that weight in the networks (Wortsman et al. 2022), and so is every mean and variance of a
batch norm: one network, as fast as each. This needs networks of one start; of others the mean computes nothing
sensible. Temperature, thresholds and confidence are not taken over: fit them to the mean (`somanet calibrate`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from somanet.core.errors import SomaNetError
from somanet.core.guard import reading
from somanet.provenance.code import project_root
from somanet.provenance.mlflow import training_of
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tools.command_line import run

if TYPE_CHECKING:
    from torch import Tensor

OF_ONE = ("start_weights_sha256", "best_epoch", "best_val_iou", "mlflow_run")
"""What a checkpoint says of the one training that made it."""


def average(folders: Sequence[Path], output: Path) -> str:
    """Write the mean of networks as a checkpoint; return its weights' SHA-256.

    Args:
        folders: two checkpoints or more, of the same kind of network.
        output: folder of the checkpoint to write; its `mean_of` lists hash, seed and MLflow run of each network.

    Raises:
        SomaNetError: there are fewer than two, two are equal, or they are networks of different kinds.
    """
    if len(folders) < 2:
        raise SomaNetError(f"A mean needs two networks or more, not {len(folders)}.")
    networks = [load_checkpoint(folder) for folder in folders]
    first = networks[0]
    for folder, other in zip(folders[1:], networks[1:], strict=True):
        kinds = [one.spec.model_dump(exclude={"instances"}) for one in (first, other)]
        if kinds[0] != kinds[1]:
            differs = next(name for name in kinds[0] if kinds[0][name] != kinds[1][name])
            raise SomaNetError(
                f"{folder} is another kind of network than {folders[0]}: {differs} is {kinds[1][differs]}, not "
                f"{kinds[0][differs]}. A mean needs networks of one start."
            )
    if len({one.sha256 for one in networks}) < len(networks):
        raise SomaNetError("Two of the networks are the same one. Give the networks of different seeds.")
    states = [one.model.state_dict() for one in networks]
    first.model.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    about = {name: value for name, value in first.metadata.items() if name not in OF_ONE}
    about["training"] = {**about.get("training", {}), "seed": None}
    return save_checkpoint(output, first.model, first.spec, {**about, "mean_of": [_source(one) for one in networks]})


def _mean(values: Sequence[Tensor]) -> Tensor:
    """The mean; of counts, which no output depends on, the first."""
    if not values[0].is_floating_point():
        return values[0]
    total = sum((value.double() for value in values[1:]), values[0].double())
    return (total / len(values)).to(values[0].dtype)


def _source(network: Checkpoint) -> dict[str, Any]:
    about = network.metadata
    return {
        "weights_sha256": network.sha256,
        "seed": about.get("training", {}).get("seed"),
        "start_weights_sha256": about.get("start_weights_sha256"),
        "mlflow_run": training_of(network.sha256, root=project_root()) or about.get("mlflow_run"),
    }


def main() -> None:
    """Write the mean of the given networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", help="folders of checkpoints")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint to write")
    options = parser.parse_args()
    with reading(*options.networks):
        digest = average(options.networks, options.output)
    typer.echo(f"Written: {options.output}, the mean of {len(options.networks)} networks ({digest[:12]})")
    typer.echo(f"Next: somanet calibrate IMAGES --model {options.output} --output {options.output}")


if __name__ == "__main__":
    run(main)
