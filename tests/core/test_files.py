"""Files: the old content or the new, never a part; actionable errors; hashes of content."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core import swapping
from somanet.core.errors import SomaNetError
from somanet.core.files import (
    atomic_path,
    atomic_paths,
    check_outputs,
    check_replaced,
    json_object,
    make_folder,
    read_json,
    remove_output,
    write_json,
    write_text,
)
from somanet.core.guard import guarded
from somanet.core.hashing import sha256_file, sha256_tree
from somanet.core.processes import process_mark


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Files


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "somas: é\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "somas: é\n".encode()
    assert names(tmp_path) == ["a", "a/b", "a/b/c.txt"]


def test_a_writer_sees_the_suffix_and_readers_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "image.tif"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".tif"
        assert temporary.parent == tmp_path
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["image.tif"]


def save_pair(folder: Path, text: str, *, replace: bool = False) -> None:
    """Two files that belong together, of a guarded command."""
    with (
        guarded(outputs=[folder], replace=replace, command="pair"),
        atomic_paths(folder / "a.txt", folder / "b.txt") as places,
    ):
        for place in places:
            place.write_text(text)


def pair(folder: Path) -> list[str]:
    return [(folder / f"{name}.txt").read_text() for name in "ab"]


def test_of_files_that_belong_together_none_is_written_if_one_is_refused(tmp_path: Path) -> None:
    save_pair(tmp_path, "old")
    (tmp_path / "b.txt").write_text("edited")
    with pytest.raises(SomaNetError, match=r"b\.txt was not written by SomaNet, or was changed since"):
        save_pair(tmp_path, "new")
    assert pair(tmp_path) == ["old", "edited"]
    save_pair(tmp_path, "new", replace=True)
    assert pair(tmp_path) == ["new", "new"]
    assert (tmp_path / "b.before.txt").read_text() == "edited"


def test_of_files_that_belong_together_none_is_replaced_if_one_fails(tmp_path: Path) -> None:
    save_pair(tmp_path, "old")
    before = names(tmp_path)

    def fail() -> None:
        with atomic_paths(tmp_path / "a.txt", tmp_path / "b.txt") as (first, second):
            first.write_text("new")
            raise OSError(errno.ENOSPC, "No space left on device", str(second))

    with pytest.raises(SomaNetError, match=r"Cannot write \S*/b\.txt: the disk is full"):
        fail()
    assert (pair(tmp_path), names(tmp_path)) == (["old", "old"], before)


def test_an_error_of_a_temporary_file_names_the_file_that_is_written(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_paths(tmp_path / "a.txt", tmp_path / "b.txt") as (_, second):
            raise SomaNetError(f"{second} has no columns.")

    with pytest.raises(SomaNetError) as caught:
        fail()
    assert str(caught.value) == f"{tmp_path / 'b.txt'} has no columns."


def test_one_place_is_not_for_two_outputs(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(SomaNetError, match="named for two outputs"):
        check_outputs(tmp_path / "a.csv", None, tmp_path / "link" / "a.csv")
    check_outputs(tmp_path / "a.csv", None, tmp_path / "b.csv", None)


def test_what_an_earlier_run_left_is_removed_and_what_it_did_not_write_is_kept(tmp_path: Path) -> None:
    save_pair(tmp_path, "old")
    (tmp_path / "b.txt").write_text("edited")
    with guarded(outputs=[tmp_path], replace=True, command="pair"):
        for name in ("a.txt", "b.txt", "none.txt"):
            remove_output(tmp_path / name)
    assert [name for name in names(tmp_path) if name[0] != "."] == ["b.before.txt"]


def test_a_folder_with_other_things_is_replaced_by_no_library_call(tmp_path: Path) -> None:
    for name in ("data.yaml", ".hidden"):
        (tmp_path / name).write_text("ours")
    check_replaced(tmp_path, lambda child: child.suffix == ".yaml", what="a data set")
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(SomaNetError, match=r"files other than a data set \(thesis\.doc\)"):
        check_replaced(tmp_path, lambda child: child.suffix == ".yaml", what="a data set")
    with guarded(outputs=[tmp_path], replace=True):
        check_replaced(tmp_path, lambda child: child.suffix == ".yaml", what="a data set")


@pytest.mark.parametrize("error", [ValueError("half way"), KeyboardInterrupt(), SomaNetError("no")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "scores.json"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["scores.json"]


# Folders


def fill(folder: Path, **files: str) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


def test_a_folder_replaces_a_folder_whole(tmp_path: Path) -> None:
    fill(tmp_path / "network", weights="old", extra="old")
    with atomic_path(tmp_path / "network") as temporary:
        fill(temporary, weights="new")
        assert (tmp_path / "network" / "weights").read_text() == "old"
    assert (tmp_path / "network" / "weights").read_text() == "new"
    assert names(tmp_path) == ["network", "network/weights"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path / "network", weights="old")

    def fail() -> None:
        with atomic_path(tmp_path / "network") as temporary:
            fill(temporary, weights="ne")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert (tmp_path / "network" / "weights").read_text() == "old"
    assert names(tmp_path) == ["network", "network/weights"]


def test_a_swap_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses the second move, that of the new folder, on a system that cannot exchange two names."""
    monkeypatch.setattr("somanet.core.swapping._exchange", lambda one, other: False)
    fill(tmp_path / "network", weights="old")
    replace = Path.replace

    def refuse_the_new(self: Path, target: Path) -> Path:
        if ".part" in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(SomaNetError, match="disk is full"), atomic_path(tmp_path / "network") as temporary:
        fill(temporary, weights="new")
    assert (tmp_path / "network" / "weights").read_text() == "old"
    assert names(tmp_path) == ["network", "network/weights"]


