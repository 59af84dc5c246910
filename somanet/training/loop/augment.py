"""Augmentation of a training image together with its labels, with albumentations."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # before its import, which would look for a newer version online

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop.settings import AugmentSettings

if TYPE_CHECKING:
    import albumentations as A

PAPER_ALPHA = 34.0
PAPER_SIGMA = 4.0


def annotation_of(item: LabelledImage) -> NDArray[np.int32]:
    """An image's labels YX, or where pixels are ignored, labels and ignored pixels YX2: one thing to cut and warp."""
    if item.ignored is None:
        return item.labels
    return np.dstack([item.labels, item.ignored.astype(np.int32)])


def labels_and_ignored(annotation: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_] | None]:
    """The parts of an annotation of :func:`annotation_of`."""
    if annotation.ndim == 2:
        return annotation, None
    return np.ascontiguousarray(annotation[..., 0]), annotation[..., 1] > 0


class Augmenter:
    """Applies an albumentations pipeline to an image and its labels; the same seed gives the same result.

    Args:
        steps: the pipeline.
        independent: whether the steps share one stream of random numbers, so that they are applied independently.
            Otherwise each step starts from the same numbers: of two steps with probabilities 0.3 and 0.2, the second
            is applied only where the first is.
    """

    def __init__(self, steps: Sequence[Any], *, independent: bool = False) -> None:
        import albumentations as A

        self._compose = A.Compose(list(steps))
        self._independent = independent

    def __call__(
        self, image: NDArray[np.generic], labels: NDArray[np.int32], *, seed: int
    ) -> tuple[NDArray[np.generic], NDArray[np.int32]]:
        """Augment an image YXC (uint8 or float32) and its labels YX, or annotation YX2, in the same way."""
        if self._independent:
            self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        else:
            self._compose.set_random_seed(seed)
        # OpenCV cannot warp int32; float32 holds ids up to 2^24 exactly, and labels are sampled by nearest neighbour
        result = self._compose(image=image, mask=labels.astype(np.float32))
        return result["image"], result["mask"].astype(np.int32)


def elastic(*, alpha: float = PAPER_ALPHA, sigma: float = PAPER_SIGMA, probability: float = 1.0) -> A.ElasticTransform:
    """Elastic deformation (Simard 2003): random displacements smoothed with ``sigma`` px, scaled by ``alpha`` px."""
    import albumentations as A

    return A.ElasticTransform(
        alpha=alpha,
        sigma=sigma,
        interpolation=cv2.INTER_LINEAR,
        mask_interpolation=cv2.INTER_NEAREST,
        border_mode=cv2.BORDER_REFLECT_101,
        # Simard's noise; the default is divided by its own maximum, so it would be weaker in larger images
        noise_distribution="uniform",
        p=probability,
    )


def zoom(settings: AugmentSettings) -> A.Affine:
    """Rotates and zooms half of the images; none if the range of zoom factors is a single number."""
    import albumentations as A

    low, high = settings.scale_range
    return A.Affine(
        scale=(low, high),
        rotate=(-45, 45),
        interpolation=cv2.INTER_LINEAR,
        mask_interpolation=cv2.INTER_NEAREST,
        border_mode=cv2.BORDER_REFLECT_101,
        p=0.5 if low < high else 0.0,
    )


def paper_expansion(items: Sequence[LabelledImage], settings: AugmentSettings, *, seed: int) -> list[LabelledImage]:
    """The paper's fixed expansion: each image unchanged, mirrored, and elastically deformed.

    32 images become 96. Unlike the authors' code, the default mirror leaves the colour channels in order and the
    elastic transform (alpha 34, sigma 4) really moves pixels: theirs was called with the two swapped.
    """
    import albumentations as A

    mirror = [A.HorizontalFlip(p=1.0)]
    if settings.mirror == "every-axis":
        mirror += [A.VerticalFlip(p=1.0), A.Lambda(image=_reverse_channels, p=1.0)]
    deform = elastic(alpha=settings.elastic_alpha, sigma=settings.elastic_sigma)
    kinds = {"mirrored": Augmenter(mirror), "elastic": Augmenter([deform])}
    expanded = list(items)
    for kind, augment in kinds.items():
        for index, item in enumerate(items):
            image, annotation = augment(item.image, annotation_of(item), seed=seed * 100_003 + index)
            labels, ignored = labels_and_ignored(annotation)
            expanded.append(LabelledImage(f"{item.name}_{kind}", image, labels, ignored=ignored))
    return expanded


