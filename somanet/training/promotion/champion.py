"""Promotion in the registry: the rule's decision sets an alias, its reason and numbers become tags."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.markdown import plain
from somanet.evaluation.image_tables import image_values, pooled_metrics
from somanet.evaluation.paired import Difference
from somanet.provenance.code import collect, working_tree
from somanet.provenance.mlflow import (
    RunRecord,
    Version,
    describe_version,
    list_run_tables,
    promotion_turn,
    read_run,
    read_run_table,
    read_version,
    register_run,
    run_checkpoint,
    set_alias,
    set_version_tags,
    version_by_alias,
)
from somanet.provenance.mlflow.resolve import ALIAS, WEIGHTS_TAG
from somanet.training.promotion.rule import Decision, Rule, decide

CHAMPION: Literal["champion"] = "champion"
CHALLENGER: Literal["challenger"] = "challenger"
Alias = Literal["champion", "challenger"]
PREVIOUS, REASON = "promotion.previous_champion", "promotion.reason"


@dataclass(frozen=True)
class Promotion:
    """What a promotion does, or would do.

    Attributes:
        run: the run of the candidate network.
        to: the alias.
        decision: the rule's decision.
        champion: the champion so far, if any.
        version: number of the version that now has the alias; none if nothing was changed.
    """

    run: RunRecord
    to: Alias
    decision: Decision
    champion: Version | None
    version: str | None


def promote(run: Path | str, *, root: Path, rule: Rule, to: Alias = CHAMPION, dry_run: bool = False) -> Promotion:
    """Register a run's network and, where the rule agrees, give it an alias.

    A challenger needs a comparison with the champion, not a win over it. The alias moves last, so that an earlier
    failure changes nothing. Of several at once each waits for the one before, and is compared with its champion.

    Args:
        run: a run id, a ``mlflow_run.json``, the folder that holds one, or an alias of the registered model.
        root: the project.
        rule: see :class:`somanet.training.promotion.rule.Rule`.
        to: the alias to give.
        dry_run: decide without changing anything.

    Raises:
        SomaNetError: the run is unknown, unfinished, deleted, has no checkpoint or no evaluation; it is the champion
            already; the champion was scored on other images; or another promotion does not end.
    """
    record = _candidate(run, root)
    run_checkpoint(record.run_id, root=root)  # checks that it exists and has the recorded weights
    table = f"{rule.evaluation}_per_image.csv"
    candidate = read_run_table(record.run_id, _evaluated(record.run_id, table, root), root)
    with nullcontext() if dry_run else promotion_turn(root):
        champion = version_by_alias(CHAMPION, root)
        decision = _decide(record, candidate, champion, rule=rule, to=to, root=root)
        number = None
        if decision.accepted and not dry_run:
            text = description(record, to, decision, candidate, on=rule.evaluation)
            number = _register(record, to, decision, rule, champion, text, root)
    return Promotion(record, to, decision, champion, number)


def _decide(
    record: RunRecord, candidate: pd.DataFrame, champion: Version | None, *, rule: Rule, to: Alias, root: Path
) -> Decision:
    """Compare the candidate with the present champion, if there is one."""
    if champion is None:
        return decide(candidate, None, rule)
    if champion.run_id == record.run_id:
        raise SomaNetError(
            f"Run {record.run_id} ({record.name}) is the champion already (version {champion.number}). Name "
            "another run."
        )
    table = f"{rule.evaluation}_per_image.csv"
    rival = read_run_table(champion.run_id, _evaluated(champion.run_id, table, root), root)
    _refuse_other_data(record, read_run(champion.run_id, root=root), rule.evaluation)
    decision = decide(candidate, rival, rule)
    if to == CHAMPION:
        return decision
    tried = f"To be tried against the champion. {decision.reason}"
    return Decision(True, tried, decision.differences, decision.n_images)


def roll_back(*, root: Path, reason: str | None = None, dry_run: bool = False) -> tuple[Version, Version, str]:
    """Return the champion's alias to the version that had it before.

    Returns:
        The version that loses the alias, the one that gets it, and the reason, which becomes a tag of both.

    Raises:
        SomaNetError: there is no champion, or no earlier one.
    """
    with nullcontext() if dry_run else promotion_turn(root):
        now = version_by_alias(CHAMPION, root)
        if now is None:
            raise SomaNetError("There is no champion to roll back. `somanet promote RUN` makes the first.")
        if not now.tags.get(PREVIOUS):
            raise SomaNetError(
                f"Version {now.number} is the first champion: there is no earlier one to return to. `somanet promote "
                "RUN` makes another network the champion."
            )
        before = read_version(now.tags[PREVIOUS], root)
        text = f"Rolled back from version {now.number} to {before.number}: {reason or 'no reason was given'}."
        if not dry_run:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            for version in (now, before):
                set_version_tags(version.number, root, {"rollback.reason": text, "rollback.at": at})
                describe_version(version.number, root, f"{version.description}\n\n{text}".strip())
            set_alias(CHAMPION, before.number, root)
    return now, before, text


def _candidate(run: Path | str, root: Path) -> RunRecord:
    if ALIAS.fullmatch(str(run)) and not Path(run).exists() and (version := version_by_alias(str(run), root)):
        run = version.run_id
    record = read_run(run, root=root)
    if record.status != "FINISHED":
        raise SomaNetError(
            f"Run {record.run_id} ({record.name}) is {record.status}, expected FINISHED: a training that was stopped "
            "has no network to promote. The same training command resumes it."
        )
    return record


def _evaluated(run_id: str, table: str, root: Path) -> str:
    """The table's name, if the run has it."""
    there = list_run_tables(run_id, root)
    if table in there:
        return table
    scored = [name.removesuffix("_per_image.csv") for name in there if name.endswith("_per_image.csv")]
    raise SomaNetError(
        f"Run {run_id} has no evaluation {table.removesuffix('_per_image.csv')!r}; it has "
        f"{', '.join(scored) or 'none at all'}. `dvc repro` scores the pipeline's networks; others: `somanet evaluate "
        f"--model {run_id} --truth DATA --output metrics.json --record {table.removesuffix('_per_image.csv')}`."
    )


