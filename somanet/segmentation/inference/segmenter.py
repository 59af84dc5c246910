"""Segmentation of an image, by one network or an ensemble, with test-time augmentation and rescaling if wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines import device_of
from somanet.segmentation.engines.devices import Device
from somanet.segmentation.inference.burnt_in import BurntIn
from somanet.segmentation.inference.clipping import MOST_SHARE, Clipping, clipping_of
from somanet.segmentation.inference.contrast import contrast_of
from somanet.segmentation.inference.haze import HazeRule
from somanet.segmentation.inference.hot_pixels import without_hot_pixels
from somanet.segmentation.inference.instances import probabilities_to_labels, refined
from somanet.segmentation.inference.known_maps import KnownMaps
from somanet.segmentation.inference.rescaling import predict_rescaled, settings_at
from somanet.segmentation.inference.second_look import Look, looked_again
from somanet.segmentation.inference.temperature_scaling import apply_temperature, to_logits
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.missing import Filled, fill_missing

if TYPE_CHECKING:
    from torch import nn

    from somanet.segmentation.network.intended_use import IntendedUse
    from somanet.segmentation.network.settings import ModelSpec

Float32 = NDArray[np.float32]
Tta = Literal[1, 4, 8]

_TURNS: dict[int, tuple[tuple[bool, int], ...]] = {
    1: ((False, 0),),
    4: ((False, 0), (True, 0), (False, 2), (True, 2)),
    8: tuple((mirrored, quarters) for quarters in range(4) for mirrored in (False, True)),
}
"""Test-time augmentations: mirrored left to right or not, then rotated by a number of quarter turns."""


class Segmented(NamedTuple):
    """An image's somas.

    Attributes:
        labels_YX: int32, 0 = background, 1…n without gaps.
        confidence: n numbers from 0 to 1 for the labels 1…n: the probability that the object is right, of a network
            for which that was fitted (:mod:`somanet.segmentation.network.object_confidence`); otherwise the mean
            calibrated soma probability of the object's pixels.
        contrast: n numbers, see :func:`somanet.segmentation.inference.contrast.contrast_of`.
        n_haze: number of objects that were left out as haze.
        clipping: pixels at the image's ceiling; None of dark objects, and if `Segmenter.as_outlined`.
        n_hidden: number of objects, the last ones, that only a second look shows.
    """

    labels_YX: NDArray[np.int32]
    confidence: NDArray[np.float64]
    contrast: NDArray[np.float64]
    n_haze: int = 0
    clipping: Clipping | None = None
    n_hidden: int = 0

    @classmethod
    def none(cls, shape_YX: tuple[int, int]) -> Segmented:
        """An image without somas."""
        return cls(np.zeros(shape_YX, np.int32), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Segmenter:
    """Segments images. Every path from an image to labels goes through it.

    Attributes:
        networks: one, or an ensemble: several networks whose probabilities are averaged. The first one's settings turn
            them into labels. Images are preprocessed for each network in its own way.
        tta: number of test-time augmentations (TTA): 1 none; 4 flips along each axis and both; 8 also quarter
            turns. The outputs are transformed back and averaged, as all of them are maps that turn with the image.
        rescale: factor by which images are rescaled for the networks; labels have the images' own size. None: it is
            estimated for each movie or image that a command segments
            (:func:`somanet.segmentation.inference.soma_size.decide`), and is 1 where nothing estimates it.
        haze: objects that it calls haze are left out; None keeps all.
        inverted: whether objects are dark on a bright background; None judges each image by itself. A network for
            fluorescence never inverts.
        burnt_in: scale bars and time stamps of a movie's frames, which hold no data.
        as_outlined: objects as the network outlines them, without refinement, and their mean probability as
            confidence, whatever the first network's settings: the size estimate needs no more.
        known: maps of images at their own scale that need not be computed again.
        second_look: objects that much brighter ones hide are looked for, too, with networks for fluorescence
            (:mod:`somanet.segmentation.inference.second_look`).

    Raises:
        SomaNetError: no networks, networks with different outputs, or another number of test-time augmentations.
    """

    networks: tuple[Checkpoint, ...]
    tta: int = 1
    rescale: float | None = None
    haze: HazeRule | None = None
    inverted: bool | None = None
    burnt_in: BurntIn | None = None
    as_outlined: bool = False
    known: KnownMaps | None = field(default=None, repr=False, compare=False)
    second_look: bool = True

    def __post_init__(self) -> None:
        if self.tta not in get_args(Tta):
            raise SomaNetError(
                f"Expected 1, 4 (flips) or 8 (flips and turns) test-time augmentations, found {self.tta}. Give "
                "one of these."
            )
        if not self.networks:
            raise SomaNetError("Expected at least one network to segment with, found none. Name one.")
        outputs = [network.spec.outputs for network in self.networks]
        if other := next((o for o in outputs if o != outputs[0]), None):
            raise SomaNetError(
                f"The networks of an ensemble must have the same outputs; one has {', '.join(outputs[0])}, another "
                f"{', '.join(other)}. Name networks that were trained with the same outputs."
            )

    @classmethod
    def of(cls, model: nn.Module, spec: ModelSpec) -> Segmenter:
        """A single network that exists in memory only."""
        return cls((Checkpoint(model, spec, sha256=""),))

    @property
    def first(self) -> Checkpoint:
        """The network whose settings are used."""
        return self.networks[0]

    @property
    def device(self) -> Device:
        """Where the first network computes."""
        return device_of(self.first.model)

    @property
    def intended_use(self) -> IntendedUse:
        """The intended use: the first network's, with the modality of any that has one."""
        kinds = [n.intended_use.modality for n in self.networks if n.intended_use.modality is not None]
        return self.first.intended_use.model_copy(update={"modality": kinds[0]}) if kinds else self.first.intended_use

    def at(self, rescale: float) -> Segmenter:
        """The same with images rescaled by another factor."""
        return dataclasses.replace(self, rescale=rescale)

    @property
    def factor(self) -> float:
        """The factor by which images are rescaled."""
        return 1.0 if self.rescale is None else self.rescale

    def deciding(self, images: Sequence[NDArray[Any]]) -> Segmenter:
        """The same, with one decision on inversion for all images of a movie: that of most of some frames."""
        looks = [self.inverts(image) for image in images]
        return dataclasses.replace(self, inverted=2 * sum(looks) > len(looks))

    def looking(self, images: Sequence[NDArray[Any]]) -> Segmenter:
        """The same, with a second look at all images of a movie only if that shows more in one of some frames."""
        twice = self.second_look and any(self.segment(image).n_hidden for image in images)
        return dataclasses.replace(self, second_look=twice)

    def without(self, burnt_in: BurntIn | None) -> Segmenter:
        """The same for the frames of a movie into which a scale bar or a time stamp is burnt."""
        return dataclasses.replace(self, burnt_in=burnt_in)

    def inverts(self, image: NDArray[Any]) -> bool:
        """Whether an image is taken for dark objects on a bright background, and is shown inverted to a network."""
        from somanet.segmentation.network.inputs import looks_inverted, to_unit

        if not self._may_invert:
            return False
        return looks_inverted(to_unit(image)) if self.inverted is None else self.inverted

    @property
    def _objects_may_be_dark(self) -> bool:
        return all(network.intended_use.modality is None for network in self.networks)

    @property
    def _may_invert(self) -> bool:
        return any(n.intended_use.modality is None and n.spec.input != "rgb" for n in self.networks)

    def probabilities(self, image: NDArray[Any]) -> Float32:
        """Mean probability of every output, CYX float32, of an image YX or YXC."""
        return _mean(self._maps(self._filled(image).image))

    def labels(self, image: NDArray[Any]) -> NDArray[np.int32]:
        """One label per soma, YX int32, of an image YX or YXC; none on pixels without data."""
        if self.haze is not None:
            return self.segment(image).labels_YX
        image, missing = self._filled(image)
        probabilities_CYX = _mean(self._maps(image))
        labels_YX = _without(self._to_labels(probabilities_CYX), missing)
        return self._refined(labels_YX, image, probabilities_CYX, missing)

    def segment(self, image: NDArray[Any]) -> Segmented:
        """Labels of an image YX or YXC, and the confidence in and contrast of each; none on pixels without data."""
        image, missing = self._filled(image)
        first = self._look(image, image, missing)
        looks_twice = self.second_look and not self.as_outlined and not self._objects_may_be_dark
        found = (
            looked_again(first, image, partial(self._look, image, missing=missing), missing) if looks_twice else first
        )
        counted = not self._objects_are_dark(image) and not self.as_outlined
        clipping = clipping_of(image, found.labels_YX, missing=missing) if counted else None
        if clipping is not None and clipping.share >= MOST_SHARE and self.intended_use.modality != "fluorescence":
            clipping = None
        n_hidden = len(found.confidence) - len(first.confidence)
        return Segmented(found.labels_YX, found.confidence, found.contrast, found.n_haze, clipping, n_hidden)

    def _look(self, image: NDArray[Any], shown: NDArray[Any], missing: NDArray[np.bool_] | None) -> Look:
        """The objects of an image, as the networks see them in what they are shown of it."""
        maps = self._known_maps(image) if shown is image else list(self._maps(shown))
        probabilities_CYX, dark = _mean(maps), self._objects_are_dark(image)
        outlined_YX = _without(self._to_labels(probabilities_CYX), missing)
        probability = self._mean_probability(outlined_YX, maps)
        contrast = contrast_of(image, outlined_YX, missing=missing, inverted=dark)
        n_haze = 0
        if self.haze is not None:
            haze = self.haze.is_haze(contrast, probability)
            outlined_YX = _without(outlined_YX, np.concatenate([[False], haze])[outlined_YX])
            probability, contrast, n_haze = probability[~haze], contrast[~haze], int(haze.sum())
        labels_YX = self._refined(outlined_YX, image, probabilities_CYX, missing)
        if labels_YX is not outlined_YX:
            contrast = contrast_of(image, labels_YX, missing=missing, inverted=dark)
        fitted, confidence = None if self.as_outlined else self.first.object_confidence, probability
        if fitted is not None:
            inside = outlined_YX > 0
            logits = to_logits(probabilities_CYX[self._soma][inside])
            confidence = fitted.of(_mean_of_each(outlined_YX[inside], logits))
        return Look(labels_YX, confidence, contrast, probability, n_haze)

    @property
    def _soma(self) -> int:
        """Where the soma map is among the outputs."""
        return self.first.spec.outputs.index("soma")

    def _mean_probability(self, labels_YX: NDArray[np.int32], maps: Sequence[Float32]) -> NDArray[np.float64]:
        """Mean calibrated soma probability of each label 1…n."""
        pairs, inside = zip(maps, self.networks, strict=True), labels_YX > 0
        soma = _mean(apply_temperature(one_CYX[self._soma][inside], network.temperature) for one_CYX, network in pairs)
        return _mean_of_each(labels_YX[inside], soma)

    def _objects_are_dark(self, image: NDArray[Any]) -> bool:
        from somanet.segmentation.network.inputs import looks_inverted, to_unit

        if not self._objects_may_be_dark:
            return False
        return self.inverted if self._may_invert and self.inverted is not None else looks_inverted(to_unit(image))

    def _filled(self, image: NDArray[Any]) -> Filled:
        """The image without hot pixels, all pixels that hold no data filled, and where these are."""
        shown = image if self.burnt_in is None else self.burnt_in.removed_from(image)
        filled, missing = fill_missing(shown)
        if not self._objects_may_be_dark:
            filled = without_hot_pixels(filled)
        if self.burnt_in is None:
            return Filled(filled, missing)
        covered = self.burnt_in.mask_YX
        return Filled(filled, covered if missing is None else covered | missing)

    def _known_maps(self, image: NDArray[Any]) -> list[Float32]:
        """Each network's output, CYX, computed where it is not known."""
        if self.known is None or self.factor != 1:
            return list(self._maps(image))
        how = (*self.networks, self.tta, self.inverted)
        return self.known.of(how, image, lambda: list(self._maps(image)))

    def _maps(self, image: NDArray[Any]) -> Iterator[Float32]:
        """Each network's output, CYX."""
        for network in self.networks:
            yield predict_rescaled(partial(self._predict, network), image, self.factor)

    def _predict(self, network: Checkpoint, image: NDArray[Any]) -> Float32:
        """A network's mean output over all test-time augmentations of an image, CYX."""
        from somanet.segmentation.inference.prediction import predict_input
        from somanet.segmentation.network.inputs import to_input

        inverted = self.inverted if network.intended_use.modality is None else False
        # The exposure is that of the whole image.
        input_CYX, n_outputs = to_input(image, network.spec, inverted=inverted), len(network.spec.outputs)

        def predict_turned(mirrored: bool, quarters: int) -> Float32:
            turned = _turn(input_CYX, mirrored, quarters)
            return _turn_back(predict_input(network.model, turned, n_outputs=n_outputs), mirrored, quarters)

        return _mean(predict_turned(*turn) for turn in _TURNS[self.tta])

    def _to_labels(self, probabilities_CYX: Float32) -> NDArray[np.int32]:
        own = self.first.spec.instances
        settings, cut_px = settings_at(own, self.factor), own.min_area_px if self.factor < 1 else None
        return probabilities_to_labels(probabilities_CYX, self.first.spec.outputs, settings, min_cut_px=cut_px)

    def _refined(
        self,
        labels_YX: NDArray[np.int32],
        image: NDArray[Any],
        probabilities_CYX: Float32,
        missing: NDArray[np.bool_] | None,
    ) -> NDArray[np.int32]:
        """The labels with refined outlines; the same array where the first network's settings have no refinement."""
        settings = settings_at(self.first.spec.instances, self.factor)
        if self.as_outlined or settings.refine is None:
            return labels_YX
        dark = self._objects_are_dark(image)
        return refined(labels_YX, image, probabilities_CYX[self._soma], settings, missing=missing, inverted=dark)


