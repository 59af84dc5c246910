"""Training samples: the same patch for the same (seed, epoch, index), whatever ran before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.inputs import Exposure, make_targets, measure_exposure, to_unit, unit_to_input
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import (
    Augmenter,
    annotation_of,
    authors_expansion,
    labels_and_ignored,
    online_augmentation,
    paper_expansion,
    plain_view,
    strong_view,
)
from somanet.training.loop.fading import fade_objects
from somanet.training.loop.settings import TrainSettings

_DARKER_ELSEWHERE = 0.1  # of the crop's range; benchmarks/exposure.py: 0.11 between crops and their frames


class TrainingSamples(Dataset[tuple[Tensor, Tensor]]):
    """Square patches of side ``size_px`` cut from labelled images, augmented, as (input CYX, targets CYX).

    Every random choice follows from (seed, epoch, index) alone, so that a resumed training gets the same samples as
    an uninterrupted one.
    """

    def __init__(self, items: Sequence[LabelledImage], spec: ModelSpec, settings: TrainSettings, *, seed: int) -> None:
        if not items:
            raise SomaNetError("There are no training images. Were all of them rejected? See the manifest.")
        if spec.input == "rgb" and settings.augment.brighter_elsewhere > 1:
            raise SomaNetError(
                f"augment.brighter_elsewhere is {settings.augment.brighter_elsewhere:g}, but input 'rgb' takes "
                "intensities as stored: there is no range to widen. Set it to 1, or use input contrasts or background."
            )
        self.items = [replace(item, image=to_unit(item.image)) for item in items]
        if settings.augment.mode == "paper":
            self.items = paper_expansion(self.items, settings.augment, seed=seed)
        elif settings.augment.mode == "authors":
            self.items = authors_expansion(self.items, settings.augment, seed=seed)
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
        """The image that each sample of this epoch is cut from: successive permutations, or drawn by area."""
        rng = np.random.default_rng([self._seed, self.epoch])
        if self._settings.sampling == "area":
            patch_px = self._settings.size_px**2
            weights = np.sqrt([max(item.labels.size / patch_px, 1.0) for item in self.items])
            return [int(i) for i in rng.choice(len(self.items), size=len(self), p=weights / weights.sum())]
        return in_turns(len(self.items), len(self), rng)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """The sample at a position in this epoch's order."""
        number = self.order()[position]
        item = self.items[number]
        rng = np.random.default_rng([self._seed, self.epoch, position])
        image, annotation = fit_patch(item.image, annotation_of(item), self._settings, rng)
        if self._augment is not None:
            image = fade_objects(image, labels_and_ignored(annotation)[0], self._settings.augment, rng)
            image, annotation = self._augment(image, annotation, seed=int(rng.integers(2**31)))
        labels, ignored = labels_and_ignored(annotation)
        exposure = self._exposures[number]
        if exposure is not None:
            exposure = widened(exposure, self._settings.augment.brighter_elsewhere, rng)
        return (
            torch.from_numpy(unit_to_input(image, self._spec, exposure)),
            torch.from_numpy(make_targets(labels, self._spec.outputs, ignored)),
        )


