"""Does a network that sees the frames before and after find more dim somas? Trainings with and without, side by side.

python -m benchmarks.temporal ../shared/data --output build/temporal                 # the bundled network as start
python -m benchmarks.temporal ../shared/data --start CHECKPOINT --seeds 0 1 2 --samples 1500

Apthorpe et al. 2016 found neurons in calcium imaging by networks with temporal context. Here the first convolution of a
trained network is inflated to the frames t, t − 1 and t + 1 (new weights 0, so that it starts as the trained one) and
all of it is fine-tuned on the crops of `soma/train`, with their neighbour frames from the movie; beside it the network
as it is, on the same patches, with the same augmentation and schedule. Cells that nobody labelled are ignored in both.
Scored at x ≥ 440, where no training crop came from. Dim somas: the quarter of lowest contrast. Writes
tables after each training and goes on from there when started again; then OUTPUT/temporal.md.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.temporal.inputs import inflate
from benchmarks.temporal.page import ALONE, SINGLE, START, TEMPORAL, WORDS, page
from benchmarks.temporal.samples import TemporalSamples, windows_of
from benchmarks.temporal.scores import HeldOut, contrast_table, scored, seconds_per_frame
from benchmarks.temporal.training import fine_tuned
from benchmarks.yolo.sets import LATER_X_PX, MOVIE
from somanet.analysis.network import network_folder
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json, write_json, write_text
from somanet.core.settings import parse, read_yaml
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.regions import read_regions, with_regions
from somanet.io.tables import write_table
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.training.loop.settings import TrainSettings
from somanet.training.settings import FinetuneParams
from tools.unlabelled.__main__ import RECORD, LabelledMovie
from tools.unlabelled.finding import Rules

RECIPE = Path(__file__).parents[2] / "somanet" / "model" / "recipe.yaml"
VARIANT = "many_domains"
"""The recipe whose optimiser, rates, loss and augmentation are used."""
THRESHOLDS = (0.4, 0.5, 0.6)


def settings_of(samples: int, size_px: int) -> TrainSettings:
    """The recipe on a short schedule."""
    values = dict(read_yaml(RECIPE)["finetune"][VARIANT])
    recipe = parse(FinetuneParams, values, source=str(RECIPE)).training
    return recipe.model_copy(update={"epochs": 1, "samples_per_epoch": samples, "size_px": size_px})


def held_out_of(movie: LabelledMovie, every: int) -> HeldOut:
    """The movie with its reference, cells that nobody labelled, and contrasts."""
    rules = Rules()
    ignored = np.stack([movie.ignored(t, rules) for t in range(len(movie.labels_TYX))])
    contrast = contrast_table(movie.body_TYX, movie.labels_TYX, LATER_X_PX)
    return HeldOut(movie.body_TYX, movie.labels_TYX, ignored, contrast, LATER_X_PX, every)


def costs(start: Checkpoint, movie: LabelledMovie) -> str:
    """Processor time with and without neighbours, in words."""
    inflated = copy.deepcopy(start.model)
    inflate(inflated)
    (before, alone), (inputs, network) = seconds_per_frame(
        [(start.model, False), (inflated, True)], start.spec, movie.body_TYX, repeats=4
    )
    ratio = (inputs + network) / (before + alone)
    return (
        f"Processor time for a frame of {movie.body_TYX.shape[1]} × {movie.body_TYX.shape[2]} px, single frames and "
        f"three: input {1000 * before:.0f} and {1000 * inputs:.0f} ms, network {1000 * alone:.0f} and "
        f"{1000 * network:.0f} ms, both together {ratio:.2f} times."
    )


def read_arguments() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with soma/ and neuritetracker/")
    parser.add_argument("--start", help="checkpoint that both are fine-tuned from; the bundled network by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--samples", type=int, default=1500, help="patches in each training")
    parser.add_argument("--size", type=int, default=96, help="their side in pixels")
    parser.add_argument("--every", type=int, default=2, help="score each of so many frames, and the last")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("build/temporal"))
    return parser.parse_args()


def main() -> None:
    """Train and score what is missing, then write the page."""
    given = read_arguments()
    torch.set_num_threads(given.threads)
    start = load_checkpoint(network_folder(given.start))
    if start.spec.input == "rgb" or start.spec.in_channels != 3:
        raise SomaNetError(f"Expected a start with input contrasts or background, found {start.spec.input!r}.")
    settings = settings_of(given.samples, given.size)
    output = make_folder(given.output)
    about = {"start": start.sha256, "settings": settings.model_dump(mode="json"), "every": given.every}
    if (output / "about.json").is_file() and read_json(output / "about.json", expected="settings") != about:
        raise SomaNetError(
            f"{output} has trainings of another start or schedule. Name another folder: --output FOLDER."
        )
    write_json(output / "about.json", about, updates=True)
    movie = LabelledMovie(given.data / MOVIE)
    held_out = held_out_of(movie, given.every)
    thresholds = sorted({*THRESHOLDS, start.spec.instances.threshold})
    crops = list(with_regions(open_dataset(given.data / "soma" / "train"), read_regions(RECORD)))
    windows = windows_of(crops, movie.body_TYX, movie.labels_TYX, end_x_px=LATER_X_PX)

    def keep(name: str, seed: int, model: nn.Module, *, temporal: bool, alone: bool = False) -> None:
        tables = scored(model, start.spec, held_out, thresholds, temporal=temporal, alone=alone)
        for kind, rows in zip(("images", "somas"), tables, strict=True):  # images first: somas say that all is there
            write_table(output / f"{name}_{seed}_{kind}.csv", rows.assign(network=name, seed=seed))
        print(f"{name}, seed {seed}: {tables[1].groupby('threshold')['matched'].mean().to_dict()}", flush=True)

    def done(name: str, seed: int) -> bool:
        return (output / f"{name}_{seed}_somas.csv").is_file()

    if not done(START, 0):
        keep(START, 0, start.model, temporal=False)
    for seed, temporal in itertools.product(given.seeds, (False, True)):
        name = TEMPORAL if temporal else SINGLE
        also_alone = temporal and seed == given.seeds[0]  # how it does without neighbours: one network shows that
        if done(name, seed) and (not also_alone or done(ALONE, seed)):
            continue
        samples = TemporalSamples(windows, start.spec, settings, seed=seed, n=given.samples)
        model = fine_tuned(start.model, start.spec, samples, settings, temporal=temporal, seed=seed)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, output / f"{name}_{seed}.safetensors")
        keep(name, seed, model, temporal=temporal)
        if also_alone:
            keep(ALONE, seed, model, temporal=True, alone=True)
    images, somas = (
        pd.concat([pd.read_csv(path) for name in WORDS for path in sorted(output.glob(f"{name}_*_{kind}.csv"))])
        for kind in ("images", "somas")
    )
    images["name"] = images["name"].map("{:04d}".format)
    somas = somas.merge(held_out.contrast, on=["t", "track"], how="left")
    somas["dim"] = somas["contrast"] <= held_out.dimmest
    about_it = (
        f"Start {start.sha256[:12]}; {given.samples} patches of {given.size} px; x ≥ {LATER_X_PX} of "
        f"{len(held_out.times)} frames; threshold {start.spec.instances.threshold:g}; dim: contrast up to "
        f"{held_out.dimmest:.1f}. {costs(start, movie)}"
    )
    text = page(images, somas, start.spec.instances.threshold, len(movie.body_TYX), about_it)
    write_text(output / "temporal.md", f"{text}\n", updates=True)
    print(text)


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
