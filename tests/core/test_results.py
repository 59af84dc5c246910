"""Results appear in one step or not at all, whenever the process is killed; a person's files there stay."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from somanet.core import guard, swapping
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.result_records import hashes_of
from somanet.core.results import check_results, result_folder
from tests.core.small_results import KEPT, KIND, content, keep, make, results_of, write


def test_new_results_replace_old_ones_whole_and_leave_what_a_person_keeps(tmp_path: Path) -> None:
    """Old results without a new version are removed; the person's files stay, and nothing is left beside the folder."""
    out = tmp_path / "out"
    write(out, "a")
    keep(out)
    write(out, "b")
    assert content(out) == results_of("b") | KEPT
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("place", ["out", "."])
def test_a_kill_at_any_step_leaves_old_or_new_and_a_start_that_works(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the current folder (``.``), which cannot be swapped, only after the next start."""
    out = tmp_path / "cwd" / "out"
    write(tmp_path / "template", "a")
    keep(tmp_path / "template")
    for kill_at in range(1, 120):
        shutil.copytree(tmp_path / "template", out)
        monkeypatch.chdir(out if place == "." else tmp_path / "cwd")
        killed = write(Path(place), "b", kill_at=kill_at, cwd=Path.cwd())
        if place != ".":
            seen = content(out)
            assert seen in (results_of("a") | KEPT, results_of("b") | KEPT), kill_at
        swapping._cleaned.clear()  # as in a new process
        make(Path(place), "c")
        assert content(out) == {"manifest.json": "c", "tracks.csv": "c"} | KEPT, kill_at
        assert [path.name for path in out.parent.iterdir()] == ["out"], kill_at
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / "cwd")
        if killed == 0:
            break
    else:
        pytest.fail("the writer takes more steps than were tried")
    assert kill_at > 10


def test_what_a_person_does_after_a_kill_is_not_moved_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves results half moved into the current folder; a table there is corrected before the next start."""
    out = tmp_path / "out"
    write(out, "a")
    monkeypatch.chdir(out)
    for kill_at in range(1, 120):
        assert write(Path(), "b", kill_at=kill_at, cwd=out) != 0, "no kill left anything to move"
        if (out / ".somanet-incoming" / "tracks.csv").exists():
            break
    (out / "tracks.csv").write_text("corrected")
    swapping._cleaned.clear()
    with guard.guarded(outputs=[out]):
        check_results(out, KIND)
    assert content(out) == results_of("b") | {"tracks.before.csv": "corrected"}


def test_a_folder_of_that_name_without_a_plan_is_a_persons(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out)
    (out / ".somanet-incoming").mkdir()
    (out / ".somanet-incoming" / "tracks.csv").write_text("mine")
    make(out, "2")
    assert content(out)["tracks.csv"] == "2"
    assert content(out)[".somanet-incoming/tracks.csv"] == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.getuid() != 0, reason="only root may mount")
def test_what_is_mounted_in_a_folder_of_results_is_not_touched(tmp_path: Path) -> None:
    """A disk that is mounted there, seen under a name with a space; also under --replace and at the removal itself."""
    out, disk = tmp_path / "out", tmp_path / "disk"
    make(out, "1")
    disk.mkdir()
    (disk / "raw.tif").write_text("pixels")
    (out / "my disk").mkdir()
    if subprocess.run(["mount", "--bind", disk, out / "my disk"], check=False, capture_output=True).returncode:
        pytest.skip("this system mounts nothing")
    try:
        make(out, "2")
        make(out, "3", replace=True)
        swapping.remove(out)
        assert (disk / "raw.tif").read_text() == "pixels"
        assert content(out) == {"manifest.json": "3", "tracks.csv": "3", "my disk/raw.tif": "pixels"}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "out"]
    finally:
        subprocess.run(["umount", out / "my disk"], check=True)


