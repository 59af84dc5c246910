from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import ensure_store, store, tracking_uri
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.database import check_database, explain, known_revisions
from somanet.provenance.mlflow.experiments import PAGE
from somanet.provenance.mlflow.run import track_run


def database(root: Path) -> Path:
    return root / "mlruns" / "mlflow.db"


def test_the_store_lies_in_the_project_unless_the_variable_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow")
    assert tracking_uri(tmp_path) == "https://me:secret@example.org/mlflow"
    assert ensure_store(tmp_path) == tracking_uri(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert store.public_uri(tracking_uri(tmp_path), tmp_path) == "https://example.org/mlflow"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////a/project/mlruns/mlflow.db", "sqlite:///mlruns/mlflow.db"),
        ("sqlite:////b/mlflow.db", "sqlite:///<outside>/mlflow.db"),
    ],
)
def test_a_public_address_has_no_machine_path(uri: str, shown: str) -> None:
    assert store.public_uri(uri, Path("/a/project")) == shown


def test_what_does_not_answer_is_called_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError("database is locked")
    assert "mlflow.db is locked by another process" in str(store.unreachable(tmp_path, error))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow")
    assert str(store.unreachable(tmp_path, error)).startswith(
        "The tracking store https://example.org/mlflow does not respond: database is locked. Is MLFLOW_TRACKING_URI"
    )


def test_a_folder_as_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path))
    with pytest.raises(SomaNetError, match="need a database or a server"):
        ensure_store(tmp_path)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("mysql+nosuch://u:secret@host/mlflow", "Can't load plugin: sqlalchemy.dialects:mysql.nosuch."),
        ("mssql+pymssql://u:secret@host/mlflow", "its driver is not installed (No module named 'pymssql'"),
    ],
)
def test_a_database_without_its_driver_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, words: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(SomaNetError) as error:
        ensure_store(tmp_path)
    assert words in str(error.value)
    assert "postgresql+psycopg://" in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("answers", [False, True])
