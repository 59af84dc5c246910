"""The comparison from hand-made scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from somanet.io.images import read_image
from somanet.reporting import SHOWN, Row, comparison_markdown, write_comparison


def metrics(value: float | None, *, spread: float | None = None, n_seeds: int = 1) -> dict[str, Any]:
    """An evaluation in which every score has one value, with an interval of ± 0.1."""
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    one = dict.fromkeys((*SHOWN, "size_bias", "noise_per_image"), value)
    interval = {name: [low, high] for name in one}
    return {
        **one,
        "n_images": 5,
        "n_seeds": n_seeds,
        "interval95": interval,
        "spread_over_seeds": dict.fromkeys(one, spread),
        "interior": {**one, "interval95": interval},
    }


ROWS = [
    Row("baseline", "untouched", metrics(0.25)),
    Row(
        "tuned",
        "last 3 blocks",
        metrics(0.5, spread=0.02, n_seeds=3),
        {"trainable_parameters": 9121, "seconds_per_seed": 61.4},
    ),
    Row("silent", "finds nothing", metrics(None)),
]
NUCLEI = {"paper": metrics(0.75)}


def tables(text: str) -> list[list[list[str]]]:
    """The Markdown tables of a text, as rows of cells."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return found


def test_the_markdown_is_three_whole_tables() -> None:
    parsed = tables(comparison_markdown(ROWS, NUCLEI))
    assert len(parsed) == 3
    for table in parsed:
        assert {len(row) for row in table} == {len(table[0])}
        assert set(table[1]) == {"---"}
    assert [row[0] for row in parsed[0][2:]] == ["baseline", "tuned", "silent"]
    assert [row[0] for row in parsed[1][2:]] == ["baseline", "tuned", "silent"]
    assert [row[0] for row in parsed[2][2:]] == ["paper"]


def test_the_cells() -> None:
    head, _, baseline, tuned, silent = tables(comparison_markdown(ROWS, {}))[0]
    baseline_of, tuned_of, silent_of = (dict(zip(head, row, strict=True)) for row in (baseline, tuned, silent))
    assert baseline_of["IoU"] == "0.25 [0.15, 0.35]"
    assert baseline_of["trained"] == baseline_of["time / seed"] == "–"
    assert tuned_of["IoU"] == "0.50 ± 0.02 [0.40, 0.60]"
    assert tuned_of["seeds"] == "3"
    assert tuned_of["trained"] == "9,121"
    assert tuned_of["time / seed"] == "61 s"
    assert {silent_of[name] for name in ("IoU", "precision", "size bias", "noise / image")} == {"–"}


def test_a_score_without_an_interval_is_still_shown() -> None:
    """Where no resample defines it, the interval is null in JSON."""
    row = metrics(0.5)
    row["interval95"]["iou"] = [None, None]
    [table, _] = tables(comparison_markdown([Row("a", "", row)], {}))
    assert table[2][3] == "0.50 [nan, nan]"


def test_without_nuclei_there_are_two_tables() -> None:
    text = comparison_markdown(ROWS, {})
    assert len(tables(text)) == 2
    assert text.startswith("Validation neurons: 5 images.")


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[2:]], ids=["three", "one", "undefined"])
def test_the_files(rows: list[Row], tmp_path: Path) -> None:
    write_comparison(rows, NUCLEI, tmp_path)
    written = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert list(written) == [row.name for row in rows]
    for row in rows:
        assert written[row.name]["iou"] == row.metrics["iou"]
        assert written[row.name].get("trainable_parameters") == (9121 if row.training else None)
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == comparison_markdown(rows, NUCLEI)
    assert read_image(tmp_path / "comparison.png").ndim == 3


def test_equal_scores_give_equal_bytes(tmp_path: Path) -> None:
    """DVC compares bytes: a date in a picture would run what follows again."""
    for folder in ("a", "b"):
        write_comparison(ROWS, NUCLEI, tmp_path / folder)
    for name in ("comparison.json", "comparison.md", "comparison.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
