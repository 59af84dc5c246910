"""The images of a session: the Data Science Bowl's, or simulated ones without data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split

Part = Literal["train", "val", "test"]
SIMULATED: dict[Part, int] = {"train": 32, "val": 8, "test": 12}
_SEEDS: dict[Part, int] = {"train": 3, "val": 4, "test": 5}
_SHAPE_YX = (256, 320)


def describe(data: Path | None) -> str:
    """The source of the images, for people."""
    if data is None:
        return "simulated nuclei: no data folder was given, so the quality does not carry over to real images"
    return "Data Science Bowl 2018, stage 1 train, by its split.csv"


def load_images(part: Part, data: Path | None, *, count: int | None = None) -> list[LabelledImage]:
    """Labelled images of one part of the split, in an order that mixes sizes and kinds.

    Args:
        part: of the split.
        data: folder with `dsb2018/stage1_train.zip` and `dsb2018/split.csv`; none for simulated images.
        count: number of images to take from the start; none = all.

    Raises:
        SomaNetError: the folder lacks these files.
    """
    if data is None:
        from somanet.simulation import simulate_nuclei

        return simulate_nuclei(n_images=count or SIMULATED[part], shape_YX=_SHAPE_YX, seed=_SEEDS[part])
    archive, split = data / "dsb2018" / "stage1_train.zip", data / "dsb2018" / "split.csv"
    for file in (archive, split):
        if not file.exists():
            raise SomaNetError(f"{file} not found: give --data a folder with dsb2018/, see docs/benchmarks.md.")
    dataset = open_dataset(archive)
    names = read_split(split, names=dataset.names)[part]
    order = np.random.default_rng(0).permutation(len(names))[:count]
    return [dataset.load(names[i]) for i in order]
