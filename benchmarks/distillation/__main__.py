"""Cheaper networks that imitate the bundled one, and the bundled one in 8 bits, on one accuracy–speed front.

python -m benchmarks.distillation --data ../shared/data --sets build/bundled/sets      # after `make bundled-sets`
python -m benchmarks.distillation --data ../shared/data --only int8 --samples 2400     # trains this one; no front
python -m benchmarks.distillation --data ../shared/data --only                         # the front of what is there

Writes OUTPUT/NAME/model.safetensors of every student, and graph.onnx of networks in 8 bits; then OUTPUT/front.md and
OUTPUT/front.json. What was trained is not trained again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.distillation.front import measured_front, page
from benchmarks.distillation.images import training_images
from benchmarks.distillation.students import STUDENTS
from benchmarks.distillation.training import train_quantised, train_student
from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json, write_text
from somanet.segmentation.network.checkpoint import load_checkpoint

QUANTISED = {
    "int8": None,
    "slim_int8": "slim",
}
"""Network that is trained in 8 bits → the student that it is, None = the bundled network."""


def main() -> None:
    """Train what is missing, measure, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distillation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/, soma/ and neuritetracker/")
    parser.add_argument("--sets", type=Path, default=Path("build/bundled/sets"), help="folder of the training sets")
    names = [*STUDENTS, *QUANTISED]
    parser.add_argument("--only", nargs="*", choices=names, help="networks to train; default: all")
    parser.add_argument("--samples", type=int, default=5000, help="patches that each sees")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3, help="of timing")
    parser.add_argument("--images", type=int, help="held-out images of each set; default: all")
    parser.add_argument("--output", type=Path, default=Path("build/distillation"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    teacher = load_checkpoint(BUNDLED)
    wanted = names if given.only is None else given.only
    items = training_images(given.data, given.sets) if wanted else []
    for name in wanted:
        if name in STUDENTS:
            train_student(name, items, teacher, given.output, n_samples=given.samples, seed=given.seed)
        else:
            base = QUANTISED[name]
            start = teacher.model if base is None else STUDENTS[base].load(teacher, given.output / base)
            train_quantised(name, start, items, teacher, given.output, n_samples=given.samples, seed=given.seed)
    if not given.only:
        found = measured_front(teacher, given.data, given.output, rounds=given.rounds, n_images=given.images)
        write_json(make_folder(given.output) / "front.json", found)
        write_text(given.output / "front.md", page(found))
        print(page(found))


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
