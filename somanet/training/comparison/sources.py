"""Networks from the sources a user names: files, folders, variants in the project's reports, MLflow runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.core.guard import protect
from somanet.core.numbers import to_numbers
from somanet.core.schema import Column, Schema
from somanet.io.tables import read_table
from somanet.training.comparison.networks import SPEED, ComparedNetwork, Cost, check_names
from somanet.training.comparison.pairing import DECIDING

PER_IMAGE = Schema("per-image scores", (Column("name", "string", "", "the image"),))
REPORTS = Path("reports")
TRAINING = "the training.json of a training"


_LARGEST_SCORE = 1e15
_Number = Annotated[float, Field(ge=-_LARGEST_SCORE, le=_LARGEST_SCORE)] | None
_Numbers = dict[str, _Number]


class _Scores(BaseModel):
    """Types of what a comparison reads from `metrics.json`; None where a score is undefined."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Any]

    iou: _Number = None
    precision: _Number = None
    recall: _Number = None
    f1: _Number = None
    accuracy: _Number = None
    mean_ap: _Number = None
    size_bias: _Number = None
    noise_per_image: _Number = None
    n_images: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    n_seeds: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    spread_over_seeds: _Numbers = {}
    interval95: dict[str, Annotated[list[_Number], Field(min_length=2, max_length=2)] | None] = {}
    interior: _Scores | None = None
    everything: _Scores | None = None


@dataclass(frozen=True)
class CollectedNetworks:
    """Networks to compare, and notes about those left out."""

    networks: Sequence[ComparedNetwork]
    notes: Sequence[str] = ()


def collect_networks(
    sources: Sequence[str],
    *,
    root: Path,
    reports: Path = REPORTS,
    variants: bool = False,
    experiment: str | None = None,
    study: str | None = None,
    scored_on: str | None = None,
    best_by: str = DECIDING,
) -> CollectedNetworks:
    """All named networks, in this order: files and variants, runs, the experiment's runs, the study's.

    Args:
        sources: metrics files, folders that hold one, `mlflow_run.json` files or their folders, run ids, variants.
        root: the project, whose tracking store has the runs.
        reports: its reports, whose `evaluate/` holds the variants.
        variants: also take all variants.
        experiment: also take all its finished runs that have an evaluation.
        study: also take the trainings of this run, which is a study or a sweep.
        scored_on: see :func:`somanet.training.comparison.runs.networks_of_runs`.
        best_by: the score by which an experiment's or study's networks are sorted, best first.

    Raises:
        SomaNetError: a source does not exist or has no scores, or nothing was named.
    """
    found: list[ComparedNetwork] = []
    run_ids: list[str] = []
    for source in sources:
        run_id = _run_id(source)
        if run_id is not None:
            run_ids.append(run_id)
        elif not Path(source).exists() and source in variant_names(reports):
            found.append(read_variant(source, reports))
        else:
            if not Path(source).exists():
                raise SomaNetError(_unknown(source, variant_names(reports)))
            found.append(read_scores(Path(source)))
    if variants:
        names = variant_names(reports)
        if not names:
            raise SomaNetError(
                f"There is no variant in {reports / 'evaluate'}. Run this in the folder of a profile, which has a "
                "params.yaml; `dvc repro` writes the reports."
            )
        found += [read_variant(name, reports) for name in names]
    notes: list[str] = []
    if run_ids or experiment is not None or study is not None:
        runs, notes = _from_store(run_ids, experiment, study, root, scored_on, best_by)
        found += runs
    if not found:
        raise SomaNetError(
            "Nothing to compare: name metrics files, folders, run ids, --variants, --study RUN or --experiment NAME."
        )
    check_names(found)
    return CollectedNetworks(found, notes)


def read_scores(
    path: Path,
    *,
    name: str | None = None,
    what: str = "",
    training: Mapping[str, Any] | None = None,
) -> ComparedNetwork:
    """A network from its `metrics.json`, or the folder that holds it, with the per-image table next to it, if any.

    Args:
        path: the file or folder. Next to `metrics.json` the table is `per_image.csv`; next to another `NAME.json` it is
            `NAME_per_image.csv`.
        name: None takes the folder's name, or that of a file not called metrics.
        what: short description.
        training: `training.json` of the trainings.

    Raises:
        SomaNetError: the file is missing or does not hold the scores of a complete evaluation.
    """
    file = path / "metrics.json" if path.is_dir() else path
    expected = "scores that `somanet evaluate` wrote"
    content = read_json(protect(file), expected=expected)
    if "interval95" not in content:
        raise SomaNetError(f"{file} holds no scores. Expected a file written by `somanet evaluate`.")
    if "interior" not in content:
        raise SomaNetError(
            f"{file} was scored with --ignore-edge. Score it without: a comparison has a table for each."
        )
    try:
        _Scores.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise SomaNetError(
            f"{file}: expected {expected}, found another value in {'.'.join(map(str, first['loc']))}: {first['msg']}. "
            "Was it edited?"
        ) from error
    whole = file.stem == "metrics" and bool(file.parent.name)
    return ComparedNetwork(
        name=name or (file.parent.name if whole else file.stem),
        what=what,
        metrics=content,
        per_image=_sidecar_table(file),
        cost=Cost(
            train_seconds=_number((training or {}).get("seconds_per_seed")),
            trainable_parameters=_number((training or {}).get("trainable_parameters")),
            inference_mpx_per_s=_number(content.get(SPEED, (training or {}).get(SPEED))),
        ),
        weights=_weights((training or {}).get("weights_sha256")),
    )


