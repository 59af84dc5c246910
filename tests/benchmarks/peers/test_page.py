"""The page of the comparison with other programs: the tables of a session."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.peers.page import REFERENCE, number, page, significant
from benchmarks.peers.scoring import score_subsets
from tests.benchmarks.peers.test_peers import squares
from tests.markdown_tables import unpadded


def row(name: str, mpx_per_s: float, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"The {name}",
        "kind": "somanet",
        "note": "",
        "segments": True,
        "mpx_per_s": mpx_per_s,
        "processor_s": 3.0,
        "peak_mb": 700.0,
        "start_s": 1.0,
        "images": 4,
        "network": None,
        "quality": None,
        **other,
    }


def found(rows: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    session = {"threads": 2, "side_px": 64, "rounds": 3, "peak_gflops": 100.0, "load_before": 0.1, "load_after": 0.2}
    return {
        "machine": {"processor": "A", "cores": 2, "widest_instructions": "avx2", "versions": {"torch": "2"}},
        "images": {"source": "somewhere", "count": 4, "fluorescence": 3, "mpx": 1.5},
        "session": {**session, "seconds": 60.0},
        "contenders": rows,
        "missing": [],
        "training": None,
        **other,
    }


def cells(text: str, title: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in unpadded(text).splitlines() if line.startswith(f"| {title}")]


def test_speed_is_given_as_a_multiple_of_the_papers() -> None:
    text = page(found([row(REFERENCE, 0.5), row("other", 1.25, segments=False, note="random weights")]))
    assert cells(text, "The other ¹") == [["The other ¹", "1.25", "2.5", "3.0", "700", "1.0", "4"]]
    assert "- The other: random weights." in text
    assert "simulated" not in text


def test_operations_become_a_share_of_the_matrix_product() -> None:
    """3 GFLOP in 40 ms are 75 GFLOP/s, of 100; the paper's network takes three times as long."""
    networks = {REFERENCE: {"flops": 6e9, "seconds": 0.12}, "other": {"flops": 3e9, "seconds": 0.04}}
    text = page(found([row(name, 1.0, network=network) for name, network in networks.items()]))
    assert cells(text, "The other")[-1] == ["The other", "3", "40", "3", "75", "75%"]


def test_quality_has_a_table_for_each_subset_and_none_for_random_weights() -> None:
    quality = score_subsets([("a", squares((5, 5)), squares((5, 5), width=6))], {"a": True})
    text = page(found([row("other", 1.0, quality=quality), row("random", 1.0)]))
    [first, second] = cells(text, "The other")[:2]
    assert first == second
    assert first[1:4] == ["0.750 [0.75, 0.75]", "1.000 [1.00, 1.00]", "0.600 [0.60, 0.60]"]
    assert len(cells(text, "The random")) == 1  # its speed


def test_training_is_given_as_a_share_of_the_papers_time() -> None:
    """20 of 100 s; without validation 15 of 60."""
    clock = {
        "seconds": 100.0,
        "processor_s": 190.0,
        "validation_s": 40.0,
        "val_iou": 0.8,
        "images": 9,
        "ended": "recipe",
    }
    other = {"seconds": 20.0, "processor_s": 38.0, "validation_s": 5.0, "val_iou": 0.81, "images": 9, "ended": "aim"}
    training = {
        "title": "mine",
        "recorded": None,
        "reference": {**clock, "epochs": [{}, {}]},
        "reference_first": None,
        "contender": {**other, "epochs": [{}]},
    }
    text = page(found([row("other", 1.0)], training=training))
    assert "Share of the paper's time: 0.20; without validation 0.25." in text
    training["contender"] = {**training["contender"], "ended": "budget"}
    text = page(found([row("other", 1.0)], training=training))
    assert "target not reached until the time was up" in text
    assert "Share of" not in text


def test_who_is_missing_is_named_with_the_reason() -> None:
    text = page(found([row("other", 1.0)], missing=[{"title": "StarDist 2D", "reason": "not installed here"}]))
    assert "- StarDist 2D: not installed here" in text


def test_numbers_without_exponent_and_dashes_for_what_is_undefined() -> None:
    assert significant(123.4, 2) == "120"
    assert significant(0.012345, 3) == "0.0123"
    assert significant(math.nan, 3) == number(None, ".2f") == number(math.nan, ".2f") == "–"
