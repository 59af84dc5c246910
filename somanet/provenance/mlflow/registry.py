"""Versions of the project's registered model, with aliases and tags; and tables that evaluations stored in runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.client import open_client, outage_errors, reaching_files
from somanet.provenance.mlflow.models import CHECKPOINT, fetch
from somanet.provenance.mlflow.outages import outage_reason
from somanet.provenance.mlflow.store import store_exists

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

REGISTERED = "somanet"
"""Name of the project's model in MLflow's registry."""


@dataclass(frozen=True)
class Version:
    """A version of the registered model.

    Attributes:
        number: counted from 1 by the registry.
        run_id: the run that trained it.
        tags: its tags, such as why it was promoted.
        aliases: its aliases, such as ``champion``.
        description: Markdown.
    """

    number: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    description: str = ""


def list_aliases(root: Path | str) -> dict[str, str]:
    """Alias → version number; empty where nothing was registered, or where there is no store."""
    from mlflow.exceptions import MlflowException

    if not store_exists(root):
        return {}
    try:
        found = open_client(root).get_registered_model(REGISTERED).aliases
        return {alias: str(number) for alias, number in found.items()}  # MLflow declares text and returns integers
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise _refused(error) from error
    except OSError as error:
        raise _refused(error) from error


def version_by_alias(alias: str, root: Path | str) -> Version | None:
    """The version that an alias points to, if any."""
    number = list_aliases(root).get(alias)
    return None if number is None else read_version(number, root)


def read_version(number: str, root: Path | str) -> Version:
    """A version by its number.

    Raises:
        SomaNetError: it was deleted.
    """
    try:
        found = open_client(root).get_model_version(REGISTERED, number)
    except outage_errors() as error:
        raise _refused(error) from error
    return Version(
        str(found.version), found.run_id or "", dict(found.tags), tuple(found.aliases), found.description or ""
    )


def version_of_run(run_id: str, root: Path | str) -> Version | None:
    """The newest version of a run's network, if it is registered."""
    if not store_exists(root):
        return None
    try:
        found = open_client(root).search_model_versions(f"name = '{REGISTERED}' and run_id = '{run_id}'")
    except outage_errors() as error:
        raise _refused(error) from error
    newest = max((int(version.version) for version in found), default=None)
    return None if newest is None else read_version(str(newest), root)


def register_run(run_id: str, root: Path | str, *, tags: Mapping[str, str]) -> Version:
    """Register a run's network as a new version, or find its existing one; the tags are set either way."""
    client = open_client(root)
    old = version_of_run(run_id, root)
    try:
        if old is not None:
            set_version_tags(old.number, root, tags)
            return read_version(old.number, root)
        _ensure_registered(client)
        source, model_id = _files_of(client, client.get_run(run_id))
        created = client.create_model_version(
            REGISTERED, source, run_id, tags=dict(tags), await_creation_for=0, model_id=model_id
        )
    except outage_errors() as error:
        raise _refused(error) from error
    return read_version(str(created.version), root)


def _ensure_registered(client: MlflowClient) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(REGISTERED, description="Somas in images: the networks of this project.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _files_of(client: MlflowClient, run: Run) -> tuple[str, str | None]:
    """Location of the version's files: the logged model with its id, which MLflow can serve; else the bare checkpoint.

    A server takes files outside a run only with the id of the model that they belong to.
    """
    for output in reversed(run.outputs.model_outputs if run.outputs else []):
        # Its place and not its address, which the registry would look up in MLflow's global store.
        return str(client.get_logged_model(output.model_id).artifact_location), output.model_id
    return f"{run.info.artifact_uri}/{CHECKPOINT}", None


def set_version_tags(number: str, root: Path | str, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    client = open_client(root)
    try:
        for key, value in tags.items():
            client.set_model_version_tag(REGISTERED, number, key, value)
    except outage_errors() as error:
        raise _refused(error) from error


def describe_version(number: str, root: Path | str, text: str) -> None:
    """Set a version's description, which MLflow's page shows first; Markdown."""
    try:
        open_client(root).update_model_version(REGISTERED, number, text)
    except outage_errors() as error:
        raise _refused(error) from error


def set_alias(alias: str, number: str | None, root: Path | str) -> None:
    """Point an alias at a version, or at none."""
    client = open_client(root)
    try:
        if number is None:
            client.delete_registered_model_alias(REGISTERED, alias)
        else:
            client.set_registered_model_alias(REGISTERED, alias, number)
    except outage_errors() as error:
        raise _refused(error) from error


def list_run_tables(run_id: str, root: Path | str) -> tuple[str, ...]:
    """Names of the tables that a run stored."""
    with reaching_files(f"The tables of run {run_id} cannot be listed"):
        return tuple(Path(entry.path).name for entry in open_client(root).list_artifacts(run_id, "tables"))


def read_run_table(run_id: str, name: str, root: Path | str) -> pd.DataFrame:
    """A table that :meth:`TrackedRun.log_table` stored.

    Raises:
        SomaNetError: it cannot be read.
    """
    from somanet.provenance.mlflow.artifacts import read_stored_table

    client = open_client(root)
    with reaching_files(f"The table {name} of run {run_id} cannot be read"):
        place = fetch(f"{client.get_run(run_id).info.artifact_uri}/tables/{name}", client)
    return read_stored_table(place, run_id)


def _refused(error: BaseException) -> SomaNetError:
    return SomaNetError(
        f"MLflow's registry refused the request: {outage_reason(error)} Is the store intact and running?"
    )
