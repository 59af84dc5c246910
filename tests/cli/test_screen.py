"""Names of files and texts from files on the terminal: shown, not obeyed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from somanet.cli.screen import safe_screen, show_notes
from somanet.io.datasets.writers import write_pairs
from tests.worlds import scene, somanet

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_are_spelt_out_into_a_pipe_as_well(tmp_path: Path, encoding: str) -> None:
    """None of their characters is lost there, and none reaches it as it is, whatever the pipe's encoding."""
    write_pairs(tmp_path / "set", [scene("plain"), scene("other")])
    for kind in ("images", "labels"):
        [file] = (tmp_path / "set" / kind).glob("plain.*")
        file.rename(file.with_stem("a\x1b[31mb\u202ec")).write_bytes(b"no image")
    done = subprocess.run(
        [sys.executable, "-m", "somanet", "data", "check", "set"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        capture_output=True, check=False,
    )  # fmt: skip
    assert rb"a\x1b[31mb\u202ec" in done.stdout
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_silence(tmp_path: Path, closed: str) -> None:
    """And no file that is opened later takes its place, into which a library would print."""
    command = f"{sys.executable} -m somanet simulate --nuclei 1 --crops 0 --frames 0 --output out {closed}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout == "") is (">&-" in closed.split() or closed.startswith(">"))
    assert zipfile.is_zipfile(tmp_path / "out/nuclei.zip")
    refused = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m somanet predict nowhere --output p {closed}"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == (0 if "2>&-" in closed else 1)


def test_a_deleted_current_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    command = f"rmdir ../here; exec {sys.executable} -m somanet simulate --nuclei 1 --crops 0 --frames 0 --output out"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path / "here", env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: The current folder no longer exists. Change to another one (`cd`), then run again.\n"
    )


def test_what_modules_log_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, however often the command line was started in this process."""
    show_notes()
    show_notes()
    logging.getLogger("somanet.provenance").warning("The run is not looked up: %s", "no store")
    logging.getLogger("somanet.provenance").info("nothing for the screen")
    assert capsys.readouterr().err == "note: The run is not looked up: no store\n"
