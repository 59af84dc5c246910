"""One MLflow run around a block of work: started or resumed, described, logged to, and always ended."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.context import project_tags
from somanet.provenance.mlflow.datasets import DatasetRef, log_datasets
from somanet.provenance.mlflow.experiments import describe_experiment
from somanet.provenance.mlflow.lifecycle import (
    ENDED_BY,
    process_is_alive,
    process_tags,
    reap,
    sigterm_raises,
    status_of,
)
from somanet.provenance.mlflow.machine import machine_metrics
from somanet.provenance.mlflow.marking import PARENT
from somanet.provenance.mlflow.missing import get_run, not_here, remove_experiment, restore_experiment, why_not_active
from somanet.provenance.mlflow.params import flatten, long_values
from somanet.provenance.mlflow.spool import replay_run
from somanet.provenance.mlflow.store import artifacts_folder, unreachable
from somanet.provenance.mlflow.tracked import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PARAMS_PER_BATCH = 100


@contextmanager
def track_run(
    name: str,
    *,
    experiment: str,
    root: Path | str,
    params: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    datasets: Sequence[DatasetRef] = (),
    run_id: str | None = None,
    parent_run_id: str | None = None,
    system_metrics: bool = True,
) -> Iterator[TrackedRun]:
    """Record a block of work as one MLflow run.

    The run ends as FINISHED; as FAILED after an exception; as KILLED after Ctrl-C or SIGTERM, which inside
    the block raises :class:`~somanet.provenance.mlflow.lifecycle.Terminated`. Runs that dead processes left open are
    ended first.

    Args:
        name: the run's name, for example the variant.
        experiment: the experiment's name; created if new.
        root: the project, see :func:`somanet.provenance.code.project_root`.
        params: settings, nested or flat.
        about: further parameters that decide nothing, such as the name of the data: a resumed run keeps its own.
        tags: further tags; provenance is added to them.
        datasets: the data used, with their DVC hashes.
        run_id: a run to resume, or a finished one to add to: missing parameters are added, its existing epochs are not
            sent again.
        parent_run_id: the parent run, such as a sweep; a run that exists keeps its own.
        system_metrics: record processor, memory, disk and graphics card every 15 s.

    Raises:
        SomaNetError: the store cannot be opened or does not respond; the run to resume is unknown, still
            running, or had other parameters; a data set is missing.
    """
    root = Path(root).resolve()
    client = open_client(root)
    try:
        reap(client, root, keep=run_id)
    except outage_errors() as error:
        raise unreachable(root, error) from error
    with sigterm_raises(hold=True) as release_sigterm:
        try:
            if run_id is None:
                run = _start(client, name, experiment, root, tags or {}, parent_run_id)
            else:
                run = _resume(client, run_id, flatten(params or {}), tags or {}, root)
            tracked = TrackedRun(client, run, experiment=experiment, root=root, resumed=run_id is not None)
        except outage_errors() as error:
            raise unreachable(root, error) from error
        error_inside: BaseException | None = None
        try:
            release_sigterm()  # not before, or the run would stay open
            with _machine_metrics(tracked) if system_metrics else nullcontext():
                _describe(client, tracked, (params or {}, about or {}), datasets, root)
                yield tracked
        except BaseException as error:
            error_inside = error
            raise
        finally:
            tracked.end(status_of(error_inside))


def _machine_metrics(tracked: TrackedRun) -> AbstractContextManager[None]:
    return machine_metrics(tracked.outbox, first_step=tracked.next_machine_step)


def _start(
    client: MlflowClient, name: str, experiment: str, root: Path, tags: Mapping[str, Any], parent: str | None
) -> Run:
    all_tags = {
        "mlflow.user": user_name(),
        # The name only: the full path says more about the machine than about the work.
        "mlflow.source.name": Path(sys.argv[0] or "python").name,
        "mlflow.source.type": "LOCAL",
        **({PARENT: parent} if parent else {}),
        **project_tags(root),
        **process_tags(),
        **{key: str(value) for key, value in tags.items()},
    }
    return client.create_run(_experiment_id(client, experiment, root), tags=all_tags, run_name=name)


def user_name() -> str:
    """Who records: the name of the computer's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"


