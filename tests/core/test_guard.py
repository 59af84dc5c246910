"""No command overwrites its own input or replaces a file that SomaNet did not write."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, write_text
from somanet.core.guard import check_write, guarded, protect, reading
from somanet.core.swapping import scratch_folder
from somanet.core.writable import check_replaceable, check_writable
from somanet.core.written import WRITTEN, is_known

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


def run(output: Path, text: str, *, replace: bool = False, command: str = "") -> None:
    with guarded(outputs=[output], replace=replace, command=command):
        write_text(output, text)


def test_what_somanet_wrote_is_replaced_and_what_it_did_not_write_is_not(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    run(scores, "1")
    run(scores, "2")
    scores.write_text("a person's remark")
    with pytest.raises(
        SomaNetError, match=r"was not written by SomaNet, or was changed since, and would be replaced.*--replace"
    ):
        run(scores, "3")
    assert scores.read_text() == "a person's remark"
    run(scores, "3", replace=True)
    run(scores, "4")
    assert scores.read_text() == "4"
    assert (tmp_path / "scores.before.json").read_text() == "a person's remark"
    assert sorted(path.name for path in tmp_path.iterdir()) == [WRITTEN, "scores.before.json", "scores.json"]


def save(place: Path, text: str, *, command: str, replace: bool = False) -> None:
    """A folder with one file, as a command would write it."""
    with guarded(outputs=[place], replace=replace, command=command) as kept:
        with atomic_path(place) as folder:
            folder.mkdir()
            (folder / "content").write_text(text)
        KEPT[:] = kept


KEPT: list[Path] = []


def test_a_command_replaces_no_folder_of_another_and_says_whose_it_is(tmp_path: Path) -> None:
    """A video over a network would lose hours of training."""
    place = tmp_path / "models"
    save(place, "weights", command="train")
    save(place, "better weights", command="train")
    with pytest.raises(SomaNetError, match=r"models contains what `somanet train` wrote and would be .*--replace"):
        save(place, "frames", command="export-video")
    assert (place / "content").read_text() == "better weights"
    save(place, "frames", command="export-video", replace=True)
    assert [path.name for path in KEPT] == ["models.before"]
    assert (tmp_path / "models.before" / "content").read_text() == "better weights"
    assert (place / "content").read_text() == "frames"
    save(place, "more frames", command="export-video")


def test_a_command_replaces_no_file_of_another(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    with guarded(outputs=[table], command="compare"):
        write_text(table, "1")
    with (
        pytest.raises(SomaNetError, match=r"table\.csv was written by `somanet compare` and would be replaced"),
        guarded(outputs=[table], command="tracks measure"),
    ):
        pytest.fail("refused before the work")  # pragma: no cover
    with guarded(outputs=[table], command="compare"):
        write_text(table, "2")


def test_one_file_of_another_command_keeps_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "set", "images", command="data select")
    with guarded(outputs=[tmp_path / "set"], command="data rois"):
        write_text(tmp_path / "set" / "outlines.zip", "outlines")
    with pytest.raises(SomaNetError, match="contains what `somanet data rois` wrote"):
        save(tmp_path / "set", "images", command="data select")


def test_the_same_content_may_be_of_two_commands(tmp_path: Path) -> None:
    for command in ("analyze", "correct"):
        run(tmp_path / "a.json", "1", command=command, replace=True)
    for command in ("analyze", "correct"):
        run(tmp_path / "a.json", "1", command=command)
    with pytest.raises(SomaNetError, match=r"written by `somanet analyze`"):
        run(tmp_path / "a.json", "1", command="cohort")


def test_where_a_note_does_not_tell_the_command_files_are_replaced_and_folders_are_not(tmp_path: Path) -> None:
    """A table can be written again; a network of an earlier version is kept."""
    run(tmp_path / "a.json", "1", command="analyze")
    save(tmp_path / "network", "weights", command="train")
    for notes in (tmp_path / WRITTEN, tmp_path / "network" / WRITTEN):
        rows = [json.loads(line) for line in notes.read_text().splitlines() if line]
        notes.write_text("".join(f"{json.dumps({'file': r['file'], 'sha256': r['sha256']})}\n" for r in rows))
    run(tmp_path / "a.json", "2", command="analyze")
    with pytest.raises(SomaNetError, match="contains what an earlier version of SomaNet wrote and would be replaced"):
        save(tmp_path / "network", "new", command="train")


def test_a_copy_elsewhere_is_not_known_and_a_moved_folder_is(tmp_path: Path) -> None:
    """The records lie in the folder and move with it, to another disk or computer."""
    run(tmp_path / "a" / "scores.json", "1")
    (tmp_path / "copy.json").write_text("1")
    assert not is_known(tmp_path / "copy.json")
    (tmp_path / "a").rename(tmp_path / "b")
    assert is_known(tmp_path / "b" / "scores.json")


def test_the_user_is_told_where_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    with guarded(outputs=[tmp_path / "a.json"], replace=True) as kept:
        write_text(tmp_path / "a.json", "new")
        assert kept == [tmp_path / "a.before.json"]


def test_notes_do_not_grow_when_the_same_is_written_again(tmp_path: Path) -> None:
    for text in "121212":
        run(tmp_path / "a.json", text)
    assert len((tmp_path / WRITTEN).read_text().split("\n")) == 1 + 2


def test_in_a_folder_of_another_users_notes_there_are_own_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so the refusal is made here."""
    run(tmp_path / "theirs.json", "1")
    opened = Path.open

    def refuse(self: Path, mode: str = "r", **options: Any) -> Any:
        if self.name == WRITTEN and mode == "a":
            raise PermissionError(13, "another user's")
        return opened(self, mode, **options)

    monkeypatch.setattr(Path, "open", refuse)
    run(tmp_path / "mine.json", "1")
    run(tmp_path / "mine.json", "2")
    assert is_known(tmp_path / "mine.json")
    assert is_known(tmp_path / "theirs.json")


