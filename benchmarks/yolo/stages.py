"""The stages: trainings in the detector's own environment, predictions, scores. Finished ones are not repeated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.yolo import page, seeds, sets
from benchmarks.yolo.scoring import (
    GroundTruth,
    System,
    choose_cut,
    ground_truths_of,
    match_set,
    score_masks,
    score_set,
    track_system,
)
from benchmarks.yolo.sets import MOVIE, ScoredSet
from benchmarks.yolo.somas import SIDES, predict_somas
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, make_folder, write_json
from somanet.core.hashing import sha256_file
from somanet.core.plots import save_figure
from somanet.segmentation.network.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
MIN_SCORE = 0.001
"""Boxes with a lower confidence are ignored, as in COCO's own evaluations."""
VALIDATION = ("nuclei_val", "crops_val")
INTERIOR = ("soma_val", MOVIE)
"""Sets whose objects at the edge may lack a label: also scored without them."""
MASKED = ("dsb2018_test", "dsb2018_test_fluorescence", "soma_val")
EXAMPLES = {
    "nuclei": ("dsb2018_test_fluorescence", 0.5),
    "many nuclei": ("dsb2018_test", 0.9),
    "soma/val": ("soma_val", 0.5),
    "movie, frame": (MOVIE, 0.5),
}
"""The figure's examples: of each set, the image at this quantile of the number of objects."""


@dataclass(frozen=True)
class Training:
    """How a detector is trained."""

    network: str
    budget_s: float
    clock: str
    threads: int
    batch: int
    image_px: int
    seed: int
    device: str
    settings: tuple[str, ...]

    def arguments(self) -> list[str]:
        """As arguments of `learning.py`."""
        pairs = {
            "network": self.network,
            "budget-s": self.budget_s,
            "clock": self.clock,
            "threads": self.threads,
            "batch": self.batch,
            "image-px": self.image_px,
            "seed": self.seed,
            "device": self.device,
        }
        return [*(text for name, value in pairs.items() for text in (f"--{name}", str(value))), "--set", *self.settings]


def run_apart(python: Path, module: str, *arguments: str, threads: int) -> None:
    """Run a module of this folder in libreyolo's environment.

    Raises:
        SomaNetError: there is no such environment, or the module failed.
    """
    if not python.is_file():
        raise SomaNetError(
            f"There is no environment with libreyolo: {python} not found. `make yolo` makes it; --python names another."
        )
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [str(python), "-m", f"benchmarks.yolo.{module}", *arguments]
    done = subprocess.run(command, env={**os.environ, **own}, check=False)
    if done.returncode:
        raise SomaNetError(f"benchmarks.yolo.{module} ended with status {done.returncode}; see its output above.")


def train(python: Path, data_yaml: Path, training: Training, run: Path) -> None:
    """Train a detector; a finished training of the same kind is kept, a stopped one resumes."""
    if _is_needed(run, training, sha256_file(data_yaml.with_name("train.txt"))):
        arguments = ["--data", str(data_yaml), "--output", str(run), *training.arguments()]
        run_apart(python, "learning", *arguments, threads=training.threads)


def train_somanet(data: Path, training: Training, run: Path) -> None:
    """Train SomaNet's network from random weights, in a process of its own; a finished training is kept."""
    if _is_needed(run, training, ""):
        told = {"data": data, "output": run, "budget-s": training.budget_s, "clock": training.clock}
        told |= {"threads": training.threads, "seed": training.seed}
        arguments = [text for name, value in told.items() for text in (f"--{name}", str(value))]
        run_apart(Path(sys.executable), "from_scratch", *arguments, threads=training.threads)


def _is_needed(run: Path, training: Training, images: str) -> bool:
    """Whether a training is to run; the results of another one in its folder are deleted."""
    requested = [images, *training.arguments()]
    request_file = run / "request.json"
    if request_file.exists() and json.loads(request_file.read_text(encoding="utf-8")) != requested:
        shutil.rmtree(run)
    if (run / "training.json").exists():
        print(f"{run.name}: already trained", flush=True)
        return False
    write_json(make_folder(run) / request_file.name, requested)
    return True


def predict(
    python: Path, run: Path, pictures: Path, folder: Path, *, threads: int, min_score: float = MIN_SCORE
) -> None:
    """A detector's boxes of all sets; existing predictions of these weights are left alone."""
    weights = run / "weights" / "last.pt"
    if not weights.is_file():
        raise SomaNetError(f"{run} has no trained network. Run this without --skip-training first.")
    made_by = sha256_file(weights)
    for part in sorted(path for path in pictures.iterdir() if path.is_dir()):
        output = make_folder(folder) / f"{part.name}.csv"
        if _made_by(output) != made_by:
            arguments = ("--weights", str(weights), "--pictures", str(part), "--output", str(output))
            more = ("--made-by", made_by, "--threads", str(threads), "--min-score", str(min_score))
            run_apart(python, "inference", *arguments, *more, threads=threads)
            print(f"{run.name}: {part.name}", flush=True)


