"""Training samples: the same square for the same (seed, epoch, index), whatever ran before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from somanet.data.layouts import LabelledImage
from somanet.errors import SomaNetError
from somanet.segmentation.augment import Augmenter, online_augmentation, paper_expansion
from somanet.segmentation.inputs import make_targets, measure_exposure, to_unit, unit_to_input
from somanet.segmentation.settings import ModelSpec, TrainSettings


class TrainingSamples(Dataset[tuple[Tensor, Tensor]]):
    """Squares of ``size_px`` cut from labelled images, augmented, as (input CYX, targets CYX).

    Every random choice follows from (seed, epoch, index) alone, so that a resumed training sees the samples an
    uninterrupted one would have seen.
    """

    def __init__(self, items: Sequence[LabelledImage], spec: ModelSpec, settings: TrainSettings, *, seed: int) -> None:
        if not items:
            raise SomaNetError("There are no training images. Were all of them rejected? See the manifest.")
        self.items = [LabelledImage(item.name, to_unit(item.image), item.labels) for item in items]
        if settings.augment.mode == "paper":
            self.items = paper_expansion(self.items, settings.augment, seed=seed)
        self._exposures = [None if spec.input == "rgb" else measure_exposure(item.image) for item in self.items]
        self.epoch = 0
        self._spec, self._settings, self._seed = spec, settings, seed
        self._augment: Augmenter | None = None
        if settings.augment.mode == "online":
            self._augment = online_augmentation(settings.augment)

    def __len__(self) -> int:
        """Samples in one epoch."""
        return self._settings.samples_per_epoch or len(self.items)

    def order(self) -> list[int]:
        """Which image each sample of this epoch is cut from: permutations, one after another."""
        rng = np.random.default_rng([self._seed, self.epoch])
        rounds = -(-len(self) // len(self.items))
        return [int(i) for i in np.concatenate([rng.permutation(len(self.items)) for _ in range(rounds)])[: len(self)]]

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """The sample at a place of this epoch's order."""
        number = self.order()[position]
        item = self.items[number]
        rng = np.random.default_rng([self._seed, self.epoch, position])
        image, labels = fit_square(item.image, item.labels, self._settings, rng)
        if self._augment is not None:
            image, labels = self._augment(image, labels, seed=int(rng.integers(2**31)))
        return (
            torch.from_numpy(unit_to_input(image, self._spec, self._exposures[number])),
            torch.from_numpy(make_targets(labels, self._spec.outputs)),
        )


class EpochSampler(Sampler[int]):
    """Positions 0…n-1 in order: the shuffling is in :meth:`TrainingSamples.order`."""

    def __init__(self, samples: TrainingSamples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        """Samples in one epoch."""
        return len(self._samples)

    def __iter__(self) -> Iterator[int]:
        """Positions in one epoch."""
        return iter(range(len(self._samples)))


def fit_square(
    image: NDArray[Any], labels: NDArray[np.int32], settings: TrainSettings, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Cut (or shrink, with `fit: resize`) an image YXC and its labels YX to the training square.

    Smaller images are mirrored at their edges.
    """
    size = settings.size_px
    if settings.fit == "resize" and image.shape[:2] != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        resized = cv2.resize(labels.astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        return image, resized.astype(np.int32)
    height, width = labels.shape
    pad_y, pad_x = max(size - height, 0), max(size - width, 0)
    if pad_y or pad_x:
        image = np.pad(image, ((0, pad_y), (0, pad_x), (0, 0)), mode="symmetric")
        labels = np.pad(labels, ((0, pad_y), (0, pad_x)), mode="symmetric")
    y = int(rng.integers(labels.shape[0] - size + 1))
    x = int(rng.integers(labels.shape[1] - size + 1))
    return image[y : y + size, x : x + size], labels[y : y + size, x : x + size]
