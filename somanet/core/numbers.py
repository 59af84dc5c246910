"""Cells of foreign tables as numbers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def to_numbers(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Cells as numbers: NaN where a cell is none, infinite where it is larger than any float.

    As :func:`pandas.to_numeric`, which raises on integers of more than 308 digits.
    """
    try:
        return pd.to_numeric(cells, errors="coerce")
    except OverflowError:
        return pd.to_numeric(cells.map(_bounded), errors="coerce")


def _bounded(cell: object) -> object:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return cell
    except OverflowError:
        return math.inf if cell > 0 else -math.inf  # type: ignore[operator]
