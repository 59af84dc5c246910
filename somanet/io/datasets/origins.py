"""Where the crops of a data set were cut out: `crops.csv` beside the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.schema import CROPS
from somanet.io.spreadsheets import read_spreadsheet
from somanet.io.tables import write_table

ORIGINS_FILE = "crops.csv"


@dataclass(frozen=True)
class Origin:
    """Where a crop was cut out.

    Attributes:
        movie: what identifies the movie, such as its name.
        top_px, left_px: of the crop's first pixel in the frame; None where unknown.
    """

    movie: str
    top_px: int | None = None
    left_px: int | None = None


def write_origins(folder: Path, origins: Mapping[str, Origin]) -> None:
    """Write `crops.csv` beside a data set's images, so that :func:`read_origins` reads the same.

    Raises:
        SomaNetError: it cannot be written.
    """
    schema = CROPS.part("crop", "input", "y_px", "x_px")
    rows: list[dict[str, object]] = [
        {"crop": name, "input": one.movie, "y_px": one.top_px, "x_px": one.left_px}
        for name, one in sorted(origins.items())
    ]
    write_table(folder / ORIGINS_FILE, schema.frame(rows), schema)


def read_origins(folder: Path) -> dict[str, Origin]:
    """The origins of a data set's images by name, from its `crops.csv`; empty without one, as in a zip.

    Images without a row, and those whose movie is empty, have none.

    Raises:
        SomaNetError: the table lacks a column, has an image twice, or a place that is not a whole number.
    """
    path = folder / ORIGINS_FILE
    if not path.is_file():
        return {}
    table = read_spreadsheet(path, CROPS.part("crop", "input"), also="crop, input and the optional y_px and x_px")
    if len(twice := table["crop"][table["crop"].duplicated()]):
        raise SomaNetError(
            f"{path}, line {twice.index[0]}: {twice.iloc[0][:40]!r} is there twice. Each image has one origin."
        )
    found = {}
    for line, row in table.iterrows():
        top, left = (_whole(row.get(name, ""), f"{path}, line {line}: {name}") for name in ("y_px", "x_px"))
        if row["input"]:
            found[str(row["crop"])] = Origin(str(row["input"]), top, left)
    return found


def _whole(text: str, where: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise SomaNetError(f"{where}: expected a whole number of pixels, found {text[:40]!r}. Correct it.") from error
