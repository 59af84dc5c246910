"""A folder of results as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.manifest import is_manifest
from somanet.api.wording import as_path
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object

if TYPE_CHECKING:
    from somanet.core.schema import Schema

STATISTICS = ("value", "low", "high", "unit", "supported", "problem")
"""Columns of a table of statistics."""


@dataclass(frozen=True)
class Analysis:
    """An analysed movie: its folder of results, whose files are read when they are asked for.

    Attributes:
        folder: the results, as `somanet analyze` writes them; docs/analysis.md lists the files.
        kept: where files are kept that the results replaced, with `replace=True`.
    """

    folder: Path
    kept: tuple[Path, ...] = ()

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """`tracks.csv`, a row per cell and frame: `track_id`, `frame`, `t_h` (h), `y_px`, `x_px`, `y_um`, `x_um`."""
        from somanet.analysis.stages.files import read_tracks_of

        return read_tracks_of(self.folder)

    @cached_property
    def saltations(self) -> pd.DataFrame:
        """`saltations.csv`, a row per saltation: `track_id`, `start_h`, `end_h`, `length_um`, `speed_um_per_h`."""
        from somanet.migration.tables import SALTATION_EVENTS

        return self._table(names.SALTATIONS, SALTATION_EVENTS)

    @cached_property
    def pauses(self) -> pd.DataFrame:
        """`pauses.csv`, a row per pause of a cell: `track_id`, `start_h`, `end_h`, `duration_h`, `censored`."""
        from somanet.migration.tables import PAUSES

        return self._table(names.PAUSES, PAUSES)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """`migration.csv`, a row per cell: observed time, speeds, direction, saltations, pauses."""
        from somanet.migration.tables import CELL_NUMBERS

        return self._table(names.MIGRATION, CELL_NUMBERS)

    @cached_property
    def statistics(self) -> pd.DataFrame:
        """The movie's numbers with their 95 % intervals, see :func:`statistics_table`."""
        return statistics_table(self.summary["numbers"])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json`: all numbers, what the movie supports, and the warnings."""
        return json_object(self.folder / names.SUMMARY)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """`manifest.json`: the movie, network, settings and code, and the SHA-256 of every file."""
        return json_object(self.folder / names.MANIFEST)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers has to know, in sentences; the same lines as the command prints."""
        return (*self.manifest["notes"], *self.summary["warnings"])

    @property
    def report(self) -> Path | None:
        """`report.html`, if it was written."""
        return self._there(names.REPORT)

    @property
    def labels(self) -> Path | None:
        """The label movie (TYX, value = `track_id`): `labels.tif`, above 4 GB `labels.zarr`; None without outlines."""
        return self._there(names.LABELS_TIFF) or self._there(names.LABELS_ZARR)

    def _table(self, name: str, schema: Schema) -> pd.DataFrame:
        from somanet.io.tables import read_table

        return read_table(self.folder / name, schema)

    def _there(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.exists() else None


def open_analysis(folder: str | PathLike[str]) -> Analysis:
    """Open results that were written before, by `somanet analyze`, `somanet tracks measure` or :func:`somanet.analyze`.

    Args:
        folder: with the `manifest.json` of one movie.

    Raises:
        SomaNetError: it has none.
    """
    path = as_path(folder, "folder")
    if not is_manifest(json_object(path / names.MANIFEST)):
        raise SomaNetError(
            f"{path}: expected results of a movie, as `somanet analyze` writes them, found none. Name that folder; a "
            "study has one for each movie."
        )
    return Analysis(path)


def statistics_table(numbers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The numbers of a `summary.json` as a table, a row per number.

    Args:
        numbers: name → value, 95 % interval, unit, and why there is none.

    Returns:
        Indexed by the number's name, docs/analysis.md explains each: `value`, `low`, `high` (the 95 % interval, NaN
        where there is none), `unit`, `supported` (whether the tracks support what it rests on) and `problem` (why it
        is not estimated; empty if it is).
    """
    rows = {name: _row(number) for name, number in numbers.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(STATISTICS))
    table = table.astype(dict.fromkeys(("value", "low", "high"), "float64") | {"supported": "bool"})
    return table.rename_axis("number")


def _row(number: Mapping[str, Any]) -> tuple[float, float, float, str, bool, str]:
    low, high = (math.nan if end is None else float(end) for end in number["interval95"] or (None, None))
    value = math.nan if number["value"] is None else float(number["value"])
    return value, low, high, str(number["unit"]), bool(number["supported"]), str(number.get("not_estimated", ""))
