"""From a movie's masks to its cells: remove noise, separate touching somas, link over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.tracking.detections import Labels, Measured, areas_of, check_labels, objects_of
from somanet.tracking.displacements import typical_max_gap_frames, typical_max_step_um
from somanet.tracking.drift import StageDrift, measure_drift
from somanet.tracking.linking import link_cells, relative_to_scene
from somanet.tracking.relabel import relabel_movie
from somanet.tracking.settings import TrackSettings
from somanet.tracking.touching import separate_touching

LEAST_SOMA_UM2 = 20.0
"""A disk 5 µm across: half the diameter of the smallest interneuron's soma."""
NOISE_SHARE = 0.2
"""Objects below this share of the movie's median soma are noise."""

Keep = Callable[[Iterable[Labels]], Sequence[Labels]]


@dataclass(frozen=True)
class Tracked:
    """The cells of one movie.

    Attributes:
        tracks: :data:`somanet.core.schema.TRACKS` and shape and intensity columns; ``label`` is the value in ``masks``.
        masks: the label frames that were linked.
        settings: the given settings, completed by values that were estimated from the movie.
        n_noise: number of objects dropped because of their size.
        n_short: number of detections dropped because their track is short.
        drift: of the stage; cells were linked relative to the scene, their positions are as seen.
    """

    tracks: pd.DataFrame
    masks: Sequence[Labels]
    settings: TrackSettings
    n_noise: int
    n_short: int
    drift: StageDrift

    def labels(self) -> Iterator[NDArray[np.int32]]:
        """YX int32 frames, value = track id, 0 = background; one in memory at a time."""
        return relabel_movie(self.masks, self.tracks)


def track_masks(
    masks: Sequence[Labels],
    frames: Sequence[NDArray[np.generic]],
    calibration: Calibration,
    *,
    settings: TrackSettings | None = None,
    blank_frames: Collection[int] = (),
    keep: Keep = list,
) -> Tracked:
    """Find the cells in a movie's masks.

    Args:
        masks: YX label images, 0 = background; ids have no meaning between frames. Read four times.
        frames: the movie, for the stage's drift and the intensities. Read twice, and twelve frames once more.
        calibration: the physical scale.
        settings: values to use instead of those estimated from the movie.
        blank_frames: blank frames: cells are followed through them, and they do not count as missed.
        keep: stores the masks that are linked, so that memory need not grow with the movie: takes the frames one by
            one and returns them as a sequence. By default a list.

    Raises:
        SomaNetError: masks that are not label images, masks and frames that do not fit, or a setting out of range.
    """
    requested = settings or TrackSettings()
    areas = _areas_px(masks)
    every_area = np.concatenate([np.empty(0, np.int64), *areas])
    least_um2 = least_soma_um2(every_area, calibration, requested)
    least_px = least_um2 / calibration.pixel_area_um2
    drift = measure_drift(frames, calibration, masks=masks, blank_frames=blank_frames)
    shift_yx_px = drift.removed_yx_px
    large = _WithoutNoise(masks, areas, least_px)
    separated: Iterable[Labels] = large
    if requested.separate_touching:
        separated = separate_touching(
            large,
            calibration,
            areas_px=every_area[every_area >= least_px],
            max_step_um=requested.max_step_um,
            blank_frames=blank_frames,
            drift_yx_px=shift_yx_px,
        )
    measured = Measured(separated, frames)
    linked = keep(measured)
    detections = measured.table()
    tracks, used = link_detections(detections, calibration, requested, blank_frames, drift_yx_px=shift_yx_px)
    used = used.model_copy(update={"min_soma_area_um2": least_um2})
    n_noise = int((every_area < least_px).sum())
    return Tracked(tracks, linked, used, n_noise, len(detections) - len(tracks), drift)


def least_soma_um2(areas_px: NDArray[np.number], calibration: Calibration, requested: TrackSettings) -> float:
    """The area below which an object is noise: as set, or derived from the movie's median object."""
    if requested.min_soma_area_um2 is not None:
        return requested.min_soma_area_um2
    typical = float(np.median(areas_px)) * calibration.pixel_area_um2 if areas_px.size else 0.0
    return max(LEAST_SOMA_UM2, NOISE_SHARE * typical)


def link_detections(
    detections: pd.DataFrame,
    calibration: Calibration,
    requested: TrackSettings,
    blank_frames: Collection[int],
    *,
    drift_yx_px: NDArray[np.float64] | None = None,
) -> tuple[pd.DataFrame, TrackSettings]:
    """Tracks of detections, and the settings completed by the displacement and gap estimated from the movie."""
    step_um = requested.max_step_um or typical_max_step_um(relative_to_scene(detections, drift_yx_px), calibration)
    gap_frames = typical_max_gap_frames(calibration)
    if requested.max_gap_h is not None:
        gap_frames = math.floor(requested.max_gap_h / calibration.frame_interval_h + 1e-9)
    tracks = link_cells(
        detections,
        calibration,
        max_step_um=step_um,
        max_gap_frames=gap_frames,
        min_frames=max(2, math.ceil(requested.min_track_h / calibration.frame_interval_h - 1e-9)),
        overlap_weight=requested.overlap_weight,
        shape_weight=requested.shape_weight,
        intensity_weight=requested.intensity_weight,
        blank_frames=blank_frames,
        drift_yx_px=drift_yx_px,
    )
    used = {"max_step_um": step_um, "max_gap_h": gap_frames * calibration.frame_interval_h}
    return tracks, requested.model_copy(update=used)


def _areas_px(masks: Sequence[Labels]) -> list[NDArray[np.int64]]:
    """Area of every object, by frame."""
    areas = []
    for t in range(len(masks)):
        labels_YX = np.asarray(masks[t])
        check_labels(labels_YX, t)
        areas.append(areas_of(labels_YX))
    return areas


class _WithoutNoise(Sequence[Labels]):
    """The masks without objects below a size, computed on demand where there are any."""

    def __init__(self, masks: Sequence[Labels], areas_px: Sequence[NDArray[np.int64]], least_px: float) -> None:
        self._masks, self._least_px = masks, least_px
        self._noisy = [bool((areas < least_px).any()) for areas in areas_px]

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """Frame ``t``."""
        labels_YX = np.asarray(self._masks[t])
        if not self._noisy[t]:
            return labels_YX
        ids, index, counts = objects_of(labels_YX)
        return np.where(counts >= self._least_px, ids, 0)[index].astype(labels_YX.dtype)
