from __future__ import annotations

import pytest

from somanet.core.counting import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (-1, "-1 cells")])
def test_only_one_is_singular(number: int, words: str) -> None:
    assert counted(number, "cell") == words


def test_a_plural_of_its_own() -> None:
    assert [counted(n, "focus", "foci") for n in (1, 2)] == ["1 focus", "2 foci"]
