"""The report's further tables: parameters and metrics that changed, and how long the stages took."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from somanet.core.markdown import code, plain, table
from tools.pull_request import markdown
from tools.pull_request.dvc_state import Changed
from tools.pull_request.runs import PipelineRun

MAX_ROWS = 60


def params_table(params: Sequence[Changed] | str) -> list[str]:
    """Parameters that changed, folded if there are many; a text gives the reason why they are unknown."""
    if isinstance(params, str):
        return markdown.folded("Parameters: not compared", [plain(params)])
    if not params:
        return ["Parameters: none changed."]
    # A new or removed network is one row.
    groups = _groups(params, lambda change: ".".join(change.name.split(".")[:2]))
    rows = [[plain(row.name), _shown(row.old), _shown(row.new)] for row in _rows(groups, "parameters")]
    lines = _long_table(["parameter", "base", "head"], rows)
    few = ["### Parameters", "", *lines]
    return few if len(rows) <= 10 else markdown.folded(f"Parameters: {len(params)} changed", lines)


def metrics_table(metrics: Sequence[Changed] | str) -> list[str]:
    """Metrics that changed by as much as a cell shows; a text gives the reason why they are unknown."""
    if isinstance(metrics, str):
        return markdown.folded("Metrics: not compared", [plain(metrics)])
    shown = [change for change in metrics if _shown(change.old) != _shown(change.new)]
    if not shown:
        return ["Metrics: none changed."]
    groups = _groups(shown, lambda change: change.file)
    rows = [
        [plain(_of(row.file)), plain(row.name), _shown(row.old), _shown(row.new), _step(row)]
        for row in _rows(groups, "metrics")
    ]
    of = list(dict.fromkeys("/".join(_of(file).split("/")[:2]).split("/")[-1] for file in groups))
    where = ", ".join(map(plain, of[:8])) + (" …" if len(of) > 8 else "")
    lines = _long_table(["of", "metric", "base", "head", "Δ"], rows)
    return markdown.folded(f"Metrics: {len(shown)} changed, of {where}", lines)


def _of(file: str) -> str:
    """The name of a file of scores."""
    return file.removeprefix("reports/").removeprefix("scores/").removesuffix(".json")


def _groups(changes: Sequence[Changed], group: Callable[[Changed], str]) -> dict[str, list[Changed]]:
    groups: dict[str, list[Changed]] = {}
    for change in sorted(changes, key=lambda change: (change.file, change.name)):
        groups.setdefault(group(change), []).append(change)
    return groups


def _rows(groups: Mapping[str, Sequence[Changed]], nouns: str) -> Iterator[Changed]:
    """One row each, but a single one for a whole group that only one side has."""
    for name, group in groups.items():
        old, new = (all(value is None for value in side) for side in zip(*((c.old, c.new) for c in group), strict=True))
        if len(group) > 2 and (old or new):
            words = f"{len(group)} {nouns}"
            title = f"{name}.…" if nouns == "parameters" else "all"
            yield Changed(group[0].file, title, None if old else words, None if new else words)
        else:
            yield from group


def _step(change: Changed) -> str:
    if not all(isinstance(value, int | float) for value in (change.old, change.new)):
        return "–"
    return f"{change.new - change.old:+.4g}".replace("-", "−")


def stages_table(head: PipelineRun | None, base: PipelineRun | None) -> list[str]:
    """Duration of each stage on either side; a stage without a time did not need to run."""
    runs = {word: run for word, run in (("head", head), ("base", base)) if run is not None}
    names = list(dict.fromkeys(name for run in _longest_first(runs.values()) for name in run.stages))
    if not names:
        return []
    rows = [[code(name), *(_seconds(run.stages.get(name)) for run in runs.values())] for name in names]
    rows.append(["all", *(_seconds(run.seconds) for run in runs.values())])
    total = ", ".join(f"{word} {_minutes(run.seconds)}" for word, run in runs.items())
    return markdown.folded(f"Time of the stages: {total}", [table(["stage", *runs], rows)])


def _longest_first(runs: Iterable[PipelineRun]) -> list[PipelineRun]:
    return sorted(runs, key=lambda run: -len(run.stages))


def _long_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    more = len(rows) - MAX_ROWS
    return [table(head, rows[:MAX_ROWS]), *(["", f"… and {more} more."] if more > 0 else [])]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}".replace("-", "−")
    return plain(str(value))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} s"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
