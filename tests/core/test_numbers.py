"""Cells of foreign tables as numbers."""

from __future__ import annotations

import math

import pandas as pd

from somanet.core.numbers import to_numbers


def test_cells_are_numbers_or_nothing_and_huge_integers_are_infinite() -> None:
    huge = 10**400
    cells = pd.Series([1, "2.5", "x", None, huge, -huge, "1" + 400 * "0"], dtype="object")
    found = to_numbers(cells).tolist()
    assert found[:2] == [1.0, 2.5]
    assert all(math.isnan(value) for value in found[2:4])
    assert found[4:6] == [math.inf, -math.inf]
    assert found[6] == math.inf or math.isnan(found[6])
    plain = pd.Series(["1", "2", ""])
    pd.testing.assert_series_equal(to_numbers(plain), pd.to_numeric(plain, errors="coerce"))
