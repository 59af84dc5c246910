"""Many runs at once: by their ids, all finished ones of an experiment, or those of a sweep or study."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.marking import PARENT, study_tag
from somanet.provenance.mlflow.missing import get_run, not_here, restore_experiment, why_not_active
from somanet.provenance.mlflow.runfile import RunRecord, record_of
from somanet.provenance.mlflow.store import store_exists, unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000
_IDS_PER_SEARCH = 200  # they go into one SQL statement


def read_runs(run_ids: Sequence[str], *, root: Path | str) -> list[RunRecord]:
    """Runs by their ids, in the given order.

    Raises:
        SomaNetError: the store is missing or does not respond; a run is unknown or deleted.
    """
    client = _open_existing(root)
    try:
        experiments = _experiments(client)
        found: dict[str, RunRecord] = {}
        for first in range(0, len(run_ids), _IDS_PER_SEARCH):
            ids = ", ".join(f"'{run_id}'" for run_id in run_ids[first : first + _IDS_PER_SEARCH])
            found |= {run.run_id: run for run in _pages(client, experiments, f"attributes.run_id IN ({ids})")}
        for run_id in run_ids:
            if run_id not in found:
                _check_active(client, run_id, root)
                raise SomaNetError(f"The run {run_id} exists, but MLflow's search missed it. Try again.")
    except outage_errors() as error:
        raise unreachable(root, error) from error
    return [found[run_id] for run_id in run_ids]


def finished_runs(experiment: str, *, root: Path | str) -> list[RunRecord]:
    """All finished runs of an experiment, oldest first.

    Raises:
        SomaNetError: the store is missing or does not respond; the experiment is unknown or deleted.
    """
    client = _open_existing(root)
    try:
        known = client.get_experiment_by_name(experiment)
        if known is None:
            names = ", ".join(sorted(one.name for one in client.search_experiments()))
            raise SomaNetError(f"There is no experiment {experiment!r} in the tracking store; it has {names}.")
        if known.lifecycle_stage != "active":
            raise SomaNetError(
                f"The experiment {experiment!r} was deleted in MLflow. Restore it with "
                f"{restore_experiment(known, Path(root).resolve())}."
            )
        return _pages(client, {known.experiment_id: experiment}, "attributes.status = 'FINISHED'")
    except outage_errors() as error:
        raise unreachable(root, error) from error


def child_runs(parent_run_id: str, *, root: Path | str) -> list[RunRecord]:
    """The child runs of a run, in any experiment, oldest first.

    Raises:
        SomaNetError: the store is missing or does not respond; the run is unknown or deleted.
    """
    return _runs_of(parent_run_id, [f"tags.`{PARENT}` = '{parent_run_id}'"], root)


def study_runs(run_id: str, *, root: Path | str) -> list[RunRecord]:
    """The trainings of a sweep, or of a study, which name it in a tag; in any experiment, oldest first.

    Studies recorded by earlier versions are the parents of their trainings.

    Raises:
        SomaNetError: the store is missing or does not respond; the run is unknown or deleted.
    """
    return _runs_of(run_id, [f"tags.`{PARENT}` = '{run_id}'", f"tags.`{study_tag(run_id)}` != ''"], root)


def _runs_of(run_id: str, conditions: Sequence[str], root: Path | str) -> list[RunRecord]:
    """The runs that meet any of the conditions, each once; none only if the run that they refer to exists."""
    client = _open_existing(root)
    try:
        experiments = _experiments(client)
        found = {run.run_id: run for condition in conditions for run in _pages(client, experiments, condition)}
        if not found:
            _check_active(client, run_id, root)
    except outage_errors() as error:
        raise unreachable(root, error) from error
    return sorted(found.values(), key=lambda run: run.started)


def _open_existing(root: Path | str) -> MlflowClient:
    """A client of an existing store; looking for runs does not create one."""
    if not store_exists(root):
        raise SomaNetError(
            "There are no runs here: the project has no mlruns/mlflow.db yet. Run from the project that made the runs, "
            "or set MLFLOW_TRACKING_URI to the store that has them."
        )
    return open_client(root)


def _experiments(client: MlflowClient) -> dict[str, str]:
    """Id -> name of all experiments that are not deleted."""
    return {one.experiment_id: one.name for one in client.search_experiments()}


def _pages(client: MlflowClient, experiments: dict[str, str], condition: str) -> list[RunRecord]:
    runs, token = [], None
    with _collector_paused():
        while True:
            page = client.search_runs(
                list(experiments), condition, order_by=["start_time ASC"], max_results=_PAGE, page_token=token
            )
            runs += [record_of(run, experiments[run.info.experiment_id]) for run in page]
            token = page.token
            if not token:
                return runs


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, as all rows are kept: for 500 runs (40,000 rows) it takes 1.1 of 1.5 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_active(client: MlflowClient, run_id: str, root: Path | str) -> None:
    """Refuse a run that no search can find: unknown, deleted, or in a deleted experiment."""
    run = get_run(client, run_id)
    if reason := not_here(run_id, root) if run is None else why_not_active(client, run, Path(root).resolve()):
        raise SomaNetError(reason)
