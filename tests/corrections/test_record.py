"""The file of corrections: it only grows, and nothing that was recorded is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.corrections import NAME, TORN, Edit, Header, Mask, Point, Recorder, append, making, read
from somanet.corrections.record import check_movie
from tests.cli.test_locked_outputs import as_a_user

HEADER = Header("film", "a" * 64, "b" * 64, "c" * 64, "d" * 64)
SOMA = Mask(3, 5, 2, 3, (1, 4))


def edits() -> list[Edit]:
    return [
        making.delete(2, 7, SOMA),
        Edit("join", 3, (1, 2), points=(Point(2, 1.5, 2.25), Point(3, 4.0, 5.0)), author="Zoë"),
        Edit("delete_track", 0, (4,), points=(None,)),
    ]


def test_what_is_recorded_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / NAME
    made = [append(path, edit, HEADER) for edit in edits()]
    made.append(append(path, making.undo(made[0]), HEADER))
    found = read(path, movie_sha256="a" * 64)
    assert found.edits == tuple(made)
    assert found.header == HEADER
    assert found.torn == b""
    assert [edit.time for edit in found.edits] == sorted(edit.time for edit in made)
    assert list(tmp_path.iterdir()) == [path]


def test_corrections_of_another_position_of_the_same_file_are_refused(tmp_path: Path) -> None:
    """One file may hold many movies: its hash alone does not tell them apart."""
    path = tmp_path / NAME
    append(path, edits()[0], replace(HEADER, position="A1"))
    assert read(path, movie_sha256="a" * 64, position="A1").header.position == "A1"
    with pytest.raises(SomaNetError, match=r"position 'A1' of the movie 'film'.*position 'B2'.*--position A1"):
        read(path, movie_sha256="a" * 64, position="B2")
    with pytest.raises(SomaNetError, match="position 'A1'"):
        append(path, edits()[1], replace(HEADER, position="B2"))
    known = read(path).header
    check_movie(known, "a" * 64, path, position="well A1", asked="A1")  # as an older version recorded what was asked
    with pytest.raises(SomaNetError, match="position 'A1'"):
        check_movie(known, "a" * 64, path, position="well A1", asked="0")
    older = tmp_path / "older.jsonl"
    append(older, edits()[0], HEADER)  # whoever recorded it did not note the position
    append(older, edits()[1], replace(HEADER, position="A1"))
    assert len(read(older, movie_sha256="a" * 64, position="A1").edits) == 2


def test_every_cut_of_the_file_loses_at_most_the_line_that_was_being_written(tmp_path: Path) -> None:
    path = tmp_path / NAME
    for edit in edits():
        append(path, edit, HEADER)
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")][1:]
    for cut in range(start, len(whole) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        torn = folder / NAME
        torn.write_bytes(whole[:cut])
        complete = sum(end - 1 <= cut for end in ends)  # only the line's end may be missing
        assert len(read(torn).edits) == complete
        assert torn.read_bytes() == whole[:cut]  # reading changes nothing
        new = append(torn, making.delete(9, 9, SOMA), HEADER)
        found = read(torn)
        assert len(found.edits) == complete + 1
        assert found.edits[-1] == new
        assert found.torn == b""
        rest = whole[max([start, *(end for end in ends if end - 1 <= cut)]) : cut]
        assert (folder / TORN).read_bytes() == rest + b"\n" if rest else not (folder / TORN).exists()


RECORDING = """
import sys
from somanet.corrections import Header, Mask, Recorder, making
header = Header("film", "a" * 64, "b" * 64, "c" * 64, "d" * 64)
with Recorder(sys.argv[1], header) as recorder:
    for frame in range(100_000):
        recorder.append(making.delete(frame, 7, Mask(3, 5, 2, 3, (1, 4))))
        print(frame, flush=True)