AUTHORS_PASSES = 3
"""How often the authors' code goes through its expanded set in what it counts as one epoch."""


def authors_expansion(items: Sequence[LabelledImage], settings: AugmentSettings, *, seed: int) -> list[LabelledImage]:
    """The expansion as the authors' code makes it: 32 images become 96, each of them three times in an epoch.

    The mirror reverses every axis. The elastic transform has alpha and sigma exchanged, so that pixels hardly move;
    and the mask of its copy is empty, so that a third of all samples say that there is no soma where somas are.
    """
    swapped = settings.model_copy(
        update={
            "mirror": "every-axis",
            "elastic_alpha": settings.elastic_sigma,
            "elastic_sigma": settings.elastic_alpha,
        }
    )
    expanded = paper_expansion(items, swapped, seed=seed)
    n_elastic = len(items)
    emptied = [
        LabelledImage(item.name, item.image, np.zeros_like(item.labels), ignored=item.ignored)
        for item in expanded[-n_elastic:]
    ]
    return [*expanded[:-n_elastic], *emptied] * AUTHORS_PASSES


def online_augmentation(settings: AugmentSettings) -> Augmenter:
    """Random at every use: flips and quarter turns, elastic, zoom, intensity, gamma, noise and blur."""
    import albumentations as A

    recolour = A.Lambda(image=_to_green, p=settings.recolour_probability)
    return Augmenter(
        [
            A.SquareSymmetry(p=1.0),  # the eight flips and quarter turns; needs a square patch
            elastic(
                alpha=settings.elastic_alpha,
                sigma=settings.elastic_sigma,
                probability=settings.elastic_probability,
            ),
            zoom(settings),
            A.OneOf(
                [
                    A.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.3),
                    A.RandomGamma(gamma_limit=(60, 160)),
                ],
                p=settings.intensity_probability,
            ),
            A.GaussNoise(std_range=(0.005, 0.04), p=settings.noise_probability),
            A.GaussianBlur(sigma_limit=(0.3, 1.2), blur_limit=0, p=settings.blur_probability),
            recolour,
        ],
        independent=settings.independent,
    )


def plain_view(settings: AugmentSettings) -> Augmenter:
    """The teacher's view of an unlabelled patch: flips, turns and zoom, intensities unchanged."""
    import albumentations as A

    return Augmenter([A.SquareSymmetry(p=1.0), zoom(settings)], independent=True)


def strong_view(settings: AugmentSettings) -> Augmenter:
    """The student's view, made from the plain one: same geometry, intensities changed more than in mode `online`."""
    import albumentations as A

    return Augmenter(
        [
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.5, p=0.8),
            A.RandomGamma(gamma_limit=(40, 250), p=0.8),
            A.GaussNoise(std_range=(0.01, 0.08), p=0.5),
            A.GaussianBlur(sigma_limit=(0.5, 2.0), blur_limit=0, p=0.5),
            A.Lambda(image=_to_green, p=settings.recolour_probability),
        ],
        independent=True,
    )


def _reverse_channels(image: NDArray[np.generic], **_: object) -> NDArray[np.generic]:
    return np.ascontiguousarray(image[..., ::-1])


def _to_green(image: NDArray[np.generic], **_: object) -> NDArray[np.generic]:
    """Grey image rendered as GFP: only the green channel is kept."""
    green = np.zeros_like(image)
    green[..., 1] = image.max(axis=-1)
    return green
