"""The label-efficiency curve: IoU, precision and accuracy on soma/val after training with 2 to 32 labelled crops.

python -m benchmarks.few_labels --data ../shared/data --start CHECKPOINT --dry-run     # how long it will take
python -m benchmarks.few_labels --data ../shared/data --start CHECKPOINT --output build/few_labels
python -m benchmarks.few_labels --data ../shared/data --start CHECKPOINT --draw        # only the page, no training

python -m benchmarks.few_labels --data ../shared/data --start CHECKPOINT --methods plain teacher putative

CHECKPOINT is a network trained on none of DATA/soma and DATA/neuritetracker. For every number of crops, trainings use
the labelled crops only, with simulated crops, with unlabelled frames, and with both, each with every seed. Writes
results.csv after each training and resumes from there when started again; then few_labels.md and few_labels.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from benchmarks.few_labels.page import draw, markdown, summarise
from benchmarks.few_labels.plan import (
    ALL_METHODS,
    METHODS,
    SEEDS,
    SIZES,
    PlannedTraining,
    World,
    content_of,
    key_of,
    planned_trainings,
    recipe,
)
from benchmarks.few_labels.trainings import PARTS, expected_seconds, train_and_score
from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from somanet.core.machine import available_processors
from somanet.core.plots import save_figure
from somanet.core.settings import read_yaml
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.writers import write_pairs
from somanet.io.tables import write_table
from somanet.segmentation.network.checkpoint import read_config
from somanet.simulation import neuron_crops
from somanet.training.experiments import load_items
from somanet.training.loop.selection import unlabelled_images
from somanet.training.settings import FinetuneParams

SIMULATED_SEED = 3000  # not that of the crops that the bundled model was trained on
CROP_PX = 256


def read_arguments() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with soma/ and neuritetracker/")
    parser.add_argument("--start", type=Path, required=True, help="checkpoint of a network trained on nuclei")
    parser.add_argument("--output", type=Path, default=Path("build/few_labels"))
    parser.add_argument("--params", type=Path, default=Path("profiles/real/params.yaml"), help="has the recipe")
    parser.add_argument("--variant", default="lite0_all", help="of its finetune section: loss, optimiser, rates")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="such as training.learning_rate=5e-4")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of labelled crops")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    every, usual = ([method.name for method in methods] for methods in (ALL_METHODS, METHODS))
    parser.add_argument("--methods", nargs="+", choices=every, default=usual)
    parser.add_argument("--simulated", type=int, default=32, help="simulated crops")
    parser.add_argument("--frames", type=int, default=32, help="unlabelled frames of the movie, evenly spaced")
    parser.add_argument(
        "--columns", type=int, nargs=2, default=(0, 440), help="of these frames; the rest is for validation"
    )
    parser.add_argument("--threads", type=int, default=available_processors())
    parser.add_argument("--dry-run", action="store_true", help="train a few steps and estimate the total time")
    parser.add_argument("--draw", action="store_true", help="only write the page, from finished trainings")
    return parser.parse_args()


def read_world(arguments: argparse.Namespace) -> World:
    """All data; the simulated crops are written once, into the output folder."""
    simulated = arguments.output / f"simulated_{arguments.simulated}"
    if not simulated.exists():
        write_pairs(simulated, neuron_crops(n_crops=arguments.simulated, size_px=CROP_PX, seed=SIMULATED_SEED))
    movie = arguments.data / "neuritetracker" / "cell_body.tif"
    return World(
        labelled=load_items(arguments.data / "soma" / "train"),
        held_out=load_items(arguments.data / "soma" / "val"),
        simulated=list(open_dataset(simulated)),
        unlabelled=unlabelled_images(movie, n_frames=arguments.frames, columns=tuple(arguments.columns)),
        start=arguments.start,
        start_sha256=read_config(arguments.start)["weights"]["sha256"],
    )


def main() -> None:
    """Train what is missing, then write the page."""
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    world = read_world(arguments)
    variants = read_yaml(arguments.params)["finetune"]
    if arguments.variant not in variants:
        raise SomaNetError(f"{arguments.params} has no finetune.{arguments.variant}; it has {', '.join(variants)}.")
    methods = [method for method in ALL_METHODS if method.name in arguments.methods]
    settings = {method.name: recipe(variants[arguments.variant], arguments.set, method) for method in methods}
    content = content_of(world)
    plan = {
        key_of(planned, settings[planned.method.name], content): planned
        for planned in planned_trainings(methods, arguments.sizes, arguments.seeds)
    }
    table = arguments.output / "results.csv"
    parts = [pd.read_csv(table)] if table.exists() else []
    done = {key for part in parts for key in part["key"]}
    missing = {key: planned for key, planned in plan.items() if key not in done}
    print(f"{len(plan)} trainings, {len(plan) - len(missing)} of them finished", flush=True)
    if arguments.dry_run:
        print_expected_time(missing.values(), world, settings)
        return
    for key, planned in {} if arguments.draw else missing.items():
        scored = train_and_score(planned, world, settings[planned.method.name])
        parts.append(scored.assign(key=key, method=planned.method.name, crops=planned.crops, seed=planned.seed))
        write_table(table, pd.concat(parts, ignore_index=True))
        iou = scored.loc[scored["part"] == PARTS[0], "iou"].mean()
        print(
            f"{planned.method.name}, {planned.crops} crops, seed {planned.seed}: IoU {iou:.3f}, "
            f"{scored['seconds'][0]} s",
            flush=True,
        )
    finished = [part[part["key"].isin(plan)] for part in parts]
    if not sum(map(len, finished)):
        raise SomaNetError(
            f"{table} has none of these trainings. Run without --draw, or with the settings that it was made with."
        )
    rows = summarise(pd.concat(finished, ignore_index=True))
    write_text(arguments.output / "few_labels.md", markdown(rows, metadata(arguments, world, settings)))
    save_figure(draw(rows), arguments.output / "few_labels.png")
    print(f"Written: {arguments.output}/few_labels.md, few_labels.png, results.csv")


def print_expected_time(missing: Iterable[PlannedTraining], world: World, settings: dict[str, FinetuneParams]) -> None:
    """Print how long one training of each method takes on this machine, and all missing ones together."""
    total = 0.0
    counted: dict[str, list[PlannedTraining]] = {}
    for planned in missing:
        counted.setdefault(planned.method.name, []).append(planned)
    for name, group in counted.items():
        seconds = expected_seconds(group[0], world, settings[name])
        total += seconds * len(group)
        print(f"{name}: {len(group)} trainings of {seconds:.0f} s", flush=True)
    print(f"all: {total / 60:.0f} min with {torch.get_num_threads()} threads, if the machine's load stays the same")


def metadata(arguments: argparse.Namespace, world: World, settings: dict[str, FinetuneParams]) -> list[str]:
    """The setting of the measurements."""
    training = next(iter(settings.values())).training
    measured_on = (
        f"Start {world.start.name} ({world.start_sha256[:12]}), recipe {arguments.variant}; each training "
        f"{training.epochs} × {training.samples_per_epoch} labelled patches of {training.size_px} px, batches of "
        f"{training.batch_size}; {len(world.simulated)} simulated crops; {len(world.unlabelled)} unlabelled frames, "
        f"x from {arguments.columns[0]} to {arguments.columns[1]}; {arguments.threads} threads."
    )
    how = (
        f"Mean over seeds ± standard deviation over seeds [95 % bootstrap interval over the {len(world.held_out)} "
        "held-out crops]; precision and accuracy count all objects, matched at IoU ≥ 0.5."
    )
    return [measured_on, "", how]


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
