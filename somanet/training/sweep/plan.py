"""From a sweep's settings, data and networks to a job, with everything checked before any training."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file
from somanet.core.settings import parse
from somanet.io.datasets.splits import make_split
from somanet.segmentation.network.checkpoint import WEIGHTS, read_config
from somanet.training.experiments import Profile, load_items
from somanet.training.settings import FinetuneParams
from somanet.training.sweep.settings import SweepParams
from somanet.training.sweep.space import Space, grid_points, read_space
from somanet.training.sweep.trial import Job, content_sha256
from somanet.training.sweep.trial_store import trial_store_key

METADATA = "study.json"


def plan_sweep(
    name: str,
    sweep: SweepParams,
    base: Mapping[str, Any],
    *,
    starts: Mapping[str, Path],
    data: Path,
    seed: int,
    thresholds: Sequence[float],
    root: Path,
    source: str,
    profile: Profile | None = None,
) -> Job:
    """Check a sweep and name its Optuna study.

    Args:
        name: the sweep's name.
        sweep: its settings.
        base: the variant that the trials change, as plain values.
        starts: name -> checkpoint of every start that a trial may use.
        data: the labelled set; part of it is held out.
        seed: for the hold-out, the proposals and the first training of a trial.
        thresholds: object IoU at which networks are scored.
        root: the project.
        source: where the sweep is defined, for messages.
        profile: the parameter file's, for the names of runs.

    Raises:
        SomaNetError: the space is impossible, or there are too few images.
    """
    base = _with_instances(sweep, base, starts)
    space = read_space(sweep, base, source=source)
    variant = parse(FinetuneParams, base, source=source)
    items = load_items(data)
    if len(items) < 2:
        raise SomaNetError(
            f"{data} has {len(items)} labelled images; a sweep needs some for training and some for scoring."
        )
    parts = make_split(
        [item.name for item in items], fractions={"train": 1 - sweep.holdout, "held_out": sweep.holdout}, seed=seed
    )
    data_sha256 = content_sha256(items)
    metadata = {
        "base": variant.model_dump(mode="json", exclude_defaults=True),
        "starts": {start: sha256_file(folder / WEIGHTS) for start, folder in sorted(starts.items())},
        "space": {one.name: one.as_dict() for one in space},
        "data_sha256": data_sha256,
        "held_out": list(parts["held_out"]),
        "metric": sweep.metric,
        "seeds_per_trial": sweep.seeds_per_trial,
        "seed": seed,
    }
    key = trial_store_key(name, metadata)
    return Job(
        name=name,
        key=key,
        root=root,
        folder=root / "mlruns" / "sweeps" / key,
        parent_run_id="",
        data=data.resolve(),
        data_sha256=data_sha256,
        train_names=parts["train"],
        held_out=parts["held_out"],
        base=base,
        starts={start: folder.resolve() for start, folder in starts.items()},
        space=space,
        sweep=sweep,
        epochs=_longest(space, variant),
        seed=seed,
        thresholds=tuple(thresholds),
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI"),
        host=socket.gethostname(),
        metadata=metadata,
        profile=profile or Profile(),
    )


def budget(job: Job, trials: int | None) -> int | None:
    """Total number of trials; None if only time ends the sweep."""
    if job.sweep.sampler != "grid":
        return trials
    points = sum(1 for _ in grid_points(job.space))
    return points if trials is None else min(trials, points)


def write_metadata(job: Job, token: str) -> None:
    """Write what makes the Optuna study's trials comparable, and a token that identifies its parent run."""
    write_json(job.folder / METADATA, {"sweep": job.name, "token": token, **job.metadata})


def below(job: Job, parent_run_id: str) -> Job:
    """The job with its trials as children of a run."""
    return replace(job, parent_run_id=parent_run_id)


def _with_instances(sweep: SweepParams, base: Mapping[str, Any], starts: Mapping[str, Path]) -> Mapping[str, Any]:
    """Let a trial that sets one instance setting keep the start's others, like a base that names none."""
    if base.get("instances") or not any(name.startswith("instances.") for name in sweep.space):
        return base
    start = starts.get(str(base["start"]), next(iter(starts.values())))
    return {**base, "instances": read_config(start)["model"]["instances"]}


def _longest(space: Space, variant: FinetuneParams) -> int:
    for one in space:
        if one.name == "training.epochs":
            return int(max(one.choices) if one.choices is not None else one.high)
    return variant.training.epochs