def test_what_is_corrected_while_results_take_their_place_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the table was found to be as SomaNet wrote it, and before the folders are exchanged."""
    out = tmp_path / "out"
    make(out, "1")
    exchange = swapping._exchange

    def correct_then_exchange(one: Path, other: Path) -> bool:
        (out / "tracks.csv").write_text("corrected")
        return exchange(one, other)

    monkeypatch.setattr(swapping, "_exchange", correct_then_exchange)
    make(out, "2")
    assert content(out) == {"manifest.json": "2", "tracks.csv": "2", "tracks.before.csv": "corrected"}


def test_a_kill_between_two_renames_where_names_cannot_be_exchanged_is_undone(tmp_path: Path) -> None:
    """Without name exchange: the old folder is set aside, the process dies, the next start puts it back."""
    out = tmp_path / "out"
    make(out, "old")
    script = (
        "import os, sys; from pathlib import Path; from somanet.core import swapping\n"
        "swapping._exchange = lambda one, other: False\n"
        "new = swapping.temporary_path(Path(sys.argv[1])); new.mkdir()\n"
        "replace = Path.replace\n"
        "Path.replace = lambda self, target: os._exit(0) if '.part' in self.name else replace(self, target)\n"
        "swapping.replace_folder(new, Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([sys.executable, "-c", script, str(out)], env=environment, check=True)
    assert not out.exists()
    swapping._cleaned.clear()
    check_results(out, KIND)
    make(out, "new")
    assert content(out) == {"manifest.json": "new", "tracks.csv": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, "1")

    def fail(place: Path) -> None:
        with result_folder(place, KIND) as folder:
            (folder / "tracks.csv").write_text("2")
            raise ValueError("halfway")

    for place in (out, tmp_path / "new"):
        with pytest.raises(ValueError, match="halfway"):
            fail(place)
    assert content(out) == {"manifest.json": "1", "tracks.csv": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_changed_result_is_refused_and_with_replace_kept(tmp_path: Path) -> None:
    """A table that a person corrected is no longer SomaNet's; the second time the first copy is kept as well."""
    out = tmp_path / "out"
    make(out, "1")
    for number, name in ((1, "tracks.before.csv"), (2, "tracks.before-2.csv")):
        (out / "tracks.csv").write_text(f"corrected {number}")
        with pytest.raises(SomaNetError, match=f"was changed since SomaNet wrote it.*keeps it as {name}"):
            make(out, "2")
        make(out, "2", replace=True)
        assert (out / "tracks.csv").read_text() == "2"
        assert (out / name).read_text() == f"corrected {number}"


@pytest.mark.parametrize("what", ["hidden", "link", "empty folder"])
def test_what_is_put_into_a_folder_of_the_results_is_kept(tmp_path: Path, what: str) -> None:
    """No hash covers it. A note of SomaNet's own is none of a person's, nor are the masks of a crop without somas."""
    out = tmp_path / "out"
    write(out, "a")
    (out / "ctc" / "masks").mkdir()
    (out / "ctc" / ".somanet.jsonl").write_text("{}")
    (out / "ctc" / ".DS_Store").write_text("of a file manager")
    check_results(out, KIND)
    more = out / "ctc" / (".mine.csv" if what == "hidden" else "mine")
    if what == "hidden":
        more.write_text("hours of work")
    elif what == "link":
        more.symlink_to(tmp_path)
    else:
        more.mkdir()
    named = re.escape(f"ctc holds what SomaNet did not write ({more.name})")
    with pytest.raises(SomaNetError, match=rf"{named}.*keeps it as ctc\.before"):
        check_results(out, KIND)
    assert write(out, "b", replace=True) == 0
    assert os.path.lexists(out / "ctc.before" / more.name)
    assert sorted(path.name for path in (out / "ctc").iterdir()) == ["b.tif"]


def test_results_that_go_aside_are_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where an input lies among them, nor from under the current folder."""
    out = tmp_path / "out"
    make(out, "1")
    keep(out)
    (out / "tracks.csv").write_text("corrected")
    with guard.reading(out / "notes.txt"), pytest.raises(SomaNetError, match=r"notes\.txt is an input, and lies in"):
        check_results(out, KIND, aside=True)
    monkeypatch.chdir(out)
    with pytest.raises(SomaNetError, match="cannot be kept under another name"):
        check_results(out, KIND, aside=True)
    monkeypatch.chdir(tmp_path)
    with guard.guarded(outputs=[out]) as replaced, result_folder(out, KIND, aside=True) as folder:
        (folder / KIND.record).write_text('{"version": "2", "files": {}}')
    assert replaced.kept == [tmp_path / "out.before"]
    assert content(out) == {"manifest.json": "2"}
    assert content(tmp_path / "out.before") == {"manifest.json": "1", "tracks.csv": "corrected"} | KEPT


def test_a_persons_file_under_a_name_that_will_be_written_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, "1")
    (out / "somas.csv").write_text("mine")
    check_results(out, KIND)
    with pytest.raises(SomaNetError, match=r"somas\.csv was not written by SomaNet"):
        check_results(out, KIND, writes=["somas.csv"])
    make(out, "2", replace=True, somas="new")
    assert content(out) == {
        "manifest.json": "2", "tracks.csv": "2", "somas.csv": "new", "somas.before.csv": "mine",
    }  # fmt: skip


def test_what_is_saved_while_results_take_their_place_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person saves a file, by replacing it as editors do, and adds one, just before the folders are swapped."""
    out = tmp_path / "out"
    make(out, "1")
    (out / "notes.txt").write_text("before")
    exchange = swapping._exchange

    def save_then_exchange(one: Path, other: Path) -> bool:
        (out / "saving").write_text("just now")
        (out / "saving").replace(out / "notes.txt")
        (out / "added.txt").write_text("just now")
        return exchange(one, other)

    monkeypatch.setattr(swapping, "_exchange", save_then_exchange)
    make(out, "2")
    assert content(out) == {
        "manifest.json": "2", "tracks.csv": "2", "notes.txt": "just now", "added.txt": "just now",
    }  # fmt: skip


