"""Find runs by their tags: for example the run that trained the network with these weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.store import store_exists


def find_run(tags: Mapping[str, str], *, root: Path | str, finished: bool = True) -> str | None:
    """The newest (finished) run with all these tags; None if there is none, or if the store is away or missing.

    Searching does not create a store: a folder without one stays as it is.
    """
    if not store_exists(root):
        return None
    try:
        client = open_client(root)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        condition += " and attributes.status = 'FINISHED'" if finished else ""
        found = client.search_runs(experiments, condition, order_by=["start_time DESC"], max_results=1)
    except outage_errors():
        return None
    return str(found[0].info.run_id) if found else None
