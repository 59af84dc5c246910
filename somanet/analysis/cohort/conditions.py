"""The user's table of the movies: whose cells they show, in which group and batch."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.schema import Column, Schema
from somanet.io.movie_search import nested_name
from somanet.io.movies import movie_name
from somanet.io.spreadsheets import read_spreadsheet

CONDITIONS = Schema("conditions", (Column("movie", "string", "", "file name, with or without its suffix"),))
_LEAVE_OUT = "name the other movies alone (analyze), or move its results out of the study (cohort)"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_LIKE_A_DATE_OR_NUMBER = re.compile(
    rf"\d+(?:\.\d+)?e[+-]?\d+|\d{{1,4}}[-./ ]?{_MONTH}(?:[-./ ]?\d+)?|{_MONTH}[-./ ]?\d+|\d+[-/.]\d+(?:[-/.]\d+)?",
    re.IGNORECASE,
)
"""A name that Excel stores as another: 1e5 as 100000, 01-Mar as the number of that day."""
LEVELS = ("donor", "group", "batch")
"""What a movie can be described by; ``batch`` is a differentiation, or a day of imaging."""


@dataclass(frozen=True)
class Conditions:
    """The rows of the movies that are analysed.

    Attributes:
        table: ``movie`` and those of :data:`LEVELS` that the file has, one row per movie, in the order asked for.
        unused: movies of the file that were not asked for.
        warnings: ids that may be one donor or batch, spelt in two ways; columns that may have been meant for groups.
    """

    table: pd.DataFrame
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_conditions(path: Path, movies: Sequence[str]) -> Conditions:
    """Read ``movie`` and ``donor``, ``group`` or both, and ``batch``; a file of movie names alone groups nothing.

    Every id is text: the donors 01 and 1 are two. A movie in a folder of its own may be named with it:
    ``patient1/movie.tif``.

    Raises:
        SomaNetError: columns are missing, a movie has no row or more than one, a cell is empty, or a group is spelt in
            two ways.
    """
    table = read_spreadsheet(path, CONDITIONS, also="movie, and donor or group or both; batch if there are several")
    known = [name for name in LEVELS if name in table.columns]
    if not {"donor", "group"} & set(known) and len(table.columns) > 1:
        raise SomaNetError(f"{path}: expected the columns movie and donor or group, found {list(table.columns)}.")
    others = [name for name in table.columns if name not in ("movie", *LEVELS)]
    table = table[["movie", *known]]
    named = _Names(movies)
    for line, row in zip(table.index, table.to_dict("records"), strict=True):
        for name, value in row.items():
            if not value:
                of = "" if name == "movie" else f" of {row['movie']!r}"
                here = named.of(row["movie"]) in movies
                out = f", and to leave the movie out, {_LEAVE_OUT}" if here else ""
                raise SomaNetError(f"{path}, line {line}: the {name}{of} is empty. Fill it in, or remove the row{out}.")
    table = table.assign(movie=[named.of(text) for text in table["movie"]])
    for line, movie in table.loc[table["movie"].duplicated(), "movie"].items():
        first = table.index[table["movie"] == movie][0]
        raise SomaNetError(f"{path}, line {line}: {movie!r} has two rows, also line {first}; expected one per movie.")
    if "group" in known:
        _check_spelling(table["group"], path)
    unused = tuple(name for name in table["movie"] if name not in set(movies))
    missing = sorted(set(movies) - set(table["movie"]))
    if missing:
        surplus = f"; rows of no movie here: {_few(unused)}" if unused else ""
        raise SomaNetError(
            f"{path}: no row for {_few(missing)}{surplus}. {_meant(missing, table.loc[table['movie'].isin(unused)])}"
            f"Name every movie once; to leave one out, {_LEAVE_OUT}."
        )
    used = table.set_index("movie").loc[list(movies)].reset_index()
    warnings = [*_alike(used, [name for name in known if name != "group"])]
    if others and "group" not in known:
        warnings.append(
            f"No column of the conditions is called 'group', so no groups are compared; not used: "
            f"{', '.join(map(repr, others[:4]))}. Call the one that names the groups 'group'."
        )
    return Conditions(used, unused, tuple(warnings))


def movies_of(path: Path) -> list[str]:
    """The movies that a file of conditions has rows for, by the names of their results.

    Raises:
        SomaNetError: it is no such file.
    """
    return [movie_name(Path(name)) for name in read_spreadsheet(path, CONDITIONS)["movie"] if name]


def _few(movies: Sequence[str]) -> str:
    """The first of them, and how many there are beyond."""
    shown = 4
    more = f" and {len(movies) - shown} more" if len(movies) > shown else ""
    return ", ".join(map(repr, movies[:shown])) + more


def _meant(missing: Sequence[str], surplus: pd.DataFrame) -> str:
    """A question about the first row that resembles a movie without one, or about names that spreadsheets rewrite."""
    for line, written in surplus["movie"].items():
        if near := difflib.get_close_matches(written, missing, 1):
            return f"Did you mean {near[0]!r} by {written!r} in line {line}? "
    rewritten = [name for name in missing if _LIKE_A_DATE_OR_NUMBER.fullmatch(name)]
    if rewritten and len(surplus):
        return (
            f"Did a spreadsheet program take {rewritten[0]!r} for a date or a number? Format the column as text, and "
            "type it again. "
        )
    return ""


def _check_spelling(groups: pd.Series, path: Path) -> None:
    """Refuse a group that differs from another in case, spaces or leading zeros only: a slip would be a third group."""
    for spellings in _spelt_alike(groups):
        rare, usual = sorted(spellings, key=lambda spelling: int((groups == spelling).sum()))[:2]
        line = groups.index[groups == rare][0]
        raise SomaNetError(
            f"{path}, line {line}: the group {rare!r} differs from {usual!r} only in capitals, spaces or leading "
            f"zeros. Did you mean {usual!r}? Spell both alike, or give them names that differ."
        )


def _alike(table: pd.DataFrame, levels: Iterable[str]) -> Iterator[str]:
    for level in levels:
        for spellings in _spelt_alike(table[level]):
            ids = " and ".join(repr(spelling) for spelling in sorted(spellings))
            yield (
                f"The {level} ids {ids} count as {len(spellings)} {'batches' if level == 'batch' else f'{level}s'}, "
                "and differ only in capitals, spaces or leading zeros. If they are one, spell them alike."
            )


def _spelt_alike(ids: Iterable[str]) -> list[set[str]]:
    """Sets of ids that a reader could take for one."""
    found: dict[str, set[str]] = {}
    for one in ids:
        bare = "".join(unicodedata.normalize("NFKC", one).casefold().split())
        found.setdefault(re.sub(r"(?<!\d)0+(?=\d)", "", bare), set()).add(one)
    return [spellings for spellings in found.values() if len(spellings) > 1]


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
        near = difflib.get_close_matches(reference.casefold(), [group.casefold() for group in groups], 1)
        meant = [f"Did you mean {group!r}? " for group in groups if group.casefold() in near][:1]
        raise SomaNetError(
            f"There is no group {reference!r} to compare with. {''.join(meant)}Use one of {', '.join(groups)}."
        )
    if "donor" not in conditions:
        raise SomaNetError(
            "Groups are compared between donors, as cells and movies of one donor are alike: give the conditions a "
            "column 'donor'."
        )


class _Names:
    """The movies that are analysed, found by what a person writes for them."""

    def __init__(self, movies: Sequence[str]) -> None:
        self._known = {unicodedata.normalize("NFC", movie): movie for movie in movies}
        folded = [name.casefold() for name in self._known]
        self._folded = {
            name.casefold(): movie for name, movie in self._known.items() if folded.count(name.casefold()) == 1
        }

    def of(self, text: str) -> str:
        """The movie's own name, whatever its umlauts' code and its capitals; what is not known, without its suffix."""
        path = Path(text.replace("\\", "/"))
        written = (text, nested_name(path), movie_name(path))
        exactly = (self._known[name] for name in written if name in self._known)
        nearly = (self._folded[name.casefold()] for name in written if name.casefold() in self._folded)
        return [*exactly, *nearly, movie_name(path)][0]
