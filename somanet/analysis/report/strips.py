"""Each saltation as a film strip and a kymograph: what a reader checks it by."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from somanet.analysis.report.content import ReportInput, saltating_frames
from somanet.analysis.report.display_range import DisplayRange
from somanet.core.calibration import Calibration

MOST_STRIPS = 120
"""Saltations shown; of more, this many evenly spaced ones."""
MOST_PANELS = 9
FRAMES_AROUND = 2
"""Frames before the start and after the end in the film strip; the kymograph shows three times as many."""
KYMOGRAPH_FRAMES_AROUND = 3 * FRAMES_AROUND
MARGIN_UM = 25.0
LEAST_FIELD_UM = 60.0
KYMOGRAPH_WIDTH_UM = 6.0
"""Intensities are averaged over this width across the saltation's direction, about half a soma."""
PANEL_PX = 96
KYMOGRAPH_PX = 144
ROW_PX = 6
TICK_PX = 12
GAP_PX = 2
QUALITY = 80
SALTATING_RGB = (255, 176, 0)

Grey = NDArray[np.uint8]
Picture = NDArray[np.uint8]
Places = dict[int, tuple[float, float]]
"""Where a cell is in each frame, ``(y, x)`` in pixels."""


@dataclass(frozen=True)
class Strip:
    """One saltation in pictures.

    Attributes:
        track_id: the cell.
        start_h, end_h: of the saltation.
        length_um, direction_deg: its net displacement; 0° points right, 90° down.
        censored: "", or the end of the track that cuts it: "start", "end" or "both".
        panel_frames: frames of the film strip.
        field_um: side of each panel.
        span_um: length of the line that the kymograph shows.
        film: a JPEG: panels from left to right; the soma's outline, or a dot, is orange while it saltates.
        kymograph: a JPEG: position along the saltation's direction from left to right, time downwards; lines mark its
            start and its end.
    """

    track_id: int
    start_h: float
    end_h: float
    length_um: float
    direction_deg: float
    censored: str
    panel_frames: tuple[int, ...]
    field_um: float
    span_um: float
    film: bytes
    kymograph: bytes


@dataclass
class _Event:
    """A saltation while its pictures are collected."""

    row: pd.Series
    first: int
    last: int
    panel_frames: tuple[int, ...]
    kymograph_frames: range
    centre_yx: NDArray[np.float64]
    side_px: int
    line_yx: NDArray[np.float64]
    places: Places
    panels: list[Picture] = field(default_factory=list)
    lines: list[Grey] = field(default_factory=list)


def strips_of(report: ReportInput, shown: DisplayRange, *, most: int = MOST_STRIPS) -> list[Strip]:
    """Film strip and kymograph of each saltation, in the order of cells and time.

    Each frame is read once, and only its cut-outs are kept, so memory grows with the saltations shown and not with
    the movie.

    Args:
        report: the analysed movie.
        shown: the grey values displayed as black and white.
        most: how many at most; of more, evenly spaced ones.
    """
    events = _events(report, most)
    wanted: dict[int, list[_Event]] = {}
    for event in events:
        for t in event.kymograph_frames:
            wanted.setdefault(t, []).append(event)
    for t in sorted(wanted):
        grey = shown.grey(np.asarray(report.frames[t]))
        filmed = [event for event in wanted[t] if t in event.panel_frames]
        labels = np.asarray(report.labels[t]) if filmed and report.labels is not None else None
        for event in wanted[t]:
            event.lines.append(_line(grey, event))
        for event in filmed:
            event.panels.append(_panel(grey, labels, event, t))
    return [_finished(event, report.calibration.pixel_size_um) for event in events]


