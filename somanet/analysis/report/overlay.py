"""The movie as a video: outlines, trails and numbers of the cells drawn in, or nothing but the somas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.report.content import Frames, check_movie, saltating_frames
from somanet.analysis.report.display_range import display_range
from somanet.analysis.report.outlines import UNITS_PER_PIXEL, outlines
from somanet.core.calibration import Calibration
from somanet.io.video_writing import write_video

SMALLEST_SIDE_PX, LARGEST_SIDE_PX, LARGEST_FACTOR = 1280, 1920, 4.0
TRAIL_FRAMES = 15
RESTING, SALTATING, INK = (86, 180, 233), (255, 176, 0), (255, 255, 255)
"""Blue and orange are distinguishable with every kind of colour vision (Okabe and Ito)."""
CIRCLE_RADIUS_UM = 7.0
FONT = cv2.FONT_HERSHEY_SIMPLEX
SUBPIXEL_BITS = 4

Picture = NDArray[np.uint8]
Style = Literal["outlines", "somas"]
"""`outlines`: the movie with outlines, trails and numbers; `somas`: the somas' own pixels on black, and nothing else of
the movie, so that only their movement is seen."""


def write_overlay(
    path: Path | str,
    frames: Frames,
    labels: Frames | None,
    tracks: pd.DataFrame,
    *,
    calibration: Calibration,
    saltations: pd.DataFrame | None = None,
    fps: float = 10.0,
    style: Style = "outlines",
) -> None:
    """Write the movie as an MP4 with every cell's outline, trail and number, or masked to the somas of the cells.

    One frame is in memory at a time. Both styles have the clock and the scale bar.

    Small movies are enlarged, so that numbers are legible, and large ones reduced, so that every player can show them.

    Args:
        path: file name ending in .mp4.
        frames: YX images.
        labels: YX label images, value = track id; circles are drawn, or cut out, if None.
        tracks: :data:`somanet.core.schema.TRACKS`.
        calibration: the scale, for the scale bar and the clock.
        saltations: :data:`somanet.migration.tables.SALTATION_EVENTS` of these tracks; cells are orange while they
            last.
        fps: frames shown per second.
        style: see :data:`Style`.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together, or the file cannot be written.
    """
    write_video(
        path,
        overlay_pictures(frames, labels, tracks, calibration=calibration, saltations=saltations, style=style),
        fps=fps,
    )


def overlay_pictures(
    frames: Frames,
    labels: Frames | None,
    tracks: pd.DataFrame,
    *,
    calibration: Calibration,
    saltations: pd.DataFrame | None = None,
    style: Style = "outlines",
) -> Iterator[Picture]:
    """The pictures of :func:`write_overlay`, YXC RGB, one per frame, each drawn when it is asked for.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together.
    """
    n_frames, shape = check_movie(frames, labels, tracks)
    side = max(shape)
    factor = min(LARGEST_SIDE_PX / side, max(1.0, min(SMALLEST_SIDE_PX / side, LARGEST_FACTOR)))
    scene = _Scene(factor, calibration, tracks, jumping_by_frame(tracks, saltations))
    drawn = scene.masked if style == "somas" else scene.drawn
    grey = display_range(frames).grey
    return (
        drawn(grey(np.asarray(frames[t])), None if labels is None else np.asarray(labels[t]), t)
        for t in range(n_frames)
    )


def jumping_by_frame(tracks: pd.DataFrame, saltations: pd.DataFrame | None) -> dict[int, set[int]]:
    """The saltating cells of each frame."""
    jumping: dict[int, set[int]] = {}
    if saltations is not None:
        for track, first, last in saltating_frames(saltations, tracks).itertuples(index=False):
            for t in range(first, last + 1):
                jumping.setdefault(t, set()).add(track)
    return jumping


class _Step(NamedTuple):
    """How a cell came to its place in a frame: a line, ``(x, y)`` in OpenCV's fixed-point numbers."""

    frame: int
    ends: NDArray[np.int32]
    colour: tuple[int, int, int]


