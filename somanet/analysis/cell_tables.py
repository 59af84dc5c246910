"""The numbers of a movie's cells in two files: what a reader wants to know, and what only the correction needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.core.errors import SomaNetError
from somanet.core.schema import check_columns
from somanet.io.tables import read_table, write_table
from somanet.migration.tables import CELL_INTERNALS, CELL_NUMBERS, MIGRATION

AGREE = 1e-6
"""Relative; files hold nine digits."""
_OF_TWO_ANALYSES = "Are the files of two analyses, or was one changed? Run `somanet analyze` or `dvc repro` again."


def write_migration(folder: Path, cells: pd.DataFrame) -> None:
    """Write `migration.csv` and `migration_internals.csv`.

    Args:
        folder: of results; exists.
        cells: :data:`somanet.migration.tables.MIGRATION` of one movie.

    Raises:
        SomaNetError: a column is missing, or the disk refuses.
    """
    check_columns(cells, MIGRATION, str(folder))
    for name, schema in ((names.MIGRATION, CELL_NUMBERS), (names.MIGRATION_INTERNALS, CELL_INTERNALS)):
        write_table(folder / name, cells[list(schema.names)], schema)


def read_migration(folder: Path) -> pd.DataFrame:
    """Read what :func:`write_migration` wrote; columns that a person added are left out.

    Args:
        folder: of results.

    Returns:
        :data:`somanet.migration.tables.MIGRATION`, rows in the order of `migration.csv`.

    Raises:
        SomaNetError: a file is missing or bad, or the two are not of the same cells.
    """
    path = folder / names.MIGRATION_INTERNALS
    numbers = read_table(folder / names.MIGRATION, CELL_NUMBERS)
    if not path.exists():
        raise SomaNetError(
            f"{path}: expected it beside {names.MIGRATION}, found none. Was the table copied alone, or written by a "
            "version that had both in one file? Copy both, or run `somanet analyze` or `dvc repro` again."
        )
    internals = read_table(path, CELL_INTERNALS)
    for file, table in ((folder / names.MIGRATION, numbers), (path, internals)):
        twice = table.loc[table["track_id"].duplicated(), "track_id"]
        if len(twice):
            raise SomaNetError(
                f"{file}: expected one row per cell, found two of track {twice.iloc[0]}. Were tables of several "
                "movies joined? Each movie has its own folder."
            )
    apart = set(numbers["track_id"]) ^ set(internals["track_id"])
    if apart:
        raise SomaNetError(
            f"{path}: expected the {len(numbers)} cells of {names.MIGRATION}, found {len(internals)}, and track "
            f"{min(apart)} in one of the two only. {_OF_TWO_ANALYSES}"
        )
    cells = numbers[list(CELL_NUMBERS.names)].merge(internals[list(CELL_INTERNALS.names)], on="track_id", how="left")
    _check_sums(cells, path)
    return cells


def _check_sums(cells: pd.DataFrame, path: Path) -> None:
    """Refuse internals of another movie whose tracks have the same ids: sums that are not number times mean."""
    for total, mean in (("complete_um", "mean_length_um"), ("complete_h", "mean_duration_h")):
        expected = (cells[mean] * cells["n_complete"]).fillna(0.0)
        wrong = ~np.isclose(cells[total], expected, rtol=AGREE)
        if wrong.any():
            track = cells.loc[wrong, "track_id"].iloc[0]
            raise SomaNetError(
                f"{path}: expected the {total} of track {track} to be {expected[wrong].iloc[0]:.6g}, as "
                f"{names.MIGRATION} has it, found {cells.loc[wrong, total].iloc[0]:.6g}. {_OF_TWO_ANALYSES}"
            )
