"""Training samples with neighbour frames: crops of `soma/train`, and the same places in the frames beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.temporal.inputs import Float32, input_of, on_scale_of_first, triplet
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.inputs import Exposure, make_targets, measure_exposure
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import annotation_of, labels_and_ignored, online_augmentation
from somanet.training.loop.fading import fade_objects
from somanet.training.loop.samples import fit_patch, in_turns, widened
from somanet.training.loop.settings import AugmentSettings, TrainSettings

LONELY = 0.1
"""Share of samples that lack the frame before, and of those that lack the one after, as at the ends of a movie."""
_MOST_OTHER = 0.02
"""Largest share of pixels in which a crop's labels differ from the movie's at its place."""


@dataclass(frozen=True)
class Window:
    """A crop of the movie with its neighbour frames.

    Attributes:
        name: the crop's.
        units_KYX: frames t, t − 1, t + 1 on the scale of the first, see :func:`on_scale_of_first`.
        tracks_KYX: labels of the same frames, by track, so that a cell has one number in all of them.
        annotation: the crop's labels YX, or labels and ignored pixels YX2.
        exposure: of frame t.
    """

    name: str
    units_KYX: Float32
    tracks_KYX: NDArray[np.int32]
    annotation: NDArray[np.int32]
    exposure: Exposure


def windows_of(
    crops: Iterable[LabelledImage], frames_TYX: NDArray[np.integer], tracks_TYX: NDArray[np.integer], *, end_x_px: int
) -> list[Window]:
    """The crops as windows of the movie that they were cut from.

    Args:
        crops: named after frame and place, such as t03_y006_x133.
        frames_TYX: the movie.
        tracks_TYX: its labels.
        end_x_px: first column that no window may reach: what lies there is held out.

    Raises:
        SomaNetError: a name says no place, a crop reaches into the held-out part, or its labels are not the movie's.
    """
    windows = []
    for crop in crops:
        match = re.fullmatch(r"t(\d+)_y(\d+)_x(\d+)", crop.name)
        if match is None:
            raise SomaNetError(
                f"Expected a crop named after its frame and place, such as t03_y006_x133: {crop.name!r}."
            )
        t, y, x = map(int, match.groups())
        height, width = crop.labels.shape
        place = np.s_[:, y : y + height, x : x + width]
        if x + width > end_x_px:
            raise SomaNetError(f"{crop.name} reaches beyond x = {end_x_px}, where images are held out. Leave it out.")
        tracks = triplet(tracks_TYX, t)[place].astype(np.int32)
        if tracks[0].shape != crop.labels.shape or ((tracks[0] > 0) != (crop.labels > 0)).mean() > _MOST_OTHER:
            raise SomaNetError(
                f"{crop.name}: its labels are not the movie's at that place. Is it a crop of this movie?"
            )
        units = on_scale_of_first(triplet(frames_TYX, t)[place])
        exposure = measure_exposure(units[0][..., None], inverted=False)
        windows.append(Window(crop.name, units, tracks, annotation_of(crop), exposure))
    if not windows:
        raise SomaNetError("There are no crops to train on. Is DATA/soma/train empty?")
    return windows


class TemporalSamples(Dataset[tuple[Tensor, Tensor]]):
    """Patches as (input 9YX, targets CYX); the first three channels alone are a sample without context.

    All three frames of a sample are turned, zoomed, deformed, brightened and faded alike; noise is each frame's own. As
    in :class:`somanet.training.loop.samples.TrainingSamples` every choice follows from (seed, position).
    """

    def __init__(self, windows: list[Window], spec: ModelSpec, settings: TrainSettings, *, seed: int, n: int) -> None:
        self._windows, self._spec, self._settings, self._seed = windows, spec, settings, seed
        self._order = in_turns(len(windows), n, np.random.default_rng([seed, 0]))
        self._augment = online_augmentation(settings.augment)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        window = self._windows[self._order[position]]
        rng = np.random.default_rng([self._seed, 1, position])
        # one YXC array of everything that has a place, so that all of it is cut at the same one
        image_YXK = np.moveaxis(window.units_KYX, 0, -1)
        layers = np.dstack([window.annotation, np.moveaxis(window.tracks_KYX, 0, -1)])
        image_YXK, layers = fit_patch(image_YXK, layers, self._settings, rng)
        n_frames = len(window.tracks_KYX)
        annotation = layers[..., 0] if window.annotation.ndim == 2 else layers[..., :-n_frames]
        tracks_YXK = layers[..., -n_frames:]
        image_YXK = faded_alike(image_YXK, tracks_YXK, self._settings.augment, rng)
        augmented, annotation = self._augment(
            np.ascontiguousarray(image_YXK), np.ascontiguousarray(annotation), seed=int(rng.integers(2**31))
        )
        units_KYX = np.moveaxis(augmented, -1, 0).astype(np.float32)
        if rng.random() < 0.5:  # a movie backwards is a movie
            units_KYX = units_KYX[[0, 2, 1]]
        for neighbour in (1, 2):
            if rng.random() < LONELY:
                units_KYX[neighbour] = units_KYX[0]
        exposure = widened(window.exposure, self._settings.augment.brighter_elsewhere, rng)
        labels, ignored = labels_and_ignored(annotation)
        return (
            torch.from_numpy(input_of(units_KYX, self._spec, exposure)),
            torch.from_numpy(make_targets(labels, self._spec.outputs, ignored)),
        )


def faded_alike(
    image_YXK: Float32, tracks_YXK: NDArray[np.int32], settings: AugmentSettings, rng: np.random.Generator
) -> Float32:
    """Some cells faded, each by the same share in every frame, wherever it is there.

    Args:
        image_YXK: one frame per channel.
        tracks_YXK: their labels, by track.
        settings: `fade_probability` and `fade_range`, see :func:`somanet.training.loop.fading.fade_objects`.
        rng: source of chance.
    """
    frames = [
        np.repeat(image_YXK[..., k : k + 1], 3, axis=-1) for k in range(image_YXK.shape[-1])
    ]  # grey, as images are
    for track in np.unique(tracks_YXK[tracks_YXK > 0]).tolist():
        drawn, strength = rng.random(2)
        if drawn >= settings.fade_probability:
            continue
        low, high = np.log(settings.fade_range)
        share = float(np.exp(low + strength * (high - low)))
        this = settings.model_copy(update={"fade_probability": 1.0, "fade_range": (share, share)})
        for k, frame in enumerate(frames):
            labels = tracks_YXK[..., k]
            # the other cells are no surroundings (not 0), but do not fade (not positive)
            alone = np.where(labels == track, labels, -(labels > 0).astype(np.int32)).astype(np.int32)
            frames[k] = fade_objects(frame, alone, this, rng).astype(np.float32)
    return np.stack([frame[..., 0] for frame in frames], axis=-1)