def mean_inside(labels_YX: NDArray[np.integer], values_YX: Float32) -> NDArray[np.float64]:
    """Mean over the pixels of each label 1…n, which must have no gaps."""
    inside = labels_YX > 0
    return _mean_of_each(labels_YX[inside], values_YX[inside])


def _mean_of_each(labels: NDArray[np.integer], values: Float32) -> NDArray[np.float64]:
    """Mean of the values of each label 1…n, which must have no gaps."""
    areas = np.bincount(labels)[1:]
    sums = np.bincount(labels, values.astype(np.float64))[1:]
    return np.asarray(sums / areas, np.float64)


def _without(labels_YX: NDArray[np.int32], missing: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """The labels without pixels that hold no data, numbered without gaps."""
    if missing is None:
        return labels_YX
    kept = np.where(missing, 0, labels_YX)
    ids = np.unique(kept)
    return np.searchsorted(ids[ids > 0], kept, side="right").astype(np.int32) if len(ids) else kept


def _turn(maps_CYX: Float32, mirrored: bool, quarters: int) -> Float32:
    flipped = np.flip(maps_CYX, axis=2) if mirrored else maps_CYX
    return np.ascontiguousarray(np.rot90(flipped, quarters, axes=(1, 2)))


def _turn_back(maps_CYX: Float32, mirrored: bool, quarters: int) -> Float32:
    upright = np.rot90(maps_CYX, -quarters, axes=(1, 2))
    return np.flip(upright, axis=2) if mirrored else upright


def _mean(arrays: Iterable[Float32]) -> Float32:
    """Mean of at least one array of one shape; a single one is returned as it is. Iterators are consumed one by one."""
    rest = iter(arrays)
    total, n = next(rest), 1
    for array in rest:
        total, n = total + array, n + 1
    return total if n == 1 else total / np.float32(n)
