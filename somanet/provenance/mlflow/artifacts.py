"""Files of runs: read tables in bulk, directly from the folder if the store is local; add files to a run."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import pandas as pd

from somanet.core.foreign import parsing
from somanet.io.tables import table_bytes
from somanet.provenance.mlflow.client import open_client, reaching_files
from somanet.provenance.mlflow.runfile import RunRecord, read_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

TABLES = "tables"


def read_tables(
    runs: Sequence[RunRecord], *, suffix: str, root: Path | str
) -> Iterator[tuple[RunRecord, dict[str, pd.DataFrame]]]:
    """The tables of runs whose file names have a suffix, by the rest of the name.

    Args:
        runs: from :func:`somanet.provenance.mlflow.read_runs` or :func:`somanet.provenance.mlflow.finished_runs`.
        suffix: `_per_image.csv` finds `tables/neurons_per_image.csv` and returns it as `neurons`.
        root: the project.

    Raises:
        SomaNetError: a table cannot be read.
    """
    client: MlflowClient | None = None
    for run in runs:
        folder = local_folder(run.artifact_uri)
        if folder is not None:
            yield run, _read_files(sorted((folder / TABLES).glob(f"*{suffix}")), suffix, run)
            continue
        client = client or open_client(root)
        with TemporaryDirectory(prefix="somanet-tables-") as scratch:
            with reaching_files(f"The tables of run {run.run_id} cannot be fetched"):
                wanted = [one.path for one in client.list_artifacts(run.run_id, TABLES) if one.path.endswith(suffix)]
                files = [Path(client.download_artifacts(run.run_id, path, scratch)) for path in sorted(wanted)]
            yield run, _read_files(files, suffix, run)


def add_files(run: Path | str, files: Sequence[Path], folder: str, *, root: Path | str) -> str:
    """Store files in a folder of a run, which may be long finished; returns the run's id.

    Args:
        run: the run's id, its `mlflow_run.json`, or the folder that holds one.
        files: files to store; files of the same name are replaced.
        folder: folder within the run.
        root: the project.

    Raises:
        SomaNetError: there is no such run, or the store does not accept the files.
    """
    run_id = read_run(run, root=root).run_id
    client = open_client(root)
    with reaching_files(f"{files[0].name} cannot be added to run {run_id}"):
        for file in files:
            client.log_artifact(run_id, str(file), folder)
    return run_id


def local_folder(artifact_uri: str) -> Path | None:
    """The folder of a run's files, or None if they are on another machine."""
    parts = urlparse(artifact_uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # A server's own scheme has one slash: mlflow-artifacts:/1/…
    return Path(artifact_uri) if artifact_uri and len(parts.scheme) < 2 else None


def _read_files(files: Sequence[Path], suffix: str, run: RunRecord) -> dict[str, pd.DataFrame]:
    return {file.name.removesuffix(suffix): read_stored_table(file, run.run_id) for file in files}


def read_stored_table(file: Path, run_id: str) -> pd.DataFrame:
    """A table among a run's files, which may have been replaced by anything since.

    Raises:
        SomaNetError: it is no table, or too large.
    """
    expected = f"a table of run {run_id}"
    data = table_bytes(file, expected)
    with parsing(file, expected):
        # An image may be called NA or 007: with a converter names stay text.
        return pd.read_csv(io.BytesIO(data), converters={"name": str})
