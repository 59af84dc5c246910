"""The numbers of cells in two files: the same when read together, and refused when they are not of one analysis."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import pytest

from somanet.analysis import names
from somanet.analysis.cell_tables import read_migration, write_migration
from somanet.analysis.cohort.results import read_result
from somanet.analysis.cohort.write import Question, build_cohort
from somanet.analysis.recording import RECORDED
from somanet.core.errors import SomaNetError
from somanet.core.markdown import table
from somanet.core.schema import Schema
from somanet.io.tables import FLOAT_FORMAT, read_table, write_table
from somanet.migration.cells import migration_of
from somanet.migration.summary import summarize
from somanet.migration.tables import CELL_INTERNALS, CELL_NUMBERS, MIGRATION
from tests.analysis.worlds import save_results, tracks
from tests.markdown_tables import unpadded

DOCS = Path(__file__).resolve().parents[2] / "docs" / "analysis.md"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four cells with three saltations each, and one that never jumps: its means are undefined."""
    jumping, resting = tracks(4, seed=1, jumps=3), tracks(1, seed=2, jumps=0).assign(track_id=9)
    return save_results(tmp_path / "a", pd.concat([jumping, resting], ignore_index=True))


def texts(*paths: Path) -> dict[str, list[str]]:
    """Each column's cells as they stand in the files."""
    found: dict[str, list[str]] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        found |= {name: [row[i] for row in rows] for i, name in enumerate(head)}
    return found


def test_every_column_is_in_one_file_as_it_was_in_the_table_of_all(results: Path, tmp_path: Path) -> None:
    cells = read_migration(results)
    write_table(tmp_path / "all.csv", cells, MIGRATION)
    both = results / names.MIGRATION, results / names.MIGRATION_INTERNALS
    assert texts(*both) == texts(tmp_path / "all.csv")
    assert [list(texts(path)) for path in both] == [list(CELL_NUMBERS.names), list(CELL_INTERNALS.names)]
    assert set(CELL_NUMBERS.names) & set(CELL_INTERNALS.names) == {"track_id"}


@pytest.mark.parametrize("n_cells", [5, 0])
def test_what_is_read_is_what_was_measured(tmp_path: Path, n_cells: int) -> None:
    """To the nine digits of a file, with the measured numbers' types; also of no cell."""
    cells = migration_of(tracks(n_cells, seed=3, jumps=4), sigma_um=0.3).cells
    write_migration(tmp_path, cells)
    found = read_migration(tmp_path)
    floats = [column.name for column in MIGRATION.columns if column.dtype == "float64"]
    kept = cells.assign(**{name: [float(FLOAT_FORMAT % value) for value in cells[name]] for name in floats})
    pd.testing.assert_frame_equal(found, kept.astype(found.dtypes.to_dict()), check_exact=True)
    assert found.dtypes.astype(str).to_dict() == {column.name: column.dtype for column in MIGRATION.columns}
    assert list(found.columns) == list(MIGRATION.names)
    assert len(found) == n_cells


def test_rows_are_matched_by_cell(results: Path) -> None:
    """A person sorts the table by speed, and adds a column."""
    expected = read_migration(results).sort_values("path_um", ascending=False, ignore_index=True)
    path = results / names.MIGRATION
    sorted_rows = read_table(path, CELL_NUMBERS).sort_values("path_um", ascending=False)
    write_table(path, sorted_rows.assign(remark="mine"))
    assert expected["track_id"].tolist() != [1, 2, 3, 4, 9]
    pd.testing.assert_frame_equal(read_migration(results), expected)


