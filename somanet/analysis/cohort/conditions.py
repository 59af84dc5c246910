"""The user's table of the movies: whose cells they show, in which group and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from somanet.analysis.source import movie_name, nested_name
from somanet.core.errors import SomaNetError
from somanet.core.schema import Column, Schema
from somanet.io.tables import read_table

CONDITIONS = Schema("conditions", (Column("movie", "string", "", "file name, with or without its suffix"),))
LEVELS = ("donor", "group", "batch")
"""What a movie can be described by; ``batch`` is a differentiation, or a day of imaging."""


@dataclass(frozen=True)
class Conditions:
    """The rows of the movies that are analysed.

    Attributes:
        table: ``movie`` and those of :data:`LEVELS` that the file has, one row per movie, in the order asked for.
        unused: movies of the file that were not asked for.
    """

    table: pd.DataFrame
    unused: tuple[str, ...] = ()


def read_conditions(path: Path, movies: Sequence[str]) -> Conditions:
    """Read ``movie`` and ``donor``, ``group`` or both, and ``batch``; a file of movie names alone groups nothing.

    A movie in a folder of its own may be named with it: ``patient1/movie.tif``.

    Raises:
        SomaNetError: columns are missing, a movie has no row or more than one, or a cell is empty.
    """
    table = read_table(path, CONDITIONS)
    known = [name for name in LEVELS if name in table.columns]
    if not {"donor", "group"} & set(known) and len(table.columns) > 1:
        raise SomaNetError(f"{path}: expected the columns movie and donor or group, found {list(table.columns)}.")
    table = table[["movie", *known]].assign(movie=[_name(name, movies) for name in table["movie"]])
    for name in known:
        values = table[name].astype("object").where(table[name].notna(), "")
        table[name] = [_id(value) for value in values]
        if (table[name] == "").any():
            raise SomaNetError(f"{path}: the {name} of {table.loc[table[name] == '', 'movie'].iloc[0]!r} is empty.")
    twice = table.loc[table["movie"].duplicated(), "movie"]
    if len(twice):
        raise SomaNetError(f"{path}: {twice.iloc[0]!r} has two rows; expected one per movie.")
    missing = sorted(set(movies) - set(table["movie"]))
    if missing:
        raise SomaNetError(
            f"{path}: no row for {', '.join(map(repr, missing[:4]))}; it has rows for "
            f"{', '.join(map(repr, table['movie'][:4]))}, …. Name every movie once."
        )
    unused = tuple(name for name in table["movie"] if name not in set(movies))
    return Conditions(table.set_index("movie").loc[list(movies)].reset_index(), unused)


def movies_of(path: Path) -> list[str]:
    """The movies that a file of conditions has rows for, by the names of their results.

    Raises:
        SomaNetError: it is no such file.
    """
    return [movie_name(Path(name)) for name in read_table(path, CONDITIONS)["movie"]]


def check_groups(conditions: pd.DataFrame, reference: str | None) -> None:
    """Refuse a comparison that the conditions cannot give, before any movie is analysed.

    Raises:
        SomaNetError: the reference is not a group, or donors are not named.
    """
    if reference is None:
        return
    groups = sorted(set(conditions["group"])) if "group" in conditions else []
    if not groups:
        raise SomaNetError(f"There are no groups to compare with {reference!r}: give the conditions a column 'group'.")
    if reference not in groups:
        raise SomaNetError(f"There is no group {reference!r} to compare with. Use one of {', '.join(groups)}.")
    if "donor" not in conditions:
        raise SomaNetError(
            "Groups are compared between donors, as cells and movies of one donor are alike: give the conditions a "
            "column 'donor'."
        )


def _name(text: str, movies: Sequence[str]) -> str:
    path = Path(text.strip().replace("\\", "/"))
    nested = nested_name(path)
    return nested if nested in movies else movie_name(path)


def _id(value: object) -> str:
    """An id as text: 3 for the 3.0 that a column with an empty cell becomes."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
