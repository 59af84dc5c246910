"""Environment variables that libraries cannot read are one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("kind", ["settings", "pipe", "none"])
def test_settings_of_figures_in_the_current_folder_are_not_read(kind: str, tmp_path: Path) -> None:
    if kind == "settings":
        (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.dpi: 99999\n", encoding="utf-8")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(tmp_path / "matplotlibrc")
    for first in ("", "from somanet.core.environment import ignore_settings_here; ignore_settings_here(); "):
        if kind == "pipe" and not first:
            continue  # it would wait
        code = f"{first}import os, matplotlib; print(matplotlib.rcParams['text.usetex'], os.getcwd())"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.stdout.split() == [str(kind == "settings" and not first), str(tmp_path)], done.stderr