def _experiment_id(client: MlflowClient, name: str, root: Path) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        folder = artifacts_folder(root)
        # By default an experiment's files would go to ./mlruns in the process's working folder.
        place = None if folder is None else f"{folder.as_posix()}/{''.join(c if c.isalnum() else '-' for c in name)}"
        try:
            created = client.create_experiment(name, artifact_location=place)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process was slightly faster
            if found is None:
                raise
        else:
            describe_experiment(client, name, created)
            return created
    if found.lifecycle_stage != "active":
        raise SomaNetError(
            f"The experiment {name!r} was deleted in MLflow. Restore it with {restore_experiment(found, root)}, "
            f"remove it permanently with {remove_experiment(found, root)}, or choose another name."
        )
    describe_experiment(client, name, found.experiment_id, found.tags)
    return str(found.experiment_id)


def _resume(client: MlflowClient, run_id: str, params: Mapping[str, str], tags: Mapping[str, Any], root: Path) -> Run:
    """Check that a run can be resumed, before anything of it is changed."""
    run = get_run(client, run_id)
    if run is None:
        raise SomaNetError(f"{not_here(run_id, root)} It cannot be resumed: start a new run instead.")
    if reason := why_not_active(client, run, root):
        raise SomaNetError(reason)
    if run.info.status == "RUNNING" and process_is_alive(run.data.tags):
        process = f"process {run.data.tags.get('somanet.pid', '?')} on {run.data.tags.get('somanet.host', '?')}"
        raise SomaNetError(
            f"The run {run_id} is still being written by {process}. Wait for it or stop it, then resume."
        )
    replay_run(client, root, run_id)  # pending records come before new ones, and need not be sent again
    run = client.get_run(run_id)
    old = run.data.params
    differing = [f"{key}: {old[key]!r}, now {value!r}" for key, value in params.items() if old.get(key, value) != value]
    if differing:
        raise SomaNetError(
            f"The run {run_id} was started with other parameters ({'; '.join(differing[:3])}"
            f"{' …' if len(differing) > 3 else ''}). Parameters of a run cannot change: resume it with the "
            "old ones, or start a new run."
        )
    now = project_tags(root)
    how = "added" if run.info.status == "FINISHED" else "resumed"
    n = int(run.data.tags.get(f"somanet.{how}", "0")) + 1
    changes = {
        # The tags of the first start are kept; those of the later part are added beside them.
        **{f"{how}.{n}.{key}": now[key] for key in ("mlflow.source.git.commit", "git.dirty") if key in now},
        **process_tags(),
        **{key: str(value) for key, value in tags.items() if key != PARENT},
        f"somanet.{how}": str(n),
    }
    for key, value in changes.items():
        client.set_tag(run_id, key, value)
    if ENDED_BY in run.data.tags:
        client.delete_tag(run_id, ENDED_BY)
    client.update_run(run_id, status="RUNNING")
    return client.get_run(run_id)


def _describe(
    client: MlflowClient,
    tracked: TrackedRun,
    params: Sequence[Mapping[str, Any]],
    datasets: Sequence[DatasetRef],
    root: Path,
) -> None:
    from mlflow.entities import Param

    try:
        known = client.get_run(tracked.run_id).data.params
        all_params = {key: value for some in params for key, value in flatten(some).items()}
        missing = [Param(key, value) for key, value in all_params.items() if key not in known]
        for first in range(0, len(missing), _PARAMS_PER_BATCH):
            client.log_batch(tracked.run_id, params=missing[first : first + _PARAMS_PER_BATCH])
        for key, text in (pair for some in params for pair in long_values(some).items()):
            client.log_text(tracked.run_id, text, f"params/{key.replace('/', '_')}.txt")
        log_datasets(client, tracked.run_id, datasets, root)
    except outage_errors() as error:
        raise unreachable(root, error) from error