def test_where_there_are_no_links_what_a_person_keeps_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    out = tmp_path / "out"
    make(out, "1")
    keep(out)
    make(out, "2")
    assert content(out) == {"manifest.json": "2", "tracks.csv": "2"} | KEPT


def test_a_place_of_other_things_is_refused_before_the_work(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.doc").write_text("years")
    (thesis / ".DS_Store").write_text("of a file manager")
    with pytest.raises(SomaNetError, match=r"contains files other than results of a test \(chapter\.doc\)"):
        check_results(thesis, KIND)
    make(thesis, "1", replace=True)
    assert content(thesis) == {"manifest.json": "1", "tracks.csv": "1", "chapter.doc": "years"} | {
        ".DS_Store": "of a file manager"
    }
    (tmp_path / "file").write_text("x")
    with pytest.raises(SomaNetError, match="a file is in the way"):
        check_results(tmp_path / "file", KIND)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_text("of a file manager")
    check_results(tmp_path / "empty", KIND)
    (tmp_path / "empty" / ".labbook").write_text("mine")
    with pytest.raises(SomaNetError, match=r"other than results of a test \(\.labbook\)"):
        check_results(tmp_path / "empty", KIND)
    check_results(tmp_path / "new" / "deeper", KIND)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    """Results on another disk, linked into the project."""
    (tmp_path / "disk" / "results").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "results")
    for text in "12":
        make(tmp_path / "out", text)
        assert (tmp_path / "out").is_symlink()
        assert content(tmp_path / "disk" / "results") == {"manifest.json": text, "tracks.csv": text}


def test_results_that_are_read_are_not_replaced(tmp_path: Path) -> None:
    """Tracks are corrected in place and analysed into the same folder: refused, or they would be lost. A file of the
    person's own there is read and stays."""
    out = tmp_path / "out"
    make(out, "1")
    (out / "mine.csv").write_text("corrected")
    with guard.reading(out / "tracks.csv"), pytest.raises(SomaNetError, match="is an input, and new results would"):
        check_results(out, KIND)
    with guard.reading(out / "mine.csv"):
        make(out, "2")
    assert content(out) == {"manifest.json": "2", "tracks.csv": "2", "mine.csv": "corrected"}


@pytest.mark.parametrize("use", ["results", "scratch"])
def test_ctrl_c_as_the_hidden_folder_appears_leaves_none(
    tmp_path: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal arrives between the system's making of the folder and the next line of Python."""
    real = Path.mkdir

    def interrupted(path: Path, *arguments: object, **named: object) -> None:
        real(path, *arguments, **named)  # type: ignore[arg-type]
        if path.name.startswith("."):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    target = tmp_path / "out"
    with (
        pytest.raises(KeyboardInterrupt),
        result_folder(target, KIND) if use == "results" else swapping.scratch_folder(target),
    ):
        pytest.fail("entered")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_makes_nothing_known(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, "1")
    for text in ("{", "[]", '{"files": 3}', "{}"):
        (out / KIND.record).write_text(text)
        with pytest.raises(SomaNetError, match=r"tracks\.csv was not written by SomaNet"):
            check_results(out, KIND, writes=["tracks.csv"])


@pytest.mark.parametrize("swapped", [True, False])
def test_what_an_earlier_run_wrote_and_this_one_does_not_is_gone_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: bool
) -> None:
    """Exports of other tracks beside new results would be wrong. A person's files and changed ones are not removed."""
    out = tmp_path / "out"
    make(out, "1", export="old tracks", corrected="old tracks")
    keep(out)
    (out / "corrected.csv").write_text("mine")
    if not swapped:
        monkeypatch.chdir(out)
    with guard.guarded(outputs=[out], replace=True) as replaced, result_folder(out, KIND) as folder:
        (folder / "tracks.csv").write_text("2")
        write_json(folder / KIND.record, {"version": "2", "files": hashes_of(folder, KIND)})
    assert replaced.removed == [out / "export.csv"]
    assert [path.name for path in replaced.kept] == ["corrected.before.csv"]
    assert content(out) == {"manifest.json": "2", "tracks.csv": "2", "corrected.before.csv": "mine"} | KEPT