@dataclass
class _Scene:
    """Drawing on the frames; trails grow from frame to frame."""

    factor: float
    calibration: Calibration
    tracks: pd.DataFrame
    jumping: dict[int, set[int]]

    def __post_init__(self) -> None:
        columns = ["track_id", "y_px", "x_px"] + (["area_um2"] if "area_um2" in self.tracks else [])
        ordered = self.tracks.sort_values(["frame", "track_id"], kind="stable")
        numbers, frame = ordered[columns].to_numpy(float), ordered["frame"].to_numpy(np.int64)
        frames, first = np.unique(frame, return_index=True)
        self.by_frame = dict(zip(frames.tolist(), np.split(numbers, first[1:]), strict=True)) if len(frame) else {}
        self.trails: dict[int, list[_Step]] = {}
        self.stroke = 2 if self.factor > 1 else 1

    def drawn(self, grey_YX: Picture, labels_YX: NDArray[np.integer] | None, t: int) -> Picture:
        picture = self._resized(grey_YX)
        cells = self.by_frame.get(t, np.empty((0, 3)))
        self._draw_trails(picture, cells, t)
        if labels_YX is None:
            self._draw_circles(picture, cells, t)
        else:
            self._draw_outlines(picture, labels_YX, {int(cell) for cell in cells[:, 0]}, t)
        for cell, y, x in cells[:, :3]:
            place = self._at(y, x)
            _write(
                picture, str(int(cell)), (round(place[0]) + 14, round(place[1]) - 12), 0.5, self._colour(int(cell), t)
            )
        self._draw_scale_and_clock(picture, t)
        return picture

    def masked(self, grey_YX: Picture, labels_YX: NDArray[np.integer] | None, t: int) -> Picture:
        """The frame, black outside the somas of the cells that are tracked."""
        picture = self._resized(grey_YX)
        cells = self.by_frame.get(t, np.empty((0, 3)))
        if labels_YX is None:
            soma = np.zeros(picture.shape[:2], np.uint8)
            for centre, radius in self._circles(cells):
                cv2.circle(soma, centre, radius, 1, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)
        else:
            known = np.isin(labels_YX, cells[:, 0].astype(np.int64)) & (labels_YX > 0)
            # Of the pixels that become one in a reduced picture, more than half must be the soma's.
            method = cv2.INTER_NEAREST if self.factor > 1 else cv2.INTER_AREA
            share = cv2.resize(known.astype(np.float32), picture.shape[1::-1], interpolation=method)
            soma = np.asarray(share > 0.5, np.uint8)
        picture[soma == 0] = 0
        self._draw_scale_and_clock(picture, t)
        return picture

    def _resized(self, grey_YX: Picture) -> Picture:
        size = tuple(max(1, round(side * self.factor)) for side in grey_YX.shape[::-1])
        method = cv2.INTER_CUBIC if self.factor > 1 else cv2.INTER_AREA
        grey = cv2.resize(grey_YX, size, interpolation=method)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)

    def _draw_scale_and_clock(self, picture: Picture, t: int) -> None:
        self._draw_scale(picture)
        _write(picture, f"{float(self.calibration.hours(t)):.1f} h", (14, 30), 0.7, INK)

    def _at(self, y_px: float, x_px: float) -> tuple[float, float]:
        """A movie position on the enlarged frame, ``(x, y)`` in OpenCV's convention: from pixel centres."""
        return (x_px + 0.5) * self.factor - 0.5, (y_px + 0.5) * self.factor - 0.5

    def _colour(self, cell: int, t: int) -> tuple[int, int, int]:
        return SALTATING if cell in self.jumping.get(t, ()) else RESTING

    def _draw_trails(self, picture: Picture, cells: NDArray[np.float64], t: int) -> None:
        for cell, y, x in cells[:, :3]:
            jumps = int(cell) in self.jumping.get(t, ()) and int(cell) in self.jumping.get(t - 1, ())
            trail = self.trails.setdefault(int(cell), [])
            at = np.rint(np.array(self._at(y, x)) * 2**SUBPIXEL_BITS).astype(np.int32)
            since = trail[-1].ends[1] if trail else at
            trail.append(_Step(t, np.stack([since, at]), SALTATING if jumps else RESTING))
        for cell in [cell for cell, trail in self.trails.items() if trail[-1].frame < t - TRAIL_FRAMES]:
            del self.trails[cell]
        for trail in self.trails.values():
            del trail[: max(0, len(trail) - TRAIL_FRAMES - 1)]
            for step in trail[1:]:
                cv2.polylines(picture, [step.ends], False, step.colour, 1, cv2.LINE_AA, SUBPIXEL_BITS)

    def _draw_outlines(self, picture: Picture, labels_YX: NDArray[np.integer], known: set[int], t: int) -> None:
        for cell, polygons in outlines(labels_YX):
            if cell not in known:
                continue
            places = [(polygon + 0.5) / UNITS_PER_PIXEL * self.factor - 0.5 for polygon in polygons]
            fixed = [np.rint(place[:, ::-1] * 2**SUBPIXEL_BITS).astype(np.int32) for place in places]
            colour = self._colour(cell, t)
            cv2.polylines(picture, fixed, True, colour, self.stroke + (colour is SALTATING), cv2.LINE_AA, SUBPIXEL_BITS)

    def _draw_circles(self, picture: Picture, cells: NDArray[np.float64], t: int) -> None:
        for cell, (centre, radius) in zip(cells[:, 0].astype(int).tolist(), self._circles(cells), strict=True):
            cv2.circle(picture, centre, radius, self._colour(cell, t), self.stroke, cv2.LINE_AA, SUBPIXEL_BITS)

    def _circles(self, cells: NDArray[np.float64]) -> Iterator[tuple[tuple[int, int], int]]:
        """Centre and radius, as OpenCV takes them, of a circle of each cell's area."""
        for _, y, x, *area in cells:
            known = bool(area) and area[0] > 0
            radius_um = math.sqrt(area[0] / math.pi) if known else CIRCLE_RADIUS_UM
            centre = np.rint(np.array(self._at(y, x)) * 2**SUBPIXEL_BITS).astype(int)
            radius = round(radius_um / self.calibration.pixel_size_um * self.factor * 2**SUBPIXEL_BITS)
            yield (int(centre[0]), int(centre[1])), radius

    def _draw_scale(self, picture: Picture) -> None:
        height, width = picture.shape[:2]
        um_per_px = self.calibration.pixel_size_um / self.factor
        length_um = nice_length_um(width * um_per_px / 5)
        right, bottom = 14 + round(length_um / um_per_px), height - 16
        cv2.rectangle(picture, (14, bottom - 3), (right, bottom), INK, cv2.FILLED)
        number = f"{length_um:g} "
        _write(picture, f"{number}um", (14, bottom - 12), 0.5, INK)
        # The font has no µ: a u with its stem drawn down.
        (stem, _), _ = cv2.getTextSize(number, FONT, 0.5, 1)
        cv2.line(picture, (14 + stem + 1, bottom - 17), (14 + stem + 1, bottom - 9), INK, 1, cv2.LINE_AA)


def nice_length_um(at_most_um: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that does not exceed a length."""
    power = 10.0 ** math.floor(math.log10(at_most_um))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= at_most_um * (1 + 1e-9))


def _write(picture: Picture, text: str, corner: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    """Text with a dark rim, legible on any background."""
    cv2.putText(picture, text, corner, FONT, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, corner, FONT, size, colour, 1, cv2.LINE_AA)
