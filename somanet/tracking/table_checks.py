"""What a table of tracks says of itself as a whole: the units of its columns, and that it is of one movie."""

from __future__ import annotations

import math
import re

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.io.sheets import Head
from somanet.tracking.table_cells import TableCells, as_numbers
from somanet.tracking.table_formats import (
    CELLPROFILER_LABEL,
    FRAMES,
    HOURS,
    MICROMETRES,
    PIXELS,
    TableFormat,
)
from somanet.tracking.table_matching import plain_name

_MOVIES = re.compile(
    r"(?:metadata_|image_metadata_)?(?:plate|well|field|site|position|fov|series|scene|movie|video|sample|experiment)"
    r"(?:_?(?:id|n|no|name|number))?|nd\.m|file|file_?name|image|image_?name|movie_?file|(?:image_)?filename_\w+"
)
"""Columns that name the movie, or the place, that a row is of."""
_SHOWN = 4


def length_unit(reader: TableCells, one: TableFormat, said: str | None) -> float | None:
    """µm in the unit of the positions; None for pixels, NaN if unknown.

    Args:
        reader, one: the table and its format.
        said: ``px`` or ``um``, if the user says so.

    Raises:
        SomaNetError: an unknown unit, several, or another than the user says.
    """
    where = reader.sheet.where
    stated = {reader.units.get(role, "") for role in ("y", "x", "step_y", "step_x") if role in reader}
    if "unit" in reader:
        stated |= set(reader.texts("unit").str.strip().str.casefold().str.replace("μ", "µ"))
    stated -= {""}
    known = {None if unit in PIXELS else MICROMETRES.get(unit, math.nan) for unit in stated}
    if len(known) > 1 or any(unit is not None and math.isnan(unit) for unit in known):
        raise SomaNetError(f"{where}: expected positions in µm or pixels, found {sorted(stated)}. Export them in µm.")
    user = {"px": None, "um": 1.0, None: math.nan}[said]
    if known:
        (unit,) = known
        if said is not None and (unit is None) != (user is None):
            raise SomaNetError(
                f"{where}: its positions are in {min(stated)}, as it says itself, not in {said}. Leave "
                "--position-unit out; if the file is wrong, rename its columns."
            )
        return unit
    return user if said is not None else {"px": None, "um": 1.0}.get(one.length, math.nan)


def time_unit_h(reader: TableCells, one: TableFormat, said: str | None) -> float:
    """Hours in the unit of the times; NaN if unknown, or if they are frames.

    Args:
        reader, one: the table and its format.
        said: ``frame``, ``s``, ``min`` or ``h``, if the user says so.

    Raises:
        SomaNetError: an unknown unit, several, another than the user says, or a unit of times for a table without.
    """
    where = reader.sheet.where
    stated = {reader.units.get("time", "")}
    if "time_unit" in reader:
        stated |= set(reader.texts("time_unit").str.strip().str.casefold())
    stated -= {""}
    if wrong := sorted(unit for unit in stated if unit not in HOURS and unit not in FRAMES):
        raise SomaNetError(f"{where}: expected times in s, min or h, found {wrong[0]!r}. Export them in one of these.")
    known = {HOURS.get(unit, math.nan) for unit in stated}
    if len(known) > 1:
        raise SomaNetError(f"{where}: expected times in one unit, found {sorted(stated)}. Export them in one.")
    if said is not None and "time" not in reader:
        if said in HOURS:
            name = reader.head.cells[reader.columns["frame"][0]]
            raise SomaNetError(
                f"{where}: its column {name!r} counts frames, and it has no times in {said}. Leave --time-unit out; if "
                f"they are times, call the column 't ({said})'."
            )
        return math.nan
    if known:
        (unit,) = known
        if said is not None and not _same(unit, HOURS.get(said, math.nan)):
            raise SomaNetError(
                f"{where}: its times are in {min(stated)}, as it says itself, not in {said}. Leave --time-unit "
                "out; if the file is wrong, rename its column."
            )
        return unit
    return HOURS.get(said or one.time, math.nan)


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


def check_one_movie(reader: TableCells, one: TableFormat) -> None:
    """Refuse a table of several movies.

    Raises:
        SomaNetError: a column that names movies or places has several values, or CellProfiler's tracks begin anew.
    """
    frames = reader.texts("frame") if "frame" in reader else reader.texts("time")
    taken = {number for role, numbers in reader.columns.items() for number in numbers if role != "unit"}
    cells = reader.cells[[i for i in range(len(reader.head.cells)) if i in reader.cells and i not in taken]]
    refuse_movies(cells, frames, reader.head, reader.sheet.where)
    if one.kind.startswith("cellprofiler"):
        _check_cellprofiler(reader)


def refuse_movies(cells: pd.DataFrame, frames: pd.Series, head: Head, where: str) -> None:
    """Refuse a table in which a column that names movies or places has several values.

    A column with another value in every frame names the frames' images, and numbers that are not whole name nothing.

    Args:
        cells: by the number of their column in the header.
        frames: of each row.
        head: the header.
        where: the table, for the message.
    """
    for number in map(int, cells.columns):
        name = head.cells[number]
        if not _MOVIES.fullmatch(plain_name(name)[0]):
            continue
        texts = cells[number].astype(str).str.strip()
        values = texts[texts != ""].unique()
        numbers = as_numbers(pd.Series(values))
        if len(values) < 2 or (numbers.notna() & (numbers % 1 != 0)).any():
            continue
        if len(values) == frames.nunique() and (texts.groupby(frames).nunique() == 1).all():
            continue
        shown = ", ".join(values[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
        raise SomaNetError(
            f"{where}: expected the tracks of one movie, found {len(values)} values in the column {name!r}: "
            f"{shown[:200]}. Save the rows of each in a file of its own; if they are one movie, remove the column."
        )


def _check_cellprofiler(reader: TableCells) -> None:
    """Refuse labels of several trackings that differ, and images at which all objects and their labels begin anew."""
    where, head = reader.sheet.where, reader.head
    labels = [i for i, cell in enumerate(head.cells) if re.fullmatch(CELLPROFILER_LABEL, plain_name(cell)[0])]
    for number in labels[1:]:
        if not reader.cells[number].equals(reader.cells[labels[0]]):
            raise SomaNetError(
                f"{where}: expected one tracking, found {head.cells[labels[0]]!r} and {head.cells[number]!r}, which "
                "differ. Remove the columns of one."
            )
    if "parent_node" not in reader:
        return
    track = reader.numbers("track")
    rows = pd.DataFrame({"image": reader.numbers("frame"), "track": track, "parent": reader.numbers("parent_node", 0)})
    rows = rows[(track > 0)].dropna(subset=["image"])
    without = ~(rows.groupby("image")["parent"].max() > 0)
    again = rows["track"].duplicated().groupby(rows["image"]).any()
    anew = [image for image in without.index[1:] if without[image] and again[image]]
    if anew:
        raise SomaNetError(
            f"{where}: expected the tracks of one movie, found that all objects of ImageNumber {anew[0]:g} begin anew, "
            "with labels that are in use. Save the images of each movie in a file of its own, numbered from 1."
        )