def _events(report: ReportInput, most: int) -> list[_Event]:
    saltations = report.measures.migration.saltations.events
    if saltations.empty:
        return []
    spans = saltating_frames(saltations, report.tracks)
    rows = np.arange(len(saltations))
    if len(rows) > most:
        rows = np.unique(np.linspace(0, len(rows) - 1, most).round().astype(np.int64))
    places: dict[int, Places] = {}
    columns = report.tracks[["track_id", "frame", "y_px", "x_px"]]
    for cell, t, y, x in columns.itertuples(index=False, name=None):
        places.setdefault(int(cell), {})[int(t)] = float(y), float(x)
    return [
        _event(saltations.iloc[row], spans.iloc[row], places[int(spans["track_id"].iloc[row])], report) for row in rows
    ]


def _event(row: pd.Series, span: pd.Series, places: Places, report: ReportInput) -> _Event:
    um, n_frames = report.calibration.pixel_size_um, len(report.frames)
    first, last = int(span["first_frame"]), int(span["last_frame"])
    start, end = np.array(places[first]), np.array(places[last])
    reach = float(np.hypot(*(end - start)))
    along = (end - start) / reach if reach > 0 else np.array([0.0, 1.0])
    margin = MARGIN_UM / um
    side = math.ceil(max(reach + 2 * margin, LEAST_FIELD_UM / um))
    n_points = max(2, round(reach + 2 * margin))
    at = np.linspace(-margin, reach + margin, n_points)
    around = range(max(0, first - FRAMES_AROUND), min(n_frames, last + FRAMES_AROUND + 1))
    chosen = sorted({around[round(i)] for i in np.linspace(0, len(around) - 1, min(MOST_PANELS, len(around)))})
    return _Event(
        row=row,
        first=first,
        last=last,
        panel_frames=tuple(chosen),
        kymograph_frames=range(
            max(0, first - KYMOGRAPH_FRAMES_AROUND), min(n_frames, last + KYMOGRAPH_FRAMES_AROUND + 1)
        ),
        centre_yx=(start + end) / 2,
        side_px=side,
        line_yx=_band(start, along, at, half_width=KYMOGRAPH_WIDTH_UM / um / 2),
        places=places,
    )


def _band(
    start_yx: NDArray[np.float64], along_yx: NDArray[np.float64], at: NDArray[np.float64], *, half_width: float
) -> NDArray[np.float64]:
    """(2, W, N) sampling points of a band: N along a direction, W across it, a pixel or less apart."""
    across = np.array([-along_yx[1], along_yx[0]])
    sideways = np.linspace(-half_width, half_width, 2 * math.ceil(half_width) + 1)
    return np.asarray(
        start_yx[:, None, None] + along_yx[:, None, None] * at + across[:, None, None] * sideways[:, None], np.float64
    )


def _line(grey_YX: Grey, event: _Event) -> Grey:
    """The band's mean intensity along the saltation; black outside the image."""
    band = map_coordinates(grey_YX.astype(np.float32), event.line_yx, order=1, mode="constant")
    return np.asarray(np.rint(band.mean(axis=0)), np.uint8)


def _panel(grey_YX: Grey, labels_YX: NDArray[np.integer] | None, event: _Event, t: int) -> Picture:
    corner = np.rint(event.centre_yx - (event.side_px - 1) / 2).astype(int)
    cut = np.asarray(_cut(grey_YX, corner, event.side_px), np.uint8)
    size = (PANEL_PX, PANEL_PX)
    method = cv2.INTER_CUBIC if event.side_px < PANEL_PX else cv2.INTER_AREA
    picture = np.asarray(cv2.cvtColor(cv2.resize(cut, size, interpolation=method), cv2.COLOR_GRAY2BGR), np.uint8)
    if t not in event.places:
        return picture
    colour = SALTATING_RGB[::-1] if event.first <= t <= event.last else (255, 255, 255)
    factor = PANEL_PX / event.side_px
    if labels_YX is None:
        y, x = (np.array(event.places[t]) - corner + 0.5) * factor - 0.5
        cv2.circle(picture, (round(x), round(y)), 3, colour, 1, cv2.LINE_AA)
        return picture
    mask = (_cut(labels_YX, corner, event.side_px) == int(event.row["track_id"])).astype(np.uint8)
    large = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, 1)
    return picture


