"""Check MLflow's SQLite file without MLflow: is it usable, is it an MLflow store, where was it created.

MLflow responds to an unsuitable database with a traceback of SQLAlchemy or alembic; the checks here take a
millisecond and give one line. They need only the standard library, so that ``somanet doctor`` can afford them too.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path

from somanet.core.errors import SomaNetError, first_line

LOCK_WAIT_S = 5.0
_NEEDED = frozenset(
    ("experiments", "experiment_tags", "runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs",
     "logged_models", "registered_models", "registered_model_aliases", "model_versions")
)  # fmt: skip
"""Tables that recording and promoting use; a store that was restored or converted in part lacks some."""
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@contextmanager
def open_database(path: Path, *, writable: bool = False, wait_s: float = LOCK_WAIT_S) -> Iterator[sqlite3.Connection]:
    """Open an existing SQLite file.

    Raises:
        SomaNetError: it is no file, locked, read-only, or not a database.
    """
    if path.exists() and not path.is_file():  # SQLite would wait for a pipe
        raise SomaNetError(
            f"The MLflow database {path} is not a file, but a folder, a pipe or a device. Move it away (a new database "
            "is created), or point MLFLOW_TRACKING_URI elsewhere."
        )
    # The path goes into a URI: `?` and `#` in a folder's name would end it early, so as_uri() quotes it.
    mode = "rw" if writable else "ro"
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=wait_s)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        yield connection
        connection.commit()
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()


def explain(error: Exception, path: Path) -> SomaNetError:
    """One line for a database error, with the likely cause and the next step."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return SomaNetError(
            f"The MLflow database {path} is locked by another process. Wait for it or stop it, then run "
            "again; on a network drive (NFS) SQLite does not work: point MLFLOW_TRACKING_URI elsewhere."
        )
    if "readonly" in text or "read-only" in text or "unable to open" in text or "Permission denied" in text:
        return SomaNetError(
            f"The MLflow database {path} cannot be written: the file or its folder is read-only. Make it "
            "writable, or point MLFLOW_TRACKING_URI elsewhere."
        )
    if "not a database" in text or "malformed" in text or "disk image" in text:
        return SomaNetError(
            f"{path} is not an SQLite database, or it is damaged. Move it away (a new one is created), or "
            "point MLFLOW_TRACKING_URI elsewhere."
        )
    if "recorded what cannot be" in text:
        return SomaNetError(
            f"The MLflow database {path} cannot be used: {first_line(error)} Was it written by another program? Put "
            "back a backup of it, move it away (a new one is created), or point MLFLOW_TRACKING_URI elsewhere."
        )
    if "is full" in text or "No space left" in text:
        return SomaNetError(f"The MLflow database {path} cannot be written: the disk is full. Free some space.")
    return SomaNetError(
        f"The MLflow database {path} cannot be used: {first_line(error)} Is its disk full, limited (`ulimit -f`) or "
        "failing? Otherwise move the file away (a new one is created), or point MLFLOW_TRACKING_URI elsewhere."
    )


def check_database(path: Path, *, wait_s: float = LOCK_WAIT_S, write: bool = True) -> None:
    """Refuse a database that MLflow could not use: locked, read-only, damaged, or from another MLflow version.

    Raises:
        SomaNetError: one line with what was found, what was expected and the next step.
    """
    if write and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise explain(PermissionError("readonly"), path)
    with open_database(path, writable=write, wait_s=wait_s) as connection:
        if write:
            # Takes and releases the write lock: the only way to detect a lock or a read-only file system.
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        versions = []
        if "alembic_version" in tables:
            versions = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version LIMIT 2")]
    known, newest = known_revisions()
    lacking = sorted(_NEEDED - tables)
    found = versions[0] if len(versions) == 1 else None
    if found is None or (lacking and found == newest):
        count = "several MLflow versions" if versions else "no MLflow version"
        what = f"it lacks the table {lacking[0]}" if found else f"it has {len(tables)} tables and {count}"
        raise SomaNetError(
            f"{path} is an SQLite database, but not a complete MLflow store: {what}. Put back a backup of it, move it "
            "away (a new one is created), or point MLFLOW_TRACKING_URI elsewhere."
        )
    if not newest or found == newest:
        return
    version = metadata.version("mlflow")
    if found not in known:
        raise SomaNetError(
            f"The MLflow database {path} was written by a newer MLflow: found revision {found}, MLflow "
            f"{version} expects {newest}. Upgrade with `pip install --upgrade mlflow`, or point "
            "MLFLOW_TRACKING_URI elsewhere."
        )
    raise SomaNetError(
        f"The MLflow database {path} was written by an older MLflow: found revision {found}, MLflow "
        f"{version} expects {newest}. Copy the file as a backup, then run `mlflow db upgrade sqlite:///{path}`."
    )


def known_revisions() -> tuple[frozenset[str], str | None]:
    """The schema revisions of the installed MLflow, and the newest one, read from its migration scripts."""
    spec = util.find_spec("mlflow")  # locates the package without importing it
    if spec is None or spec.origin is None:
        return frozenset(), None
    revisions: set[str] = set()
    parents: set[str] = set()
    for script in (Path(spec.origin).parent / "store/db_migrations/versions").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        revisions.update(re.findall(r"^revision\b.*?=\s*[\"'](\w+)[\"']", text, re.MULTILINE))
        for line in re.findall(r"^down_revision\b.*?=(.*)$", text, re.MULTILINE):
            parents.update(re.findall(r"[\"'](\w+)[\"']", line))
    heads = revisions - parents
    return frozenset(revisions), heads.pop() if len(heads) == 1 else None


def relocate(path: Path, artifacts: Path) -> bool:
    """Point a moved or copied store at its own artifacts; returns whether anything had to change.

    MLflow writes absolute artifact folders into the database. After a project folder is renamed or copied
    they point to the old location: pages without pictures, or a copy that writes into the original. The default
    experiment, whose artifacts were in ``<artifacts>/0`` at the store's creation, shows where the store was.
    """
    with open_database(path) as connection:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    here = artifacts.resolve().as_posix()
    if row is None or not row[0] or not row[0].endswith("/0"):
        return False
    old = row[0].removesuffix("/0")
    if old == here or not old.endswith("/mlruns/artifacts"):  # a location chosen by the user is left alone
        return False
    with open_database(path, writable=True) as connection:
        for table, column in _LOCATIONS:
            # Table and column come from the list above, never from outside.
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                f"WHERE {column} = ? OR {column} LIKE ? ESCAPE '\\'",
                (here, len(old) + 1, old, _like(old) + "/%"),
            )
    return True


def _like(text: str) -> str:
    for character in "\\%_":
        text = text.replace(character, "\\" + character)
    return text
