"""Movies of migrating GFP interneurons with known truth, in micrometres and hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation.cells import Cell, random_cells
from somanet.simulation.motion import stage_drift
from somanet.simulation.render import render_movie
from somanet.simulation.scenery import random_scenery
from somanet.simulation.settings import NeuronSettings

LEAST_SIDE_PX = 16

TRACK_COLUMNS = ("track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um")
SALTATION_COLUMNS = ("track_id", "start_h", "end_h", "length_um", "speed_um_per_h")


@dataclass(frozen=True)
class SimulatedMovie:
    """A movie and everything that is true of it.

    Attributes:
        frames_TYX: uint16, the GFP channel: somas, processes, growth cones and what else is in the way.
        labels_TYX: int32, masks of the somas without processes; value = track id, 0 = background.
        nucleus_TYX: uint16, the nucleus channel.
        tracks: one row per track and frame in which its soma has a mask: ``track_id``, ``frame``, ``t_h``,
            soma centre ``y_px``, ``x_px`` (a pixel's centre has integer coordinates; a soma cut by the border
            may have its centre outside) and the same times the pixel size, ``y_um``, ``x_um``. As seen in the
            frames, so the stage's drift is in it.
        saltations: one row per jump that overlaps the time its track is seen: ``track_id``, ``start_h``,
            ``end_h``, ``length_um`` (net displacement without the drift), ``speed_um_per_h``. A jump
            under way
            in the first or last frame keeps its full times, which then lie outside the movie.
        drift_yx_um: (T, 2) shift of the scene against the first frame.
        calibration: the physical scale.
        settings: what it was made with.
    """

    frames_TYX: NDArray[np.uint16]
    labels_TYX: NDArray[np.int32]
    nucleus_TYX: NDArray[np.uint16]
    tracks: pd.DataFrame
    saltations: pd.DataFrame
    drift_yx_um: NDArray[np.float64]
    calibration: Calibration
    settings: NeuronSettings


def simulate_movie(
    *,
    seed: int,
    n_frames: int,
    shape_YX: tuple[int, int],
    calibration: Calibration,
    settings: NeuronSettings | None = None,
) -> SimulatedMovie:
    """Simulate a movie of migrating neurons; the same arguments give the same bytes.

    Args:
        seed: 0 or more. Each effect draws from its own stream, so that switching one off leaves the others.
        n_frames: number of frames, at least 1.
        shape_YX: height and width in pixels, each at least 16.
        calibration: pixel size and frame interval; cells keep their size and speed in µm and h whatever
        it is.
        settings: effects; the default ones if None.

    Raises:
        SomaNetError: an argument out of range.
    """
    settings = NeuronSettings() if settings is None else settings
    check_seed(seed)
    if n_frames < 1:
        raise SomaNetError(f"n_frames must be at least 1, found {n_frames}. Give the number of frames to simulate.")
    check_shape(shape_YX)
    t_h = calibration.hours(np.arange(n_frames))
    extent_yx_um = np.array(shape_YX, float) * calibration.pixel_size_um
    for_drift, for_cells, for_scenery, for_camera = np.random.SeedSequence(seed).spawn(4)
    drift = stage_drift(np.random.default_rng(for_drift), t_h, um_per_h=settings.drift_um_per_h)
    cells = random_cells(for_cells, t_h, extent_yx_um=extent_yx_um, drift_yx_um=drift, settings=settings)
    scenery = random_scenery(
        np.random.default_rng(for_scenery),
        t_h,
        extent_yx_um=extent_yx_um,
        pixel_size_um=calibration.pixel_size_um,
        settings=settings,
    )
    frames, numbers, nuclei = render_movie(
        for_camera,
        t_h,
        cells=cells,
        scenery=scenery,
        drift_yx_um=drift,
        shape_YX=shape_YX,
        calibration=calibration,
        settings=settings,
    )
    labels, seen = _number_tracks(numbers, len(cells))
    return SimulatedMovie(
        frames_TYX=frames,
        labels_TYX=labels,
        nucleus_TYX=nuclei,
        tracks=_tracks(cells, labels, seen, t_h, calibration),
        saltations=_saltations(cells, labels, seen, t_h),
        drift_yx_um=drift,
        calibration=calibration,
        settings=settings,
    )


def check_seed(seed: object) -> None:
    """Refuse what numpy's SeedSequence cannot take."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SomaNetError(f"seed must be a whole number from 0, found {seed!r}.")


def check_shape(shape_YX: tuple[int, ...]) -> None:
    """Refuse images too small to hold a cell."""
    if len(shape_YX) != 2 or min(shape_YX) < LEAST_SIDE_PX:
        raise SomaNetError(
            f"shape_YX must be a height and a width of at least {LEAST_SIDE_PX} pixels, found {shape_YX}."
        )


def _number_tracks(numbers: NDArray[np.int32], n_cells: int) -> tuple[NDArray[np.int32], list[int]]:
    """Track ids 1 ... n for the cells that are ever seen; ``seen[id - 1]`` is the cell's index."""
    present = np.bincount(numbers.ravel(), minlength=n_cells + 1) > 0
    seen = [i for i in range(n_cells) if present[i + 1]]
    table = np.zeros(n_cells + 1, np.int32)
    for track_id, index in enumerate(seen, start=1):
        table[index + 1] = track_id
    return table[numbers], seen


def _frames_of(labels: NDArray[np.int32], n_tracks: int) -> NDArray[np.bool_]:
    """(T, n) whether each track has a mask in each frame."""
    return np.array([np.bincount(frame.ravel(), minlength=n_tracks + 1)[1:] > 0 for frame in labels])


def _tracks(
    cells: list[Cell],
    labels: NDArray[np.int32],
    seen: list[int],
    t_h: NDArray[np.float64],
    calibration: Calibration,
) -> pd.DataFrame:
    visible = _frames_of(labels, len(seen))
    track, frame = np.nonzero(visible.T)
    um = np.array([cells[seen[i]].centre_yx_um[t] for i, t in zip(track, frame, strict=True)]).reshape(-1, 2)
    px = um / calibration.pixel_size_um
    columns = (track + 1, frame, t_h[frame], px[:, 0], px[:, 1], um[:, 0], um[:, 1])
    return pd.DataFrame(dict(zip(TRACK_COLUMNS, columns, strict=True)))


def _saltations(
    cells: list[Cell], labels: NDArray[np.int32], seen: list[int], t_h: NDArray[np.float64]
) -> pd.DataFrame:
    visible = _frames_of(labels, len(seen))
    rows = []
    for track, index in enumerate(seen):
        path = cells[index].path
        times = t_h[visible[:, track]]
        during = (path.starts_h < times[-1]) & (path.ends_h > times[0])
        events = zip(path.starts_h, path.ends_h, path.lengths_um, path.speeds_um_per_h, strict=True)
        rows += [(track + 1, *event) for event, overlaps in zip(events, during, strict=True) if overlaps]
    table = pd.DataFrame(rows, columns=list(SALTATION_COLUMNS))
    return table.astype({"track_id": "int64"} | dict.fromkeys(SALTATION_COLUMNS[1:], "float64"))
