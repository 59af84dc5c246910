"""Trials on Dask workers: another worker resumes a killed one's trial, and the SLURM example makes a job script."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import KilledWorker, LocalCluster, Security
from optuna.trial import TrialState

from somanet.core.cluster import Certificates, check_address, existing_cluster
from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.provenance.mlflow import read_run
from somanet.provenance.mlflow.lifecycle import PID, process_is_alive
from somanet.training.sweep.cluster import run_on_cluster
from somanet.training.sweep.leases import lease_of
from somanet.training.sweep.trial import Job
from somanet.training.sweep.trial_store import open_trial_store
from tests.servers import scheduler_address
from tests.training.sweep.worlds import make_job, make_sweep_project, runs_below, start_sweep, steps, sweep_values

ROOT = Path(__file__).resolve().parents[3]


class Future:
    def __init__(self, problem: BaseException | None) -> None:
        self.problem = problem

    def exception(self) -> BaseException | None:
        return self.problem

    def result(self) -> None:
        return None


class Cluster:
    """Workers that finish at once; records how many tasks were open at a time."""

    def __init__(self, workers: int, problems: dict[int, BaseException]) -> None:
        self.workers, self.problems = workers, problems
        self.open = self.most_open = 0

    def nthreads(self, *, callback_timeout: float) -> dict[str, int]:
        assert callback_timeout > 0
        return dict.fromkeys(map(str, range(self.workers)), 1)

    def submit(self, _function: object, _job: Job, number: int, *, key: str, retries: int) -> Future:
        assert f"trial{number}-" in key
        assert retries > 0
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        return Future(self.problems.get(number))

    def wait(self, futures: list[Future], *, timeout: float, return_when: str) -> Any:
        assert timeout > 0
        assert return_when == "FIRST_COMPLETED"
        self.open -= 1
        return type("Done", (), {"done": {futures[0]}})


def run_here(
    monkeypatch: pytest.MonkeyPatch, job: Job, cluster: Cluster, *, at_once: int | None
) -> list[tuple[int, str | None]]:
    """Five trials on a fake cluster."""
    monkeypatch.setattr("distributed.wait", cluster.wait)
    numbers, over = iter(range(5)), []
    client: Any = cluster
    run_on_cluster(
        client,
        job,
        at_once=at_once,
        next_trial=lambda: next(numbers, None),
        ended=lambda number, problem: over.append((number, problem)),
    )
    return over


@pytest.mark.parametrize(("workers", "at_once", "most"), [(3, None, 3), (3, 2, 2), (0, None, 1), (0, 4, 4)])
def test_as_many_tasks_as_workers(
    workers: int, at_once: int | None, most: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that grows with its work has no worker yet: one task must wait for it to begin."""
    cluster = Cluster(workers, {})
    over = run_here(monkeypatch, make_job(project), cluster, at_once=at_once)
    assert sorted(number for number, _ in over) == [0, 1, 2, 3, 4]
    assert cluster.most_open == most


def test_a_trial_that_dask_gives_up_is_a_failed_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(1, {2: KilledWorker("task", None, 4)})  # type: ignore[arg-type]
    over = dict(run_here(monkeypatch, make_job(project), cluster, at_once=1))
    assert "kept dying" in str(over[2])
    assert [over[number] for number in (0, 1, 3, 4)] == [None] * 4


