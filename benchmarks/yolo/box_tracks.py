"""From a detector's boxes to tracks: detections from a movie's boxes, and their linking."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.tracking.detections import DETECTION_COLUMNS, SHAPE_COLUMNS
from somanet.tracking.movie import least_soma_um2, link_detections
from somanet.tracking.settings import TrackSettings

BOX_COLUMNS = ("frame", "x0_px", "y0_px", "x1_px", "y1_px")
_WHOLE = ("frame", "label", "top_px", "left_px", "bottom_px", "right_px", "touches_edge")


def detect_boxes(boxes: pd.DataFrame, frames: Iterable[NDArray[np.generic]]) -> pd.DataFrame:
    """Measure the ellipse inscribed in each box, as :func:`somanet.tracking.detections.detect_cells` does a mask.

    A box does not contain its object's outline: of all shapes that touch its four sides the upright ellipse is the
    simplest. Its area is π/4 of the box's, and its centre the box's.

    Args:
        boxes: ``frame`` (from 0) and the sides ``x0_px``, ``y0_px``, ``x1_px``, ``y1_px``, half open: a pixel in
            column 3 spans 3 to 4.
        frames: the movie YX, one frame in memory at a time.

    Returns:
        The columns of :func:`~somanet.tracking.detections.detect_cells`; ``label`` counts a frame's boxes from 1 in the
        order of the table.

    Raises:
        SomaNetError: columns are missing, or a box has no area or is in a frame that the movie lacks.
    """
    missing = [name for name in BOX_COLUMNS if name not in boxes.columns]
    if missing:
        raise SomaNetError(f"The boxes lack {missing}; they have {list(boxes.columns)}.")
    empty = ~((boxes["x1_px"] > boxes["x0_px"]) & (boxes["y1_px"] > boxes["y0_px"]))
    if empty.any():
        row = boxes[empty].iloc[0]
        raise SomaNetError(
            f"A box of frame {row['frame']:.0f} goes from ({row['x0_px']:g}, {row['y0_px']:g}) to ({row['x1_px']:g}, "
            f"{row['y1_px']:g}): it has no area. Are the columns in another order?"
        )
    sides_of: dict[int, list[NDArray[np.float64]]] = {}
    for t, sides in zip(boxes["frame"].tolist(), boxes[list(BOX_COLUMNS[1:])].to_numpy(float), strict=True):
        sides_of.setdefault(int(t), []).append(sides)
    rows: list[dict[str, float]] = []
    for t, image_YX in enumerate(frames):
        found = sides_of.pop(t, [])
        rows += [{"frame": t, "label": n, **_ellipse(sides, image_YX)} for n, sides in enumerate(found, start=1)]
    if sides_of:
        raise SomaNetError(f"There are boxes of frame {min(sides_of)}, which the movie lacks. Is it another movie?")
    table = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS))
    return table.astype({name: "int64" if name in _WHOLE else "float64" for name in DETECTION_COLUMNS})


def _ellipse(box: NDArray[np.float64], image_YX: NDArray[np.generic]) -> dict[str, float]:
    """The measures of the ellipse in a box; intensity from its pixels inside the image."""
    x0, y0, x1, y1 = box.tolist()
    width, height = x1 - x0, y1 - y0
    long, short = max(width, height), min(width, height)
    size_YX = image_YX.shape
    top, left = (min(max(math.floor(start), 0), size - 1) for start, size in zip((y0, x0), size_YX, strict=True))
    bottom, right = (
        min(max(math.ceil(stop), start + 1), size)
        for stop, start, size in zip((y1, x1), (top, left), size_YX, strict=True)
    )
    y, x = np.ogrid[top:bottom, left:right]
    # A pixel's centre is half a pixel after its edge.
    off = ((y + 0.5 - (y0 + y1) / 2) / (height / 2)) ** 2 + ((x + 0.5 - (x0 + x1) / 2) / (width / 2)) ** 2
    patch = image_YX[top:bottom, left:right].astype(np.float64)
    intensity = patch[off <= 1] if (off <= 1).any() else patch.ravel()
    return {
        **dict.fromkeys(SHAPE_COLUMNS, math.nan),
        "y_px": (y0 + y1) / 2 - 0.5,
        "x_px": (x0 + x1) / 2 - 0.5,
        "area_px": math.pi / 4 * width * height,
        "major_axis_px": long,
        "minor_axis_px": short,
        "eccentricity": math.sqrt(1 - (short / long) ** 2),
        "solidity": 1.0,
        "top_px": top,
        "left_px": left,
        "bottom_px": bottom,
        "right_px": right,
        "mean_intensity": float(intensity.mean()),
        "max_intensity": float(intensity.max()),
        "sum_intensity": float(intensity.sum()),
        "touches_edge": float(top == 0 or left == 0 or bottom == size_YX[0] or right == size_YX[1]),
    }


def track_boxes(
    boxes: pd.DataFrame,
    frames: Iterable[NDArray[np.generic]],
    calibration: Calibration,
    *,
    settings: TrackSettings | None = None,
    blank_frames: Collection[int] = (),
) -> pd.DataFrame:
    """Tracks from boxes alone: :func:`somanet.tracking.movie.track_masks` without the parts that need masks.

    Noise is discarded by size and detections are linked as there, with the same settings; somas that share a
    box stay one.

    Args:
        boxes: as :func:`detect_boxes` takes them.
        frames: the movie, for the intensities.
        calibration: the physical scale.
        settings: overrides of values estimated from the movie; ``separate_touching`` has no effect here.
        blank_frames: frames without content.

    Returns:
        The table of tracks, as returned by :func:`somanet.tracking.linking.link_cells`.

    Raises:
        SomaNetError: as in :func:`detect_boxes`, or a setting is out of range.
    """
    requested = settings or TrackSettings()
    detections = detect_boxes(boxes, frames)
    least_um2 = least_soma_um2(detections["area_px"].to_numpy(), calibration, requested)
    large = detections["area_px"] >= least_um2 / calibration.pixel_area_um2
    tracks, _ = link_detections(detections[large], calibration, requested, blank_frames)
    return tracks
