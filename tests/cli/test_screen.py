"""Names of files and texts from files on the terminal: shown, not obeyed."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from somanet.cli.screen import safe_screen
from somanet.io.datasets.writers import write_pairs
from tests.worlds import scene, somanet

EVIL = "a\x1b]0;title\x07\x1b[2J\r\u202eb"
SHOWN = r"a\x1b]0;title\x07\x1b[2J\r\u202eb"


def test_what_a_command_prints_is_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    with safe_screen():
        print(f"Written: {EVIL}\n\tand more µ")
        print(f"Note: {EVIL}", file=sys.stderr)
        print("error:", EVIL, file=sys.stderr)
    out, err = capsys.readouterr()
    assert out == f"Written: {SHOWN}\n\tand more µ\n"
    assert err == f"Note: {SHOWN}\nerror: {SHOWN}\n"


def test_the_streams_are_back_afterwards() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ValueError, match="x"), safe_screen():
        raise ValueError("x")
    assert (sys.stdout, sys.stderr) == before


def test_progress_bars_draw_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bars, one below the other, move up and back: the same characters with and without protection."""
    look: dict[str, Any] = {"bar_format": "{desc}{n}/{total}", "mininterval": 0, "ascii": True}

    def drawn(*, safe: bool) -> str:
        screen = io.StringIO()
        monkeypatch.setattr(sys, "stderr", screen)
        with safe_screen() if safe else contextlib.nullcontext():
            for _ in tqdm(range(2), desc="outer", **look):
                for _ in tqdm(range(2), desc="inner", position=1, leave=False, **look):
                    pass
        return screen.getvalue()

    assert "\x1b[A" in drawn(safe=False)
    assert drawn(safe=True) == drawn(safe=False)


def test_an_error_that_names_a_hostile_file_is_one_harmless_line(tmp_path: Path) -> None:
    (tmp_path / EVIL).write_bytes(b"no image")
    words = somanet("predict", tmp_path / EVIL, "--output", tmp_path / "out", cwd=tmp_path)
    assert words is not None
    assert SHOWN in words
    assert words.isprintable()


def test_a_hostile_image_name_is_harmless_in_a_table_of_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "set", [scene("plain")])
    for kind in ("images", "labels"):
        [file] = (tmp_path / "set" / kind).glob("plain.*")
        file.rename(file.with_stem("a\x1b[31mb"))
    assert somanet("data", "check", tmp_path / "set", cwd=tmp_path) is None
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
