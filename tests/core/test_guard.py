"""No command overwrites its own input or replaces a file that SomaNet did not write."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, write_text
from somanet.core.guard import guarded, protect, reading
from somanet.core.writable import check_replaceable, check_writable
from somanet.core.written import WRITTEN, writers_of

READ = "is an input of this command"


def test_an_input_is_never_written_however_its_path_is_spelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another spelling, a link to the file, a link to its folder, a hard link, a path relative to another folder."""
    (tmp_path / "raw").mkdir()
    raw = tmp_path / "raw" / "movie.tif"
    raw.write_text("pixels")
    (tmp_path / "link.tif").symlink_to(raw)
    (tmp_path / "folder").symlink_to(raw.parent)
    os.link(raw, tmp_path / "hard.tif")
    monkeypatch.chdir(raw.parent)
    spellings = [
        *(raw, tmp_path / "raw" / ".." / "raw" / "movie.tif", tmp_path / "link.tif"),
        *(tmp_path / "folder" / "movie.tif", tmp_path / "hard.tif", Path("movie.tif")),
    ]
    for path in spellings:
        with reading(raw), pytest.raises(SomaNetError, match=READ):
            write_text(path, "labels")
        with pytest.raises(SomaNetError, match=READ), guarded(inputs=[raw], outputs=[path]):
            pytest.fail("refused before the work")  # pragma: no cover
    assert raw.read_text() == "pixels"
    write_text(raw, "afterwards anyone may")


def test_a_file_system_that_ignores_case_is_seen_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There ``MOVIE.TIF`` and ``movie.tif`` share an inode, and realpath leaves both spellings as they are."""
    raw = tmp_path / "movie.tif"
    raw.write_text("pixels")
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **how: stat(self.with_name(self.name.lower()), **how))
    with reading(raw), pytest.raises(SomaNetError, match=READ):
        write_text(tmp_path / "MOVIE.TIF", "labels")


def test_in_a_folder_that_is_read_nothing_is_written_nor_over_it(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "a.png").write_text("pixels")
    with reading(raw):
        for place in (raw / "b.tif", raw / "deeper" / "b.tif"):
            with pytest.raises(SomaNetError, match=f"lies in {raw}, which this command reads"):
                write_text(place, "labels")
        with (
            pytest.raises(SomaNetError, match=r"contains .*raw, which this command reads"),
            atomic_path(tmp_path / "data"),
        ):
            pytest.fail("refused before the work")  # pragma: no cover
        write_text(tmp_path / "data" / "beside.tif", "labels")
    assert sorted(path.name for path in raw.iterdir()) == ["a.png"]


def test_what_the_work_finds_to_read_is_protected_too_until_its_end(tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    with guarded(outputs=[tmp_path / "scores"]):
        protect(tmp_path / "network")
        with pytest.raises(SomaNetError, match="lies in"):
            write_text(tmp_path / "network" / "config.json", "{}")
    with guarded(outputs=[tmp_path / "network"]), pytest.raises(SomaNetError, match=READ):
        protect(tmp_path / "network")  # refused at once, and not when it is written
    write_text(tmp_path / "network" / "config.json", "{}")


def test_a_command_may_change_what_it_reads_where_that_is_its_purpose(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("a: 1\n")
    with guarded(inputs=[params]):
        write_text(params, "a: 2\n", updates=True)
    assert params.read_text() == "a: 2\n"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda place: place.write_text("x"), "a file is in the way of a folder"),
        (lambda place: None, None),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, spoil: Callable[[Path], object], words: str | None
) -> None:
    spoil(tmp_path / "place")
    if words is None:
        with guarded(outputs=[tmp_path / "place" / "deeper" / "out.json"]):
            return
    with pytest.raises(SomaNetError, match=words), guarded(outputs=[tmp_path / "place" / "out.json"]):
        pytest.fail("refused before the work")  # pragma: no cover


def test_a_locked_folder_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(SomaNetError, match="permission denied or read-only"), guarded(outputs=[tmp_path / "a" / "b"]):
        pytest.fail("refused before the work")  # pragma: no cover


def test_outside_a_command_everything_may_be_replaced_and_nothing_is_noted(tmp_path: Path) -> None:
    """A DVC stage: DVC owns the outputs and deletes them before the stage runs."""
    (tmp_path / "a.json").write_text("other")
    write_text(tmp_path / "a.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


# Outputs that nothing can take the place of


def test_a_folder_that_only_looks_writable_is_refused_before_the_work() -> None:
    """`/proc` says that root may write there; nothing can be created in it."""
    with pytest.raises(SomaNetError, match="Cannot write /proc/new"), guarded(outputs=[Path("/proc/new")]):
        pytest.fail("refused before the work")  # pragma: no cover


def test_a_probe_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    before = tmp_path.stat().st_mtime_ns
    check_replaceable(tmp_path / "old.json")
    check_writable(tmp_path / "new" / "deeper")
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    if sys.platform == "linux":
        assert tmp_path.stat().st_mtime_ns == before


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.getuid() != 0, reason="only root may mount")
def test_a_folder_with_a_disk_in_it_cannot_be_replaced_and_may_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "out" / "disk").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    mounted = ["mount", "--bind", tmp_path / "other", tmp_path / "out" / "disk"]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("this system mounts nothing")
    try:
        check_writable(tmp_path / "out")
        with pytest.raises(SomaNetError, match="a disk is mounted on it or in it"):
            check_replaceable(tmp_path / "out")
    finally:
        subprocess.run(["umount", tmp_path / "out" / "disk"], check=True)
    check_replaceable(tmp_path / "out")


def test_in_a_shared_folder_only_ones_own_files_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `/tmp`: anyone may create files there, and only their owner may replace them."""
    tmp_path.chmod(0o1777)
    (tmp_path / "a.json").write_text("{}")
    check_replaceable(tmp_path / "a.json")
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(SomaNetError, match="permission denied"):
        check_replaceable(tmp_path / "a.json")
    check_replaceable(tmp_path / "b.json")


