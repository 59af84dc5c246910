"""What `somanet predict` takes for a folder of images, the estimate of the somas' size included.

python -m benchmarks.many_images IMAGES --base ../main      # writes build/many_images.json

Both checkouts segment the same images by turns, each in a new process; seconds include its start. `--images 40` takes
every n-th image of a larger folder. Further options are those of `predict`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from somanet.core.files import write_json

ROOT = Path(__file__).resolve().parents[1]


def seconds(checkout: Path, images: Path, output: Path, options: list[str]) -> dict[str, float]:
    """Wall and processor seconds of one prediction."""
    command = [sys.executable, "-m", "somanet", "predict", str(images), "--output", str(output), *options]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    began, before = time.monotonic(), os.times()
    subprocess.run(command, env=environment, cwd=images, check=True, capture_output=True)  # no code is found there
    after = os.times()
    spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return {"wall_s": time.monotonic() - began, "processor_s": spent}


def labels_in(folder: Path) -> dict[str, bytes]:
    """The label images by name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


def main() -> None:
    """Measure by turns, compare, write, say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="images")
    parser.add_argument("--base", type=Path, required=True, help="another checkout of SomaNet")
    parser.add_argument("--images", type=int, help="so many of them")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("build/many_images.json"))
    given, options = parser.parse_known_args()
    sides = {"base": given.base.resolve(), "this code": ROOT}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as work:
        images, found = Path(work, "images"), sorted(path for path in given.folder.iterdir() if path.is_file())
        images.mkdir()
        for path in found[:: max(1, len(found) // (given.images or len(found)))][: given.images]:
            shutil.copy(path, images)
        for _ in range(given.runs):
            for name, checkout in sides.items():
                runs[name].append(seconds(checkout, images, Path(work, name), options))
        same = labels_in(Path(work, "base")) == labels_in(Path(work, "this code"))
        n_images = len(list(images.iterdir()))
    ratios = [base["wall_s"] / one["wall_s"] for base, one in zip(runs["base"], runs["this code"], strict=True)]
    result = {
        "images": n_images,
        "same_labels": same,
        "times_as_fast": [round(value, 2) for value in (np.median(ratios), min(ratios), max(ratios))],
        **{
            name: {key: round(float(np.median([run[key] for run in each])), 1) for key in ("wall_s", "processor_s")}
            for name, each in runs.items()
        },
    }
    write_json(given.output, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