def read_variant(name: str, reports: Path = REPORTS, *, what: str = "") -> ComparedNetwork:
    """A variant from the project's reports: `evaluate/` has its scores, `finetune/` its trainings.

    Args:
        name: the variant.
        reports: the project's reports.
        what: short description.

    Raises:
        SomaNetError: its scores are missing or incomplete.
    """
    trained = reports / "finetune" / name
    training = trained / "training.json"
    return read_scores(
        reports / "evaluate" / name,
        name=name,
        what=what,
        training=read_json(protect(training), expected=TRAINING) if training.exists() else None,
    )


BASELINE = "baseline: "
"""Prefix of the name of a pretrained network scored without fine-tuning."""


def read_baseline(network: str, reports: Path = REPORTS, *, what: str) -> ComparedNetwork:
    """A pretrained network without fine-tuning, on the neurons: `baseline/` has its scores, `pretrain/` its training.

    Args:
        network: its name in the section `pretrain`.
        reports: the project's reports.
        what: short description.

    Raises:
        SomaNetError: its scores or its training are missing or incomplete.
    """
    trained = reports / "pretrain" / network
    return read_scores(
        reports / "baseline" / network / "neurons",
        name=f"{BASELINE}{network}",
        what=what,
        training=read_json(trained / "training.json", expected=TRAINING),
    )


def variant_names(reports: Path = REPORTS) -> tuple[str, ...]:
    """The variants that have scores, by name."""
    return tuple(sorted(file.parent.name for file in (reports / "evaluate").glob("*/metrics.json")))


def _sidecar_table(file: Path) -> pd.DataFrame | None:
    table = file.with_name("per_image.csv" if file.stem == "metrics" else f"{file.stem}_per_image.csv")
    if not table.exists():
        return None
    found = read_table(protect(table), PER_IMAGE)
    for column in found.columns.drop("name"):
        values = to_numbers(found[column]).astype("float64")
        wrong = (values.isna() & found[column].notna()) | (values.abs() > _LARGEST_SCORE)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            cell = str(found[column].iloc[row])[:40]
            raise SomaNetError(
                f"{table}, line {row + 2}: expected a score in '{str(column)[:40]}', found '{cell}'. Was it edited? "
                "Evaluate again."
            )
    return found


def _weights(recorded: object) -> dict[int, str]:
    """Seed → hash, in the order of the seeds; what else a file has there is left out."""
    known = recorded if isinstance(recorded, Mapping) else {}
    by_seed = {int(s): str(sha256) for s, sha256 in known.items() if str(s).isdecimal() and len(str(s)) < 20}
    return dict(sorted(by_seed.items()))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else math.nan


def _run_id(source: str) -> str | None:
    """The run id, given directly, by `mlflow_run.json` or by the folder of one; None for anything else."""
    from somanet.provenance.mlflow import run_id_from
    from somanet.provenance.mlflow.runfile import RUN_FILE

    path = Path(source)
    if path.is_dir():
        named_in = path / RUN_FILE
        return run_id_from(protect(named_in)) if named_in.exists() and not (path / "metrics.json").exists() else None
    if path.exists():
        named = read_json(
            protect(path), expected="scores that `somanet evaluate` wrote, or the run_id of an MLflow run"
        )
        return run_id_from(path) if "run_id" in named else None
    return source if re.fullmatch(r"[0-9a-f]{32}", source) else None


def _unknown(source: str, variants: Sequence[str]) -> str:
    there = f" (there are {', '.join(variants)})" if variants else ""
    return (
        f"{source} not found: it is not a file or folder, a run id of 32 hexadecimal digits, or a variant in "
        f"{REPORTS / 'evaluate'}{there}. Check the spelling."
    )


def _from_store(
    run_ids: Sequence[str],
    experiment: str | None,
    study: str | None,
    root: Path,
    scored_on: str | None,
    best_by: str,
) -> tuple[list[ComparedNetwork], list[str]]:
    from somanet.provenance.mlflow import finished_runs, read_runs, study_runs
    from somanet.training.comparison.runs import networks_of_runs

    named = read_runs(list(dict.fromkeys(run_ids)), root=root) if run_ids else []
    networks: list[ComparedNetwork] = []
    if named:
        networks, _ = networks_of_runs(named, root=root, scored_on=scored_on)
    if experiment is None and study is None:
        return networks, []
    found = finished_runs(experiment, root=root) if experiment is not None else []
    found += [run for run in study_runs(study, root=root) if run.status == "FINISHED"] if study is not None else []
    runs = list({run.run_id: run for run in found if run.run_id not in run_ids}.values())
    if not runs and not networks:
        place = f"The experiment {experiment!r} has" if experiment is not None else f"Below the run {study} there is"
        raise SomaNetError(f"{place} no finished run to compare.")
    more, left_out = networks_of_runs(runs, root=root, scored_on=scored_on, skip_unscored=True)
    more.sort(key=lambda network: _best_first(network, best_by))
    shown = ", ".join(left_out[:5]) + (f" and {len(left_out) - 5} more" if len(left_out) > 5 else "")
    return [*networks, *more], [f"Left out, as they have no evaluation: {shown}."] if left_out else []


def _best_first(network: ComparedNetwork, score: str) -> float:
    value = _number(network.metrics.get(score))
    return math.inf if math.isnan(value) else -value