def _cut(image_YX: NDArray[np.generic], corner_yx: NDArray[np.int_], side_px: int) -> NDArray[np.generic]:
    """A square of the image; zeros beyond its edges."""
    cut = np.zeros((side_px, side_px), image_YX.dtype)
    y, x = (int(value) for value in corner_yx)
    rows = slice(max(y, 0), min(y + side_px, image_YX.shape[0]))
    columns = slice(max(x, 0), min(x + side_px, image_YX.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        cut[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x] = image_YX[rows, columns]
    return cut


def _finished(event: _Event, pixel_size_um: float) -> Strip:
    row = event.row
    gap = np.full((PANEL_PX, GAP_PX, 3), 255, np.uint8)
    parts = [part for panel in event.panels for part in (panel, gap)][:-1]
    return Strip(
        track_id=int(row["track_id"]),
        start_h=float(row["start_h"]),
        end_h=float(row["end_h"]),
        length_um=float(row["length_um"]),
        direction_deg=float(row["direction_deg"]),
        censored=str(row["censored"]),
        panel_frames=event.panel_frames,
        field_um=event.side_px * pixel_size_um,
        span_um=(event.line_yx.shape[2] - 1) * pixel_size_um,
        film=_jpeg(np.concatenate(parts, axis=1)),
        kymograph=_jpeg(_kymograph(event)),
    )


def _kymograph(event: _Event) -> Picture:
    rows = np.repeat(np.stack(event.lines), ROW_PX, axis=0)
    size = (KYMOGRAPH_PX, rows.shape[0])
    picture = np.asarray(
        cv2.cvtColor(cv2.resize(rows, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR), np.uint8
    )
    for frame in (event.first, event.last):
        at = (frame - event.kymograph_frames.start) * ROW_PX + ROW_PX // 2
        for x in (0, KYMOGRAPH_PX - TICK_PX):
            cv2.line(picture, (x, at), (x + TICK_PX - 1, at), SALTATING_RGB[::-1], 1)
    return picture


def _jpeg(picture_BGR: Picture) -> bytes:
    # Thin coloured lines do not survive colour at half the resolution.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", picture_BGR, options)[1].tobytes()


def strips_html(strips: list[Strip], n_saltations: int, calibration: Calibration) -> Iterator[str]:
    """The section's content, cell by cell; a sentence where no saltation was found."""
    if not strips:
        yield '<p class="small muted">No saltation was found.</p>'
        return
    if len(strips) < n_saltations:
        yield f'<p class="small muted">{len(strips)} of {n_saltations} saltations, evenly spaced.</p>'
    for strip in strips:
        cut = {"": "", "start": ", begins before its track", "end": ", ends after its track"}.get(
            strip.censored, ", cut at both ends"
        )
        times = ", ".join(f"{hours:.2f}" for hours in calibration.hours(strip.panel_frames))
        about = f"Cell {strip.track_id}, {strip.start_h:.2f} to {strip.end_h:.2f} h, {strip.length_um:.1f} µm{cut}"
        yield (
            f'<figure class="strip"><figcaption>{about}</figcaption><div>'
            f'<img loading="lazy" alt="Film strip of cell {strip.track_id} at {times} h; each panel is '
            f'{strip.field_um:.0f} µm wide" title="{times} h; each panel is {strip.field_um:.0f} µm wide" '
            f'src="data:image/jpeg;base64,{b64encode(strip.film).decode()}">'
            f'<img loading="lazy" alt="Kymograph of cell {strip.track_id}: {strip.span_um:.0f} µm along its way, time '
            f'downwards" title="{strip.span_um:.0f} µm from left to right, time downwards" '
            f'src="data:image/jpeg;base64,{b64encode(strip.kymograph).decode()}"></div></figure>'
        )


def bytes_of(strips: list[Strip]) -> int:
    """Size of all pictures as text in the page."""
    return sum(4 * (len(strip.film) + len(strip.kymograph)) // 3 + 700 for strip in strips)
