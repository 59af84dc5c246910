"""Train SomaNet's network from random weights on the detectors' images, for as long as they are trained.

python -m benchmarks.yolo.from_scratch --data ../shared/data --output FOLDER --budget-s 1000 --seed 0

The bundled network began with an ImageNet encoder and was trained in parts, for longer: it is no measure of what its
architecture learns in a detector's time. Here neither has seen an image before. The length of a training decides its
learning rates, so it is fixed beforehand, in epochs: as many as fit the budget at the speed measured first.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.yolo import sets
from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.settings import parse, read_yaml
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import TrainingResult, train
from somanet.training.settings import FinetuneParams, PretrainParams

RECIPE = BUNDLED / "recipe.yaml"
NETWORK, VARIANT = "nuclei", "neurons"
"""The architecture, and the training whose settings are used: of those of the bundled network."""
CLOCKS = ("wall", "processor")
USED = 0.92
"""Share of the budget that epochs get: the last validation and a busy machine take the rest, so that none has more."""
SAMPLES = 80
"""Per epoch: small, so that whole epochs fit the budget closely."""


def settings_of(recipe: Path = RECIPE) -> tuple[ModelSpec, TrainSettings]:
    """The bundled network's architecture without pretrained weights, and how it is trained."""
    values = read_yaml(recipe)
    network = parse(PretrainParams, dict(values["pretrain"][NETWORK]), source=f"{recipe}: {NETWORK}").model
    variant = parse(FinetuneParams, dict(values["finetune"][VARIANT]), source=f"{recipe}: {VARIANT}")
    spec = variant.adapt(network).model_copy(update={"encoder_weights": None})
    changes = {"samples_per_epoch": SAMPLES, "validate_every": 1_000_000, "device": "cpu"}
    return spec, variant.training.model_copy(update=changes)


def trained(
    spec: ModelSpec, settings: TrainSettings, items: Sequence[LabelledImage], val: Sequence[LabelledImage], *, seed: int
) -> tuple[TrainingResult, list[tuple[float, float]]]:
    """A training from random weights: its result, and wall and processor seconds at the end of each epoch."""
    model, spec, _ = start_network(spec, seed=seed)
    ends = []
    result = train(
        TrainingTask(model, spec, items, val, settings, seed=seed),
        on_epoch=lambda _: ends.append((time.perf_counter(), time.process_time())),
        progress=False,
    )
    return result, ends


def epochs_for(budget_s: float, seconds_per_epoch: float) -> int:
    """Whole epochs within :data:`USED` of a budget.

    Raises:
        SomaNetError: not even one fits.
    """
    if USED * budget_s < seconds_per_epoch:
        raise SomaNetError(
            f"One epoch takes {seconds_per_epoch:.0f} s; expected a larger --budget-s than {budget_s:g}."
        )
    return int(USED * budget_s / seconds_per_epoch)


def learn(data: Path, output: Path, *, budget_s: float, clock: str, threads: int, seed: int) -> dict[str, Any]:
    """Train, write the checkpoint and ``training.json``; returns the latter's content."""
    torch.set_num_threads(threads)
    spec, settings = settings_of()
    items, val = sets.somanet_items(data)
    _, ends = trained(
        spec, settings.model_copy(update={"epochs": 2, "warmup_fraction": 0.0}), items, val[:1], seed=seed
    )
    speed = ends[1][CLOCKS.index(clock)] - ends[0][CLOCKS.index(clock)]
    settings = settings.model_copy(update={"epochs": epochs_for(budget_s, speed)})
    began = time.perf_counter(), time.process_time()
    result, _ = trained(spec, settings, items, val, seed=seed)
    record = {
        "wall_s": time.perf_counter() - began[0],
        "processor_s": time.process_time() - began[1],
        "budget_s": budget_s,
        "clock": clock,
        "threads": threads,
        "machine": platform.machine(),
        "images": settings.epochs * SAMPLES,
        "settings": {"imgsz": settings.size_px, "batch": settings.batch_size, "seed": seed},
        "epochs": settings.epochs,
        "torch": torch.__version__,
        "parameters": sum(weight.numel() for weight in result.model.parameters()),
    }
    save_checkpoint(output, result.model, spec, {"training": record})
    write_json(output / "training.json", record)
    return record


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--budget-s", type=float, required=True, help="of the training alone")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="under other load: processor")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        record = learn(
            given.data,
            given.output,
            budget_s=given.budget_s,
            clock=given.clock,
            threads=given.threads,
            seed=given.seed,
        )
    except SomaNetError as error:
        sys.exit(f"error: {error}")
    print(f"{record['epochs']} epochs, {record['processor_s']:.0f} s of processor time")


if __name__ == "__main__":
    main()
