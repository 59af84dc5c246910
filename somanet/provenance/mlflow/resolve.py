"""A network by any of its names: a folder, an MLflow run, an alias of the registered model, or an address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.provenance.mlflow.client import open_client, outage_errors, reaching_files
from somanet.provenance.mlflow.marking import PARENT
from somanet.provenance.mlflow.missing import get_run, not_here, why_not_active
from somanet.provenance.mlflow.models import CHECKPOINT, checkpoint_within, fetch, logged_checkpoint
from somanet.provenance.mlflow.registry import REGISTERED, list_aliases
from somanet.provenance.mlflow.store import public_uri, store_exists, tracking_uri, unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_ID = re.compile(r"[0-9a-f]{32}")
ALIAS = re.compile(r"[A-Za-z][\w-]*")
WEIGHTS_TAG = "weights_sha256"
"""Tag of runs and registered versions: the SHA-256 that the weights must have."""


def resolve_checkpoint(model: Path | str, *, root: Path | str) -> Path:
    """The local checkpoint folder behind a name; loading it verifies its weights against its config.

    An existing folder takes precedence over anything else with its name. Anything that looks like a path is returned
    unchanged.

    Args:
        model: a folder, a run id, an alias such as ``champion``, ``runs:/ID``, ``runs:/ID/model``,
            ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/m-ID``.
        root: the project whose store is used.

    Raises:
        SomaNetError: the store has no such run, alias or model, it was deleted or has no checkpoint, or the weights
            are not those that were recorded.
    """
    path, name = Path(model), str(model)
    if path.is_dir():
        return path
    by_address = name.startswith(("runs:/", "models:/"))
    if not (by_address or ALIAS.fullmatch(name) or RUN_ID.fullmatch(name)):
        return path
    if not store_exists(root):
        raise SomaNetError(
            f"No checkpoint at {name}: expected a folder that `somanet train` wrote; or, for a run, an alias or an "
            f"address, a tracking store, found none at {public_uri(tracking_uri(root), Path(root).resolve())}. Run "
            "from the project's folder, or set MLFLOW_TRACKING_URI."
        )
    if RUN_ID.fullmatch(name):
        return run_checkpoint(name, root=root)
    if match := re.fullmatch(rf"runs:/({RUN_ID.pattern})(?:/{CHECKPOINT})?/?", name):
        return run_checkpoint(match[1], root=root)
    if not by_address:
        _require_alias(name, root)
        name = f"models:/{REGISTERED}@{name}"
    folder = logged_checkpoint(name, root)
    _verify(folder, _recorded_sha256(open_client(root), name), name)
    return folder


def run_checkpoint(run_id: str, *, root: Path | str) -> Path:
    """The checkpoint folder among a run's artifacts: enough to rebuild the network that the run trained.

    Raises:
        SomaNetError: the run is unknown or deleted, has no checkpoint, or its weights are not those it recorded.
    """
    client = open_client(root)
    run = find_active_run(client, run_id, root)
    with reaching_files(f"The artifacts of run {run_id} cannot be listed"):
        found = [Path(entry.path).name for entry in client.list_artifacts(run_id, CHECKPOINT) if entry.is_dir]
    if not found:
        raise SomaNetError(f"The {_describe(run)} has no checkpoint. {_whose_network(run)}")
    expected = run.data.tags.get(WEIGHTS_TAG)
    folders = [
        checkpoint_within(fetch(f"{run.info.artifact_uri}/{CHECKPOINT}/{name}", client), run_id) for name in found
    ]
    for folder in folders:  # more than one only after a training that was resumed under another name
        if len(folders) == 1 or _sha256(folder) == expected:
            _verify(folder, expected, f"run {run_id}")
            return folder
    raise SomaNetError(
        f"The {_describe(run)} has {len(found)} checkpoints ({', '.join(found)}), none with the recorded weights "
        f"({str(expected)[:12]}…). Name a folder instead."
    )


def find_active_run(client: MlflowClient, run_id: str, root: Path | str) -> Run:
    """A run that exists and was not deleted.

    Raises:
        SomaNetError: it is missing or was deleted.
    """
    root = Path(root).resolve()
    try:
        run = get_run(client, run_id)
        reason = None if run is None else why_not_active(client, run, root)
    except outage_errors() as error:
        raise unreachable(root, error) from error
    if run is None:
        raise SomaNetError(f"{not_here(run_id, root)} `somanet ui` shows all runs.")
    if reason is not None:
        raise SomaNetError(reason)
    return run


def _describe(run: Run) -> str:
    return f"run {run.info.run_id} ({run.info.run_name}, {run.info.status})"


def _whose_network(run: Run) -> str:
    """The run to name instead of one that trained nothing."""
    if trained_by := run.data.tags.get("trained_by"):
        return f"It scored the network of run {trained_by}: name that one."
    if parent := run.data.tags.get(PARENT):
        return f"It is a child of run {parent}: name that one."
    return "Was its training killed before the end? The same training command resumes it."


def _require_alias(alias: str, root: Path | str) -> None:
    known = list_aliases(root)
    if alias in known:
        return
    listed = ", ".join(f"{name} (version {version})" for name, version in sorted(known.items()))
    raise SomaNetError(
        f"No checkpoint at {alias}: there is no such folder, and no such alias of the registered model {REGISTERED!r}; "
        + (f"it has {listed}." if known else "it has none yet: `somanet promote RUN` sets the first.")
    )


def _recorded_sha256(client: MlflowClient, uri: str) -> str | None:
    """The recorded SHA-256 of the weights behind an address, if the version or its run has one."""
    scheme, _, rest = uri.partition(":/")
    source: Any
    try:
        if scheme == "runs":
            return client.get_run(rest.partition("/")[0]).data.tags.get(WEIGHTS_TAG)
        if "@" in rest or "/" in rest:
            name, _, which = rest.rpartition("@" if "@" in rest else "/")
            source = (client.get_model_version_by_alias if "@" in rest else client.get_model_version)(name, which)
            if WEIGHTS_TAG in source.tags:
                return str(source.tags[WEIGHTS_TAG])
            run_id = source.run_id
        else:
            run_id = client.get_logged_model(rest).source_run_id
        return client.get_run(run_id).data.tags.get(WEIGHTS_TAG) if run_id else None
    except outage_errors():
        return None


def _sha256(folder: Path) -> str:
    weights = next(iter(sorted(folder.glob("*.safetensors"))), None)
    return sha256_file(weights) if weights else ""


def _verify(folder: Path, expected: str | None, whose: str) -> None:
    found = _sha256(folder)
    if expected and found and found != expected:
        raise SomaNetError(
            f"The weights of {whose} are not those that were recorded: expected sha256 {expected[:12]}…, found "
            f"{found[:12]}…. The store's file is damaged or was replaced; a copy of the checkpoint or a new training "
            "restores it."
        )
