"""Cells of the comparison's Markdown tables: numbers, scores with their intervals, paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from somanet.evaluation.paired import ALPHA, Difference


def plain(value: float | None, form: str, unit: str = "") -> str:
    """A formatted number; `–` where it is undefined: NaN, or JSON's null."""
    return f"{value:{form}}{unit}" if value is not None and not math.isnan(value) else "–"


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign; 0.00 has none."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if float(f"{value:.{digits}f}") else f"{0:.{digits}f}"


def score(metrics: Mapping[str, Any], name: str) -> str:
    """A score of `metrics.json` with its spread over seeds and its interval, where known."""
    value = metrics.get(name)
    if value is None or math.isnan(value):
        return "–"
    spread = metrics.get("spread_over_seeds", {}).get(name)
    seeds = f" ± {spread:.2f}" if spread is not None and not math.isnan(spread) else ""
    bounds = metrics.get("interval95", {}).get(name)
    if bounds is None:
        return f"{value:.2f}{seeds}"
    low, high = (math.nan if bound is None else bound for bound in bounds)
    return f"{value:.2f}{seeds} [{low:.2f}, {high:.2f}]"


def interval(found: Difference, digits: int = 2) -> str:
    """A paired difference with its interval, where known."""
    text = signed(found.value, digits)
    if math.isfinite(found.low):
        text += f" [{signed(found.low, digits)}, {signed(found.high, digits)}]"
    return text


def difference(found: Difference) -> str:
    """A paired difference with its interval and corrected p, bold if p is below :data:`ALPHA`."""
    if math.isnan(found.value):
        return "–"
    text = f"{interval(found)}, p {found.p_holm:.2g}"
    return f"**{text}**" if found.p_holm < ALPHA else text
