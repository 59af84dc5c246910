"""Networks from MLflow runs: seeds of one training grouped, scores from the runs' per-image tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import check_columns, image_values, pooled_metrics
from somanet.evaluation.resampling import Floats, bootstrap_counts
from somanet.provenance.mlflow import DECIDING_SCORES, RunRecord, read_tables, score_of
from somanet.training.comparison.networks import SPEED, ComparedNetwork, Cost
from somanet.training.experiments import EVALUATION_SEED, NETWORK

PER_IMAGE = "_per_image.csv"
START = "start_weights_sha256"
Tables = Mapping[str, pd.DataFrame]


def networks_of_runs(
    runs: Sequence[RunRecord], *, root: Path, scored_on: str | None = None, skip_unscored: bool = False
) -> tuple[list[ComparedNetwork], list[str]]:
    """The networks trained by the runs, and the names of runs without an evaluation.

    Runs that differ only in their seed are one network. Where a seed occurs twice (a training repeated with other
    code, say), each run is a network of its own.

    Args:
        runs: finished or not.
        root: the project.
        scored_on: name of the scored data, as the stages call it: `neurons`, `nuclei`; None takes the only
            one that all runs have.
        skip_unscored: leave out runs without an evaluation, instead of refusing them.

    Raises:
        SomaNetError: runs without an evaluation, or several data sets to choose from.
    """
    tables = {run.run_id: (run, found) for run, found in read_tables(runs, suffix=PER_IMAGE, root=root)}
    wanted = scored_on or _shared_data({key: found for key, (_, found) in tables.items() if found})
    scored = [(run, found[wanted]) for run, found in tables.values() if wanted in found]
    unscored = [run for run, found in tables.values() if wanted not in found]
    if unscored and (not scored or not skip_unscored):
        raise SomaNetError(_no_evaluation(unscored[0], wanted, set().union(*(found for _, found in tables.values()))))
    counts: dict[int, Floats] = {}
    networks = [_network(group, wanted, counts) for group in _groups(scored)]
    return _with_single_names(networks), [_words(run) for run in unscored]


def _shared_data(tables: Mapping[str, Tables]) -> str:
    """The data set that all evaluated runs were scored on."""
    every = [set(found) for found in tables.values()]
    shared = set.intersection(*every) if every else set()
    if len(shared) > 1:
        raise SomaNetError(f"The runs were scored on {' and on '.join(sorted(shared))}: choose one with --scored-on.")
    if every and not shared:
        found = ", ".join(sorted(set.union(*every)))
        raise SomaNetError(
            f"The runs were scored on different data ({found}), with none in common. --scored-on picks one, and "
            "with --experiment or --study skips the runs without it."
        )
    return shared.pop() if shared else ""


def _no_evaluation(run: RunRecord, wanted: str, found: set[str]) -> str:
    on = f" on {wanted!r}" if wanted else ""
    has = f"; there are evaluations on {', '.join(sorted(found))}" if found else ""
    return (
        f"The run {_words(run)} ({run.status}) has no evaluation{on}: expected its artifact "
        f"tables/{wanted or '<data>'}{PER_IMAGE}{has}. The stages baseline and evaluate add it: `dvc repro`."
    )


def _words(run: RunRecord) -> str:
    return f"{run.name or 'without a name'} ({run.run_id[:8]})"


def _groups(scored: Sequence[tuple[RunRecord, pd.DataFrame]]) -> list[list[tuple[RunRecord, pd.DataFrame]]]:
    """Runs that differ only in their seed, by seed."""
    groups: dict[object, list[tuple[RunRecord, pd.DataFrame]]] = {}
    for run, table in scored:
        groups.setdefault(run.tags.get(NETWORK) or _settings(run), []).append((run, table))
    split: list[list[tuple[RunRecord, pd.DataFrame]]] = []
    for group in groups.values():
        seeds = [_seed(run) for run, _ in group]
        if None in seeds or len(set(seeds)) < len(seeds):
            split += [[one] for one in group]
        else:
            split.append(sorted(group, key=lambda one: _seed(one[0]) or 0))
    return split


def _settings(run: RunRecord) -> object:
    """What runs of one network share, for those recorded before they had a tag for it, and for mere evaluations."""
    settings = tuple(sorted((key, value) for key, value in run.params.items() if key != "seed"))
    return _name(run), run.experiment, settings, run.tags.get(START)


def _name(run: RunRecord) -> str:
    """The run's name without its seed, with the profile and DVC's experiment that made it."""
    return re.sub(r"-seed\d+$", "", run.name) or run.tags.get("variant") or run.run_id[:8]


def _seed(run: RunRecord) -> int | None:
    """From the settings, or from the name where an evaluation was recorded separately from its training."""
    named = re.search(r"-seed(\d+)$", run.name)
    text = run.params.get("seed") or (named[1] if named else "")
    return int(text) if text.isdecimal() else None


def _network(group: Sequence[tuple[RunRecord, pd.DataFrame]], data: str, counts: dict[int, Floats]) -> ComparedNetwork:
    runs, tables = [run for run, _ in group], [table for _, table in group]
    for table in tables:
        check_columns(table, _words(runs[0]), "noise_objects")
    images = [tuple(table["name"]) for table in tables]
    if len(set(images)) > 1:
        raise SomaNetError(
            f"The seeds of {_name(runs[0])} were scored on different images: `dvc repro` scores them again."
        )
    n_images = len(images[0])
    if n_images not in counts:
        counts[n_images] = bootstrap_counts(n_images, seed=EVALUATION_SEED)
    numbers = [_seed(run) for run in runs]
    seeds = {
        place if number is None else number: run.run_id
        for place, (number, run) in enumerate(zip(numbers, runs, strict=True))
    }
    per_image = pd.concat(
        [table.assign(seed=seed) for seed, table in zip(seeds, tables, strict=True)], ignore_index=True
    )
    return ComparedNetwork(
        name=_name(runs[0]),
        what=runs[0].experiment,
        metrics={
            **pooled_metrics(image_values(per_image, _words(runs[0])), counts[n_images]),
            "size_bias": _mean([score_of(run, "size_bias", data) for run in runs]),
            "interior": {
                score: _mean([score_of(run, f"interior_{score}", data) for run in runs]) for score in DECIDING_SCORES
            },
        },
        per_image=per_image,
        cost=Cost(
            train_seconds=_mean_metric(runs, "train_seconds"),
            trainable_parameters=_mean_metric(runs, "trainable_parameters"),
            inference_mpx_per_s=_mean_metric(runs, SPEED),
        ),
        runs=seeds,
    )


def _mean_metric(runs: Sequence[RunRecord], name: str) -> float:
    return _mean([run.metrics.get(name) for run in runs])


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _with_single_names(networks: Sequence[ComparedNetwork]) -> list[ComparedNetwork]:
    """Networks that share a name get the beginning of their run id appended."""
    names = [network.name for network in networks]
    return [
        ComparedNetwork(**{**vars(n), "name": f"{n.name} ({next(iter(n.runs.values()))[:8]})"})
        if names.count(n.name) > 1
        else n
        for n in networks
    ]