def test_of_some_folders_only_the_files_are_read(tmp_path: Path) -> None:
    """Movies in a folder, results in another one inside: the movies stay safe, and so does the folder itself."""
    (tmp_path / "movie.tif").write_text("pixels")
    with guarded(shallow=[tmp_path], inputs=[tmp_path / "movie.tif"], outputs=[tmp_path / "results"]):
        write_text(tmp_path / "results" / "tracks.csv", "1")
        for place in (tmp_path, tmp_path / "movie.tif"):
            with pytest.raises(SomaNetError, match=READ):
                check_write(place)


def test_a_folder_that_is_replaced_whole_is_known_by_all_its_files_and_wherever_it_is_moved(tmp_path: Path) -> None:
    def save(replace: bool = False) -> None:
        with guarded(outputs=[tmp_path / "network"], replace=replace), atomic_path(tmp_path / "network") as folder:
            (folder / "deeper").mkdir(parents=True)
            (folder / "deeper" / "weights").write_text("new")

    save()
    save()
    (tmp_path / "network").rename(tmp_path / "elsewhere")
    assert is_known(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path / "network")
    (tmp_path / "network" / "notes.txt").write_text("mine")
    with pytest.raises(SomaNetError, match="contains files that SomaNet did not write"):
        save()
    save(replace=True)
    assert (tmp_path / "network.before" / "notes.txt").read_text() == "mine"
    assert {path.name for path in (tmp_path / "network").iterdir()} == {"deeper", WRITTEN}


def test_files_of_a_folder_in_the_making_have_no_notes(tmp_path: Path) -> None:
    """An archive is packed from a scratch folder in the output: notes there would be packed, too."""
    with guarded(outputs=[tmp_path]), scratch_folder(tmp_path / "set") as folder:
        write_text(folder / "images" / "a.txt", "1")
        assert [path.name for path in folder.rglob("*")] == ["images", "a.txt"]


def test_an_empty_folder_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    with guarded(outputs=[tmp_path / "network"]), atomic_path(tmp_path / "network") as folder:
        folder.mkdir()
        (folder / "weights").write_text("new")
    assert (tmp_path / "network" / "weights").exists()


def test_what_a_kill_between_note_and_rename_left_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the rename the old content is there, after it the new: the record has both."""
    run(tmp_path / "a.json", "old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)  # before the rename
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a.json", "new")
    monkeypatch.undo()
    assert (tmp_path / "a.json").read_text() == "old"
    assert is_known(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("new")  # as after it
    assert is_known(tmp_path / "a.json")


def test_damaged_notes_make_files_unknown_and_break_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a.json", "1")
    notes = tmp_path / WRITTEN
    notes.write_text(notes.read_text()[:-5] + "\n[]\n3\n{\n" + "[" * 100_000)
    assert not is_known(tmp_path / "a.json")
    run(tmp_path / "b.json", "1")  # the cut line does not swallow the next
    assert is_known(tmp_path / "b.json")
    assert json.loads(notes.read_text().splitlines()[-1])["file"] == "b.json"


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
    assert is_known(folder / "a.txt")


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
