"""A sweep from start to end: resumed where it stopped, run in this process or elsewhere, recorded in one MLflow run."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json
from somanet.provenance.mlflow import Terminated, TrackedRun, find_run, run_id_from, track_run, write_run_file
from somanet.training.experiments import dataset_ref, echo
from somanet.training.sweep.leases import runs_elsewhere
from somanet.training.sweep.plan import METADATA, below, budget, write_metadata
from somanet.training.sweep.proposals import complete_proposal, propose
from somanet.training.sweep.recording import EXPERIMENT, STUDY, WORDS, children, settle
from somanet.training.sweep.report import Report, best_of, write_report
from somanet.training.sweep.trial import REASON, STOP_FILE, Job, fail, items_of, run_trial
from somanet.training.sweep.trial_store import TrialStore, quiet_optuna

GIVE_UP_AFTER = 5
"""Number of consecutive failed trials after which the cause must lie elsewhere."""

_POLL_S = 1.0
_TOKEN = "somanet.sweep"  # noqa: S105 - a tag's name
_PARENT = "mlflow_run.json"


class Execute(Protocol):
    """How trials are run: here one after another, or on a cluster."""

    def __call__(
        self, job: Job, *, next_trial: Callable[[], int | None], ended: Callable[[int, str | None], None]
    ) -> None:
        """Run the trials that `next_trial` returns until it returns none, and call `ended` after each."""


def in_this_process(
    job: Job, *, next_trial: Callable[[], int | None], ended: Callable[[int, str | None], None]
) -> None:
    """Run one trial after another."""
    while (number := next_trial()) is not None:
        run_trial(job, number)
        ended(number, None)


def run_sweep(
    job: Job,
    output: Path,
    *,
    trials: int | None,
    minutes: float | None,
    restart: bool = False,
    execute: Execute = in_this_process,
) -> Report:
    """Run a sweep, or the rest of it, and write its report.

    Args:
        job: from :func:`somanet.training.sweep.plan.plan_sweep`.
        output: folder for the report.
        trials: total number, including those of earlier starts; None = until the time is up.
        minutes: after which no further trial is started; None = no limit.
        restart: delete the Optuna study's trials first.
        execute: how the trials are run.

    Raises:
        SomaNetError: the sweep is already running, several trials in a row fail, or the machine is at fault.
    """
    with _only_one(job), quiet_optuna():
        if restart:
            _forget(job)
        (job.folder / STOP_FILE).unlink(missing_ok=True)
        trial_store = job.open()
        total = budget(job, trials)
        echo(_situation(job, trial_store, total))
        with _parent_run(job) as run:
            job = below(job, run.run_id)
            settle(trial_store.trials(), children(run.run_id, job.root), job.root)
            with tqdm(
                total=total, initial=len(_finished(trial_store)), desc=f"sweep {job.name}", unit="trial", disable=None
            ) as bar:
                loop = _SweepLoop(job, trial_store, run, bar, total, minutes)
                try:
                    loop.follow(execute)
                except (KeyboardInterrupt, Terminated):
                    (job.folder / STOP_FILE).touch()
                    raise
            return write_report(job, trial_store, output, run)


@dataclass
class _SweepLoop:
    """The trials of one start of a sweep, and its stopping rules."""

    job: Job
    trial_store: TrialStore
    run: TrackedRun
    bar: Any
    total: int | None
    minutes: float | None
    started: float = field(default_factory=lambda: time.monotonic())
    in_flight: set[int] = field(default_factory=set)
    failures: int = 0

    def follow(self, execute: Execute) -> None:
        """Run until all is done, including trials of processes still running elsewhere."""
        while True:
            execute(self.job, next_trial=self.next_trial, ended=self.ended)
            if not any(runs_elsewhere(trial, self.job.folder) for trial in self._running()):
                return
            time.sleep(_POLL_S)

    def next_trial(self) -> int | None:
        """An interrupted trial, else a new one, else none."""
        for trial in self._running():
            if trial.number not in self.in_flight and not runs_elsewhere(trial, self.job.folder):
                complete_proposal(self.trial_store, trial.number, self.job.space)
                self.in_flight.add(trial.number)
                return trial.number
        in_time = self.minutes is None or time.monotonic() - self.started < 60 * self.minutes
        if not in_time or (self.total is not None and len(self.trial_store.trials()) >= self.total):
            return None
        number = propose(self.trial_store, self.job.space)
        self.in_flight.add(number)
        return number

    def ended(self, number: int, problem: str | None) -> None:
        """Record the end of a trial."""
        self.in_flight.discard(number)
        if problem is not None:
            fail(self.trial_store, number, problem)
        trial = self.trial_store.trial(number)
        if not trial.state.is_finished():  # another process holds its lease and continues
            return
        settle([trial], children(self.run.run_id, self.job.root), self.job.root)
        best = best_of(self.trial_store.trials(), self.job.space)
        echo(_line(trial, best.value if best else None, self.job))
        if best is not None:
            self.run.log_epoch(len(_finished(self.trial_store)), {f"best_{self.job.sweep.metric}": best.value})
        self.bar.update()
        self.failures = self.failures + 1 if trial.state == TrialState.FAIL else 0
        if self.failures >= GIVE_UP_AFTER:
            raise SomaNetError(
                f"The last {GIVE_UP_AFTER} trials failed, the latest because: {trial.user_attrs.get(REASON)} Is the "
                "space or the base variant at fault? Their runs are in MLflow."
            )

    def _running(self) -> list[FrozenTrial]:
        return [trial for trial in self.trial_store.trials() if trial.state == TrialState.RUNNING]


@contextmanager
def _only_one(job: Job) -> Iterator[None]:
    """Only one process proposes trials; its lock is released however it ends."""
    lock = FileLock(make_folder(job.folder.parent) / f".{job.key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SomaNetError(
            f"The sweep {job.name} ({job.key}) is already running in another process. Wait for it or stop it; for "
            "parallel trials start it once with --workers."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _forget(job: Job) -> None:
    if not job.folder.exists():
        return
    busy = [trial.number for trial in job.open().trials() if runs_elsewhere(trial, job.folder)]
    if busy:
        raise SomaNetError(f"Trial {busy[0]} of {job.key} still runs in another process. Stop it before --restart.")
    shutil.rmtree(job.folder)


@contextmanager
def _parent_run(job: Job) -> Iterator[TrackedRun]:
    """The sweep's own run: resumed from its first start, or a new one."""
    metadata, run_file = job.folder / METADATA, job.folder / _PARENT
    if not metadata.exists():
        write_metadata(job, secrets.token_hex(8))
    token = str(read_json(metadata, expected="the record of a sweep's Optuna study", keys=("token",))["token"])
    known = run_id_from(run_file) if run_file.exists() else find_run({_TOKEN: token}, root=job.root, finished=False)
    items = items_of(job.data, job.data_sha256)
    with track_run(
        job.profile.run_name(f"sweep {job.name}"),
        experiment=job.profile.experiment(EXPERIMENT),
        root=job.root,
        params={"sweep": job.name, **{name: value for name, value in job.metadata.items() if name != "held_out"}},
        tags={
            _TOKEN: token,
            "sweep": job.name,
            STUDY: job.key,
            "optuna.sampler": job.sweep.sampler,
            "optuna.pruner": job.sweep.pruner,
        },
        datasets=[
            dataset_ref(job.data, "training", [items[name] for name in job.train_names]),
            dataset_ref(job.data, "validation", [items[name] for name in job.held_out]),
        ],
        run_id=known,
        system_metrics=False,
    ) as run:
        write_run_file(run_file, run)
        yield run


