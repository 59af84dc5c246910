"""One trial in one process, here or on another computer: claim it, train, score, and report to the Optuna study."""

from __future__ import annotations

import hashlib
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from somanet.core.errors import SomaNetError, first_line
from somanet.core.settings import parse
from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.mlflow import StoppedEarly, Terminated, run_id_from
from somanet.provenance.mlflow.client import outage_errors
from somanet.provenance.mlflow.store import database_path
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import (
    Evaluation,
    Profile,
    Recording,
    dataset_ref,
    evaluate_checkpoint,
    load_items,
    origin_of,
    record_evaluation,
    run_training,
    several_trainings,
)
from somanet.training.loop.selection import choose_images
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask
from somanet.training.settings import FinetuneParams
from somanet.training.sweep.leases import DEAD_AFTER_S, claim, heartbeat, is_mine, trial_folder
from somanet.training.sweep.proposals import make_pruner, make_sampler
from somanet.training.sweep.recording import EXPERIMENT, child_tags, children, release, run_of
from somanet.training.sweep.settings import SEED, SweepParams
from somanet.training.sweep.space import Space, values_of, with_values
from somanet.training.sweep.trial_store import TrialStore, open_trial_store, quiet_optuna

if TYPE_CHECKING:
    from somanet.training.loop.training import Epoch

STOP_FILE = "stop"
"""In the sweep's folder: makes processes on other computers pause their trial after the current epoch."""

HELD_OUT = "holdout"
"""Name of the images that score trials."""

PRUNED_AT, SCORES, RUNS, SECONDS, REASON = "pruned_at", "scores", "runs", "seconds", "reason"
_PANELS = 3
_POLL_S = 1.0


@dataclass(frozen=True)
class Job:
    """Everything that a process needs to run any trial of a sweep.

    Attributes:
        name: the sweep's name.
        key: the Optuna study's key.
        root: the project.
        folder: the Optuna study's folder, in the project's `mlruns/sweeps`.
        parent_run_id: MLflow run id of the sweep.
        data: the labelled set.
        data_sha256: hash of its images and labels.
        train_names, held_out: images for training, and for scoring.
        base: the variant that trials change, as plain values.
        starts: name -> checkpoint of each start.
        space: the search space.
        sweep: the sweep's settings.
        epochs: length of the longest possible training.
        seed: for proposals, and for the first training of a trial.
        thresholds: object IoU at which networks are scored.
        tracking_uri: the caller's `MLFLOW_TRACKING_URI`.
        host: where the sweep was started.
        profile: the parameter file's.
        metadata: what makes the Optuna study's trials comparable; its key is their hash.
    """

    name: str
    key: str
    root: Path
    folder: Path
    parent_run_id: str
    data: Path
    data_sha256: str
    train_names: tuple[str, ...]
    held_out: tuple[str, ...]
    base: Mapping[str, Any]
    starts: Mapping[str, Path]
    space: Space
    sweep: SweepParams
    epochs: int
    seed: int
    thresholds: tuple[float, ...]
    tracking_uri: str | None
    host: str
    metadata: Mapping[str, Any]
    profile: Profile

    def open(self) -> TrialStore:
        """The Optuna study, with the sweep's sampler and pruner."""
        trial_store = open_trial_store(self.folder, self.key)
        trial_store.optuna.sampler = make_sampler(self.sweep.sampler, self.space, seed=self.seed)
        trial_store.optuna.pruner = make_pruner(self.sweep.pruner, epochs=self.epochs)
        return trial_store

    def seeds(self, values: Mapping[str, Any]) -> list[int]:
        """The seeds of a trial, one training each."""
        if SEED in values:
            return [int(values[SEED])]
        return [self.seed + number for number in range(self.sweep.seeds_per_trial)]


