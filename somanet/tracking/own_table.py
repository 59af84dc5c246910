"""SomaNet's own table of tracks, and plain ones like it: by `frame`, `y_px` and `x_px`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import PARENT, TRACKS
from somanet.io.sheets import Head, Sheet
from somanet.tracking.exchange import read_csv, scale_of_tracks
from somanet.tracking.lineages import Lineages, notes_on, without_living_mothers
from somanet.tracking.raw import UNEVEN, Given, ImageFacts, TracksFile, notes_on_first_frame
from somanet.tracking.table_cells import as_numbers, note_on_names, number_names
from somanet.tracking.table_checks import refuse_movies
from somanet.tracking.table_formats import FRAMES, HOURS, PIXELS
from somanet.tracking.table_matching import is_time, plain_name

OWN = "csv"
"""The kind of these tables."""
_KNOWN = {*TRACKS.names, "track"}


def own_table(sheet: Sheet, head: Head, given: Given) -> TracksFile:
    """The tracks of such a table.

    Args:
        sheet, head: the table and its header.
        given: the scale and the units, as far as the user names them.

    Raises:
        SomaNetError: other units than the user says, several movies, a plain table without rows, or as for
            :func:`somanet.tracking.exchange.read_csv`.
    """
    cells = tuple(_name(cell) for cell in head.cells)
    _refuse_other_units(given, head, cells, sheet.where)
    named = replace(head, cells=cells)
    sheet, notes = _with_whole_ids(sheet, head, named)
    tracks, on_mothers = without_living_mothers(read_csv(sheet, named, given.scale))
    notes += on_mothers
    if PARENT.name in tracks:
        born = tracks.dropna(subset=[PARENT.name]).drop_duplicates("track_id")[PARENT.name]
        notes += notes_on(Lineages(np.empty(0, np.int64), born.to_numpy(np.int64), 0))
    if not set(TRACKS.names) <= set(cells):
        if tracks.empty:
            raise SomaNetError(f"{sheet.where}: expected tracks, found a header without a row below. Export it again.")
        notes += notes_on_first_frame(tracks["frame"])
    own = scale_of_tracks(tracks)
    if own.times_h is not None and "t_h" not in cells and any(map(is_time, cells)):
        notes.append(UNEVEN)
    pixel = given.scale.pixel_size_um or own.pixel_size_um or 1.0  # of a table without a point off the axes
    interval = given.scale.frame_interval_min or own.frame_interval_min or 1.0
    times = given.scale.times_h or own.times_h
    return TracksFile(tracks, Calibration(pixel, interval, times), OWN, ImageFacts(scale=own), tuple(notes))


def _name(cell: str) -> str:
    """A column's name as SomaNet writes it, if it is one of its own."""
    names = (cell.strip().casefold(), plain_name(cell)[0])
    return next((name for name in names if name in _KNOWN), cell)


def _refuse_other_units(given: Given, head: Head, cells: tuple[str, ...], where: str) -> None:
    """Refuse units that the names of the columns contradict: those that the user says, and those in brackets."""
    if given.position_unit == "um":
        raise SomaNetError(
            f"{where}: its positions are in px, as its columns y_px and x_px say, not in um. Leave --position-unit "
            "out; if they are µm, call the columns y_um and x_um."
        )
    time = next((cell for cell in cells if is_time(cell)), None)
    stated = None if time is None else HOURS[plain_name(time)[1]]
    if given.time_unit is not None and HOURS.get(given.time_unit) != stated:
        found = "its column 'frame' counts frames, and it has no times" if time is None else f"its times are {time!r}"
        raise SomaNetError(f"{where}: {found}; found --time-unit {given.time_unit}. Leave it out.")
    allowed = {"frame": FRAMES, "y_px": PIXELS, "x_px": PIXELS}
    for name, cell in zip(cells, head.cells, strict=True):
        unit = plain_name(cell)[1] if name in allowed and cell.strip().casefold() != name else ""
        if unit and unit not in allowed[name]:
            raise SomaNetError(
                f"{where}: expected {name} in {max(allowed[name])}, found {cell!r}. Rename the column by what "
                "it is: `t (min)`, y_um, x_um."
            )


def _with_whole_ids(sheet: Sheet, head: Head, named: Head) -> tuple[Sheet, list[str]]:
    """The table with whole numbers as ids, and what to say of them.

    Raises:
        SomaNetError: a table of several movies.
    """
    body = sheet.body(head).copy()
    column = {name: i for i, name in reversed(list(enumerate(named.cells)))}
    track = column["track_id" if "track_id" in column else "track"]
    others = [i for i, name in enumerate(named.cells) if name not in _KNOWN]
    refuse_movies(body[others], body[column["frame"]], head, sheet.where)
    texts = body[track].astype(str).str.strip()
    commas = head.separator != ","
    numbers, names = number_names(texts, as_numbers(texts.str.replace(",", ".", regex=False) if commas else texts))
    if names is None or numbers.isna().any():
        return replace(sheet, body=lambda _: body), []
    ids = {name: str(i) for i, name in enumerate(names, start=1)}
    body[track] = texts.map(ids)
    if PARENT.name in column:
        parents = body[column[PARENT.name]].astype(str).str.strip()
        body[column[PARENT.name]] = parents.map(ids).fillna("")
    return replace(sheet, body=lambda _: body), [note_on_names(names)]
