"""A network in memory: images in, label images out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from somanet.analysis.movie import AnalysisNetworks
from somanet.analysis.network import BUNDLED_NAME, OpenedNetworks
from somanet.analysis.opening import about_opened, open_for_images, open_for_movies
from somanet.api.wording import check_positive, in_python, spoken
from somanet.core.errors import SomaNetError, WrongType
from somanet.io.decoding import usable
from somanet.segmentation.engines import EngineName, engine_of
from somanet.segmentation.inference.clipping import Clipping
from somanet.segmentation.inference.found import segment_image
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.looks import Appearance
from somanet.segmentation.inference.modality import ModalityInput, check_modality
from somanet.segmentation.inference.rescaling import rescaling_factor
from somanet.segmentation.inference.size_warnings import warnings_for

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The somas of one image.

    Attributes:
        labels_YX: int32 of the image's size: 0 is background, 1…n are the somas, without gaps.
        objects: one row per soma, in the order of the labels: `label`, `area_px` (px²), `diameter_px` (of the circle
            of the same area), `y_px`, `x_px` (the centre's row and column), `confidence` (the probability that the
            object is right, 0 to 1) and `contrast` (its mean intensity less the background's median, over the
            background's spread).
        rescale: the factor by which the image was rescaled for the network; the labels are in the image's own size.
        n_haze: objects that were left out as haze.
        inverted: whether the image was taken for dark objects on a bright background.
        notes: what `somanet predict` says of such an image: what was assumed about it, and whether it looks like one
            that cannot be segmented, with too many pixels at the ceiling, objects as on smooth noise, or points of
            light for objects.
        clipping: the pixels at the image's ceiling (`share`, `merges_somas`); None where dark objects are looked for.
        appearance: how the objects typically look (`like_noise`, `like_points`); None for a network of which it is not
            known how they should.
        second_look: bright objects hid others, which are the last labels.
    """

    labels_YX: NDArray[np.int32]
    objects: pd.DataFrame
    rescale: float
    n_haze: int
    inverted: bool
    notes: tuple[str, ...]
    clipping: Clipping | None
    appearance: Appearance | None
    second_look: bool


class Model:
    """A network, or an ensemble, as :func:`load_model` opens it.

    Attributes:
        folders: the checkpoints, in the order in which they were named.
        notes: what a user should know about the engines, such as why it is not the fastest one.
    """

    def __init__(self, names: Sequence[str | Path], options: dict[str, Any]) -> None:
        self._names, self._options = tuple(names), options
        self._opened = _told(open_for_images(self._names, **options))
        self.folders: tuple[Path, ...] = self._opened.folders
        self.notes: tuple[str, ...] = self._opened.notes

    def __repr__(self) -> str:
        first = self._opened.segmenter.first
        named = ", ".join(str(name) for name in self._names)
        return f"<Model {named}: {first.spec.architecture}, {self.engine}, weights {first.sha256[:12]}>"

    @property
    def engine(self) -> str:
        """What computes the (first) network: `onnxruntime`, `openvino` or `torch`."""
        return str(engine_of(self._opened.segmenter.first.model)["name"])

    @property
    def sha256(self) -> tuple[str, ...]:
        """SHA-256 of each network's weights: what a result's manifest names."""
        return tuple(network.sha256 for network in self._opened.segmenter.networks)

    @in_python
    def segment(
        self, image: ArrayLike, *, diameter_px: float | None = None, any_modality: bool = False
    ) -> NDArray[np.int32]:
        """The label image of one image.

        Args:
            image: YX, or YXC with 1, 3 or 4 channels, of any real data type; intensities need no scaling. One frame
                of a movie; a whole movie is for :func:`somanet.analyze`.
            diameter_px: of the somas, in this image's pixels. By default it is estimated from the image, or is what
                :func:`load_model` was given. A pixel size is not needed: networks know somas by their size in pixels.
            any_modality: also segment an image outside the network's intended use, such as bright field.

        Returns:
            int32 YX: 0 is background, 1…n are the somas.

        Raises:
            SomaNetError: it is no single image, has infinite numbers or NaN away from the border, as no file of images
                may either, or is outside the network's intended use.
        """
        return self.describe(image, diameter_px=diameter_px, any_modality=any_modality).labels_YX

    @in_python
    def describe(
        self, image: ArrayLike, *, diameter_px: float | None = None, any_modality: bool = False
    ) -> Segmentation:
        """The label image with a row for each soma (place, size, confidence and contrast), and notes on the image.

        Arguments and errors are those of :meth:`segment`; `somanet predict` writes the same numbers.
        """
        check_positive(diameter_px=diameter_px)
        values = _checked(image)
        segmenter = self._opened.segmenter
        if not any_modality:
            check_modality([ModalityInput("the image", lambda: [values])], segmenter.intended_use)
        factor = rescaling_factor(segmenter.intended_use, rescale=None, diameter_px=diameter_px)
        if factor is not None:
            segmenter = segmenter.at(factor)
        labels_YX, found = segment_image(segmenter, values)
        image_itself = Input("the image", Path("The image"), None)
        notes = tuple(
            spoken(note, load_model, Model.describe)
            for note in warnings_for([(image_itself, found)], segmenter.intended_use)
        )
        return Segmentation(
            labels_YX,
            found.objects,
            found.rescale,
            found.n_haze,
            found.inverted,
            notes,
            found.clipping,
            found.appearance,
            found.second_look,
        )

    @cached_property
    def for_movies(self) -> AnalysisNetworks:
        """The same networks as a movie's analysis uses them: every frame by one thread, several frames at once."""
        opened = _told(open_for_movies(self._names, **self._options))
        return AnalysisNetworks(opened.segmenter, about_opened(opened))


