from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from somanet.core import extras
from somanet.core.errors import SomaNetError
from somanet.core.extras import PACKAGES, SERVES, missing, require

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_what_is_missing_names_its_extra_and_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """`json` is installed; `no_such` is not, nor is any submodule of it."""
    monkeypatch.setattr(extras, "PACKAGES", {"whole": ("json",), "torn": ("no_such", "json", "no_such.part")})
    assert missing("whole") == ()
    require("whole", purpose="this")
    assert missing("torn") == ("no_such", "no_such.part")
    words = "--x needs no_such and no_such.part, not found here: pip install 'somanet[torn]', or go without."
    with pytest.raises(SomaNetError, match=f"^{re.escape(words)}$"):
        require("torn", purpose="--x", otherwise=", or go without")


@pytest.mark.parametrize("extra", PACKAGES)
def test_an_extra_brings_its_packages(extra: str) -> None:
    """By pip's names, of which `-` is `_` in imports: each begins with the package's name."""
    named = {"py_ctcmetrics": "ctc_metrics"}
    brought = {re.split(r"[^\w.-]", line)[0].replace("-", "_") for line in PROJECT["optional-dependencies"][extra]}
    brought = {named.get(name, name) for name in brought}
    assert {name for name in PACKAGES[extra] if name not in brought} == set()


def test_every_extra_of_the_project_has_packages_and_a_purpose() -> None:
    """But those that are others together."""
    declared = {name for name, lines in PROJECT["optional-dependencies"].items() if "somanet[" not in lines[0]}
    assert declared == set(PACKAGES) == set(SERVES)


def test_nothing_is_imported_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(name: str) -> None:
        asked.append(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    assert missing("cluster") == tuple(asked) == ("distributed",)