def content_sha256(items: list[LabelledImage]) -> str:
    """SHA-256 of names, images and labels."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}{item.image.shape}{item.image.dtype}".encode())
        digest.update(item.image.tobytes() + item.labels.tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def items_of(data: Path, sha256: str) -> Mapping[str, LabelledImage]:
    """The labelled images by name, read once per process.

    Raises:
        SomaNetError: their hash has changed.
    """
    items = load_items(data)
    if content_sha256(items) != sha256:
        raise SomaNetError(
            f"{data} has changed since this sweep began. Start the sweep again: that begins a new Optuna study."
        )
    return {item.name: item for item in items}


def run_trial(job: Job, number: int) -> None:
    """Run a trial, or the rest of it after its process died; a failed training is recorded as such.

    Raises:
        SomaNetError: the machine, not the trial, is at fault (a full disk, an unreachable store): nothing is
            recorded, and the trial resumes from its last saved epoch when the sweep is started again.
    """
    if job.tracking_uri is not None:
        os.environ["MLFLOW_TRACKING_URI"] = job.tracking_uri
    elif job.host != socket.gethostname() and database_path(job.root) is not None:
        raise SomaNetError(
            f"Trials run on other computers ({socket.gethostname()}), but MLflow's store is a file, which cannot be "
            "shared between them. Start `mlflow server` and set MLFLOW_TRACKING_URI to its address."
        )
    with quiet_optuna():
        trial_store = job.open()
        patience = time.monotonic() + 1.5 * DEAD_AFTER_S
        while (whose := claim(trial_store, number, job.folder)) == "taken" and time.monotonic() < patience:
            time.sleep(_POLL_S)
        if whose != "mine":
            return
        with heartbeat(job.folder, number):
            _run_claimed(job, trial_store, number)


def _run_claimed(job: Job, trial_store: TrialStore, number: int) -> None:
    started = time.perf_counter()
    try:
        if PRUNED_AT in trial_store.trial(number).user_attrs:
            raise StoppedEarly
        _train(job, trial_store, number, started)
    except StoppedEarly:
        trial_store.note(number, SECONDS, round(time.perf_counter() - started, 1))
        trial_store.optuna.tell(number, state=TrialState.PRUNED)
    except _TakenOver:
        return
    except Exception as error:
        if _machine_at_fault(error):
            raise SomaNetError(
                f"Trial {number} stopped: {first_line(error)} Nothing is lost: the same command resumes from the last "
                "saved epoch."
            ) from error
        fail(trial_store, number, first_line(error))


def fail(trial_store: TrialStore, number: int, reason: str) -> None:
    """Record a trial as failed, unless it has ended."""
    if not trial_store.trial(number).state.is_finished():
        trial_store.note(number, REASON, reason)
        trial_store.optuna.tell(number, state=TrialState.FAIL)


class _TakenOver(Exception):
    """This process was suspended for so long that another one took its lease."""


def _machine_at_fault(error: BaseException | None) -> bool:
    """Whether another trial would fail in the same way: the disk or the tracking store, not the settings."""
    while error is not None:
        if isinstance(error, outage_errors()) or "disk is full" in str(error):
            return True
        error = error.__cause__
    return False


def _train(job: Job, trial_store: TrialStore, number: int, started: float) -> None:
    """Train once per seed, score, and report the metric's mean to the Optuna study."""
    values = values_of(job.space, trial_store.trial(number).params)
    variant = parse(FinetuneParams, with_values(job.base, values), source=f"trial {number}")
    items = items_of(job.data, job.data_sha256)
    held_items = [items[name] for name in job.held_out]
    folder = trial_folder(job.folder, number)
    runs = children(job.parent_run_id, job.root).get(number, ())
    seeds = job.seeds(values)
    ious, evaluations, run_files = [], [], []
    with several_trainings(at_exit=False) as trainings:
        for seed in seeds:
            train_names = choose_images(job.train_names, variant.images, drawn=variant.images_drawn, seed=seed)
            train_items = [items[name] for name in train_names]
            used = {"training": train_items, "validation": held_items}
            references = [dataset_ref(job.data, use, some) for use, some in used.items()]
            begun = run_of(runs, seed)
            if begun is not None:
                release(begun, job.root)
            checkpoint, run_file = folder / f"seed{seed}", folder / f"seed{seed}.json"
            recording = Recording(
                job.root,
                job.profile.experiment(EXPERIMENT),
                job.profile.run_name(f"{job.name}-{number:04d}"),
                references,
                {"sweep": job.name, **child_tags(job.key, number, seed)},
                seed=seed if len(seeds) > 1 else None,
                variant=job.sweep.base,
                scored_on=HELD_OUT,
                about={"profile": job.profile.name or "default", "sweep": job.name, **origin_of(variant)},
                parent_run_id=job.parent_run_id,
            )
            model, spec, sha256 = start_network(
                ModelSpec(), seed=seed, checkpoint=job.starts[variant.start], weights=variant.weights
            )
            result = run_training(
                TrainingTask(model, variant.adapt(spec), train_items, held_items, variant.training, seed=seed),
                checkpoint=checkpoint,
                run_file=run_file,
                recording=recording,
                start_sha256=sha256,
                trainings=trainings,
                on_epoch=_hook(job, trial_store, number, variant.training.epochs, prunes=seed == seeds[0]),
                run_id=begun.run_id if begun else None,
            )
            evaluation = evaluate_checkpoint(
                checkpoint, held_items, thresholds=job.thresholds, panel_images=min(_PANELS, len(held_items))
            )
            record_evaluation(run_file, evaluation, held_items, on=HELD_OUT, recording=recording)
            ious.append(result.best_val_iou)
            evaluations.append(evaluation)
            run_files.append(run_file)
        scores = _mean_scores(evaluations)
        value = sum(ious) / len(ious) if job.sweep.metric == "val_iou" else scores[job.sweep.metric]
        if math.isnan(value):
            raise SomaNetError(
                f"{job.sweep.metric} is undefined: neither the ground truth nor the prediction has objects."
            )
        trial_store.note(number, SCORES, scores)
        trial_store.note(number, RUNS, [run_id_from(run_file) for run_file in run_files])
        trial_store.note(number, SECONDS, round(time.perf_counter() - started, 1))
        trial_store.optuna.tell(number, value)  # in this block: saved states are removed only once it is reported


def _mean_scores(evaluations: list[Evaluation]) -> dict[str, float]:
    """Means over the seeds; a score is undefined only if it is for all of them."""
    from somanet.evaluation.scores import MAIN_SCORES, mean_scores

    return mean_scores([{name: one.everything.values[name] for name in MAIN_SCORES} for one in evaluations])


def _hook(job: Job, trial_store: TrialStore, number: int, epochs: int, *, prunes: bool) -> Callable[[Epoch], None]:
    """A function called after every epoch: it reports to the Optuna study, and stops the training if need be."""

    def on_epoch(epoch: Epoch) -> None:
        if not is_mine(trial_store.trial(number)):
            raise _TakenOver
        if prunes and not math.isnan(epoch.val_iou):
            trial_store.storage.set_trial_intermediate_value(trial_store.trial_id(number), epoch.epoch, epoch.val_iou)
            # A finished training costs nothing more.
            if epoch.epoch < epochs and trial_store.optuna.pruner.prune(trial_store.optuna, trial_store.trial(number)):
                trial_store.note(number, PRUNED_AT, epoch.epoch)
                raise StoppedEarly
        if (job.folder / STOP_FILE).exists():
            raise Terminated

    return on_epoch