@in_python
def load_model(
    model: str | PathLike[str] | Sequence[str | PathLike[str]] = BUNDLED_NAME,
    *,
    engine: EngineName = "auto",
    device: str = "auto",
    tta: int = 1,
    diameter_px: float | None = None,
    rescale: float | None = None,
    keep_haze: bool = False,
) -> Model:
    """Open a network for images and movies.

    Args:
        model: `bundled` for the network in the package; a checkpoint's folder, as `somanet train` and `somanet
            finetune` write it; an MLflow run's id, an alias such as `champion`, or an address. Several names are an
            ensemble, whose probabilities are averaged.
        engine: what computes it: `auto` (the fastest installed one that agrees with torch), `onnxruntime`, `openvino`,
            `torch`, or `onnxruntime-int8`: the bundled network in 8 bits, faster, with outlines that differ a little.
        device: `auto` (a CUDA graphics processor if there is one), `cpu`, `cuda`, `cuda:1` or `mps`.
        tta: test-time augmentation: the mean over 1 (none), 4 (mirrored) or 8 (mirrored and rotated) views.
        diameter_px: of the somas in all images that follow; by default it is estimated from each.
        rescale: instead of it: the factor by which images are resized for the network.
        keep_haze: keep objects that hardly stand out and of which the network is unsure.

    Raises:
        SomaNetError: there is no such network, it is damaged, the engine or device cannot run it, or networks do not
            form an ensemble.
    """
    check_positive(diameter_px=diameter_px, rescale=rescale)
    options = {
        "engine": engine,
        "device": device,
        "tta": tta,
        "rescale": rescale,
        "diameter_px": diameter_px,
        "keep_haze": keep_haze,
    }
    return Model(_names(model), options)


def load_for_movies(model: str | PathLike[str] | Sequence[str | PathLike[str]] | None) -> AnalysisNetworks:
    """The named networks with the command's own defaults, for a movie; None for the bundled model.

    Raises:
        SomaNetError: as for :func:`load_model`.
    """
    opened = _told(open_for_movies(None if model is None else _names(model), device="auto"))
    return AnalysisNetworks(opened.segmenter, about_opened(opened))


def _names(model: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[str | Path]:
    """The names of one network or of an ensemble.

    Raises:
        WrongType: there is none.
    """
    names: list[Any] = []
    if isinstance(model, str | PathLike):
        names = [model]
    elif isinstance(model, Sequence):
        names = list(model)
    if not names or not all(isinstance(name, PathLike) or (isinstance(name, str) and name) for name in names):
        raise WrongType(
            f"Expected a network's name, or several as a list, found {_short(model)}. Give 'bundled', a checkpoint's "
            "folder, a run or an alias."
        )
    return [name if isinstance(name, str) else Path(name) for name in names]


def _short(value: object) -> str:
    """A value in one line."""
    words = " ".join(repr(value).split())
    return words if len(words) <= 60 else f"{words[:60]}… ({type(value).__name__})"


def _told(opened: OpenedNetworks) -> OpenedNetworks:
    """Networks whose notes the user has been told."""
    for note in opened.notes:
        _log.warning("%s", note)
    return opened


def _checked(image: ArrayLike) -> NDArray[Any]:
    """An image as an array of numbers.

    Raises:
        SomaNetError: it is none; WrongType where it is something else than an array of numbers.
    """
    try:
        values = np.asarray(image)
    except ValueError:
        raise SomaNetError(
            "Expected an image, found rows of different lengths. Give each row as many pixels."
        ) from None
    if values.dtype.kind not in "buif":
        raise WrongType(
            f"Expected an image as an array of real numbers, found {type(image).__name__} of {values.dtype}. Read a "
            "file first, for example with tifffile.imread; a movie is for somanet.analyze."
        )
    if values.size == 0 or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] not in (1, 3, 4)):
        raise SomaNetError(
            f"Expected one image (Y, X) or (Y, X, C) with 1, 3 or 4 channels, found shape {values.shape}. Segment the "
            "frames of a movie one by one, or give its file to somanet.analyze."
        )
    return usable(values, "The image")
