"""Stage `finetune@VARIANT`: fine-tune a pretrained network on neurons, once per seed."""

import sys
from pathlib import Path

from somanet.config import load_params, profile_of
from somanet.training.experiments import (
    Recording,
    dataset_ref,
    load_items,
    origin_of,
    run_training,
    several_trainings,
    stage,
    write_training,
)
from somanet.training.loop.selection import choose_images
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask

TRAIN, VAL = Path("data/packed/target_train"), Path("data/packed/target_val")


def main(variant: str) -> None:
    params = load_params()
    chosen = params.finetune[variant]
    start = Path("models/pretrain") / chosen.start
    labelled, val_items = load_items(TRAIN), load_items(VAL)
    checkpoints = {seed: Path("models/finetune") / variant / f"seed{seed}" for seed in params.seeds}
    results = {}
    with several_trainings(at_exit=True) as trainings:
        for seed in params.seeds:
            train_items = choose_images(labelled, chosen.images, drawn=chosen.images_drawn, seed=seed)
            datasets = [dataset_ref(TRAIN, "training", train_items), dataset_ref(VAL, "validation", val_items)]
            model, spec, start_sha256 = start_network(
                params.pretrain[chosen.start].model, seed=seed, checkpoint=start, weights=chosen.weights
            )
            results[seed] = run_training(
                TrainingTask(model, chosen.adapt(spec), train_items, val_items, chosen.training, seed=seed),
                checkpoint=checkpoints[seed],
                run_file=None,
                recording=Recording.of_stage(
                    "finetune",
                    variant,
                    datasets,
                    profile=profile_of(params),
                    seed=seed,
                    scored_on="neurons",
                    about=origin_of(chosen),
                ),
                start_sha256=start_sha256,
                score_training_images=True,
                trainings=trainings,
            )
        write_training(Path("reports/finetune") / variant, results, checkpoints, stage="finetune")


if __name__ == "__main__":
    stage(main, *sys.argv[1:], network=True)
