"""How many epochs of the bundled network's recipe fit into some minutes on this machine.

python -m tools.budget build/bundled/sets/dsb2018 --minutes 100 --output build/bundled

Times a few steps of each training on the given images, then shortens or lengthens both by the same factor. Writes
OUTPUT/many_domains.epochs and OUTPUT/neurons.epochs, which `make bundled-model MINUTES=100` makes once and then
keeps, so that a training that was stopped resumes as the one it was.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import typer

from somanet.core.files import make_folder, write_text
from somanet.core.settings import parse, read_yaml
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import train
from somanet.training.settings import FinetuneParams, PretrainParams
from tools.command_line import run

RECIPE = Path(__file__).parents[1] / "somanet" / "model" / "recipe.yaml"
FIRST, SECOND = "many_domains", "neurons"
STEPS = 4
USED = 0.92
"""Share of the minutes that trainings get; reading images, the last validation and calibration take the rest."""


@dataclass(frozen=True)
class Stage:
    """One training of the recipe."""

    name: str
    spec: ModelSpec
    settings: TrainSettings

    @property
    def patches(self) -> int:
        """Patches of the whole training."""
        return self.settings.epochs * (self.settings.samples_per_epoch or 0)


def stages(recipe: Path = RECIPE) -> list[Stage]:
    """The recipe's two trainings, of one network."""
    values = read_yaml(recipe)
    nuclei = parse(PretrainParams, dict(values["pretrain"]["nuclei"]), source=f"{recipe}: nuclei").model
    found = []
    for name in (FIRST, SECOND):
        params = parse(FinetuneParams, dict(values["finetune"][name]), source=f"{recipe}: {name}")
        found.append(Stage(name, params.adapt(nuclei), params.training))
    return found


class Speed(NamedTuple):
    """Seconds per patch: by the clock, and of all processors together."""

    wall_s: float
    processor_s: float


def speed_of(stage: Stage, items: list[LabelledImage]) -> Speed:
    """The speed of a training, after a first epoch of a few steps that compiles kernels and fills caches."""
    n = STEPS * stage.settings.batch_size
    changes = {"epochs": 2, "samples_per_epoch": n, "validate_every": 1000, "warmup_fraction": 0.0, "ema_decay": 0.9}
    settings = stage.settings.model_copy(update=changes)
    spec = stage.spec.model_copy(update={"encoder_weights": None})
    times: list[tuple[float, float]] = []

    def note(_: object) -> None:
        times.append((time.perf_counter(), time.process_time()))

    validation = min(items, key=lambda item: item.labels.size)
    task = TrainingTask(build_model(spec), spec, items, [validation], settings, seed=0)
    train(task, on_epoch=note, progress=False)
    return Speed(*((after - before) / n for before, after in zip(*times, strict=True)))


def epochs_that_fit(planned: list[Stage], seconds: Mapping[str, float], *, minutes: float) -> dict[str, int]:
    """Epochs of each stage, in the recipe's proportions; at least one.

    Args:
        planned: the recipe.
        seconds: by stage, per patch.
        minutes: for all of them.
    """
    whole = sum(stage.patches * seconds[stage.name] for stage in planned)
    factor = USED * 60 * minutes / whole
    return {stage.name: max(1, int(stage.settings.epochs * factor)) for stage in planned}


def main() -> None:
    """Measure, write, say."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.budget", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, help="a labelled data set to time the trainings on")
    parser.add_argument("--minutes", type=float, required=True, help="for both trainings together")
    parser.add_argument("--output", type=Path, required=True, help="folder for NAME.epochs")
    parser.add_argument("--count", type=int, default=24, help="images to read")
    given = parser.parse_args()
    dataset = open_dataset(given.images)
    items = [dataset.load(name) for name in dataset.names[:: max(1, len(dataset) // given.count)]]
    planned = stages()
    speeds = {stage.name: speed_of(stage, items) for stage in planned}
    wall_s = {name: speed.wall_s for name, speed in speeds.items()}
    for name, epochs in epochs_that_fit(planned, wall_s, minutes=given.minutes).items():
        write_text(make_folder(given.output) / f"{name}.epochs", f"{epochs}\n")
        typer.echo(
            f"{name}: {1 / wall_s[name]:.1f} patches of 256 px per second, {speeds[name].processor_s:.2f} processor "
            f"seconds each; {epochs} epochs"
        )


if __name__ == "__main__":
    run(main)