def predict_with_somanet(model: Path, wanted: Mapping[str, ScoredSet], folder: Path, *, threads: int) -> int:
    """SomaNet's boxes and masks of all sets; returns the number of the network's parameters."""
    checkpoint = load_checkpoint(model)
    for name, images in wanted.items():
        output = make_folder(folder) / name
        if (
            name not in VALIDATION
            and images.predictions == name
            and _made_by(output.with_suffix(".csv")) != checkpoint.sha256
        ):
            predict_somas(checkpoint, images, output, threads=threads)
            print(f"{folder.name}: {name}", flush=True)
    return sum(parameter.numel() for parameter in checkpoint.model.parameters())


def _made_by(boxes: Path) -> str | None:
    metadata = boxes.with_suffix(".json")
    if not (boxes.exists() and metadata.exists()):
        return None
    return str(json_object(metadata).get("made_by"))


def score(systems: Sequence[System], wanted: Mapping[str, ScoredSet], movie: Path, output: Path) -> dict[str, Any]:
    """Every score of every system; the first is the reference for the others. Draws the figure."""
    ground_truths = {name: ground_truths_of(images) for name, images in wanted.items()}
    cuts = {
        system.name: choose_cut(system, [(name, ground_truths[name]) for name in VALIDATION if name in ground_truths])
        for system in systems
    }
    detection: dict[str, dict[str, Any]] = {}
    for name in (name for name in wanted if name not in VALIDATION):
        for interior in (False, True) if name in INTERIOR else (False,):
            detection[f"{name}_interior" if interior else name] = _score_one(
                systems, cuts, ground_truths[name], wanted[name], interior=interior
            )
            print(f"scored: {name}", flush=True)
    masked = [system for system in systems if system.masks]
    masks = {
        name: {
            system.name: score_masks(
                system, ground_truths[name], wanted[name].predictions, cut=cuts[system.name]["cut"]
            )
            for system in masked
        }
        for name in MASKED
        if len(masked) > 1
    }
    tracking = {
        system.name: track_system(system, movie, output / "tracks", cut=cuts[system.name]["cut"]) for system in systems
    }
    save_figure(page.panels(_examples(systems, cuts, ground_truths, wanted)), output / "panels.png")
    return {"cuts": cuts, "detection": detection, "masks": masks, "tracking": tracking}


def _score_one(
    systems: Sequence[System],
    cuts: Mapping[str, Mapping[str, Any]],
    ground_truths: Sequence[GroundTruth],
    images: ScoredSet,
    *,
    interior: bool,
) -> dict[str, Any]:
    matched = {
        system.name: match_set(
            ground_truths, system.boxes(images.predictions), x_from_px=images.x_from_px, interior=interior
        )
        for system in systems
    }
    first = systems[0].name
    return {
        name: score_set(
            pairs,
            cuts[name]["cut"],
            None if name == first else (matched[first], cuts[first]["cut"]),
            seed=0,
        )
        for name, pairs in matched.items()
    }


def _examples(
    systems: Sequence[System],
    cuts: Mapping[str, Mapping[str, Any]],
    ground_truths: Mapping[str, Sequence[GroundTruth]],
    wanted: Mapping[str, ScoredSet],
) -> list[Any]:
    examples = []
    for title, (set_name, place) in EXAMPLES.items():
        ordered = sorted(ground_truths[set_name], key=lambda ground_truth: (len(ground_truth.boxes), ground_truth.name))
        ground_truth = ordered[round(place * (len(ordered) - 1))]
        image = next(item.image for item in wanted[set_name] if item.name == ground_truth.name)
        found = {}
        shown = seeds.first_of_each(system.name for system in systems)
        for system in (system for system in systems if system.name in shown):
            boxes = system.boxes(wanted[set_name].predictions, cut=cuts[system.name]["cut"])
            boxes = boxes[boxes["image"] == ground_truth.name]
            found[system.name] = (boxes[list(SIDES)].to_numpy(float), match_set([ground_truth], boxes)[0])
        examples.append((f"{title} {ground_truth.name[:8]}", image, ground_truth.boxes, found))
    return examples


def write_all_pictures(wanted: Mapping[str, ScoredSet], folder: Path) -> None:
    """The images of all sets, as the detector's input."""
    for name, images in wanted.items():
        if images.predictions == name:
            sets.write_pictures(images, folder / name)
