"""A real MLflow server that dies, hangs, is slow or refuses during a training: the training ends, nothing is lost."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from somanet.provenance.mlflow import pending_runs
from somanet.provenance.mlflow.outbox import FREE_S, SHARE
from tests.resilience.child import Stop
from tests.resilience.conftest import EPOCHS, TRAIN, Start
from tests.resilience.proxy import Proxy, refusing, slow, stuck
from tests.resilience.records import check_whole, files_of, leftovers, only_run
from tests.servers import Server

pytestmark = pytest.mark.slow
NewProject = Callable[[str], Path]
CLIENT = "mlflow.MlflowClient"
TIMEOUT_S = 2
_numbers = count()


@pytest.fixture
def door(server: Server) -> Iterator[Proxy]:
    if not server.runs:
        server.start()
    with Proxy(server.port) as proxy:
        yield proxy


class Case:
    """A project whose runs go to the server, in an experiment of their own."""

    def __init__(self, project: Path, door: Proxy, server: Server, start: Start) -> None:
        self.project = project
        self.experiment = f"outage {next(_numbers)}"
        self._server = server
        self._start = start
        self._variables = {"MLFLOW_TRACKING_URI": door.url, "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_S)}

    @property
    def client(self) -> MlflowClient:
        """Of the server itself, not through the door."""
        return MlflowClient(self._server.url)

    def run(self, *arguments: str, stop: Stop | Sequence[Stop] = ()) -> tuple[int, str]:
        """Exit status and output of a command."""
        command = self._start(list(arguments), cwd=self.project, stop=stop, variables=self._variables)
        return command.end(), command.text

    def train(self, stop: Stop | Sequence[Stop] = ()) -> tuple[int, str]:
        """Exit status and output of the training."""
        return self.run(*TRAIN, "--experiment", self.experiment, stop=stop)

    def check_whole(self) -> dict[str, Any]:
        """See :func:`tests.resilience.records.check_whole`."""
        return check_whole(self.project, EPOCHS, self.client, self.experiment)


@pytest.fixture
def case(new_project: NewProject, door: Proxy, server: Server, start: Start) -> Case:
    return Case(new_project("project"), door, server, start)


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {}


@pytest.fixture
def whole(kept: dict[str, Any], new_project: NewProject, door: Proxy, server: Server, start: Start) -> dict[str, Any]:
    """The files and the run of a training with a server that is well."""
    if not kept:
        undisturbed = Case(new_project("undisturbed"), door, server, start)
        status, text = undisturbed.train()
        assert status == 0, text
        assert "sync" not in text
        kept["run"] = undisturbed.check_whole()
        kept["files"] = files_of(undisturbed.project)
    return kept


def check_told(text: str) -> int:
    """The outage is told once, with the way out; gives how many records wait."""
    assert text.count("The tracking store does not respond or refuses") == 1
    [told] = re.findall(r"(\d+) records of run \w+ wait in mlruns/spool: `somanet sync` sends them", text)
    assert "Traceback" not in text
    return int(told)


def test_the_server_dies_and_stays_dead(case: Case, whole: dict[str, Any], door: Proxy, server: Server) -> None:
    """The training ends; sync fails in one line while there is no server; then two syncs bring everything once."""
    door.trouble(lambda: server.kill() or 0, call=3)
    status, text = case.train()
    assert status == 0, text
    n_waiting = check_told(text)
    assert files_of(case.project) == whole["files"]
    status, text = case.run("sync")
    assert status == 1
    [line] = text.splitlines()
    assert re.match(rf"error: The tracking store http://.* does not accept the {n_waiting} waiting records", line)

    door.trouble(None)
    server.start()
    assert only_run(case.client, case.experiment).info.status == "RUNNING"
    status, text = case.run("sync")
    assert (status, text.partition(": ")[2]) == (0, f"{n_waiting} records\n")
    assert case.check_whole() == whole["run"]
    assert case.run("sync") == (0, "Nothing was waiting.\n")
    assert case.check_whole() == whole["run"]


def test_a_sync_that_is_killed_half_way_goes_on(case: Case, whole: dict[str, Any], door: Proxy) -> None:
    """Killed before and after a record has arrived, and within the logging of the model."""
    door.trouble(refusing(500), call=2)
    status, text = case.train()
    assert status == 0, text
    n_waiting = check_told(text)
    door.trouble(None)
    for stop in (
        Stop(f"{CLIENT}.log_batch", moment="after"),
        Stop(f"{CLIENT}.log_artifact"),
        Stop(f"{CLIENT}.log_artifact", moment="after"),
        Stop(f"{CLIENT}.log_model_artifacts", moment="after"),
        Stop(f"{CLIENT}.finalize_logged_model", moment="after"),
        Stop(f"{CLIENT}.set_terminated", moment="after"),
    ):
        assert case.run("sync", stop=stop)[0] == -signal.SIGKILL, stop
    status, text = case.run("sync")
    assert status == 0, text
    assert text.endswith(": 1 record\n")
    assert n_waiting > 5
    assert case.check_whole() == whole["run"]


def test_a_server_that_comes_back_gets_everything_without_being_asked(
    case: Case, whole: dict[str, Any], door: Proxy
) -> None:
    """Away for two records only."""
    remaining = count(2, -1)
    door.trouble(lambda: 403 if next(remaining) > 0 else None, call=2)
    status, text = case.train()
    assert status == 0, text
    assert "sync` sends them" not in text
    assert case.check_whole() == whole["run"]
    assert files_of(case.project) == whole["files"]


TROUBLES = {
    "refuses with 500": refusing(500),
    "refuses with 403": refusing(403),
    "hangs up": refusing(0),
    "never answers": stuck,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_a_server_that(trouble: Callable[[], int | None], case: Case, whole: dict[str, Any], door: Proxy) -> None:
    door.trouble(trouble, call=2)
    began = time.monotonic()
    status, text = case.train()
    took_s = time.monotonic() - began
    assert status == 0, text
    check_told(text)
    assert files_of(case.project) == whole["files"]
    # One request too many before the time is used up, and two more at the end; each is tried twice.
    assert waited(door, trouble) < FREE_S + SHARE * took_s + 3 * 2 * (TIMEOUT_S + 1)
    door.trouble(None)
    status, text = case.run("sync")
    assert status == 0, text
    assert case.check_whole() == whole["run"]


def waited(door: Proxy, trouble: Callable[[], int | None]) -> float:
    """For how long clients waited; of a server that never answers, until they gave up."""
    return door.held_s if trouble is not stuck else door.n_troubled * TIMEOUT_S


def test_a_slow_server_gets_everything_too(case: Case, whole: dict[str, Any], door: Proxy) -> None:
    """One second for each request: what does not fit into the time that the outbox has comes at the end, or by sync."""
    door.trouble(slow(1.0), call=2)
    status, text = case.train()
    assert status == 0, text
    door.trouble(None)
    status, text = case.run("sync")
    assert status == 0, text
    assert case.check_whole() == whole["run"]
    assert files_of(case.project) == whole["files"]


def test_a_training_that_is_killed_during_an_outage(case: Case, whole: dict[str, Any], door: Proxy) -> None:
    """Epochs 2 and 3 wait in the spool, the process dies, the server comes back, the training goes on."""
    door.trouble(refusing(503), call=2)
    assert case.train(Stop("somanet.training.experiments.training._report", call=4))[0] == -signal.SIGKILL
    assert len(pending_runs(case.project)) == 1
    status, text = case.train()  # still away: nothing may be started that cannot be recorded
    assert status == 1
    assert "does not respond" in text.splitlines()[-1]
    door.trouble(None)
    status, text = case.train()
    assert status == 0, text
    assert case.check_whole() == whole["run"]
    assert files_of(case.project) == whole["files"]


def test_a_training_that_is_terminated_during_an_outage(case: Case, whole: dict[str, Any], door: Proxy) -> None:
    """That it was killed waits too; the next start tells it before it goes on."""
    door.trouble(refusing(503), call=2)
    status, text = case.train(Stop("somanet.training.experiments.training._report", call=4, number=signal.SIGTERM))
    assert status == 128 + signal.SIGTERM
    check_told(text)
    door.trouble(None)
    assert case.run("sync")[0] == 0
    assert only_run(case.client, case.experiment).info.status == "KILLED"
    assert case.train()[0] == 0
    assert case.check_whole() == whole["run"]


def test_records_go_to_the_store_that_they_are_meant_for(
    case: Case, whole: dict[str, Any], door: Proxy, start: Start
) -> None:
    door.trouble(refusing(500), call=2)
    assert case.train()[0] == 0
    door.trouble(None)
    elsewhere = start(["sync"], cwd=case.project)  # without MLFLOW_TRACKING_URI
    assert elsewhere.end() == 1
    [line] = elsewhere.text.splitlines()
    assert f"wait for {door.url}, but runs are now recorded in sqlite:///mlruns/mlflow.db. Set MLFLOW_TRACKING" in line
    assert case.run("sync")[0] == 0
    assert case.check_whole() == whole["run"]


def test_a_run_that_was_deleted_meanwhile(case: Case, whole: dict[str, Any], door: Proxy) -> None:
    """Its records wait until somebody brings it back."""

    def delete() -> None:
        door.trouble(None)
        case.client.delete_run(only_run(case.client, case.experiment).info.run_id)

    door.trouble(delete, call=3)
    status, text = case.train()
    assert status == 0, text
    run_id = pending_runs(case.project)[0]
    assert f"Restore it with `mlflow runs restore --run-id {run_id}`" in text
    status, text = case.run("sync")
    assert status == 1
    assert re.fullmatch(r"error: The run \w+ was deleted in MLflow\. .* Then `somanet sync` sends the \d+ .*\n", text)
    case.client.restore_run(run_id)
    assert case.run("sync")[0] == 0
    assert case.check_whole() == whole["run"]
    assert leftovers(case.project) == []
