"""Validation tables and figures of made-up numbers."""

import json

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation import figures
from somanet.analysis.validation.conditions import BASE
from somanet.analysis.validation.tables import (
    donors_markdown,
    fill,
    headline,
    movies_markdown,
    robustness_markdown,
    sampling_markdown,
)
from somanet.core.errors import SomaNetError
from tests.markdown_tables import unpadded


def tracks() -> pd.DataFrame:
    """Base at 5 and 10 min by both detectors, noise at 10 min, donors at 10 min; raw speed is unknown."""
    conditions = [
        *((BASE, f"{detector}, {m} min", float(m), detector) for detector in ("rule", "model") for m in (5, 10)),
        ("noise", "1 µm", 10.0, "rule"),
        ("donors", "4 donors", 10.0, "rule"),
    ]
    rows = [
        {
            "factor": factor, "level": level, "interval_min": minutes, "detector": detector, "quantity": quantity,
            "kind": kind, "truth": 1.0, "estimate": 1 + bias, "bias": bias, "bias_low": bias - 0.02,
            "bias_high": bias + 0.02, "defined": 1.0, "coverage": 0.5 if kind == "raw" else 0.95, "coverage_low": 0.4,
            "coverage_high": 0.99, "half_width": 0.2, "recall": 0.88, "precision": 1.0, "replicates": 9,
        }
        for factor, level, minutes, detector in conditions
        for quantity in ("frequency", "length", "speed")
        for kind, bias in (("raw", np.nan if quantity == "speed" else -0.126), ("corrected", 0.004))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def movies() -> pd.DataFrame:
    scores = dict.fromkeys(("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1", "precision", "recall", "followed"), 0.9)
    found = {f"{s}_{n}": 0.8 for s in ("perfect", "chain") for n in ("recall", "precision")}
    biases = {
        f"{s}_{q}_{k}_bias": b
        for s, b in (("perfect", 0.01), ("chain", -0.07))
        for q in ("frequency", "length", "speed")
        for k in ("raw", "corrected")
    }
    about = {"factor": BASE, "level": "10 min", "interval_min": 10.0, "identity_switches": 1.5, "n_jumps": 60.0}
    return pd.DataFrame([about | {"movie": movie} | scores | found | biases for movie in ("0", "1", "all")])


def test_a_table_says_as_seen_and_corrected() -> None:
    lines = unpadded(sampling_markdown(tracks())).splitlines()
    assert len(lines) == 2 + 4
    assert lines[2] == ("| rule | 5 min | 0.88 | 1.00 | −13 % → 0 % | 0.50 → 0.95 | −13 % → 0 % | 0.50 → 0.95 |")
    assert {line.count("|") for line in lines} == {9}
    # A table read from a file has whole minutes as whole numbers.
    assert unpadded(sampling_markdown(tracks().astype({"interval_min": "int64"}))).splitlines() == lines


def test_other_worlds_and_donors_have_tables_of_their_own() -> None:
    assert "| noise | 1 µm | 10 min |" in unpadded(robustness_markdown(tracks()))
    assert "donors" not in robustness_markdown(tracks())
    assert "| 4 donors | 10 min |" in unpadded(donors_markdown(tracks()))


def test_the_chain_stands_beside_the_true_positions() -> None:
    line = unpadded(movies_markdown(movies())).splitlines()[2]
    assert line.endswith("| 1.5 | 0.80 (0.80) | 0.80 (0.80) | −7 % (+1 %) | −7 % (+1 %) |")


def test_tables_go_between_their_marks_and_nowhere_else() -> None:
    page = "before\n<!-- a -->\nold\n<!-- end a -->\nafter\n"
    assert fill(page, {"a": "| new |"}) == "before\n<!-- a -->\n| new |\n<!-- end a -->\nafter\n"
    assert fill(fill(page, {"a": "x"}), {"a": "x"}) == fill(page, {"a": "x"})
    with pytest.raises(SomaNetError, match="no place for a table: expected <!-- b -->"):
        fill(page, {"b": "x"})


def test_the_headline_is_json_without_nan() -> None:
    found = headline(tracks(), movies())
    json.dumps(found, allow_nan=False)
    assert set(found["tracks"]) == {"5_min", "10_min"}
    assert found["tracks"]["10_min"]["length_corrected_bias"] == 0.004
    assert found["tracks"]["10_min"]["speed_raw_bias"] is None
    assert found["movies"]["frame interval: 10 min"]["TRA"] == 0.9


def test_pictures_show_every_condition() -> None:
    """One line per kind in each panel; a row per condition; movies as separate dots in the row of their condition."""
    sampling = figures.sampling(tracks())
    assert len(sampling.axes) == 6
    assert [line.get_label() for line in sampling.axes[0].lines[1:]] == ["uncorrected", "corrected"]
    assert len(figures.events(tracks()).axes[0].lines) == 4
    names = [label.get_text() for label in figures.robustness(tracks()).axes[0].get_yticklabels()]
    assert names == ["base", "noise: 1 µm", "donors: 4 donors"]
    chain = figures.chain(movies())
    assert [label.get_text() for label in chain.axes[0].get_yticklabels()] == ["frame interval: 10 min"]
    dots = [line for line in chain.axes[2].lines if line.get_markersize() == 3]
    assert [len(line.get_xdata()) for line in dots] == [2, 2]
