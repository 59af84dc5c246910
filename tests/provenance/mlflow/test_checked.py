"""A store that another program wrote, or that was forged: columns of SQLite take values of any type."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import finished_runs, read_run, track_run
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.registry import read_run_table
from somanet.provenance.mlflow.resolve import find_active_run
from somanet.provenance.mlflow.search import find_run

FORGED = {
    "start_time = 'yesterday'": "start_time is 'yesterday', which is no time",
    "start_time = 9223372036854775807": "start_time is 9223372036854775807, which is no time",
    "start_time = -1": "start_time is -1, which is no time",
    "name = X'ff00ff'": "run_name is not text",
    "artifact_uri = X'ff00'": "artifact_uri is not text",
    "artifact_uri = 'models:/somanet@champion'": "artifact_uri is 'models:/somanet@champion', which is no place",
    "artifact_uri = 'runs:/' || run_uuid": "which is no place of files",
    "start_time = NULL": "start_time",
    "status = NULL": "status",
}


def write_sql(root: Path, statement: str) -> None:
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as connection:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def run_id(root: Path) -> str:
    with track_run("scored", experiment="e", root=root, system_metrics=False) as run:
        run.log_table(pd.DataFrame({"name": ["007"], "iou": [0.5]}), "per_image.csv")
    return run.run_id


@pytest.mark.parametrize("change", FORGED)
def test_impossible_runs_are_refused_in_a_line(
    change: str, root: Path, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the run is looked up; and no store appears in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_sql(root, f"UPDATE runs SET {change}")
    before = sorted(tmp_path.iterdir())
    for look_up in (
        lambda: read_run(run_id, root=root),
        lambda: find_active_run(open_client(root), run_id, root),
        lambda: read_run_table(run_id, "per_image.csv", root),
        lambda: finished_runs("e", root=root) or read_run(run_id, root=root),  # which a NULL hides from a search
    ):
        with pytest.raises(SomaNetError) as caught:
            look_up()
        assert FORGED[change] in str(caught.value)
        assert "\n" not in str(caught.value)
    assert find_run({"x": "y"}, root=root) is None
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "change", ["UPDATE tags SET value = X'fffe'", "UPDATE experiments SET name = X'ff' WHERE experiment_id = 1"]
)
def test_texts_that_are_none(change: str, root: Path, run_id: str) -> None:
    write_sql(root, change)
    with pytest.raises(SomaNetError, match=r"cannot be: (tags|name) is not text"):
        read_run(run_id, root=root)


def test_a_store_of_several_versions(root: Path) -> None:
    write_sql(root, "INSERT INTO alembic_version VALUES ('abc')")
    with pytest.raises(SomaNetError, match=r"not a complete MLflow store: it has .* several MLflow versions"):
        open_client(root)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("pipe", "is a device or a pipe"), ("sparse", "3221225472 bytes"), ("bytes", "expected a CSV table")],
)
def test_a_stored_table_may_be_anything(kind: str, words: str, root: Path, run_id: str) -> None:
    assert read_run_table(run_id, "per_image.csv", root)["name"].tolist() == ["007"]
    [file] = (root / "mlruns" / "artifacts").rglob("per_image.csv")
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "sparse":
        with file.open("wb") as handle:
            handle.truncate(3 << 30)
    else:
        file.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(SomaNetError, match=words):
        read_run_table(run_id, "per_image.csv", root)
