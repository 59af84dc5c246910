"""Stage `compare`: every network and variant in one table and one picture."""

from pathlib import Path

from somanet.config import load_params
from somanet.experiments import read_json, stage
from somanet.mlops import run_id_from
from somanet.reporting import Row, write_comparison

REPORTS = Path("reports")


def main() -> None:
    params = load_params()
    rows = [
        Row(
            name=f"baseline: {network}",
            what="trained on nuclei, untouched",
            metrics=read_json(REPORTS / "baseline" / network / "neurons" / "metrics.json"),
            training=read_json(REPORTS / "pretrain" / network / "training.json"),
            runs={params.seed: run_id_from(REPORTS / "pretrain" / network)},
        )
        for network in params.pretrain
    ]
    for variant, chosen in params.finetune.items():
        blocks = chosen.training.trainable_blocks
        what = {
            "random": "from scratch",
            "initial": f"as {chosen.start} began",
            "pretrained": f"from {chosen.start}",
        }[chosen.weights]
        rows.append(
            Row(
                name=variant,
                what=f"{what}, {'all layers' if blocks == 'all' else f'last {blocks} blocks'}",
                metrics=read_json(REPORTS / "evaluate" / variant / "metrics.json"),
                training=read_json(REPORTS / "finetune" / variant / "training.json"),
                runs={
                    seed: run_id_from(REPORTS / "finetune" / variant / "runs" / f"seed{seed}.json")
                    for seed in params.seeds
                },
            )
        )
    nuclei = {
        network: read_json(REPORTS / "baseline" / network / "nuclei" / "metrics.json") for network in params.pretrain
    }
    write_comparison(rows, nuclei, REPORTS)
    print(f"Written: {REPORTS / 'comparison.md'}, comparison.json, comparison.png")


if __name__ == "__main__":
    stage(main)