def _finished(trial_store: TrialStore) -> list[FrozenTrial]:
    return [trial for trial in trial_store.trials() if trial.state.is_finished()]


def _situation(job: Job, store: TrialStore, total: int | None) -> str:
    """One line: the Optuna study and its progress."""
    images = f"{len(job.train_names)} neuron images for training, {len(job.held_out)} held out for scoring"
    trials = store.trials()
    if trials:
        cut = [t.number for t in trials if t.state == TrialState.RUNNING and not runs_elsewhere(t, job.folder)]
        goes_on = f"; resuming interrupted trial {', '.join(map(str, cut))}" if cut else ""
        of = f" of {total}" if total is not None else ""
        done = f"{len(_finished(store))}{of} trials done"
        return f"Sweep {job.name}: resuming Optuna study {job.key}, {done}{goes_on}. {images}."
    others = sorted(one.name for one in job.folder.parent.glob(f"{job.name}-*") if one.name != job.key)
    new = f" (base, space, data or held-out set differ from {', '.join(others)})" if others else ""
    return f"Sweep {job.name}: new Optuna study {job.key}{new}. {images}."


def _line(trial: FrozenTrial, best: float | None, job: Job) -> str:
    metric = job.sweep.metric
    outcome = {
        TrialState.COMPLETE: lambda: f"{metric} {trial.value:.4f}",
        TrialState.PRUNED: lambda: f"stopped at epoch {trial.last_step}, IoU {trial.value:.4f}",
        TrialState.FAIL: lambda: f"failed: {trial.user_attrs.get(REASON)}",
    }[trial.state]()
    record = f" (best {best:.4f})" if best is not None else ""
    return f"trial {trial.number} {WORDS[trial.state]}: {outcome}{record}"