"""


def test_a_kill_loses_no_edit_that_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / NAME
    for _ in range(3):
        before = len(read(path).edits) if path.exists() else 0
        with subprocess.Popen(
            [sys.executable, "-c", RECORDING, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
        ) as process:
            assert process.stdout is not None
            seen = [int(process.stdout.readline()) for _ in range(40)]
            process.send_signal(signal.SIGKILL)
            seen += [int(line) for line in process.stdout.read().split()]
        found = read(path).edits[before:]
        assert [edit.frame for edit in found[: len(seen)]] == seen
        assert len(found) <= len(seen) + 1  # one may have been written and not yet reported


def test_two_programs_do_not_record_at_once(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with Recorder(path, HEADER) as recorder:
        recorder.append(edits()[0])
        with pytest.raises(SomaNetError, match="Another command is writing"):
            append(path, edits()[1], HEADER)
    append(path, edits()[1], HEADER)
    assert len(read(path).edits) == 2


def test_corrections_of_another_movie_or_version_are_refused_and_stay(tmp_path: Path) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    before = path.read_bytes()
    with pytest.raises(SomaNetError, match="corrections of the movie 'film'"):
        read(path, movie_sha256="e" * 64)
    with pytest.raises(SomaNetError, match="corrections of the movie 'film'"):
        append(path, edits()[1], replace(HEADER, movie_sha256="e" * 64))
    with pytest.raises(SomaNetError, match="other automatic results"):
        append(path, edits()[1], replace(HEADER, labels_sha256="e" * 64))
    assert path.read_bytes() == before
    path.write_bytes(before.replace(b'"somanet_corrections":1', b'"somanet_corrections":2'))
    with pytest.raises(SomaNetError, match="version '2'"):
        read(path)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[1]",
        b"nonsense",
        b'{"kind":"dance","frame":1,"ids":[1]}',
        b'{"kind":"delete","frame":1,"ids":[1]}',
        b'{"kind":"delete","frame":-1,"ids":[1],"before":[{"box":[0,0,1,1],"runs":[0,1]}],"after":[null]}',
        b'{"kind":"undo","frame":0,"ids":[],"undoes":"0123456789abcdef","program":"","time":""}',
        b"\xff\xfe",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'"' + b"a" * (1 << 21) + b'"',
    ],
)
def test_a_line_that_is_no_edit_is_named_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    bad = path.read_bytes() + line + b"\n"
    path.write_bytes(bad)
    for what in (lambda: read(path), lambda: append(path, edits()[1], HEADER)):
        with pytest.raises(SomaNetError) as error:
            what()
        assert "line 3" in str(error.value)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == bad


@pytest.mark.parametrize(
    "saved",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content + b"\n\n",
        lambda content: content.replace(b"\n", b"\n\n", 2),
        lambda content: content.removesuffix(b"\n"),
    ],
)
def test_what_an_editor_adds_around_the_lines_changes_nothing(tmp_path: Path, saved: Callable[[bytes], bytes]) -> None:
    """Its mark of UTF-8, its ends of lines, blank lines; and recording goes on."""
    path = tmp_path / NAME
    first, second, third = edits()[:3]
    known = [append(path, edit, HEADER) for edit in (first, second)]
    path.write_bytes(saved(path.read_bytes()))
    assert list(read(path).edits) == known
    known.append(append(path, third, HEADER))
    assert list(read(path).edits) == known
    assert not (tmp_path / TORN).exists()


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (lambda content: content + content, "line 3: here a second file of corrections begins"),
        (lambda content: content.decode().encode("utf-16"), "found UTF-16. Save it as UTF-8"),
        (lambda content: content.replace(b",", b",\n"), "Take the file from a copy"),
    ],
)
def test_what_an_editor_breaks_is_named(tmp_path: Path, saved: Callable[[bytes], bytes], words: str) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    path.write_bytes(bad := saved(path.read_bytes()))
    with pytest.raises(SomaNetError, match=words):
        append(path, edits()[1], HEADER)
    assert path.read_bytes() == bad


def test_an_edit_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    lines = path.read_text().splitlines()
    content = json.loads(lines[1])
    content["frame"] = 3
    path.write_text(f"{lines[0]}\n{json.dumps(content)}\n")
    with pytest.raises(SomaNetError, match="line 2: the edit is not as it was recorded"):
        read(path)


def test_several_edits_are_recorded_as_one_by_one(tmp_path: Path) -> None:
    with Recorder(tmp_path / NAME, HEADER) as recorder:
        made = recorder.append_all(edits())
        assert recorder.append_all([]) == ()
    assert read(tmp_path / NAME).edits == made
    assert len({edit.key for edit in made}) == 3


def test_a_folder_that_takes_no_files_is_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        with as_a_user(), pytest.raises(SomaNetError, match="read-only") as error:
            append(folder / NAME, edits()[0], HEADER)
    finally:
        folder.chmod(0o755)
    assert "\n" not in str(error.value)
    assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    before = path.read_bytes()
    real = os.write

    def half(file: int, data: bytes) -> int:
        if len(data) > 20:
            return real(file, data[:20])
        raise OSError(28, "No space left on device")

    with Recorder(path, HEADER) as recorder:
        monkeypatch.setattr(
            os, "write", lambda file, data: real(file, data[:20]) if len(data) > 60 else half(file, b"")
        )
        with pytest.raises(SomaNetError, match="the disk is full"):
            recorder.append(edits()[1])
        monkeypatch.undo()
        assert path.read_bytes() == before
        recorder.append(edits()[1])
    assert len(read(path).edits) == 2


def test_recording_goes_on_in_the_file_of_that_name(tmp_path: Path) -> None:
    """A folder of results was swapped as a whole; where links are not supported, the file is a copy."""
    path = tmp_path / NAME
    with Recorder(path, HEADER) as recorder:
        recorder.append(edits()[0])
        content = path.read_bytes()
        path.rename(tmp_path / "old.jsonl")
        with pytest.raises(SomaNetError, match="moved or removed"):
            recorder.append(edits()[1])
        assert not path.exists()
        path.write_bytes(content)
        recorder.append(edits()[1])
    assert len(read(path).edits) == 2
    assert (tmp_path / "old.jsonl").read_bytes() == content


def test_edits_made_after_reading_are_not_among_those_read(tmp_path: Path) -> None:
    path = tmp_path / NAME
    append(path, edits()[0], HEADER)
    found = read(path)
    append(path, edits()[1], HEADER)
    assert path.read_bytes().startswith(found.content)
    assert sha256_file(path) != found.sha256
    path.write_bytes(found.content)
    assert sha256_file(path) == found.sha256