def test_movies_from_their_folders_give_the_numbers_of_the_cells_themselves(tmp_path: Path) -> None:
    """Pooled numbers need the internals, to the digits of a file; the table of all cells, for a reader, has none."""
    movies = {name: tracks(4, seed=i, jumps=3 + i) for i, name in enumerate("ab")}
    folders = [save_results(tmp_path / name, table) for name, table in movies.items()]
    cohort = build_cohort(folders, tmp_path, Question())
    measured = [migration_of(table).cells.assign(movie=name) for name, table in movies.items()]
    expected = summarize(pd.concat(measured, ignore_index=True))
    for name, number in cohort.summaries["all"].numbers.items():
        assert number.problem == expected.numbers[name].problem
        ends = astuple(expected.numbers[name])[:3]
        assert astuple(number)[:3] == pytest.approx(ends, rel=1e-6, abs=1e-5, nan_ok=True), name
    assert expected.numbers["mean_length_corrected_um"].value > 0
    assert list(texts(tmp_path / names.CELLS)) == ["movie", *CELL_NUMBERS.names]


def test_internals_stay_with_the_results() -> None:
    """Their name is one that an analysis replaces, and a file that a run keeps."""
    assert names.MIGRATION_INTERNALS in names.ALL
    assert names.MIGRATION_INTERNALS in RECORDED


def refused(folder: Path) -> str:
    with pytest.raises(SomaNetError) as error:
        read_migration(folder)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(folder))
    return message


def test_a_table_without_its_internals_is_refused(results: Path) -> None:
    """Also one of a version that had all columns in it."""
    cells = read_migration(results)
    (results / names.MIGRATION_INTERNALS).unlink()
    with pytest.raises(SomaNetError, match=r"migration_internals\.csv is missing.*somanet analyze"):
        read_result(results)
    for older in (False, True):
        if older:
            write_table(results / names.MIGRATION, cells, MIGRATION)
        assert "migration_internals.csv: expected it beside migration.csv, found none" in refused(results)


def test_internals_without_their_table_are_refused(results: Path) -> None:
    (results / names.MIGRATION).unlink()
    assert "migration.csv: no such migration table" in refused(results)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (names.MIGRATION, lambda t: t[:-1], "expected the 4 cells of migration.csv, found 5, and track 9 in one"),
        (names.MIGRATION_INTERNALS, lambda t: t[1:], "expected the 5 cells of migration.csv, found 4, and track 1 in"),
        (names.MIGRATION, lambda t: pd.concat([t, t[:1]]), "migration.csv: expected one row per cell, found two of"),
        (names.MIGRATION_INTERNALS, lambda t: pd.concat([t, t[:1]]), "internals.csv: expected one row per cell"),
        (names.MIGRATION_INTERNALS, lambda t: t.drop(columns="n_turns"), r"internals table lacks ['n_turns']"),
        (names.MIGRATION_INTERNALS, lambda t: t.assign(complete_um=30.0), "expected the complete_um of track 1 to be"),
        (names.MIGRATION_INTERNALS, lambda t: t.assign(complete_h=9.0), "expected the complete_h of track 1 to be 0.5"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    results: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    write_table(results / name, change(pd.read_csv(results / name)))
    assert words in refused(results)


def test_internals_of_another_movie_with_the_same_ids_are_refused(tmp_path: Path) -> None:
    one, other = (tmp_path / str(seed) for seed in (1, 2))
    for seed, folder in enumerate((one, other), start=1):
        folder.mkdir()
        write_migration(folder, migration_of(tracks(3, seed=seed, jumps=3), sigma_um=0.3).cells)
    (other / names.MIGRATION_INTERNALS).replace(one / names.MIGRATION_INTERNALS)
    assert "Are the files of two analyses" in refused(one)


def test_a_table_that_lacks_a_number_is_not_written(results: Path, tmp_path: Path) -> None:
    cells = read_migration(results)
    (tmp_path / "new").mkdir()
    with pytest.raises(SomaNetError, match="turn_cosine"):
        write_migration(tmp_path / "new", cells.drop(columns="turn_cosine"))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("schema", [CELL_NUMBERS, CELL_INTERNALS])
def test_the_docs_list_every_column(schema: Schema) -> None:
    """When this fails, what it prints belongs into the page."""
    rows = [(f"`{column.name}`", column.unit, column.meaning) for column in schema.columns]
    assert unpadded(table(("column", "unit", "meaning"), rows)) in DOCS.read_text(encoding="utf-8")
    assert all(column.meaning for column in schema.columns)
