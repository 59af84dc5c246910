"""Input that changes while it is read ends the command without results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.unchanged import unchanged


def test_files_that_stay_pass(tmp_path: Path) -> None:
    """In folders as well; what is added to a folder, such as results, is none of the input, nor is what is missing."""
    (tmp_path / "a").mkdir()
    for name in ("a/1.tif", "b.csv"):
        (tmp_path / name).write_text("x")
    with unchanged(tmp_path / "a", tmp_path / "b.csv", tmp_path / "missing", None):
        (tmp_path / "a" / "2.tif").write_text("new")
        (tmp_path / "b.csv").read_text()


def other_time(file: Path) -> None:
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


def another_file(file: Path) -> None:
    """Of the same size and time."""
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)


CHANGES = {
    "longer": lambda file: file.write_text("xx"),
    "other time": other_time,
    "another file": another_file,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("inside", [False, True], ids=["file", "folder"])
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_are_named(change: str, inside: bool, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "m.tif"
    file.parent.mkdir()
    file.write_text("x")
    with (
        pytest.raises(SomaNetError, match=r"m\.tif was changed while it was read"),
        unchanged(file.parent if inside else file),
    ):
        CHANGES[change](file)


@pytest.mark.parametrize("metadata", ["zarr.json", ".zgroup", ".zarray"])
def test_a_chunk_that_is_added_to_a_store_is_named(metadata: str, tmp_path: Path) -> None:
    """A store is one thing, and a frame without a file is no frame yet; what a file manager leaves is none of it."""
    store = tmp_path / "m.zarr"
    (store / "0").mkdir(parents=True)
    (store / metadata).write_text("{}")
    (store / "0" / "1").write_text("x")
    with unchanged(store):
        (store / ".DS_Store").write_text("left")
    with pytest.raises(SomaNetError, match=r"0.2 was added to .*m\.zarr while it was read"), unchanged(store):
        (store / "0" / "2").write_text("new")