def test_a_database_server_that_is_down_is_one_line_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """Nothing listens there, or something takes the connection and never says a word: MLflow would try for minutes."""
    pytest.importorskip("psycopg")
    monkeypatch.setattr(store, "_CONNECT_WAIT_S", 2)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if answers:
            place.listen()
        port = place.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg://me:secret@127.0.0.1:{port}/x")
        begin = time.monotonic()
        with pytest.raises(SomaNetError) as error:
            ensure_store(tmp_path)
    assert time.monotonic() - begin < 15
    assert f"postgresql+psycopg://127.0.0.1:{port}/x does not respond: " in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_chosen_sqlite_file_is_created_with_its_artifacts_beside_it(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "elsewhere" / "runs.db"
    chosen.parent.mkdir()
    chosen.write_bytes(database(template).read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{chosen}")
    with track_run("a", experiment="e", root=tmp_path, system_metrics=False) as run:
        run.log_file(Path(__file__))
    assert (chosen.parent / "artifacts" / "e" / run.run_id / "artifacts" / "test_store.py").is_file()
    assert not (tmp_path / "mlruns").exists()


def test_a_copied_store_points_at_its_own_artifacts(root: Path, template: Path) -> None:
    assert ensure_store(root).endswith("project #1/mlruns/mlflow.db")
    place = open_client(root).get_experiment("0").artifact_location
    assert place == f"{root}/mlruns/artifacts/0"
    with sqlite3.connect(database(template)) as connection:
        [(before,)] = connection.execute("SELECT artifact_location FROM experiments")
    connection.close()
    assert before == f"{template}/mlruns/artifacts/0"


def test_a_moved_project_keeps_the_files_of_its_runs(root: Path) -> None:
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_file(Path(__file__))
    moved = root.rename(root.with_name("renamed_50%"))
    assert [f.path for f in open_client(moved).list_artifacts(run.run_id)] == ["test_store.py"]
    assert open_client(moved).get_run(run.run_id).info.artifact_uri.startswith(str(moved))


def test_the_installed_mlflow_tells_its_revisions(template: Path) -> None:
    known, newest = known_revisions()
    with sqlite3.connect(database(template)) as connection:
        [(found,)] = connection.execute("SELECT version_num FROM alembic_version")
    connection.close()
    assert newest == found
    assert len(known) > 60


def test_a_locked_database_is_one_line(root: Path) -> None:
    holder = sqlite3.connect(database(root))
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SomaNetError, match="locked by another process") as caught:
        check_database(database(root), wait_s=0.1)
    holder.rollback()
    holder.close()
    assert "\n" not in str(caught.value)
    check_database(database(root), wait_s=0.1)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("ffffffffffff", "newer MLflow: found revision ffffffffffff"),
        ("181f10493468", "older MLflow.*db upgrade"),
    ],
)
def test_a_database_of_another_mlflow_is_refused(root: Path, revision: str, words: str) -> None:
    with sqlite3.connect(database(root)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    with pytest.raises(SomaNetError, match=words) as caught:
        ensure_store(root)
    assert str(known_revisions()[1]) in str(caught.value)


def test_a_file_that_is_no_database_is_refused(root: Path) -> None:
    database(root).write_text("this is a letter, not a database " * 100)
    with pytest.raises(SomaNetError, match="not an SQLite database"):
        ensure_store(root)


def test_another_programs_database_is_refused(root: Path) -> None:
    database(root).unlink()
    with sqlite3.connect(database(root)) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(SomaNetError, match="not a complete MLflow store: it has 1 tables"):
        ensure_store(root)


@pytest.mark.parametrize("table", ["runs", "experiments", "metrics", "datasets", "model_versions"])
def test_a_store_that_lacks_a_table_is_refused(root: Path, table: str) -> None:
    with sqlite3.connect(database(root)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO other")
    connection.close()
    with pytest.raises(SomaNetError, match=f"not a complete MLflow store: it lacks the table {table}") as caught:
        ensure_store(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_not_a_file_is_refused_at_once(root: Path, make: Callable[[Path], None]) -> None:
    database(root).unlink()
    make(database(root))
    for write in (True, False):
        with pytest.raises(SomaNetError, match=r"is not a file, but a folder, a pipe or a device\. Move it away"):
            check_database(database(root), write=write)


def test_an_error_of_the_disk_has_a_next_step(root: Path) -> None:
    line = str(explain(sqlite3.OperationalError("disk I/O error"), database(root)))
    assert line.endswith(": disk I/O error. Is its disk full, limited (`ulimit -f`) or failing? Otherwise move the "
                         "file away (a new one is created), or point MLFLOW_TRACKING_URI elsewhere.")  # fmt: skip


def test_a_read_only_folder_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, who may write everywhere: the system's response is simulated."""
    monkeypatch.setattr("somanet.provenance.mlflow.database.os.access", lambda path, mode: False)
    with pytest.raises(SomaNetError, match="read-only"):
        ensure_store(root)


FIRST_USE = """
import sys
import time
from pathlib import Path
from somanet.provenance.mlflow import DatasetRef, track_run
from somanet.provenance.mlflow.environment import load_mlflow

root, name, n_processes, *experiments = sys.argv[1:]
load_mlflow()
for experiment in experiments:
    meeting = Path(root, "meeting", experiment)
    meeting.mkdir(parents=True, exist_ok=True)
    (meeting / name).touch()
    while len(list(meeting.iterdir())) < int(n_processes):
        time.sleep(0.001)
    data = [DatasetRef(which, which, digest=which, context=which) for which in ("training", "validation")]
    with track_run(name, experiment=experiment, root=root, datasets=data, system_metrics=False) as run:
        run.log_metrics({"a": 1.0})
"""


@pytest.mark.slow
def test_six_processes_may_be_the_first_at_once(tmp_path: Path, start_python) -> None:
    """First in the store, then in three experiments of it, each with a page, views and two data sets to be written.

    Without the lock on the store one of three survived; without a second try at the data sets 4 runs of 24 were lost.
    """
    experiments, names = ("finetune", "pretrain", "sweep", "movies"), [f"run {i}" for i in range(6)]
    processes = [start_python(FIRST_USE, tmp_path, name, len(names), *experiments) for name in names]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(names), outputs
    assert not any("got no description" in text for _, text in outputs), outputs
    client = open_client(tmp_path)
    for name in experiments:
        experiment = client.get_experiment_by_name(name)
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(run.info.run_name for run in runs) == names
        assert {run.info.status for run in runs} == {"FINISHED"}
        for run in runs:
            data = sorted(one.dataset.digest for one in run.inputs.dataset_inputs)
            assert data == ["training", "validation"]
        assert PAGE in experiment.tags
    assert list((tmp_path / "mlruns").glob("*.part*")) == []
