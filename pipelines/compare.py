"""Stage `compare`: every network and variant, in one table and one figure."""

from pathlib import Path

from somanet.config import load_params
from somanet.core.files import read_json
from somanet.training.comparison.artefact import write_comparison
from somanet.training.comparison.sources import read_baseline, read_variant
from somanet.training.experiments import stage

REPORTS = Path("reports")


def main() -> None:
    params = load_params()
    networks = [
        read_baseline(network, REPORTS, what="trained on nuclei, not fine-tuned") for network in params.pretrain
    ]
    for variant, chosen in params.finetune.items():
        blocks, tensors = chosen.training.trainable_blocks, chosen.training.trainable_tensors
        start = {
            "random": "from scratch",
            "initial": f"as {chosen.start} began",
            "pretrained": f"from {chosen.start}",
        }[chosen.weights]
        some = f"last {tensors} tensors" if tensors is not None else f"last {blocks} block{'s' * (blocks != 1)}"
        what = f"{start}, {'all layers' if blocks == 'all' and tensors is None else some}"
        networks.append(read_variant(variant, REPORTS, what=what))
    nuclei = {
        network: read_json(
            REPORTS / "baseline" / network / "nuclei" / "metrics.json", expected="scores written by the stage baseline"
        )
        for network in params.pretrain
    }
    write_comparison(networks, REPORTS, data="Validation neurons", nuclei=nuclei)
    print(f"Written: {REPORTS / 'comparison.md'}, comparison.json, comparison.png")


if __name__ == "__main__":
    stage(main)