def test_a_folder_is_there_at_every_moment_of_its_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader between any two steps finds the old or the new network; also after a kill between them."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux exchanges two names in one step")
    target = tmp_path / "network"
    fill(target, weights="old")
    seen = []

    def watched(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = step(*arguments, **options)
            seen.append((target / "weights").read_text())
            return result

        return call

    monkeypatch.setattr(Path, "replace", watched(Path.replace))
    monkeypatch.setattr("somanet.core.swapping._exchange", watched(swapping._exchange))
    monkeypatch.setattr("somanet.core.swapping.shutil.rmtree", watched(shutil.rmtree))
    with atomic_path(target) as temporary:
        fill(temporary, weights="new")
        seen.append((target / "weights").read_text())
    assert seen == ["old", "new", "new"]
    assert names(tmp_path) == ["network", "network/weights"]


def test_what_dead_writers_left_in_a_folder_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    """Left by a dead process: removed. Left by this one, by one of another machine, or by a person: kept."""
    dead = subprocess.run(
        [sys.executable, "-c", "from somanet.core.processes import process_mark; print(process_mark())"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    mine = process_mark()
    elsewhere = dead.replace(dead[:6], "0" * 6)
    # the id of a live process, reused after the one with the other start time died
    again = mine.rpartition("-")[0] + "-100"
    left = [f".state.{dead}.0123abcd.part.pt", f".a.b.c.{dead}.0123abcd.part", f".state.{again}.0123abcd.part.pt"]
    others = [
        *(f".state.{mine}.0123abcd.part.pt", f".state.{elsewhere}.0123abcd.part.pt", ".state.xyz.part.pt"),
        *("state.pt", f".state.{dead}.part.pt", ".state.0123abcd.part.pt"),
    ]
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
    (tmp_path / f".model.{dead}.0123abcd.part").mkdir()
    (tmp_path / f".model.{dead}.0123abcd.part" / "weights").write_text("half")
    fill(tmp_path / f".network.{dead}.0123abcd.old", weights="set aside")
    fill(tmp_path / f".there.{dead}.0123abcd.old", weights="old")
    fill(tmp_path / "there", weights="new")
    write_text(tmp_path / "new.txt", "x")
    assert names(tmp_path) == sorted([*others, "network", "network/weights", "there", "there/weights", "new.txt"])
    assert (tmp_path / "network" / "weights").read_text() == "set aside"
    assert (tmp_path / "there" / "weights").read_text() == "new"


@pytest.mark.parametrize("length", [1, 200, 255])
def test_a_name_of_any_length_that_the_file_system_takes(tmp_path: Path, length: int) -> None:
    """The hidden name is as long as allowed and no longer; two-byte characters are dropped whole."""
    name = ("é" * (length // 2) + "e" * (length % 2))[: -len(".csv")] + ".csv" if length > 4 else "e"
    for _ in range(2):
        write_text(tmp_path / name, "x")
    assert names(tmp_path) == [name]


def test_a_name_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="longer than the file system allows"):
        write_text(tmp_path / ("e" * 256), "x")


# Errors


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Nothing was changed; free some space"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "permission denied or read-only folder. Choose another"),
        (errno.EROFS, "permission denied or read-only folder"),
        (errno.ENOTDIR, "in the way"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")

    def refuse(self: Path, *_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(SomaNetError, match=words) as error:
        write_json(target, {"iou": 0.5})
    monkeypatch.undo()
    assert str(target) in str(error.value)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.json"]


def test_a_full_disk_after_part_of_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SomaNetError, match="disk is full"):
        write_text(tmp_path / "a.txt", "text")
    assert names(tmp_path) == []


def test_a_failed_write_gives_its_space_back_though_the_file_is_still_open(tmp_path: Path) -> None:
    """As left by a library whose writer stays alive in the error's traceback: the end of the run needs the space."""
    handle = None
    with pytest.raises(SomaNetError, match="disk is full"), atomic_path(tmp_path / "state.pt") as temporary:  # noqa: PT012
        handle = temporary.open("wb", buffering=0)
        handle.write(bytes(100_000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert handle is not None
    assert os.fstat(handle.fileno()).st_size == 0
    handle.close()
    assert names(tmp_path) == []


def test_names_that_are_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SomaNetError, match="a file is in the way of a folder"):
        write_text(tmp_path / "file" / "a.txt", "text")
    with pytest.raises(SomaNetError, match="a file is in the way of a folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(SomaNetError, match="in the way"):
        write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["file", "folder"]


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SomaNetError, match="permission denied"):
        write_text(tmp_path / "locked" / "a.txt", "text")


# JSON


def test_json_has_null_for_nan_and_keeps_its_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": math.nan, "a": (1, [math.nan, 0.1]), 3: {"deep": math.nan}, "t": "µm"})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"z": None, "a": [1, [None, 0.1]], "3": {"deep": None}, "t": "µm"}
    assert list(json.loads(text)) == ["z", "a", "3", "t"]
    assert text.endswith("}\n")


@settings(max_examples=20)
@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_json_reads_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_json(path, {"value": value})
    assert json.loads(path.read_text(encoding="utf-8")) == {"value": value}


BROKEN: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, r"a.json not found; expected scores. Has the stage that writes it run\? `dvc repro`"),
    "empty": (
        b"",
        r"is not JSON \(Expecting value: line 1 column 1 \(char 0\)\); expected scores. Was it edited or cut",
    ),
    "cut short": (b'{"iou": 0.', "is not JSON .*expected scores"),
    "no UTF-8": (b'{"iou": "\xff"}', "is not JSON .*can't decode byte 0xff.*expected scores"),
    "an endless number": (b'{"iou": ' + b"9" * 5000 + b"}", "is not JSON .*expected scores"),
    "nested": (b"[" * 100_000, r"is not JSON \(nested too deeply\); expected scores"),
    "a list": (b"[1, 2]", r"holds a list; expected scores. Is it another file\?"),
    "a number": (b"3.5", "holds a float; expected scores"),
    "lacks keys": (b'{"iou": 1, "f1": 1}', r"lacks recall, precision; expected scores. Was it edited, or written by"),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_a_json_file_that_is_not_what_it_should_be(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SomaNetError, match=words) as error:
        read_json(tmp_path / "a.json", expected="scores", keys=("recall", "iou", "precision"))
    assert "\n" not in str(error.value)
    whole = content is not None and content.startswith(b'{"iou": 1,')
    assert json_object(tmp_path / "a.json") == ({"iou": 1, "f1": 1} if whole else {})


def test_a_json_object_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"z": {"µ": [1, null]}, "a": 0.1}', encoding="utf-8")
    expected = {"z": {"µ": [1, None]}, "a": 0.1}
    assert read_json(tmp_path / "a.json", expected="scores", keys=("a",)) == expected
    assert json_object(tmp_path / "a.json") == expected


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of 300 MB: reading it would fill the memory."""
    with (tmp_path / "a.json").open("wb") as handle:
        handle.truncate(300_000_000)
    monkeypatch.setattr(Path, "read_bytes", None)
    with pytest.raises(SomaNetError, match=r"a\.json: expected scores; it has 300000000 bytes, more than"):
        read_json(tmp_path / "a.json", expected="scores")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(SomaNetError, match=r"a\.json is a device or a pipe; expected scores"):
        read_json(tmp_path / "a.json", expected="scores")
    with pytest.raises(SomaNetError, match=r"expected scores, found a folder"):
        read_json(tmp_path, expected="scores")


# Hashes


def test_a_files_hash_is_its_bytes(tmp_path: Path) -> None:
    data = random.Random(0).randbytes(3 * (1 << 20) + 17)  # more than one block
    (tmp_path / "a.bin").write_bytes(data)
    assert sha256_file(tmp_path / "a.bin") == sha256_tree(tmp_path / "a.bin") == hashlib.sha256(data).hexdigest()


TREE = {"b/x.txt": "1", "a.txt": "2", "b.txt": "3", "b/c/y.txt": "4", "B.txt": "5"}


def tree(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return sha256_tree(folder)


def test_a_folders_hash_is_its_names_and_contents_whatever_their_order(tmp_path: Path) -> None:
    digest = tree(tmp_path / "one", TREE)
    assert tree(tmp_path / "two", dict(reversed(TREE.items()))) == digest
    assert tree(tmp_path / "more", {**TREE, "c.txt": ""}) != digest
    assert tree(tmp_path / "less", {name: text for name, text in TREE.items() if name != "B.txt"}) != digest
    assert tree(tmp_path / "edited", {**TREE, "a.txt": "3"}) != digest
    assert tree(tmp_path / "renamed", {name.replace("y", "z"): text for name, text in TREE.items()}) != digest
    assert tree(tmp_path / "swapped", {**TREE, "a.txt": "3", "b.txt": "2"}) != digest


def test_hidden_files_have_no_say(tmp_path: Path) -> None:
    digest = tree(tmp_path, TREE)
    assert tree(tmp_path, {"b/.DS_Store": "x", ".gitignore": "y"}) == digest


_LIMITED = """
import resource
import sys
from somanet.core.errors import SomaNetError
from somanet.core.files import write_text

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as `ulimit -f`
try:
    write_text(sys.argv[1], "x" * 2000)
except SomaNetError as error:
    print(error)
"""


def test_a_file_beyond_the_shells_limit_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "a.txt")], capture_output=True, text=True, check=True
    )
    assert "a.txt: the file is larger than the file system or a limit of this shell (`ulimit -f`)" in done.stdout
    assert names(tmp_path) == []


def test_what_a_folder_no_longer_has_is_told(tmp_path: Path) -> None:
    """A smaller set over a larger one, by the same command; hidden notes are nobody's files."""
    for names in ("ab", "a"):
        with guarded(outputs=[tmp_path], command="set") as replaced, atomic_path(tmp_path / "set") as folder:
            folder.mkdir()
            for name in names:
                (folder / name).write_text(names)
    assert replaced.removed == [tmp_path / "set" / "b"]
    with guarded(outputs=[tmp_path], command="set") as replaced:
        remove_output(tmp_path / "none")
        assert replaced.removed == []
