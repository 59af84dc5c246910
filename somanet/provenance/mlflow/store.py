"""Where runs are recorded: ``MLFLOW_TRACKING_URI``, else an SQLite file in the project's ``mlruns/``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError, first_line
from somanet.core.files import make_folder
from somanet.core.swapping import remove_leftovers, temporary_path
from somanet.provenance.mlflow.database import check_database, explain, relocate
from somanet.provenance.mlflow.environment import load_mlflow
from somanet.provenance.mlflow.outages import outage_reason

DATABASE = "mlruns/mlflow.db"
_CREATE_WAIT_S = 180.0
_CONNECT_WAIT_S = 5
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")


def tracking_uri(root: Path | str) -> str:
    """The store's address: ``MLFLOW_TRACKING_URI`` if set, else ``sqlite:///<root>/mlruns/mlflow.db``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path(root).resolve() / DATABASE).as_posix()}"


def database_path(root: Path | str) -> Path | None:
    """The SQLite file of the store; ``None`` for a server or another database."""
    uri = tracking_uri(root)
    name = uri.removeprefix("sqlite:///")
    return None if name == uri or name in ("", ":memory:") else Path(name)


def artifacts_folder(root: Path | str) -> Path | None:
    """The artifact folder of an SQLite store, beside the database; None for another store, which has its own."""
    database = database_path(root)
    return database.parent / "artifacts" if database else None


def store_exists(root: Path | str) -> bool:
    """Whether there is a store. The check does not create one: a folder without a store stays as it is."""
    database = database_path(root)
    return database is None or database.exists()


def ensure_store(root: Path | str) -> str:
    """Create the SQLite store at first use, check it afterwards, and return its address.

    The database is built under a temporary name and renamed when complete, by one process at a time: MLflow
    itself lets processes race at first use (of three, one survived). If the project's own store was copied or
    moved with its folder, it is pointed at its own artifacts.

    Raises:
        SomaNetError: the database is locked, read-only, damaged, or from another MLflow version; or see
            :func:`check_address`.
    """
    uri = tracking_uri(root)
    database = database_path(root)
    if database is None:
        check_address(root)
        return uri
    artifacts = database.parent / "artifacts"
    if not database.exists():
        make_folder(database.parent)
        _create_once(database, artifacts)
    check_database(database)
    if database == Path(root).resolve() / DATABASE:
        relocate(database, artifacts)
    return uri


def check_address(root: Path | str) -> None:
    """Refuse a ``MLFLOW_TRACKING_URI`` that cannot be a store, before anything is done.

    A database on a server is connected to, once and for 5 s at most: MLflow itself would try for two minutes.

    Raises:
        SomaNetError: a folder, another scheme than those of servers and databases, or a database that does not answer.
    """
    uri = tracking_uri(root)
    check_scheme(uri)
    if is_database_server(uri):
        _check_driver(uri, uri.partition("://")[0])
        _connect(root, uri)


def check_scheme(uri: str) -> None:
    """Refuse an address that cannot be a store's, without connecting to it.

    Raises:
        SomaNetError: a folder, or another scheme than those of servers and databases.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        raise SomaNetError(
            f"MLFLOW_TRACKING_URI is {uri}: a folder. MLflow 3.13 and later need a database or a "
            "server, for example sqlite:////data/mlflow.db; or unset it to use the project's own "
            "store."
        )
    kind = scheme.partition("+")[0]
    if kind not in _SCHEMES:
        raise SomaNetError(
            f"MLFLOW_TRACKING_URI begins with {scheme[:40]}://; expected one of {', '.join(_SCHEMES)}. Correct it, or "
            "unset it to use the project's own store."
        )


def is_database_server(uri: str) -> bool:
    """Whether runs are recorded in a database on a server, without an MLflow server in between."""
    return uri.partition("://")[0].partition("+")[0] in ("postgresql", "mysql", "mssql")


def _check_driver(uri: str, scheme: str) -> None:
    """Refuse a database whose driver is not installed, which SQLAlchemy tells by the import that failed."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except SQLAlchemyError as error:
        raise SomaNetError(
            f"MLFLOW_TRACKING_URI begins with {scheme[:40]}://, and {first_line(error)} Expected an address such as "
            "postgresql+psycopg://USER:PASSWORD@HOST/mlflow."
        ) from error
    except ImportError as error:
        raise SomaNetError(
            f"MLFLOW_TRACKING_URI begins with {scheme[:40]}://, and its driver is not installed ({first_line(error)}) "
            "pip install 'somanet[team]' brings that of postgresql+psycopg://; or use a server's address, which needs "
            "none."
        ) from error


def _connect(root: Path | str, uri: str) -> None:
    """Connect to a database once: MLflow would repeat it for two minutes and print each attempt."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    url = make_url(uri)
    waits = {"pyodbc": "timeout", "pymssql": "login_timeout"}
    word = waits.get(url.get_driver_name(), "connect_timeout")
    chosen = {} if word in url.query else {word: _CONNECT_WAIT_S}
    engine = None
    try:
        engine = create_engine(url, connect_args=chosen)
        engine.connect().close()
    except Exception as error:  # every driver has its own
        raise unreachable(root, error) from error
    finally:
        if engine is not None:
            engine.dispose()


def public_uri(uri: str, root: Path) -> str:
    """A store's address without machine paths and passwords: relative to the project, if it lies inside."""
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///"))
        inside = path.is_relative_to(root)
        return f"sqlite:///{path.relative_to(root).as_posix()}" if inside else f"sqlite:///<outside>/{path.name}"
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def unreachable(root: Path | str, error: Exception) -> SomaNetError:
    """One line for a store that does not respond: a server that is away, or a file that cannot be used."""
    root = Path(root).resolve()
    if database := database_path(root):
        return explain(error, database)
    return SomaNetError(
        f"The tracking store {public_uri(tracking_uri(root), root)} does not respond: {outage_reason(error)} Is "
        "MLFLOW_TRACKING_URI right and the server up? Unset it to use the project's own store."
    )


def _create_once(database: Path, artifacts: Path) -> None:
    """Build the database under a lock; a process that waited finds it complete."""
    from filelock import FileLock, Timeout

    lock = FileLock(database.with_name(".mlflow.db.lock"))
    try:
        with lock.acquire(timeout=_CREATE_WAIT_S):
            if not database.exists():
                _create(database, artifacts)
    except Timeout as error:
        raise SomaNetError(
            f"Another process has been creating {database} for {_CREATE_WAIT_S:.0f} s. Is it still running? "
            "Stop it, then run again."
        ) from error
    except OSError as error:
        raise explain(PermissionError("readonly"), database) from error


def _create(database: Path, artifacts: Path) -> None:
    load_mlflow()
    from mlflow.store.tracking import sqlalchemy_store

    remove_leftovers(database.parent)
    temporary = temporary_path(database)
    try:
        make_store: Any = sqlalchemy_store.SqlAlchemyStore
        store = make_store(f"sqlite:///{temporary.as_posix()}", artifacts.as_posix())
        # Closing every connection lets SQLite finish the file: it must be complete before it is renamed.
        store._dispose_engine()
        # MLflow keeps one engine per address for the life of the process; this one is not needed again.
        temporary.replace(database)
    except Exception as error:  # MLflow's, SQLAlchemy's and SQLite's errors share no base class
        raise explain(error, database) from error
    finally:
        temporary.unlink(missing_ok=True)
