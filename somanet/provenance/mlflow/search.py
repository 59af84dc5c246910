"""Find runs by their tags: for example the run that trained the network with these weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.store import store_exists

if TYPE_CHECKING:
    from mlflow.entities import Run

_log = logging.getLogger(__name__)


def find_run(tags: Mapping[str, str], *, root: Path | str, finished: bool = True) -> str | None:
    """The newest (finished) run with all these tags; None if there is none, or if the store is away or missing.

    Searching does not create a store: a folder without one stays as it is.
    """
    found = _newest(tags, root=root, finished=finished, n=1)
    return str(found[0].info.run_id) if found else None


def training_of(
    weights_sha256: str, *, root: Path | str, tags: Mapping[str, str] | None = None, required: bool = False
) -> str | None:
    """The newest finished run that trained these weights; None as above.

    A store that cannot be used, such as an address that is a folder, and an MLflow that cannot be imported are a
    warning: what only names the run does not depend on tracking.

    Equal trainings give equal weights: those of two variants with the same settings, and those of a DVC experiment,
    which may since have been discarded. A run with the given tags takes precedence, then one outside experiments.

    Args:
        weights_sha256: of the network's `model.safetensors`.
        root: the project.
        tags: of the run that is preferred.
        required: whether the work is for the run, so that a store that cannot be used is an error.

    Raises:
        SomaNetError: the store cannot be used, and the run is required.
    """
    wanted = dict(tags or {}).items()
    try:
        found = _newest({"weights_sha256": weights_sha256}, root=root, finished=True, n=1000)
    except (SomaNetError, ImportError) as error:
        if required:
            raise
        _log.warning("The run that trained the network is not looked up: %s", error)
        return None
    found.sort(key=lambda run: (not wanted <= run.data.tags.items(), "dvc.experiment" in run.data.tags))  # stable
    return str(found[0].info.run_id) if found else None


def _newest(tags: Mapping[str, str], *, root: Path | str, finished: bool, n: int) -> list[Run]:
    if not store_exists(root):
        return []
    try:
        client = open_client(root)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        condition += " and attributes.status = 'FINISHED'" if finished else ""
        return list(client.search_runs(experiments, condition, order_by=["start_time DESC"], max_results=n))
    except outage_errors():
        return []
