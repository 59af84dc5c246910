"""A film strip of an analysed movie, for a page: above as filmed, below with outlines, trails and numbers.

python -m tools.strip results --movie movie.tif --output strip.png
python -m tools.strip results --movie movie.tif --frames 20,24,28,32 --field-um 200 --output strip.png
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from somanet.analysis import names
from somanet.analysis.base import open_base
from somanet.analysis.report import overlay_pictures
from somanet.analysis.report.display_range import display_range
from somanet.analysis.report.overlay import nice_length_um
from somanet.analysis.stages.files import open_labels, scale_of
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.guard import protect
from somanet.core.schema import TRACKS
from somanet.io.tables import read_table
from somanet.migration.tables import SALTATION_EVENTS
from somanet.segmentation.inference.movie_labels import listed
from tools.command_line import run

PANELS, FIELD_UM = 5, 230.0
PANEL_PX = 236
LETTERS_PX = 14
GAP_PX = 4
DARK_PERCENT = 5.0
"""Of the shown pixels: as dark as that is black."""
LEAST_COLOUR = 32
"""Between the largest and the smallest of red, green and blue of a pixel that belongs to a line."""

Picture = NDArray[np.uint8]
Window = tuple[slice, slice]
"""Rows and columns of the movie."""


def middle_third(n_frames: int, n_panels: int) -> list[int]:
    """Evenly spaced frames of the middle third of a movie, or of all of a short one."""
    first, last = (n_frames // 3, 2 * n_frames // 3) if n_frames // 3 >= n_panels else (0, n_frames - 1)
    return sorted({round(t) for t in np.linspace(first, last, n_panels)})


def liveliest(tracks: pd.DataFrame, times: Sequence[int], side_px: int, shape_YX: tuple[int, ...]) -> Window:
    """The square in which cells go farthest in sum, of those that stay in it; one around each cell is tried.

    Args:
        tracks: with `track_id, frame, y_px, x_px`.
        times: the frames that are shown.
        side_px: of the square.
        shape_YX: of a frame.

    Raises:
        SomaNetError: no cell is seen in all of these frames.
    """
    shown = tracks[tracks["frame"].isin(times)].sort_values("frame")
    by_cell = shown.groupby("track_id")[["y_px", "x_px"]]
    whole = by_cell.size() == len(times)
    if not whole.any():
        raise SomaNetError(f"Expected a cell that is seen in the frames {listed(times)}, found none. Give --frames.")
    low, high = by_cell.min()[whole], by_cell.max()[whole]
    ends = (by_cell.last() - by_cell.first())[whole]
    far = np.hypot(ends["y_px"], ends["x_px"])
    best: tuple[float, Window] = (-1.0, (slice(0), slice(0)))
    for middle in ((low + high) / 2).to_numpy():
        starts = [
            int(np.clip(round(centre - side_px / 2), 0, max(0, length - side_px)))
            for centre, length in zip(middle, shape_YX, strict=True)
        ]
        inside = ((low >= starts) & (high <= np.add(starts, side_px - 1))).all(axis=1)
        total = float(far[inside].sum())
        if total > best[0]:
            best = total, (slice(starts[0], starts[0] + side_px), slice(starts[1], starts[1] + side_px))
    return best[1]


def panel(picture: Picture, where: Window, factor: float) -> Picture:
    """The part of a picture, which is ``factor`` times the movie's size, at a panel's size; grey becomes RGB."""
    rows, columns = (slice(round(part.start * factor), round(part.stop * factor)) for part in where)
    cut = np.ascontiguousarray(picture[rows, columns])
    method = cv2.INTER_CUBIC if cut.shape[0] < PANEL_PX else cv2.INTER_AREA
    sized = cv2.resize(cut, (PANEL_PX, PANEL_PX), interpolation=method)
    return np.asarray(sized if sized.ndim == 3 else cv2.cvtColor(sized, cv2.COLOR_GRAY2RGB), np.uint8)


def _written(picture: Picture, text: str, corner: tuple[int, int]) -> None:
    """White letters with a dark rim, in place; ``corner``: x, y of their lower left end."""
    image = Image.fromarray(picture)
    letters = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", LETTERS_PX)
    ImageDraw.Draw(image).text(corner, text, "white", letters, anchor="ls", stroke_width=1, stroke_fill="black")
    picture[:] = np.asarray(image)


def strip(result: Path, movie: Path | None, *, times: Sequence[int] | None, n_panels: int, field_um: float) -> Picture:
    """YXC RGB: two rows of panels of one place, above as filmed, below with what the analysis found.

    Args:
        result: a folder of results of `somanet analyze`, not corrected.
        movie: its movie; None: beside the results.
        times: frames to show; None: :func:`middle_third`.
        n_panels: per row, where no frames are given.
        field_um: side of a panel.

    Raises:
        SomaNetError: there are no such results, frames or cells.
    """
    base = open_base(result)
    scale = scale_of(dict(base.about))
    tracks = read_table(base.tracks, TRACKS)
    saltations = read_table(result / names.SALTATIONS, SALTATION_EVENTS)
    above, below = [], []
    with base.source(movie).open() as frames, open_labels(result) as labels:
        n_frames, shape_YX = len(frames), np.asarray(frames[0]).shape
        shown = middle_third(n_frames, n_panels) if times is None else sorted(set(times))
        if not shown or shown[0] < 0 or shown[-1] >= n_frames:
            raise SomaNetError(f"Expected --frames from 0 to {n_frames - 1}, found {listed(shown)}.")
        side = min(round(field_um / scale.pixel_size_um), *shape_YX)
        where = liveliest(tracks, shown, side, shape_YX)
        grey = display_range(frames).grey
        drawn = overlay_pictures(frames, labels, tracks, calibration=scale, saltations=saltations)
        for t, picture in enumerate(drawn):
            if t in shown:
                above.append(panel(grey(np.asarray(frames[t])), where, 1.0))
                below.append(panel(picture, where, picture.shape[0] / shape_YX[0]))
    dark = float(np.percentile(np.stack(above), DARK_PERCENT))
    above, below = ([darkened(one, dark) for one in row] for row in (above, below))
    for one, t in zip(above, shown, strict=True):
        _written(one, f"{float(scale.hours(t)):.1f} h", (8, 20))
    length_um = nice_length_um(field_um / 3)
    right = 8 + round(length_um / (side * scale.pixel_size_um) * PANEL_PX)
    cv2.rectangle(above[0], (8, PANEL_PX - 12), (right, PANEL_PX - 9), (255, 255, 255), cv2.FILLED)
    _written(above[0], f"{length_um:g} µm", (8, PANEL_PX - 18))
    return np.concatenate([_row(above), _gap(len(shown)), _row(below)], axis=0)


def coloured(picture: Picture) -> NDArray[np.bool_]:
    """(Y, X): where a line is drawn, not the movie."""
    return np.asarray(np.ptp(picture.astype(np.int16), axis=-1) > LEAST_COLOUR)


def darkened(picture: Picture, dark: float) -> Picture:
    """Grey values above ``dark`` stretched to 0–255, so that the background of a page's picture is dark; lines stay."""
    stretched = np.clip((picture.astype(np.float32) - dark) * 255 / (255 - dark), 0, 255).astype(np.uint8)
    return np.where(coloured(picture)[..., None], picture, stretched)


