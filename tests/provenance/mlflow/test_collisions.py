"""Two processes that insert the same row: the later one is refused, tries again, and finds it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from somanet.provenance.mlflow import DatasetRef, read_run, track_run
from somanet.provenance.mlflow.collisions import insert_rows


def refusal(code: str) -> MlflowException:
    error = MlflowException("UNIQUE constraint failed")
    error.error_code = code
    return error


class Table:
    """A store that looks first and inserts then, as MLflow does; between the two, others insert a row each time."""

    def __init__(self, others: str) -> None:
        self.rows: set[str] = set()
        self.others = list(others)
        self.n_calls = 0

    def insert(self, rows: str) -> None:
        self.n_calls += 1
        new = set(rows) - self.rows
        if self.others:
            self.rows.add(self.others.pop(0))
        if new & self.rows:
            raise refusal("BAD_REQUEST")
        self.rows |= new


@pytest.mark.parametrize(
    ("rows", "others", "n_calls"),
    [("ab", "", 1), ("ab", "a", 2), ("ab", "ba", 3), ("ab", "xa", 1), ("ab", "axb", 2), ("a", "a", 2)],
)
def test_as_many_refusals_as_rows_are_survived(rows: str, others: str, n_calls: int) -> None:
    """`axb`: a is refused; x, at the second call, is nobody's concern here."""
    table = Table(others)
    insert_rows(lambda: table.insert(rows), n_rows=len(rows))
    assert set(rows) <= table.rows
    assert table.n_calls == n_calls


@pytest.mark.parametrize(("code", "n_calls"), [("BAD_REQUEST", 3), ("TEMPORARILY_UNAVAILABLE", 1)])
def test_what_is_refused_for_another_reason_is_raised(code: str, n_calls: int) -> None:
    calls = []

    def refuse() -> None:
        calls.append(code)
        raise refusal(code)

    with pytest.raises(MlflowException, match="UNIQUE"):
        insert_rows(refuse, n_rows=2)
    assert len(calls) == n_calls


def test_another_run_names_the_same_data_set_at_the_same_moment(root: Path) -> None:
    """MLflow's own query and insert, with a row of another process between them: one data set, two that use it."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    mine = DatasetRef("neurons", "neurons", digest="d" * 32, context="training")
    refused = []

    def insert_as_another_process(session: Session, *_: object) -> None:
        new = [row for row in session.new if type(row).__name__ == "SqlDataset"]
        if not new or refused:
            return
        refused.append(new[0])
        values = (new[0].experiment_id, new[0].name, new[0].digest, json.dumps({"uri": "neurons"}))
        with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as other, other:
            other.execute(
                "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source)"
                " VALUES ('first', ?, ?, ?, 'local', ?)",
                values,
            )

    event.listen(Session, "before_flush", insert_as_another_process)
    try:
        with track_run("second", experiment="e", root=root, datasets=[mine], system_metrics=False) as run:
            pass
    finally:
        event.remove(Session, "before_flush", insert_as_another_process)
    assert len(refused) == 1
    assert read_run(run.run_id, root=root).datasets == {"neurons": "d" * 32}
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as store:
        assert store.execute("SELECT dataset_uuid FROM datasets").fetchall() == [("first",)]
