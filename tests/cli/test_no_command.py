"""A file in a command's place: the error names the commands that take one."""

from __future__ import annotations

from pathlib import Path

from tests.worlds import somanet


def test_a_file_alone_is_told_its_commands(tmp_path: Path) -> None:
    (tmp_path / "cells.png").write_bytes(b"")
    said = somanet("cells.png", cwd=tmp_path) or ""
    assert said.startswith("error: Expected a command, found cells.png. `somanet predict cells.png --output FOLDER`")
    assert "`somanet analyze cells.png --output FOLDER` a movie" in said


def test_a_folder_with_a_command_s_name_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert somanet("data", "--help", cwd=tmp_path) is None
