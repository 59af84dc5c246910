"""Stage `baseline@NETWORK`: score a pretrained network without fine-tuning, on held-out nuclei and on neurons."""

import sys
from pathlib import Path

from somanet.config import load_params, profile_of
from somanet.training.experiments import (
    NETWORK_SCORES,
    Recording,
    dataset_ref,
    evaluate_checkpoint,
    load_items,
    record_evaluation,
    stage,
    write_evaluation,
    write_scores,
)

ROWS = {"nuclei": "nuclei", "neurons": "baseline"}
"""Data set → folder of its scores; those on neurons are what fine-tuning starts from."""


def main(network: str) -> None:
    params = load_params()
    source, neurons = Path("data/packed/source"), Path("data/packed/target_val")
    held_out = load_items(source, split=Path("reports/data/split.csv"), part="test")
    sets = {"nuclei": (source, held_out), "neurons": (neurons, load_items(neurons))}
    checkpoint = Path("models/pretrain") / network
    for name, (path, items) in sets.items():
        evaluation = evaluate_checkpoint(
            checkpoint,
            items,
            thresholds=params.evaluate.thresholds,
            panel_images=params.evaluate.panel_images,
            device=params.evaluate.device,
        )
        title = f"{network}, pretrained on nuclei, on {name}"
        metrics = write_evaluation({params.seed: evaluation}, Path("reports/baseline") / network / name, title=title)
        write_scores(f"{ROWS[name]}/{network}", {score: metrics[score] for score in NETWORK_SCORES})
        record_evaluation(
            checkpoint,
            evaluation,
            items,
            on=name,
            recording=Recording.of_stage(
                "pretrain", network, [dataset_ref(path, f"test on {name}", items)], profile=profile_of(params)
            ),
        )


if __name__ == "__main__":
    stage(main, *sys.argv[1:], network=True)
