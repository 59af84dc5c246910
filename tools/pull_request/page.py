"""The report as Markdown: the verdict and the scores visible, everything else folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from somanet.core.markdown import code, plain, table
from somanet.evaluation.paired import ALPHA
from somanet.evaluation.resampling import MAX_EXACT, least_p
from somanet.training.comparison import table_cells
from somanet.training.comparison.networks import ComparedNetwork, title
from tools.pull_request import markdown
from tools.pull_request.changes import Change
from tools.pull_request.dvc_state import Changed
from tools.pull_request.sides import SideResults
from tools.pull_request.tables import metrics_table, params_table, stages_table

SHOWN = ("iou", "precision", "accuracy")
"""Scores in the headline table."""
MAX_LENGTH = 55_000
"""Maximum characters of a report; GitHub allows 65,536 in a comment."""


@dataclass(frozen=True)
class PullRequestReport:
    """Everything that a report shows.

    Attributes:
        head_words, base_words: descriptions of the sides.
        head, base: their results.
        same_commit: base and head are one commit and the working tree is clean.
        same_environment: `pyproject.toml` is the same, so that both have the same requirements.
        changes: how each network changed.
        params, metrics: what changed, or why that is unknown.
        comparison: head's `comparison.md`, or None.
    """

    head_words: str
    base_words: str
    head: SideResults
    base: SideResults
    same_commit: bool
    same_environment: bool
    changes: Sequence[Change]
    params: Sequence[Changed] | str
    metrics: Sequence[Changed] | str
    comparison: str | None


def report_markdown(report: PullRequestReport) -> str:
    """The report; sections are left out, last one first, until it fits in a comment."""
    sections = [
        _head(report),
        _scores(report.changes),
        params_table(report.params),
        metrics_table(report.metrics),
        stages_table(report.head.run, report.base.run),
        _comparison(report.comparison),
    ]
    pages = ["\n".join(section) for section in sections if section]
    left_out = 0
    while len("\n\n".join(pages)) > MAX_LENGTH and len(pages) > 1:
        pages.pop()
        left_out += 1
    if left_out:
        pages.append(f"{markdown.count(left_out, 'section')} left out: too long for a comment.")
    return "\n\n".join(pages)[:MAX_LENGTH].rstrip() + "\n"


def _head(report: PullRequestReport) -> list[str]:
    lines = [f"Head: {report.head_words}. Base: {report.base_words}.", ""]
    lines += [f"**{_verdict(report.changes)}**", ""] if report.changes else []
    notes = [
        *_trouble("Head", report.head),
        *_trouble("Base", report.base),
        *(["Head and base are the same commit: any difference is a lack of reproducibility."] * report.same_commit),
        *_origin(report),
    ]
    return [*lines, *(f"- {note}" for note in notes)]


def _verdict(changes: Sequence[Change]) -> str:
    """One sentence for a reviewer in a hurry."""
    if all(change.status == "same" for change in changes):
        who = "The only network scores" if len(changes) == 1 else f"All {len(changes)} networks score"
        return f"{who} the same on every image."
    numbers = {
        status: [change.name for change in changes if change.status == status]
        for status in ("same", "unpaired", "new", "removed", "absent")
    }
    changed = [change for change in changes if change.status == "changed"]
    by_verdict = {
        words: [change.name for change in changed if change.verdict(SHOWN) == words]
        for words in ("better", "worse", "mixed")
    }
    parts = [f"{len(changed)} of {markdown.count(len(changes), 'network')} changed"] if changed else []
    parts += [f"{words}: {_names(found)}" for words, found in by_verdict.items() if found]
    if changed and not any(by_verdict.values()):
        parts.append(f"none is better or worse with p < {ALPHA:g}")
    titles = {"same": "unchanged", "unpaired": "not comparable image by image", "absent": "without scores"}
    parts += [f"{titles.get(status, status)}: {_names(found)}" for status, found in numbers.items() if found]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _names(names: Sequence[str]) -> str:
    return ", ".join(plain(name) for name in names)


def _trouble(who: str, side: SideResults) -> list[str]:
    """Warnings about a side that has not run to its end."""
    if side.run is not None and side.run.status and not side.whole:
        where = f"in stage {code(side.run.failed)}" if side.run.failed else "before any stage could be named"
        said = f" DVC says: {code(side.run.error)}." if side.run.error else ""
        return [f"**{who}'s pipeline failed {where}.**{said} What had run before is shown."]
    if side.problem is not None:
        return [f"**{who}'s pipeline cannot be read.** {plain(side.problem)}"]
    if side.stale:
        more = " …" if len(side.stale) > 8 else ""
        stages = ", ".join(code(stage) for stage in side.stale[:8]) + more
        return [
            f"**{who} is not reproduced**: {stages} would run. Run `make repro` first; their old results are left out."
        ]
    return []


def _origin(report: PullRequestReport) -> list[str]:
    head, base = report.head.run, report.base.run
    if base is None:
        elsewhere = "perhaps from another machine, where trainings end slightly differently"
        return [f"The base's results are its committed ones, {elsewhere}. `make base` runs it here."]
    environment = [] if report.same_environment else ["`pyproject.toml` differs: both sides ran with head's libraries."]
    if head is not None and head.machine == base.machine:
        return ["Both sides ran on the same kind of machine with the same libraries.", *environment]
    return ["The base ran on this kind of machine with these libraries; for head's run that is unknown.", *environment]


def _scores(changes: Sequence[Change]) -> list[str]:
    if not changes:
        return ["No network has scores on either side."]
    head = ["network", *(part for score in SHOWN for part in (title(score), f"Δ {title(score)}"))]
    lines = ["### Scores on the validation neurons", "", table(head, [_row(change) for change in changes])]
    lines += _reading(change for change in changes if change.status == "changed")
    reasons = [f"- {plain(change.name)}: {plain(change.why)}" for change in changes if change.why]
    return [*lines, *(["", "Not compared:", "", *reasons] if reasons else [])]


def _reading(changed: Iterable[Change]) -> list[str]:
    """How to read the differences, if any."""
    n_images = [change.n_images for change in changed]
    if not n_images:
        return []
    n, least = max(n_images), least_p(max(n_images), len(n_images))
    holm = f", corrected by Holm's method for the {len(n_images)} networks that changed" if len(n_images) > 1 else ""
    return [
        "",
        "Δ: head minus base; brackets: 95 % bootstrap interval, resampling the same images for both;",
        f"p: permutation test that swaps both sides' results per image{holm}; **bold**: p < {ALPHA:g}.",
        f"{markdown.count(n, 'image')}" + (f": p cannot be below {least:.2g}." if n <= MAX_EXACT else "."),
    ]


def _row(change: Change) -> list[str]:
    return [plain(change.name), *(part for score in SHOWN for part in _pair(change, score))]


def _pair(change: Change, score: str) -> tuple[str, str]:
    old, new = (_value(network, score) for network in (change.base, change.head))
    if change.status == "same":
        return new, "same"
    if change.status in ("new", "removed"):
        return (new if change.status == "new" else old), change.status
    found = change.differences.get(score)
    return f"{old} → {new}", table_cells.difference(found) if found else "–"


def _value(network: ComparedNetwork | None, score: str) -> str:
    return "–" if network is None else table_cells.plain(network.metrics.get(score), ".2f")


def _comparison(page: str | None) -> list[str]:
    return markdown.folded("Comparison of head's networks", page.strip().splitlines()) if page else []
