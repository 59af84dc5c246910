"""The validation tables in Markdown, and their headline numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from somanet.analysis.validation.conditions import BASE
from somanet.analysis.validation.ground_truth import QUANTITIES
from somanet.core.errors import SomaNetError
from somanet.core.files import plain
from somanet.core.markdown import table

DONORS = "donors"
TABULATED = tuple(quantity for quantity in QUANTITIES if quantity != "speed")
"""Speed, weighted by distance, is no other estimate of its uncorrected number: it has a table of its own."""


def sampling_markdown(tracks: pd.DataFrame) -> str:
    """The base at each frame interval, both detectors: bias (uncorrected → corrected), coverage of the corrected."""
    return _track_table(tracks[tracks["factor"] == BASE], ["detector", "interval_min"])


def robustness_markdown(tracks: pd.DataFrame) -> str:
    """Conditions other than the base."""
    return _track_table(tracks[~tracks["factor"].isin([BASE, DONORS])], ["factor", "level", "interval_min"])


def donors_markdown(tracks: pd.DataFrame) -> str:
    """Nested designs, with intervals over donors."""
    return _track_table(tracks[tracks["factor"] == DONORS], ["level", "interval_min"])


def _track_table(tracks: pd.DataFrame, names: list[str]) -> str:
    titles = {"interval_min": "frames", "level": "", "factor": "changed", "detector": "detector"}
    head = [*(titles[name] for name in names), "recall", "precision"]
    head += [text for quantity in TABULATED for text in (f"{quantity}: bias", "covered")]
    lines: list[list[str]] = []
    for key, rows in tracks.groupby(names, sort=False):
        cells = [
            f"{value:g} min" if name == "interval_min" else str(value) for name, value in zip(names, key, strict=True)
        ]
        first = rows.iloc[0]
        cells += [_share(first["recall"]), _share(first["precision"])]
        for quantity in TABULATED:
            raw, corrected = (
                rows[(rows["quantity"] == quantity) & (rows["kind"] == kind)].iloc[0] for kind in ("raw", "corrected")
            )
            cells += [
                f"{_percent(raw['bias'])} → {_percent(corrected['bias'])}",
                f"{_share(raw['coverage'])} → {_share(corrected['coverage'])}",
            ]
        lines.append(cells)
    return table(head, lines)


def movies_markdown(movies: pd.DataFrame) -> str:
    """The whole chain, all movies of a condition together; biases of the true positions in brackets."""
    scores = ["DET", "SEG", "TRA", "LNK", "HOTA", "IDF1"]
    head = ["changed", "", *scores, "identity switches", "saltations: recall", "precision"]
    head += ["frequency, corrected", "length, corrected"]
    lines: list[list[str]] = []
    for row in movies[movies["movie"] == "all"].to_dict("records"):
        cells = [str(row["factor"]), str(row["level"]), *(_share(row[name]) for name in scores)]
        cells += [f"{row['identity_switches']:.1f}"]
        cells += [
            f"{_share(row[f'chain_{name}'])} ({_share(row[f'perfect_{name}'])})" for name in ("recall", "precision")
        ]
        for quantity in ("frequency", "length"):
            chain, perfect = (_percent(row[f"{source}_{quantity}_corrected_bias"]) for source in ("chain", "perfect"))
            cells.append(f"{chain} ({perfect})")
        lines.append(cells)
    return table(head, lines)


def fill(page: str, tables: Mapping[str, str]) -> str:
    """A page with its tables replaced, each between ``<!-- name -->`` and ``<!-- end name -->``.

    Raises:
        SomaNetError: the page lacks these markers.
    """
    for name, filled in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SomaNetError(
                f"The page has no place for a table: expected {start.strip()} and {end} on their own lines."
            )
        page = f"{before}{start}{filled}\n{end}{after}"
    return page


def headline(tracks: pd.DataFrame, movies: pd.DataFrame) -> dict[str, Any]:
    """The numbers that a code change should not make worse: base conditions of tracks and of movies."""
    base = tracks[(tracks["factor"] == BASE) & (tracks["detector"] == "rule")]
    found: dict[str, Any] = {"tracks": {}, "movies": {}}
    for minutes, rows in base.groupby("interval_min"):
        one = {name: round(float(rows.iloc[0][name]), 6) for name in ("recall", "precision")}
        for row in rows.to_dict("records"):
            prefix = f"{row['quantity']}_{row['kind']}"
            one |= {f"{prefix}_{name}": round(float(row[name]), 6) for name in ("bias", "coverage")}
        found["tracks"][f"{minutes:g}_min"] = one
    for row in movies[movies["movie"] == "all"].to_dict("records"):
        numbers = {name: round(float(value), 6) for name, value in row.items() if isinstance(value, float)}
        found["movies"][f"{row['factor']}: {row['level']}"] = numbers
    without_nan: dict[str, Any] = plain(found)
    return without_nan


def mean_coverage(tracks: pd.DataFrame) -> float:
    """Mean over base conditions and quantities of how often the 95 % interval of a corrected number holds the truth."""
    base = tracks[(tracks["factor"] == BASE) & (tracks["detector"] == "rule") & (tracks["kind"] == "corrected")]
    return float(base["coverage"].mean())


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    if math.isnan(value):
        return "–"
    rounded = round(100 * value)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded)} %"
