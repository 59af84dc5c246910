"""Stage `pretrain@NETWORK`: train a network on nuclei."""

import sys
from pathlib import Path

from somanet.config import load_params, profile_of
from somanet.training.experiments import (
    Recording,
    dataset_ref,
    load_items,
    run_training,
    several_trainings,
    stage,
    write_training,
)
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask

PACKED = Path("data/packed/source")
SPLIT = Path("reports/data/split.csv")


def main(network: str) -> None:
    params = load_params()
    chosen = params.pretrain[network]
    train_items = load_items(PACKED, split=SPLIT, part="train")
    val_items = load_items(PACKED, split=SPLIT, part="val")
    model, spec, _ = start_network(chosen.model, seed=params.seed)
    checkpoint = Path("models/pretrain") / network
    with several_trainings(at_exit=True) as trainings:
        result = run_training(
            TrainingTask(model, spec, train_items, val_items, chosen.training, seed=params.seed),
            checkpoint=checkpoint,
            run_file=None,
            recording=Recording.of_stage(
                "pretrain",
                network,
                [dataset_ref(PACKED, "training", train_items), dataset_ref(PACKED, "validation", val_items)],
                profile=profile_of(params),
                scored_on="validation_nuclei",
            ),
            trainings=trainings,
        )
        write_training(
            Path("reports/pretrain") / network, {params.seed: result}, {params.seed: checkpoint}, stage="pretrain"
        )


if __name__ == "__main__":
    stage(main, *sys.argv[1:], network=True)
