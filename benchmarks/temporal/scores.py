"""Scores on the held-out part of the movie: of its frames, and of each soma at each time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from benchmarks.temporal.inputs import Float32, input_of, on_scale_of_first, triplet
from somanet.evaluation.masks import counted, overlap, score_image
from somanet.segmentation.inference.contrast import contrast_of
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.inference.prediction import predict_input
from somanet.segmentation.network.inputs import measure_exposure
from somanet.segmentation.network.settings import ModelSpec

CONTEXT_PX = 88
"""Columns left of the held-out part that the network sees as well; nothing there counts."""
DIM = 0.25
"""The somas of lowest contrast, as a share of all."""


@dataclass(frozen=True)
class HeldOut:
    """The movie, of which x ≥ ``x_px`` counts.

    Attributes:
        frames_TYX: the movie.
        tracks_TYX: reference labels, by track.
        ignored_TYX: cells that nobody labelled.
        contrast: (frame, track) → contrast of the soma there.
        x_px: first column that counts.
        every: which frames count: each of so many, and the last.
    """

    frames_TYX: NDArray[np.integer]
    tracks_TYX: NDArray[np.integer]
    ignored_TYX: NDArray[np.bool_]
    contrast: pd.DataFrame
    x_px: int
    every: int = 1

    @property
    def times(self) -> list[int]:
        """The frames that count."""
        last = len(self.frames_TYX) - 1
        return sorted({*range(0, last, self.every), last})

    @property
    def dimmest(self) -> float:
        """Contrast below which a soma is among the dim ones."""
        return float(self.contrast["contrast"].quantile(DIM))


def contrast_table(frames_TYX: NDArray[np.integer], tracks_TYX: NDArray[np.integer], x_px: int) -> pd.DataFrame:
    """The contrast of every soma in every frame, of those with a pixel in x ≥ ``x_px``: t, track, contrast."""
    tables = []
    for t, (frame, tracks) in enumerate(zip(frames_TYX, tracks_TYX, strict=True)):
        ids, numbers = np.unique(tracks, return_inverse=True)  # 0, the background, is in every frame
        numbers_YX = numbers.reshape(tracks.shape)
        inside = np.unique(numbers_YX[:, x_px:])[1:]
        contrast = contrast_of(frame, numbers_YX)[inside - 1]
        tables.append(pd.DataFrame({"t": t, "track": ids[inside], "contrast": contrast}))
    return pd.concat(tables, ignore_index=True)


def network_input(frames_KYX: NDArray[np.integer], spec: ModelSpec, from_x_px: int, *, temporal: bool) -> Float32:
    """The input for the part x ≥ ``from_x_px`` of a frame, on the scale of the whole frame."""
    units_KYX = on_scale_of_first(frames_KYX if temporal else frames_KYX[:1])
    exposure = measure_exposure(units_KYX[0][..., None], inverted=False)
    return input_of(np.ascontiguousarray(units_KYX[:, :, from_x_px:]), spec, exposure)


def scored(
    model: nn.Module, spec: ModelSpec, held_out: HeldOut, thresholds: Sequence[float], *, temporal: bool, alone: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of all frames and of all reference somas in them.

    Args:
        model: a network.
        spec: its preprocessing and post-processing.
        held_out: the images.
        thresholds: of the probability of soma; all others are as in ``spec``.
        temporal: whether it sees neighbour frames.
        alone: show it the frame itself in their place.

    Returns:
        Frames: `name`, `threshold`, `ignoring` (whether cells that nobody labelled are left out), and the columns of
        :func:`somanet.evaluation.masks.score_image`. Somas: `t`, `track`, `threshold`, `matched` (IoU ≥ 0.5) and
        `covered` (the greatest share of its pixels in one object).
    """
    images, somas = [], []
    left = max(held_out.x_px - CONTEXT_PX, 0)
    for t in held_out.times:
        frames = triplet(held_out.frames_TYX, t)
        inputs = network_input(
            np.repeat(frames[:1], len(frames), 0) if alone else frames, spec, left, temporal=temporal
        )
        maps_CYX = predict_input(model, inputs, n_outputs=len(spec.outputs))
        true = held_out.tracks_TYX[t][:, held_out.x_px :].astype(np.int32)
        tracks = np.unique(true)[1:]
        for threshold in thresholds:
            instances = spec.instances.model_copy(update={"threshold": threshold})
            found = probabilities_to_labels(maps_CYX, spec.outputs, instances)[:, held_out.x_px - left :]
            measured = overlap(true, found)
            matched = np.isin(np.arange(len(tracks)), measured.matches(0.5)[0])
            covered = (measured.shared_px / measured.true_px[:, None]).max(axis=1, initial=0)
            somas.append(
                pd.DataFrame({"t": t, "track": tracks, "threshold": threshold, "matched": matched, "covered": covered})
            )
            for ignored in (None, held_out.ignored_TYX[t][:, held_out.x_px :]):
                scores = score_image(*counted(true, found, ignored))
                images.append({"name": f"{t:04d}", "threshold": threshold, "ignoring": ignored is not None, **scores})
    return pd.DataFrame(images), pd.concat(somas, ignore_index=True)


def seconds_per_frame(
    networks: Sequence[tuple[nn.Module, bool]], spec: ModelSpec, frames_TYX: NDArray[np.integer], *, repeats: int
) -> list[tuple[float, float]]:
    """Median processor seconds for (the input, the network) of a whole frame, networks in turns."""
    times: list[list[tuple[float, float]]] = [[] for _ in networks]
    for t in range(-1, repeats):  # the first round prepares kernels
        for taken, (model, temporal) in zip(times, networks, strict=True):
            frames = triplet(frames_TYX, max(t, 0) % len(frames_TYX))
            began = time.process_time()
            inputs = network_input(frames, spec, 0, temporal=temporal)
            between = time.process_time()
            predict_input(model, inputs, n_outputs=len(spec.outputs))
            if t >= 0:
                taken.append((between - began, time.process_time() - between))
    return [(float(np.median([a for a, _ in one])), float(np.median([b for _, b in one]))) for one in times]
