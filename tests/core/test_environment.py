"""Environment variables that libraries cannot read are one line."""

from __future__ import annotations

import pytest

from somanet.core.environment import check_environment
from somanet.core.errors import SomaNetError


@pytest.mark.parametrize("value", ["abc", "", "-1", "1.5", "1e9", "²", "9" * 13, "253402300800"])
def test_a_date_of_a_build_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(SomaNetError, match="SOURCE_DATE_EPOCH"):
        check_environment()


@pytest.mark.parametrize("value", [None, "0", "253402300799"])
def test_one_that_is_passes(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    else:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    check_environment()
