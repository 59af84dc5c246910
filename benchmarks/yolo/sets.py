"""Training and evaluation images: the same as for SomaNet's bundled model, in the same representation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.files import atomic_path, write_json
from somanet.io.datasets.layouts import Dataset, LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.io.datasets.yolo import cut_tiles, write_yolo
from somanet.io.images import write_image
from somanet.io.movies import open_movie
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.settings import ModelSpec
from somanet.simulation import neuron_crops

SIM_CROPS, SIM_SEED = 32, 1000
VAL_CROPS, VAL_SEED = 8, 2000
"""As in `make bundled-model`."""
SHARES = (1 / 2, 1 / 4, 1 / 4)
"""Nuclei, real crops and simulated crops among the samples of a training from random weights, in one mix."""
MOST_TILES = 4
"""Maximum tiles per nucleus image, so that the few large ones do not dominate."""
TILE_PX = 256
LATER_X_PX = 440
"""No training crop of the movie lies at or beyond this column."""
MOVIE = "neuritetracker"


@dataclass(frozen=True)
class ScoredSet:
    """Images that the networks are never trained on.

    Attributes:
        predictions: the set whose predictions include this one's: its own name, or that of the set it is part of.
        source: the images with their ground truth labels, one in memory at a time, repeatable.
        x_from_px: objects with their centre left of it do not count.
    """

    predictions: str
    source: Iterable[LabelledImage]
    x_from_px: float = 0.0

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self.source)


class _Part:
    """Some images of a data set."""

    def __init__(self, dataset: Dataset, names: Iterable[str]) -> None:
        self._dataset, self._names = dataset, tuple(names)

    def __iter__(self) -> Iterator[LabelledImage]:
        return (self._dataset.load(name) for name in self._names)


class MovieFrames:
    """A movie's frames with their reference labels, named by number."""

    def __init__(self, movie: Path, labels: Path) -> None:
        self._movie, self._labels = movie, labels

    def __iter__(self) -> Iterator[LabelledImage]:
        with open_movie(self._movie) as movie, open_movie(self._labels) as labels:
            for t, (frame, ground_truth) in enumerate(zip(movie, labels, strict=True)):
                yield LabelledImage(f"{t:04d}", np.asarray(frame), np.asarray(ground_truth).astype(np.int32))


def scored_sets(data: Path) -> dict[str, ScoredSet]:
    """The sets to score on, and the two (``…_val``) for choosing a detector's threshold, by name."""
    nuclei = open_dataset(data / "dsb2018" / "stage1_train.zip")
    split = read_split(data / "dsb2018" / "split.csv", names=nuclei.names)
    grey = [name for name in split["test"] if not_fluorescence(nuclei.load_image(name)) is None]
    crops = open_dataset(data / "soma" / "val")
    frames = MovieFrames(data / MOVIE / "cell_body.tif", data / MOVIE / "soma_labels.tif")
    return {
        "nuclei_val": ScoredSet("nuclei_val", _Part(nuclei, split["val"])),
        "crops_val": ScoredSet("crops_val", neuron_crops(n_crops=VAL_CROPS, size_px=TILE_PX, seed=VAL_SEED)),
        "dsb2018_test": ScoredSet("dsb2018_test", _Part(nuclei, split["test"])),
        "dsb2018_test_fluorescence": ScoredSet("dsb2018_test", _Part(nuclei, grey)),
        "soma_val": ScoredSet("soma_val", _Part(crops, crops.names)),
        MOVIE: ScoredSet(MOVIE, frames, LATER_X_PX),
    }


def prepared(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The input of SomaNet's bundled model, as 8-bit YXC: linear, square root and near-logarithmic.

    So a detector limited to 8-bit images loses neither somas that 8 bits cannot resolve, nor gets a
    background that is bright in some images.
    """
    input_CYX = to_input(image, ModelSpec(input="background"))
    eight_bit: NDArray[np.uint8] = (np.clip(input_CYX, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return eight_bit


def training_sets(data: Path) -> tuple[list[LabelledImage], list[LabelledImage], list[LabelledImage]]:
    """Nuclei, real crops and simulated crops that every network here learns from, as stored."""
    nuclei = open_dataset(data / "dsb2018" / "stage1_train.zip")
    names = read_split(data / "dsb2018" / "split.csv", names=nuclei.names)["train"]
    real = list(open_dataset(data / "soma" / "train"))
    return list(_Part(nuclei, names)), real, list(neuron_crops(n_crops=SIM_CROPS, size_px=TILE_PX, seed=SIM_SEED))


def times_listed(n_nuclei: int, n_crops: int, share: float) -> int:
    """How often each crop is listed, so that crops are a share of the samples as :data:`SHARES` says; at least once."""
    return max(round(n_nuclei * share / SHARES[0] / n_crops), 1)


def detector_items(data: Path, *, seed: int) -> tuple[list[LabelledImage], dict[str, int]]:
    """The training images in the networks' representation, nuclei in tiles, and how often each crop is listed.

    Args:
        data: folder of the real data.
        seed: chooses tiles.
    """
    rng = np.random.default_rng(seed)
    nuclei, *crops = training_sets(data)
    items: list[LabelledImage] = []
    for item in nuclei:
        tiles = list(cut_tiles(_prepared_item(item), size_px=TILE_PX))
        items += [tiles[i] for i in sorted(rng.permutation(len(tiles))[:MOST_TILES].tolist())]
    repeats = {
        crop.name: times_listed(len(items), len(some), share)
        for some, share in zip(crops, SHARES[1:], strict=True)
        for crop in some
    }
    return [*items, *(_prepared_item(crop) for some in crops for crop in some)], repeats


def somanet_items(data: Path) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """The same images as they are stored, each crop as often as its share asks for, and those for validation.

    SomaNet cuts patches out of whole images itself, so that nuclei need no tiles.
    """
    nuclei, *crops = training_sets(data)
    listed = [
        crop
        for some, share in zip(crops, SHARES[1:], strict=True)
        for crop in some * times_listed(len(nuclei), len(some), share)
    ]
    return [*nuclei, *listed], list(neuron_crops(n_crops=VAL_CROPS, size_px=TILE_PX, seed=VAL_SEED))


def _prepared_item(item: LabelledImage) -> LabelledImage:
    return LabelledImage(item.name, prepared(item.image), item.labels)


def write_training_set(data: Path, folder: Path, *, outlines: bool, seed: int) -> Path:
    """Write the data set for the detector, with boxes or with outlines; return its ``data.yaml``."""
    items, repeats = detector_items(data, seed=seed)
    crops = neuron_crops(n_crops=VAL_CROPS, size_px=TILE_PX, seed=VAL_SEED)
    parts = {"train": items, "val": [_prepared_item(item) for item in crops]}
    return write_yolo(folder, parts, outlines=outlines, repeats=repeats)


def write_pictures(images: Iterable[LabelledImage], folder: Path) -> None:
    """Write the detector's input, ``FOLDER/<name>.png``, and the cost of preparing it, ``FOLDER.json``.

    Existing output is left alone.
    """
    if folder.is_dir():
        return
    processor_s, pixels = 0.0, 0
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for item in images:
            began = time.process_time()
            picture = prepared(item.image)
            processor_s += time.process_time() - began
            pixels += item.labels.size
            write_image(temporary / f"{item.name}.png", picture)
        write_json(folder.with_suffix(".json"), {"processor_s": processor_s, "pixels": pixels})