def _refuse_other_data(candidate: RunRecord, champion: RunRecord, evaluation: str) -> None:
    """Refuse runs scored on different data: equal image names do not prove equal images, but hashes do."""
    ours, theirs = (
        {(one.kind, one.digest) for one in run.inputs if one.context == f"test on {evaluation}"}
        for run in (candidate, champion)
    )
    if ours and theirs and {kind for kind, _ in ours} == {kind for kind, _ in theirs} and not ours & theirs:
        (_, mine), (_, other) = min(ours), min(theirs)
        raise SomaNetError(
            f"Run {candidate.run_id} was not scored on the data of the champion's run {champion.run_id}: {mine[:12]}… "
            f"and {other[:12]}…. Score both on the same images (`dvc repro`, or `somanet evaluate --record`)."
        )


def _register(
    record: RunRecord, to: Alias, decision: Decision, rule: Rule, champion: Version | None, text: str, root: Path
) -> str:
    code = collect(working_tree(root))
    tags = {
        WEIGHTS_TAG: record.tags.get(WEIGHTS_TAG, ""),
        "promotion.to": to,
        REASON: decision.reason,
        "promotion.at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promotion.rule": json.dumps(asdict(rule)),
        "promotion.numbers": json.dumps({name: _numbers(found) for name, found in decision.differences.items()}),
        "promotion.n_images": str(decision.n_images),
        "promotion.commit": code.git_commit or "unknown",
        "promotion.against": champion.number if champion else "",
    }
    if to == CHAMPION:
        tags[PREVIOUS] = champion.number if champion else ""
    version = register_run(record.run_id, root, tags=tags)
    describe_version(version.number, root, text)
    set_alias(to, version.number, root)
    if to == CHAMPION and CHALLENGER in version.aliases:
        set_alias(CHALLENGER, None, root)
    return version.number


_WORDS = {"iou": "IoU", "precision": "precision", "recall": "recall", "accuracy": "accuracy", "mean_ap": "mean AP"}


def description(record: RunRecord, to: Alias, decision: Decision, per_image: pd.DataFrame, *, on: str) -> str:
    """The text of a promoted version on MLflow's page, as Markdown: which network, its scores, and why.

    Args:
        record: the run that trained it.
        to: its alias.
        decision: the rule's decision.
        per_image: the table of its scores.
        on: name of the scored data.
    """
    values = image_values(per_image, f"the table of run {record.run_id}")
    scores = pooled_metrics(values, np.ones((1, len(values.images))))
    numbers = ", ".join(
        f"{word} {scores[name]:.3f}" if scores[name] == scores[name] else f"{word} undefined"
        for name, word in _WORDS.items()
    )
    return (
        f"{plain(record.name)} of the experiment {plain(record.experiment)}, run `{record.run_id}`.\n\n"
        f"On {on} ({len(values.images)} images): {numbers}.\n\n"
        f"{to.capitalize()} because: {decision.reason}"
    )


def _numbers(found: Difference) -> dict[str, float]:
    return {
        "candidate": found.score,
        "champion": found.reference_score,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }
