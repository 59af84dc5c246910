"""Which sets help: the recipe on a short schedule with all of them, and with each one left out.

python -m benchmarks.left_out_domains ../shared/data --sets build/bundled/sets       # after `make bundled-sets`
python -m benchmarks.left_out_domains ../shared/data --sets build/bundled/sets --samples 8 --images 2   # a proof

Each training starts from the encoder's own weights, with `finetune.many_domains` of somanet/model/recipe.yaml, every
set drawn equally often. It is scored on the set that was left out, of which it has seen nothing, and on validation
images: nuclei of the Data Science Bowl's validation part, and the crops of soma/val. Sets that are never trained on are
not scored here, as what is chosen by a score cannot be measured by it. Writes OUTPUT/left_out_domains.md and .json;
finished trainings are kept there, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json, write_text
from somanet.core.markdown import table
from somanet.core.settings import parse, read_yaml
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_part
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.models import build_model
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import train
from somanet.training.settings import FinetuneParams, PretrainParams

RECIPE = Path(__file__).parents[1] / "somanet" / "model" / "recipe.yaml"
EVERYTHING = "none"
"""Name of the training that leaves nothing out."""
SCORES = ("iou", "ap_0.5", "mean_ap", "recall", "precision")

Sets = Mapping[str, Sequence[LabelledImage]]


def read_sets(folder: Path, n_images: int | None) -> dict[str, list[LabelledImage]]:
    """The training sets by name, of each the first images.

    Raises:
        SomaNetError: there are fewer than two.
    """
    folders = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    if len(folders) < 2:
        raise SomaNetError(
            f"{folder}: expected two sets or more, found {len(folders)}. `make bundled-sets` builds them."
        )
    return {one.name: list(itertools.islice(open_dataset(one), n_images)) for one in folders}


def validation_sets(data: Path, n_images: int | None) -> dict[str, list[LabelledImage]]:
    """The validation images: fluorescence nuclei, and crops of the movie."""
    nuclei = open_dataset(data / "dsb2018" / "stage1_train.zip")
    names = read_part(data / "dsb2018" / "split.csv", "val", names=nuclei.names)
    fluorescent = (item for item in map(nuclei.load, names) if not_fluorescence(item.image) is None)
    crops = open_dataset(data / "soma" / "val")
    return {"dsb2018 val": list(itertools.islice(fluorescent, n_images)), "soma/val": list(crops)[:n_images]}


def equally_often(sets: Sets, left_out: str, n_samples: int, *, seed: int) -> list[LabelledImage]:
    """As many images as samples: the sets in turns, and the images of each in turns."""
    rng = np.random.default_rng(seed)
    kept = [list(items) for name, items in sets.items() if name != left_out]
    drawn = [itertools.cycle([items[i] for i in rng.permutation(len(items))]) for items in kept]
    turns = itertools.islice(itertools.cycle(range(len(drawn))), n_samples)
    return [replace(item, name=f"{number}_{item.name}") for number, item in enumerate(next(drawn[i]) for i in turns)]


def network_of(sets: Sets, left_out: str, *, n_samples: int, seed: int) -> Segmenter:
    """Train with all sets but one."""
    values = read_yaml(RECIPE)
    first = parse(PretrainParams, dict(values["pretrain"]["nuclei"]), source=str(RECIPE))
    second = parse(FinetuneParams, dict(values["finetune"]["many_domains"]), source=str(RECIPE))
    spec = second.adapt(first.model)
    items = equally_often(sets, left_out, n_samples, seed=seed)
    changes = {"epochs": 1, "samples_per_epoch": None, "batch_size": min(second.training.batch_size, n_samples)}
    settings = second.training.model_copy(update=changes)
    model = build_model(spec)
    smallest = min(items, key=lambda item: item.labels.size)
    train(TrainingTask(model, spec, items, [smallest], settings, seed=seed))
    return Segmenter.of(model, spec)


def scored(segmenter: Segmenter, items: Sequence[LabelledImage]) -> dict[str, float]:
    """Scores of a network on images, without ignored pixels."""
    pairs = [(item.name, item.labels, segmenter.labels(item.image)) for item in items]
    ignored = {item.name: item.ignored for item in items if item.ignored is not None}
    values = score_dataset(pairs, ignored=ignored, intervals=False).values
    return {name: values[name] for name in SCORES}


def as_markdown(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A row per training and scored set; behind each score its difference from the training with all sets."""
    rows = []
    for left_out, by_set in found.items():
        for name, scores in by_set.items():
            whole = found.get(EVERYTHING, {}).get(name)
            cells = [f"{scores[key]:.3f}" + (f" ({scores[key] - whole[key]:+.3f})" if whole else "") for key in SCORES]
            rows.append((left_out, name, *cells))
    return table(("left out", "scored on", *SCORES), rows)


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.left_out_domains",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, help="folder with dsb2018/ and soma/")
    parser.add_argument("--sets", type=Path, required=True, help="folder of training sets")
    parser.add_argument("--samples", type=int, default=3000, help="patches of each training")
    parser.add_argument("--images", type=int, help="images of each set; default: all")
    parser.add_argument("--only", nargs="*", help="sets to leave out, or none; default: each, and none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("build"))
    given = parser.parse_args()
    sets = read_sets(given.sets, given.images)
    validation = validation_sets(given.data, given.images)
    kept = make_folder(given.output) / "left_out_domains.json"
    about = {"samples": given.samples, "images": given.images, "seed": given.seed, "sets": sorted(sets)}
    found: dict[str, Any] = {}
    if kept.is_file() and (before := json.loads(kept.read_text(encoding="utf-8"))).get("about") == about:
        found = before["scores"]
    for left_out in given.only or [EVERYTHING, *sets]:
        if left_out in found:
            continue
        segmenter = network_of(sets, left_out, n_samples=given.samples, seed=given.seed)
        unseen = {left_out: sets[left_out]} if left_out in sets else sets
        found[left_out] = {name: scored(segmenter, items) for name, items in {**unseen, **validation}.items()}
        write_json(kept, {"about": about, "scores": found}, updates=True)
        print(f"{left_out} left out: done", flush=True)
    text = as_markdown(found)
    note = (
        f"{given.samples} patches each, seed {given.seed}. Where nothing is left out, sets are scored on what was seen."
    )
    write_text(given.output / "left_out_domains.md", f"{note}\n\n{text}\n", updates=True)
    print(text)


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
