"""Stage `evaluate@VARIANT`: score every seed of a variant on the validation neurons."""

import sys
from pathlib import Path

from somanet.config import load_params, profile_of
from somanet.training.experiments import (
    Recording,
    dataset_ref,
    evaluate_checkpoint,
    load_items,
    record_evaluation,
    stage,
    write_evaluation,
)

VAL = Path("data/packed/target_val")


def main(variant: str) -> None:
    params = load_params()
    items = load_items(VAL)
    evaluations = {}
    for seed in params.seeds:
        evaluations[seed] = evaluate_checkpoint(
            Path("models/finetune") / variant / f"seed{seed}",
            items,
            thresholds=params.evaluate.thresholds,
            panel_images=params.evaluate.panel_images,
        )
        record_evaluation(
            Path("reports/finetune") / variant / "runs" / f"seed{seed}.json",
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
    write_evaluation(evaluations, Path("reports/evaluate") / variant, title=variant)


if __name__ == "__main__":
    stage(main, *sys.argv[1:])
