"""A film strip of an analysed movie, for a page: above as filmed, below with outlines, trails and numbers.

python -m tools.strip results --movie movie.tif --output strip.png
python -m tools.strip results --movie movie.tif --cell 12 --panels 6 --field-um 200 --output strip.png
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from somanet.analysis import names
from somanet.analysis.base import open_base
from somanet.analysis.report import overlay_pictures
from somanet.analysis.report.display_range import display_range
from somanet.analysis.report.overlay import FONT, nice_length_um
from somanet.analysis.stages.files import open_labels, scale_of
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.guard import protect
from somanet.core.schema import TRACKS
from somanet.io.tables import read_table
from somanet.migration.tables import SALTATION_EVENTS
from tools.command_line import run

PANELS, FIELD_UM = 5, 170.0
PANEL_PX = 236
GAP_PX = 4
COLOURS = 96
"""Of the picture's palette: grey values, blue, orange and white; a third of the size of one without."""

Picture = NDArray[np.uint8]


def chosen_cell(tracks: pd.DataFrame, n_frames: int) -> int:
    """The cell that goes farthest from where it began, of those seen in a quarter of the frames or more.

    Raises:
        SomaNetError: no cell is seen for as long.
    """
    by_cell = tracks.sort_values("frame").groupby("track_id")
    ends = by_cell[["y_um", "x_um"]].last() - by_cell[["y_um", "x_um"]].first()
    far = np.hypot(ends["y_um"], ends["x_um"])[by_cell.size() >= n_frames / 4]
    if far.empty:
        raise SomaNetError(f"Expected a cell that is seen in a quarter of the {n_frames} frames, found none.")
    return int(far.idxmax())


def window(track: pd.DataFrame, side_px: int, shape_YX: tuple[int, int]) -> tuple[slice, slice]:
    """A square of the movie around a track's middle, moved into the movie where it reaches out."""
    middle = (track[["y_px", "x_px"]].min() + track[["y_px", "x_px"]].max()) / 2
    starts = [
        int(np.clip(round(centre - side_px / 2), 0, max(0, length - side_px)))
        for centre, length in zip(middle, shape_YX, strict=True)
    ]
    return slice(starts[0], starts[0] + side_px), slice(starts[1], starts[1] + side_px)


def panel(picture: Picture, where: tuple[slice, slice], factor: float) -> Picture:
    """The part of a picture, which is ``factor`` times the movie's size, at a panel's size; grey becomes RGB."""
    rows, columns = (slice(round(part.start * factor), round(part.stop * factor)) for part in where)
    cut = np.ascontiguousarray(picture[rows, columns])
    method = cv2.INTER_CUBIC if cut.shape[0] < PANEL_PX else cv2.INTER_AREA
    sized = cv2.resize(cut, (PANEL_PX, PANEL_PX), interpolation=method)
    return np.asarray(sized if sized.ndim == 3 else cv2.cvtColor(sized, cv2.COLOR_GRAY2RGB), np.uint8)


def _written(picture: Picture, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(picture, text, corner, FONT, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, corner, FONT, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def strip(result: Path, movie: Path | None, *, cell: int | None, n_panels: int, field_um: float) -> Picture:
    """YXC RGB: two rows of panels of one place, evenly spaced over the time in which one cell is seen.

    Args:
        result: a folder of results of `somanet analyze`, not corrected.
        movie: its movie; None: beside the results.
        cell: the track that the place and the times follow; None: :func:`chosen_cell`.
        n_panels: per row.
        field_um: side of a panel.
    """
    base = open_base(result)
    scale = scale_of(base.about)
    tracks = read_table(base.tracks, TRACKS)
    saltations = read_table(result / names.SALTATIONS, SALTATION_EVENTS)
    with base.source(movie).open() as frames, open_labels(result) as labels:
        followed = chosen_cell(tracks, len(frames)) if cell is None else cell
        track = tracks[tracks["track_id"] == followed]
        if track.empty:
            raise SomaNetError(f"{base.tracks}: expected track {followed}, found none. Name one with --cell.")
        times = np.linspace(track["frame"].min(), track["frame"].max(), n_panels).round().astype(int).tolist()
        side = min(round(field_um / scale.pixel_size_um), *frames[0].shape)
        where = window(track, side, frames[0].shape)
        grey = display_range(frames).grey
        above, below = [], []
        drawn = overlay_pictures(frames, labels, tracks, calibration=scale, saltations=saltations)
        for t, picture in enumerate(drawn):
            if t not in times:
                continue
            above.append(panel(grey(np.asarray(frames[t])), where, 1.0))
            below.append(panel(picture, where, picture.shape[0] / frames[0].shape[0]))
            _written(above[-1], f"{float(scale.hours(t)):.1f} h", (8, 20))
    length_um = nice_length_um(field_um / 3)
    right = 8 + round(length_um / (side * scale.pixel_size_um) * PANEL_PX)
    cv2.rectangle(above[0], (8, PANEL_PX - 12), (right, PANEL_PX - 9), (255, 255, 255), cv2.FILLED)
    _written(above[0], f"{length_um:g} um", (8, PANEL_PX - 18))
    return np.concatenate([_row(above), _gap(n_panels), _row(below)], axis=0)


def _gap(n_panels: int) -> Picture:
    return np.full((GAP_PX, n_panels * (PANEL_PX + GAP_PX) - GAP_PX, 3), 255, np.uint8)


def _row(panels: list[Picture]) -> Picture:
    between = np.full((PANEL_PX, GAP_PX, 3), 255, np.uint8)
    return np.concatenate([part for one in panels for part in (one, between)][:-1], axis=1)


def png(picture: Picture) -> bytes:
    """A picture with a palette, without dithering: grey noise stays grey, and lines keep their colours."""
    paletted = Image.fromarray(picture).quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with io.BytesIO() as buffer:
        paletted.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def main() -> None:
    """Draw the strip of a folder of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="folder of results of `somanet analyze`")
    parser.add_argument("--movie", type=Path, help="the movie; by default it is looked for beside the results")
    parser.add_argument("--cell", type=int, help="track to follow; by default the one that goes farthest")
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
        cell=arguments.cell,
        n_panels=arguments.panels,
        field_um=arguments.field_um,
    )
    with atomic_path(arguments.output) as temporary:
        temporary.write_bytes(png(found))


if __name__ == "__main__":
    run(main)