def test_a_worker_that_cannot_work_at_all_stops_the_sweep(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(1, {0: SomaNetError("MLflow's store is a file")})
    with pytest.raises(SomaNetError, match="store is a file"):
        run_here(monkeypatch, make_job(project), cluster, at_once=1)


def test_an_address_where_nobody_answers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.core.cluster._CONNECT_S", 1)
    with (
        pytest.raises(SomaNetError, match=r"No Dask scheduler responds at tcp://127\.0\.0\.1:9"),
        existing_cluster("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize(
    "address", ["tcp://node01:8786", "node01:8786", "tcp://10.0.0.1:8786", "ws://node01:80", "ucx://[fe80::1]:8786"]
)
def test_a_scheduler_on_another_computer_must_be_encrypted(address: str) -> None:
    with pytest.raises(SomaNetError, match="is not encrypted: anybody in the network could run code"):
        check_address(address, None, unencrypted=False)
    check_address(address, None, unencrypted=True)


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:8786", "tls://node01:8786", "wss://node01:8786"],
)
def test_this_computer_and_encrypted_schedulers_need_no_permission(address: str, tmp_path: Path) -> None:
    own, _ = make_certificates(tmp_path / "own")
    check_address(address, own if address.startswith(("tls", "wss")) else None, unencrypted=False)


@pytest.mark.parametrize(
    "address",
    ["", "params.txt", "slurm.conf", "tls://", "tcp://node01", "node01", "tls://node01:port", "http://node01:80",
     "tcp://node01:8786/x", "tcp:// node01:8786", "a.yaml:"],
)  # fmt: skip
def test_what_is_no_address_is_told_so_and_not_that_it_is_unencrypted(address: str) -> None:
    words = re.escape(f"--cluster: expected tls://HOST:PORT, tcp://HOST:PORT or a .yaml file, found {address!r}.")
    with pytest.raises(SomaNetError, match=words) as caught:
        check_address(address, None, unencrypted=False, option="--cluster", otherwise=" or a .yaml file")
    assert "encrypted" not in str(caught.value)
    with pytest.raises(SomaNetError, match="--scheduler: expected tls://HOST:PORT or tcp://HOST:PORT, found"):
        check_address(address, None, unencrypted=True)


def test_an_encrypted_scheduler_without_certificates_names_the_options(tmp_path: Path) -> None:
    """Dask's own configuration may have them."""
    words = "tls://node01:8786 needs certificates, .* --tls-ca-file, --tls-cert and --tls-key"
    with pytest.raises(SomaNetError, match=words):
        check_address("tls://node01:8786", None, unencrypted=True)
    own, _ = make_certificates(tmp_path / "own")
    tls = {"ca-file": str(own.ca), "client.cert": str(own.cert), "client.key": str(own.key)}
    with dask.config.set({f"distributed.comm.tls.{name}": path for name, path in tls.items()}):
        check_address("tls://node01:8786", None, unencrypted=False)


def make_certificates(folder: Path) -> tuple[Certificates, Security]:
    """A key pair that signs itself: the files for a sweep, and what Dask's parts take."""
    made = Security.temporary()
    folder.mkdir()
    (folder / "cert.pem").write_text(made.tls_client_cert)
    (folder / "key.pem").write_text(made.tls_client_key)
    return Certificates(folder / "cert.pem", folder / "cert.pem", folder / "key.pem"), made


def test_certificates_are_used_or_the_command_stops(tmp_path: Path) -> None:
    own, _ = make_certificates(tmp_path / "own")
    with pytest.raises(SomaNetError, match=r"expected tls://127\.0\.0\.1:9"):
        check_address("tcp://127.0.0.1:9", own, unencrypted=True)
    with pytest.raises(SomaNetError, match=r"ca\.pem: no such file"):
        check_address("tls://node01:9", dataclasses.replace(own, ca=tmp_path / "ca.pem"), unencrypted=False)


def test_only_who_has_the_certificate_reaches_an_encrypted_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real scheduler on this computer: with its own key pair a task is run; with another's, or none, one line."""
    monkeypatch.setattr("somanet.core.cluster._CONNECT_S", 2)
    own, security = make_certificates(tmp_path / "own")
    others, _ = make_certificates(tmp_path / "others")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tls://", host="tls://127.0.0.1",
        security=security, dashboard_address=None, silence_logs="CRITICAL",
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        with existing_cluster(address, certificates=own) as client:
            assert client.submit(sum, [20, 22]).result() == 42
        for wrong, words in ((others, "are the certificates its own"), (None, "needs certificates")):
            with (
                pytest.raises(SomaNetError, match=words) as caught,
                existing_cluster(address, certificates=wrong),
            ):
                pass
            assert "\n" not in str(caught.value)


def test_the_slurm_example_makes_a_job_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are those at its top: one single-threaded worker per job, on that many cores."""
    monkeypatch.chdir(tmp_path)
    example = runpy.run_path(str(ROOT / "examples/slurm/cluster.py"))
    with example["make_cluster"]() as cluster:
        script = cluster.job_script()
    lines = script.splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert f"#SBATCH -p {example['PARTITION']}" in lines
    assert f"#SBATCH --cpus-per-task={example['CORES']}" in lines
    assert f"#SBATCH -t {example['HOURS']:02d}:00:00" in lines
    assert "--protocol tls://" in script
    assert f"--tls-key {tmp_path / 'mlruns/dask-tls/key.pem'}" in script
    assert (tmp_path / "mlruns/dask-tls/key.pem").stat().st_mode & 0o077 == 0
    assert lines.index(example["ACTIVATE"]) < lines.index(f"export OMP_NUM_THREADS={example['CORES']}")
    assert "--nthreads 1 " in next(line for line in lines if "dask_worker" in line)


@pytest.mark.slow
def test_a_killed_worker_loses_no_trial(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two workers, four trials; the process of a running trial is killed twice: all four end well, each run once."""
    project = make_sweep_project(tmp_path / "project", tmp_path_factory.getbasetemp(), rates=sweep_values())
    with start_sweep(project, "rates", "--workers", "2") as process:
        try:
            for _ in range(2):
                os.kill(worker_in_training(project, process), signal.SIGKILL)
            output, _ = process.communicate(timeout=600)
        finally:
            process.kill()
    assert process.returncode == 0, output
    [folder] = (project / "mlruns/sweeps").glob("rates-*")
    trials = open_trial_store(folder, folder.name).trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    parent = read_run(
        read_json(project / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")["mlflow_run"], root=project
    )
    children = runs_below(project, parent.run_id)
    assert sorted(run.tags["optuna.trial"] for run in children) == ["0", "1", "2", "3"]
    assert {run.status for run in children} == {"FINISHED"}
    assert all(steps(project, run.run_id) == [1, 2, 3] for run in children)
    assert 1 <= sum(int(run.tags.get("somanet.resumed", "0")) for run in children) <= 2
    assert (folder / "trial_0000/training.log").read_text().count("epoch 3/3") >= 1


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """A scheduler and one worker that were there before the sweep; the scheduler's address."""
    dask = [sys.executable, "-W", "ignore", "-m", "dask"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    where = ["--scheduler-file", str(folder / "scheduler.json")]
    schedule = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *where]
    work = [*dask, "worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", *where]
    with contextlib.ExitStack() as stack:
        for command in (schedule, work):
            process = stack.enter_context(
                subprocess.Popen(
                    command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            stack.callback(process.kill)
        yield scheduler_address(folder / "scheduler.json", process)


@pytest.mark.slow
def test_a_killed_sweep_waits_for_what_its_workers_still_run(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SIGKILL for the sweep, not for the worker, which ends its trial: the next start counts it and runs the rest."""
    project = make_sweep_project(tmp_path / "project", tmp_path_factory.getbasetemp(), rates=sweep_values(trials=3))
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask") as address:
        with start_sweep(project, "rates", "--scheduler", address) as process:
            worker = worker_in_training(project, process)
            process.kill()
        with start_sweep(project, "rates", "--scheduler", address) as process:
            output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    [folder] = (project / "mlruns/sweeps").glob("rates-*")
    trials = open_trial_store(folder, folder.name).trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert {int(lease_of(trial)[PID]) for trial in trials} == {worker}
    parent = read_run(
        read_json(project / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")["mlflow_run"], root=project
    )
    children = runs_below(project, parent.run_id)
    assert sorted((run.tags["optuna.trial"], run.status) for run in children) == [(n, "FINISHED") for n in "012"]
    assert all(steps(project, run.run_id) == [1, 2, 3] for run in children)
    assert (folder / "trial_0000/training.log").read_text().count("epoch 2/3") == 1  # it was not begun again


def worker_in_training(project: Path, sweep: Any) -> int:
    """The process that has a trial of which an epoch is recorded, but not the last."""
    for _ in range(1200):
        assert sweep.poll() is None, sweep.communicate()[0]
        for folder in (project / "mlruns/sweeps").glob("rates-*"):
            for trial in open_trial_store(folder, folder.name).trials():
                lease = lease_of(trial)
                half_way = trial.state == TrialState.RUNNING and 1 <= (trial.last_step or 0) < 3
                if half_way and lease and process_is_alive(lease):
                    return int(lease[PID])
        time.sleep(0.1)
    raise AssertionError("no trial began")