class UnlabelledSamples(Dataset[tuple[Tensor, Tensor]]):
    """Square patches of side ``size_px`` cut from unlabelled images, as two inputs CYX: plain, and strongly augmented.

    Both have the same geometry: the second is turned and zoomed like the first. Every random
    choice follows from (seed, epoch, index) alone.
    """

    def __init__(
        self, images: Sequence[NDArray[Any]], spec: ModelSpec, settings: TrainSettings, *, seed: int, n_samples: int
    ) -> None:
        self._images = [to_unit(image) for image in images]
        self._exposures = [None if spec.input == "rgb" else measure_exposure(image) for image in self._images]
        self.epoch = 0
        self._spec, self._settings, self._seed, self._n_samples = spec, settings, seed, n_samples
        self._plain, self._strong = plain_view(settings.augment), strong_view(settings.augment)

    def __len__(self) -> int:
        """Samples in one epoch."""
        return self._n_samples

    def order(self) -> list[int]:
        """The image that each sample of this epoch is cut from: successive permutations."""
        return in_turns(len(self._images), len(self), np.random.default_rng([self._seed, self.epoch, 0, 1]))

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """The sample at a position in this epoch's order."""
        number = self.order()[position]
        rng = np.random.default_rng([self._seed, self.epoch, position, 2])  # not the numbers of a labelled sample
        image = self._images[number]
        patch, nothing = fit_patch(image, np.zeros(image.shape[:2], np.int32), self._settings, rng)
        plain, nothing = self._plain(patch, nothing, seed=int(rng.integers(2**31)))
        strong, _ = self._strong(plain, nothing, seed=int(rng.integers(2**31)))
        exposure = self._exposures[number]
        return (
            torch.from_numpy(unit_to_input(plain, self._spec, exposure)),
            torch.from_numpy(unit_to_input(strong, self._spec, exposure)),
        )


def in_turns(n_images: int, n_samples: int, rng: np.random.Generator) -> list[int]:
    """Image numbers as successive permutations: each occurs equally often, give or take one."""
    rounds = -(-n_samples // n_images)
    return [int(i) for i in np.concatenate([rng.permutation(n_images) for _ in range(rounds)])[:n_samples]]


def widened(exposure: Exposure, brighter_elsewhere: float, rng: np.random.Generator) -> Exposure:
    """The exposure of a larger image that a crop might come from, see `AugmentSettings.brighter_elsewhere`."""
    if brighter_elsewhere == 1:
        return exposure
    span = exposure.high - exposure.low
    factor = brighter_elsewhere ** rng.uniform()
    return replace(
        exposure, low=exposure.low - _DARKER_ELSEWHERE * span * rng.uniform(), high=exposure.low + factor * span
    )


class EpochBatches(Sampler[list[int]]):
    """Positions 0…n-1 in batches, in order: the samples' ``order`` does the shuffling.

    A sample that would be alone in the last batch joins the batch before: batch norm after global pooling, as in
    DeepLabV3Plus, has no statistics of one sample. Not for several processes: accelerate fills their last batch up.
    """

    def __init__(self, samples: Sized, batch_size: int, *, n_processes: int = 1) -> None:
        self._samples = samples
        self._joins = n_processes == 1 and batch_size > 1
        self.batch_size, self.drop_last = batch_size, False  # accelerate reads both

    def __len__(self) -> int:
        """Batches in one epoch."""
        return len(self._starts())

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of one epoch."""
        starts = self._starts()
        for start, end in zip(starts, [*starts[1:], len(self._samples)], strict=True):
            yield list(range(start, end))

    def _starts(self) -> list[int]:
        starts = list(range(0, len(self._samples), self.batch_size))
        alone = len(starts) > 1 and len(self._samples) - starts[-1] == 1
        return starts[:-1] if alone and self._joins else starts


def fit_patch(
    image: NDArray[Any], labels: NDArray[np.int32], settings: TrainSettings, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Cut (or shrink, with `fit: resize`) an image YXC and its labels YX, or annotation YX2, to a square patch.

    Smaller images are padded by mirroring at their edges.
    """
    size = settings.size_px
    if settings.fit == "resize" and image.shape[:2] != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        resized = cv2.resize(labels.astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        return image, resized.astype(np.int32)
    height, width = labels.shape[:2]
    pad_y, pad_x = max(size - height, 0), max(size - width, 0)
    if pad_y or pad_x:
        image = np.pad(image, ((0, pad_y), (0, pad_x), (0, 0)), mode="symmetric")
        labels = np.pad(labels, ((0, pad_y), (0, pad_x), (0, 0))[: labels.ndim], mode="symmetric")
    y = int(rng.integers(labels.shape[0] - size + 1))
    x = int(rng.integers(labels.shape[1] - size + 1))
    return image[y : y + size, x : x + size], labels[y : y + size, x : x + size]
