"""Stage `evaluate@VARIANT`: score every seed of a variant on the validation neurons."""

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

VAL = Path("data/packed/target_val")


def main(variant: str) -> None:
    params = load_params()
    items = load_items(VAL)
    evaluations = {}
    for seed in params.seeds:
        checkpoint = Path("models/finetune") / variant / f"seed{seed}"
        evaluations[seed] = evaluate_checkpoint(
            checkpoint,
            items,
            thresholds=params.evaluate.thresholds,
            panel_images=params.evaluate.panel_images,
            device=params.evaluate.device,
        )
        record_evaluation(
            checkpoint,
            evaluations[seed],
            items,
            on="neurons",
            recording=Recording.of_stage(
                "finetune",
                variant,
                [dataset_ref(VAL, "test on neurons", items)],
                profile=profile_of(params),
                seed=seed,
            ),
        )
    metrics = write_evaluation(evaluations, Path("reports/evaluate") / variant, title=variant)
    write_scores(f"tuned/{variant}", {score: metrics[score] for score in NETWORK_SCORES})


if __name__ == "__main__":
    stage(main, *sys.argv[1:], network=True)