def _gap(n_panels: int) -> Picture:
    return np.full((GAP_PX, n_panels * (PANEL_PX + GAP_PX) - GAP_PX, 3), 255, np.uint8)


def _row(panels: list[Picture]) -> Picture:
    between = np.full((PANEL_PX, GAP_PX, 3), 255, np.uint8)
    return np.concatenate([part for one in panels for part in (one, between)][:-1], axis=1)


def png(picture: Picture) -> bytes:
    """A picture with a palette: 64 grey values for the movie and as many colours for the lines, a third of the size."""
    lines = coloured(picture)
    indices = np.asarray(picture.mean(axis=-1) // 4, np.uint8)
    palette = np.repeat(np.arange(64) * 255 // 63, 3).tolist()
    if lines.any():
        few = Image.fromarray(picture[lines][None]).quantize(64, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        indices[lines] = 64 + np.asarray(few, np.uint8)[0]
        palette += (few.getpalette() or [])[: 3 * 64]
    image = Image.fromarray(indices, "P")
    image.putpalette(palette)
    with io.BytesIO() as buffer:
        image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def frame_numbers(text: str) -> list[int]:
    """Frames as they are typed, separated by commas."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Draw the strip of a folder of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="folder of results of `somanet analyze`")
    parser.add_argument("--movie", type=Path, help="the movie; by default it is looked for beside the results")
    parser.add_argument("--frames", type=frame_numbers, help="such as 20,24,28; by default the middle third")
    parser.add_argument("--panels", type=int, default=PANELS, help="pictures in a row")
    parser.add_argument("--field-um", type=float, default=FIELD_UM, help="side of a picture")
    parser.add_argument("--output", type=Path, required=True, help="name of the .png")
    arguments = parser.parse_args()
    if arguments.panels < 2 or not arguments.field_um > 0:
        raise SomaNetError("Expected --panels of 2 or more and --field-um above 0.")
    protect(arguments.result)
    found = strip(
        arguments.result,
        arguments.movie,
        times=arguments.frames,
        n_panels=arguments.panels,
        field_um=arguments.field_um,
    )
    with atomic_path(arguments.output) as temporary:
        temporary.write_bytes(png(found))


if __name__ == "__main__":
    run(main)