WRITE = """
import sys
from pathlib import Path
from somanet.core.guard import guarded
with guarded(outputs=[Path(sys.argv[1])]):
    print("writing", flush=True)
    sys.stdin.readline()
"""


def test_one_command_at_a_time_writes_an_output(tmp_path: Path) -> None:
    """However its path is spelt; another one may write beside it."""
    (tmp_path / "link").symlink_to(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, tmp_path / "out"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with (
            pytest.raises(SomaNetError, match=r"Another command is writing .*/out\. Wait for it"),
            guarded(outputs=[tmp_path / "link" / "out"]),
        ):
            pytest.fail("refused before the work")  # pragma: no cover
        with guarded(outputs=[tmp_path / "other"]):
            pass
        process.communicate("end\n")
    with guarded(outputs=[tmp_path / "out"]):
        pass


def test_the_processes_of_one_training_share_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded(outputs=[tmp_path / "out"]):
        monkeypatch.setenv("RANK", "1")  # as torchrun numbers them
        with guarded(outputs=[tmp_path / "out"]):
            pass


def test_a_command_that_fails_leaves_no_empty_folder(tmp_path: Path) -> None:
    """Not the new ones on the way to its output; one that was there, and one that holds something, stay."""
    (tmp_path / "old").mkdir()
    outputs = [tmp_path / "a/b/c", tmp_path / "old", tmp_path / "held/d"]

    def work(*, fails: bool) -> None:
        with guarded(outputs=outputs):
            for folder in outputs:
                folder.mkdir(parents=True, exist_ok=True)
            (tmp_path / "held/d/result.txt").touch()
            if fails:
                raise SomaNetError("the disk is full")

    with pytest.raises(SomaNetError, match="full"):
        work(fails=True)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        *("old", "held", "held/d", "held/d/result.txt")
    }
    work(fails=False)
    assert (tmp_path / "a/b/c").is_dir()


def special(path: Path, kind: str) -> Path:
    """A pipe or a socket, or a copy of the null device where the system lets us make one."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except OSError:
            pytest.skip("no right to make a device")
    return path


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str, replace: bool, linked: bool) -> None:
    place = special(tmp_path / "there", kind)
    before = place.lstat()
    target = place
    if linked:
        target = tmp_path / "link"
        target.symlink_to(place)
    message = "a device, a pipe or a socket, which is never replaced"
    with pytest.raises(SomaNetError, match=message), guarded(outputs=[target], replace=replace):
        pytest.fail("refused before the work")  # pragma: no cover
    with guarded(outputs=[tmp_path], replace=replace), pytest.raises(SomaNetError, match=message):
        write_text(target, "results")
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({place.name, target.name})


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_notes_of_what_was_written_go_into_no_pipe_and_through_no_link(tmp_path: Path, kind: str) -> None:
    """Whoever sends a folder could put either there: SomaNet would wait, or write into a file elsewhere."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    elsewhere.write_text("mine")
    folder.mkdir()
    os.mkfifo(folder / WRITTEN) if kind == "pipe" else (folder / WRITTEN).symlink_to(elsewhere)
    for text in ("one", "two"):
        with guarded(outputs=[folder / "a.txt"]):
            write_text(folder / "a.txt", text)
    assert elsewhere.read_text() == "mine"
    assert writers_of(folder / "a.txt")


def test_an_output_in_many_folders_is_looked_up_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    deep = tmp_path.joinpath(*["d"] * 240)
    start = time.process_time()
    with guarded(inputs=[tmp_path / "raw"], outputs=[deep / "a.txt"]):
        pass
    assert time.process_time() - start < 5


@pytest.mark.skipif(os.name != "posix", reason="a folder for temporary files that all processes share")
def test_two_jobs_with_folders_of_their_own_for_temporary_files_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As job schedulers set them."""
    places = []
    for job in ("one", "two"):
        (tmp_path / job).mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / job))
        monkeypatch.setattr(tempfile, "tempdir", None)
        places.append(guard._output_locks().folder)
    assert places[0] == places[1]
