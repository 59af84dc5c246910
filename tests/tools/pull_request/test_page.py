"""The report as it is read: the verdict, the tables, what is folded, and what keeps it readable."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.markdown_tables import unpadded
from tests.tools.pull_request.worlds import a_run, side
from tests.training.comparison.worlds import network
from tools.pull_request.changes import compare_sides
from tools.pull_request.dvc_state import Changed
from tools.pull_request.page import MAX_LENGTH, PullRequestReport, report_markdown
from tools.pull_request.sides import SideResults
from tools.pull_request.tables import MAX_ROWS

BEFORE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BETTER = tuple(iou + 0.1 for iou in BEFORE)


def report(base: SideResults, head: SideResults, **changed: Any) -> str:
    whole = PullRequestReport(
        head_words="`abc`",
        base_words="`def`",
        head=head,
        base=base,
        same_commit=False,
        same_environment=True,
        changes=compare_sides(base, head),
        params=[],
        metrics=[],
        comparison=None,
    )
    return unpadded(report_markdown(replace(whole, **changed)))


def row(page: str, name: str) -> list[str]:
    """The cells of the line of a table that begins with a name."""
    [line] = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_headline_table() -> None:
    """Two networks of six images: a gains 0.1 of IoU on each, b is as before. Mean IoU of a: 0.35 and 0.45."""
    base = side(network("a", BEFORE), network("b", BEFORE))
    head = side(network("a", BETTER), network("b", BEFORE))
    page = report(base, head)
    # The made-up scores of a network are all one value; no object was found or lost.
    gain, none = "**+0.10 [+0.10, +0.10], p 0.031**", "0.00 [0.00, 0.00], p 1"
    assert row(page, "a") == ["a", *("0.35 → 0.45", gain), *("0.35 → 0.45", none) * 2]
    assert row(page, "b") == ["b", *("0.35", "same") * 3]
    assert "**1 of 2 networks changed; better: a; unchanged: b.**" in page
    assert "6 images: p cannot be below 0.031." in page


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        (side(network("a", BEFORE)), side(network("a", BEFORE)), "The only network scores the same on every image."),
        (
            side(network("a", BEFORE)),
            side(network("a", [*BEFORE[:-1], 0.7])),
            "1 of 1 network changed; none is better or worse with p < 0.05.",
        ),
        (side(network("a", BEFORE)), side(network("b", BEFORE)), "New: b; removed: a."),
        (
            side(network("a", BEFORE)),
            side(network("a", BEFORE[1:])),
            "Not comparable image by image: a.",
        ),
        (side(network("a", BEFORE)), side(absent={"a": "has not run"}), "Without scores: a."),
    ],
)
def test_the_verdict_in_one_sentence(base: SideResults, head: SideResults, verdict: str) -> None:
    assert f"**{verdict}**" in report(base, head)


def test_new_and_removed_networks_are_rows() -> None:
    page = report(side(network("old", BEFORE)), side(network("new", BEFORE)))
    assert row(page, "new") == ["new", *("0.35", "new") * 3]
    assert row(page, "old") == ["old", *("0.35", "removed") * 3]


def test_a_reason_is_given_for_what_is_not_compared() -> None:
    page = report(side(network("a", BEFORE)), side(network("a", BEFORE[1:])))
    assert "- a: base and head were scored on different images (6 and 5): only base has image05" in page
    assert row(page, "a")[1:3] == ["0.35 → 0.40", "–"]


def test_nothing_on_either_side() -> None:
    assert "No network has scores on either side." in report(side(), side())


def test_a_failed_pipeline_is_said() -> None:
    failed = a_run(status=255, failed="evaluate@a", stages={"data": 3.0})
    half = replace(side(network("a", BEFORE), run=failed), stale=("evaluate@a",))
    page = report(half, side(network("a", BEFORE), run=a_run()))
    assert "**Base's pipeline failed in stage `evaluate@a`.**" in page
    assert "`failed to reproduce 'evaluate@a': exited with 1`" in page
    assert "Head's pipeline" not in page
    # A stage that failed once and has run since, by whatever command, is fine.
    assert "failed" not in report(replace(half, stale=()), side(network("a", BEFORE)))


def test_an_unreadable_and_an_unreproduced_pipeline_are_said() -> None:
    page = report(side(), replace(side(), problem="`dvc status` failed: './dvc.yaml' is invalid."))
    assert "**Head's pipeline cannot be read.** \\`dvc status\\` failed: './dvc.yaml' is invalid." in page
    page = report(side(), replace(side(), stale=("train@a", "evaluate@a")))
    assert "**Head is not reproduced**: `train@a`, `evaluate@a` would run." in page


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (None, a_run(), "its committed ones"),
        (a_run(), a_run(), "Both sides ran on the same kind of machine with the same libraries."),
        (a_run(), a_run(machine="elsewhere"), "for head's run that is unknown"),
        (a_run(), None, "for head's run that is unknown"),
    ],
)
def test_where_the_numbers_come_from_is_said(base: Any, head: Any, words: str) -> None:
    assert words in report(side(run=base), side(run=head))


def test_other_dependencies_and_one_commit_are_said() -> None:
    base, head = side(run=a_run()), side(run=a_run())
    assert "pyproject.toml" not in report(base, head)
    assert "both sides ran with head's libraries" in report(base, head, same_environment=False)
    assert "Head and base are the same commit" in report(base, head, same_commit=True)


def test_parameters_are_in_sight_if_few_and_folded_if_many() -> None:
    page = report(side(), side(), params=[Changed("params.yaml", "finetune.a.rate", 0.001, 0.003)])
    assert row(page, "finetune.a.rate") == ["finetune.a.rate", "0.001", "0.003"]
    assert "<details>" not in page
    many = [Changed("params.yaml", f"p{i:02}", None, i) for i in range(MAX_ROWS + 5)]
    page = report(side(), side(), params=many)
    assert f"<summary>Parameters: {MAX_ROWS + 5} changed</summary>" in page
    assert row(page, "p00") == ["p00", "–", "0"]
    assert "… and 5 more." in page
    assert "Parameters: none changed." in report(side(), side())


def test_all_of_a_network_that_is_new_or_removed_is_one_row() -> None:
    """Four parameters of b and four metrics of a, which one side lacks; of c, which both have, each has its row."""
    keys = ("epochs", "loss", "rate", "start")
    params = [Changed("params.yaml", f"finetune.b.{key}", None, 1) for key in keys]
    params += [
        Changed("params.yaml", f"finetune.c.{key}", old, 2) for key, old in zip(keys, (1, 1, 1, None), strict=True)
    ]
    metrics = [Changed("reports/scores/tuned/a.json", name, 0.5, None) for name in ("iou", "f1", "recall", "accuracy")]
    page = report(side(), side(), params=params, metrics=metrics)
    assert row(page, "finetune.b.…") == ["finetune.b.…", "–", "4 parameters"]
    assert [row(page, f"finetune.c.{key}")[1:] for key in keys] == [*[["1", "2"]] * 3, ["–", "2"]]
    assert row(page, "tuned/a") == ["tuned/a", "all", "4 metrics", "–", "–"]


def test_metrics_have_a_row_each_unless_they_round_to_the_same() -> None:
    """Of three, two are shown: the third changed in a digit that no cell has."""
    scores = "reports/scores/tuned/a.json"
    metrics = [
        Changed(scores, "iou", 0.5, 0.25),
        Changed(scores, "recall", 0.123456789, 0.123456788),
        Changed("reports/scores/tracks.json", "HOTA", None, 0.5),
    ]
    page = report(side(), side(), metrics=metrics)
    assert row(page, "tuned/a") == ["tuned/a", "iou", "0.5", "0.25", "−0.25"]
    assert row(page, "tracks") == ["tracks", "HOTA", "–", "0.5", "–"]
    assert "<summary>Metrics: 2 changed, of tracks, a</summary>" in page
    assert "recall" not in page
    assert "Head's pipeline" in report(side(), side(), metrics="Head's pipeline has not run to its end.")


def test_the_times_of_the_stages() -> None:
    """1 + 1 + 2.5 s here, 1 + 70 s there, which ran fewer stages."""
    page = report(side(run=a_run(stages={"data": 70.0})), side(run=a_run()))
    assert "<summary>Time of the stages: head 4 s, base 1 min 11 s</summary>" in page
    assert row(page, "`data`") == ["`data`", "1 s", "70 s"]
    assert row(page, "`evaluate@a`") == ["`evaluate@a`", "2 s", "–"]
    assert row(page, "all") == ["all", "4 s", "71 s"]
    assert "Time of the stages" not in report(side(), side())
    alone = report(side(), side(run=a_run()))
    assert "<summary>Time of the stages: head 4 s</summary>" in alone
    assert row(alone, "`data`") == ["`data`", "1 s"]


def test_names_cannot_break_the_page() -> None:
    """A name with a cell's end, a line's end and markup stays in its cell."""
    evil = "a | b\n<img src=x> [y](z) *c* `d`"
    page = report(side(), side(network(evil, BEFORE)), params=[Changed("params.yaml", evil, evil, None)])
    cell = "a \\| b \\<img src=x> \\[y\\](z) \\*c\\* \\`d\\`"
    assert f"| {cell} | 0.35 | new |" in page
    assert f"| {cell} | {cell} | – |" in page


def test_a_page_too_long_for_a_comment_loses_its_last_sections() -> None:
    page = report(side(), side(network("a", BEFORE)), comparison="x" * MAX_LENGTH)
    assert len(page) <= MAX_LENGTH
    assert row(page, "a")[1:3] == ["0.35", "new"]
    assert "xxx" not in page
    assert "1 section left out: too long" in page
    assert "xxx" in report(side(), side(), comparison="xxx")


def test_everything_that_is_folded_can_be_opened() -> None:
    """GitHub needs an empty line after the summary to see a table, and every tag has its end."""
    page = report(
        side(run=a_run()),
        side(run=a_run()),
        metrics=[Changed("reports/scores/tracks.json", "HOTA", 1, 2)],
        comparison=Path("reports/comparison.md").name,
    )
    assert len(re.findall(r"<details>\n<summary>[^\n]+</summary>\n\n", page)) == page.count("<details>") == 3
    assert page.count("\n\n</details>") == 3
