"""A sweep's results: a table of its trials, the best settings, and three figures."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from somanet.core.files import atomic_paths, remove_output, write_json
from somanet.core.plots import save_figure
from somanet.io.tables import write_table
from somanet.provenance.mlflow import TrackedRun
from somanet.training.sweep import figures
from somanet.training.sweep.leases import trial_folder
from somanet.training.sweep.recording import WORDS
from somanet.training.sweep.settings import SEED
from somanet.training.sweep.space import Space, values_of
from somanet.training.sweep.trial import REASON, RUNS, SCORES, SECONDS, Job
from somanet.training.sweep.trial_store import TrialStore

TABLE, SUMMARY, HISTORY, IMPORTANCE, SLICES = "trials.csv", "sweep.json", "history.png", "importance.png", "slices.png"
FILES = (TABLE, SUMMARY, HISTORY, SLICES, IMPORTANCE)
IMPORTANCE_FROM = 4
"""Minimum number of complete trials for computing importances."""


@dataclass(frozen=True)
class Best:
    """The best settings.

    Attributes:
        trials: those with these settings; several if the seed varies.
        value: their mean.
        spread: their standard deviation; None for one trial.
        values: setting -> value, without the seed.
    """

    trials: tuple[int, ...]
    value: float
    spread: float | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """The current state of a sweep.

    Attributes:
        study: key of its Optuna study.
        metric: what the trials are ranked by.
        best: the best settings; None if no trial is complete.
        counts: state -> number of trials.
        folder: folder of the report's files.
        parent_run_id: MLflow run id of the sweep.
        problem: reason for the latest failed trial, if any.
    """

    study: str
    metric: str
    best: Best | None
    counts: dict[str, int]
    folder: Path
    parent_run_id: str
    problem: str | None


def best_of(trials: Sequence[FrozenTrial], space: Space) -> Best | None:
    """The best settings of the complete trials; if the seed varies, by the mean over seeds.

    A lucky seed does not win: if settings were tried with several seeds, only those with the most complete trials
    compete.
    """
    by_settings = any(one.name == SEED for one in space)
    groups: dict[str, list[FrozenTrial]] = defaultdict(list)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            groups[repr(_settings(trial, space)) if by_settings else str(trial.number)].append(trial)
    if not groups:
        return None
    most = max(len(group) for group in groups.values())
    means = [_mean(group, space) for group in groups.values() if len(group) >= most]
    return max(means, key=lambda one: (one.value, -one.trials[0]))


def _mean(group: Sequence[FrozenTrial], space: Space) -> Best:
    values = [float(trial.value or 0) for trial in group]
    return Best(
        trials=tuple(trial.number for trial in group),
        value=statistics.fmean(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        values=_settings(group[0], space),
    )


def _settings(trial: FrozenTrial, space: Space) -> dict[str, Any]:
    return {name: value for name, value in values_of(space, trial.params).items() if name != SEED}


def trials_table(trials: Sequence[FrozenTrial], space: Space, metric: str) -> pd.DataFrame:
    """One row per trial: state, metric, values, the network's scores on the held-out neurons, cost, run."""
    rows = []
    for trial in trials:
        notes = trial.user_attrs
        begun = set(trial.params) == {one.name for one in space}
        values = values_of(space, trial.params) if begun else {}
        rows.append(
            {
                "trial": trial.number,
                "state": WORDS[trial.state],
                metric: trial.value if trial.state == TrialState.COMPLETE else None,
                **{one.name: values.get(one.name) for one in space},
                **{name: value for name, value in notes.get(SCORES, {}).items() if name != metric},
                "epochs_seen": max(trial.intermediate_values, default=0),
                "seconds": notes.get(SECONDS),
                "mlflow_runs": " ".join(notes.get(RUNS, [])),
                "reason": notes.get(REASON, ""),
            }
        )
    table = pd.DataFrame(rows)
    for one in space:  # numbers, strings and None keep their types
        table[one.name] = pd.Series([row[one.name] for row in rows], dtype=object)
    return table


def importances(trial_store: TrialStore) -> dict[str, float] | None:
    """Share of the metric's variance that each setting explains (fANOVA); None with too few trials."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    complete = [trial for trial in trial_store.trials() if trial.state == TrialState.COMPLETE]
    if len(complete) < IMPORTANCE_FROM or len({trial.value for trial in complete}) < 2:
        return None
    varied = [name for name in complete[0].params if len({repr(trial.params[name]) for trial in complete}) > 1]
    try:
        return get_param_importances(trial_store.optuna, evaluator=FanovaImportanceEvaluator(seed=0), params=varied)
    except RuntimeError:  # too few values: every tree of the forest is a single leaf
        return None


def write_report(job: Job, trial_store: TrialStore, output: Path, run: TrackedRun) -> Report:
    """Write the table, the summary and the figures, and log them to the sweep's run."""
    trials = trial_store.trials()
    best = best_of(trials, job.space)
    table = trials_table(trials, job.space, job.sweep.metric)
    shares = importances(trial_store)
    counts = {word: int((table["state"] == word).sum()) if len(table) else 0 for word in WORDS.values()}
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    problem = str(failed[-1].user_attrs.get(REASON)) if failed else None
    report = Report(job.key, job.sweep.metric, best, counts, output, run.run_id, problem)
    pictures = {HISTORY: figures.history(table, job.sweep.metric)} if len(table) else {}
    if best is not None:
        pictures[SLICES] = figures.slices(table, job.space, job.sweep.metric)
    if shares:
        pictures[IMPORTANCE] = figures.importance(shares)
    names = (TABLE, SUMMARY, *pictures)
    with atomic_paths(*(output / name for name in names)) as (table_file, summary_file, *picture_files):
        write_table(table_file, table)
        write_json(summary_file, _summary(job, report, shares))
        for name, file in zip(pictures, picture_files, strict=True):
            save_figure(pictures[name], file)
    run.log_table(table, TABLE)
    run.log_file(output / SUMMARY)
    for name in pictures:
        run.log_figure(output / name, name)
    for name in {*FILES} - {*names}:
        remove_output(output / name)  # from an earlier study
    run.set_tags({f"trials.{word}": number for word, number in counts.items()})
    if best is not None:
        run.set_tags({"best.trials": ", ".join(map(str, best.trials))})
        run.set_tags({f"best.{name}": value for name, value in best.values.items()})
    return report


def _summary(job: Job, report: Report, shares: dict[str, float] | None) -> dict[str, Any]:
    best = report.best
    networks = []
    if best is not None:
        folders = [trial_folder(job.folder, number) for number in best.trials]
        networks = [one.parent for folder in folders for one in sorted(folder.glob("seed*/config.json"))]
    return {
        "sweep": job.name,
        "study": job.key,
        "base": job.sweep.base,
        "sampler": job.sweep.sampler,
        "pruner": job.sweep.pruner,
        "metric": job.sweep.metric,
        "best": None if best is None else {**asdict(best), "networks": [_inside(one, job.root) for one in networks]},
        "trials": report.counts,
        "importance": shares,
        "space": {one.name: one.as_dict() for one in job.space},
        "images": {"train": len(job.train_names), "held_out": list(job.held_out)},
        "mlflow_run": report.parent_run_id,
    }


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
