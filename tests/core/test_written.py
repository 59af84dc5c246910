"""A command replaces what it wrote itself, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, write_text
from somanet.core.guard import check_write, guarded
from somanet.core.swapping import scratch_folder
from somanet.core.written import WRITTEN, foreign_in, writers_of

READ = "is an input of this command"


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
    with guarded(outputs=[place], replace=replace, command=command) as replaced:
        with atomic_path(place) as folder:
            folder.mkdir()
            (folder / "content").write_text(text)
        KEPT[:] = replaced.kept


KEPT: list[Path] = []


def test_a_command_replaces_no_folder_of_another_and_says_whose_it_is(tmp_path: Path) -> None:
    """A video over a network would lose hours of training."""
    place = tmp_path / "models"
    save(place, "weights", command="train")
    save(place, "better weights", command="train")
    with pytest.raises(SomaNetError, match=r"models contains what `somanet train` wrote .* and would be .*--replace"):
        save(place, "frames", command="export-video")
    assert (place / "content").read_text() == "better weights"
    save(place, "frames", command="export-video", replace=True)
    assert [path.name for path in KEPT] == ["models.before"]
    assert (tmp_path / "models.before" / "content").read_text() == "better weights"
    assert (place / "content").read_text() == "frames"
    save(place, "more frames", command="export-video")


def test_a_folder_of_networks_is_no_network(tmp_path: Path) -> None:
    """A forgotten name at the end of a path would delete every network of a project."""
    for name in "ab":
        save(tmp_path / "nets" / name, "weights", command="train")
    with pytest.raises(SomaNetError, match=r"contains other results \(a/content, by `somanet train`\) and would be"):
        save(tmp_path / "nets", "weights", command="train")
    save(tmp_path / "c", "weights", command="train")
    save(tmp_path / "c" / "deeper", "weights", command="train")
    with pytest.raises(SomaNetError, match=r"contains other results \(deeper/content"):
        save(tmp_path / "c", "weights", command="train")


def hidden(place: Path) -> None:
    (place / ".git").mkdir()
    (place / ".git" / "HEAD").write_text("ref")


def linked(place: Path) -> None:
    (place / "movies").symlink_to(place.parent)


@pytest.mark.parametrize("put", [hidden, linked, lambda place: (place / ".labbook.txt").write_text("mine")])
@pytest.mark.parametrize("empty", [False, True])
def test_hidden_files_and_links_of_a_person_keep_a_folder(
    tmp_path: Path, put: Callable[[Path], object], empty: bool
) -> None:
    place = tmp_path / "nets"
    if empty:
        place.mkdir()
    else:
        save(place, "weights", command="train")
    put(place)
    with pytest.raises(SomaNetError, match="contains files that SomaNet did not write, or that were changed since"):
        save(place, "weights", command="train")


def test_what_file_managers_leave_and_hidden_files_of_somanet_keep_nothing(tmp_path: Path) -> None:
    """A Zarr store has hidden files; macOS leaves .DS_Store wherever somebody looks."""

    def save_store() -> None:
        with guarded(outputs=[tmp_path / "store"], command="export"), atomic_path(tmp_path / "store") as folder:
            (folder / "0").mkdir(parents=True)
            (folder / "0" / ".zarray").write_text("{}")

    save_store()
    (tmp_path / "store" / ".DS_Store").write_text("places of icons")
    save_store()
    (tmp_path / "store" / "0" / ".zarray").write_text("changed")
    with pytest.raises(SomaNetError, match=r"changed since \(0/\.zarray\)"):
        save_store()


def test_through_a_link_the_folder_is_written_that_it_leads_to(tmp_path: Path) -> None:
    """On another disk, for example."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "network").symlink_to(tmp_path / "disk")
    for _ in range(2):
        save(tmp_path / "network", "weights", command="train")
    assert (tmp_path / "network").is_symlink()
    assert (tmp_path / "disk" / "content").read_text() == "weights"
    (tmp_path / "disk" / "mine").write_text("mine")
    with pytest.raises(SomaNetError, match=r"changed since \(mine\)"):
        save(tmp_path / "network", "weights", command="train")


def test_the_current_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "deeper")
    for place in (Path(), Path(".."), tmp_path / "here"):
        with pytest.raises(SomaNetError, match="it is the current folder, or holds it"):
            save(place, "weights", command="train")
    save(tmp_path / "here" / "deeper" / "in", "weights", command="train")


def test_what_is_changed_in_place_stays_the_output_of_its_command(tmp_path: Path) -> None:
    """A network that is calibrated in its folder may be trained again."""
    save(tmp_path / "network", "weights", command="train")
    with guarded(outputs=[tmp_path / "network"], command="calibrate"):
        write_text(tmp_path / "network" / "content", "calibrated", updates=True)
    save(tmp_path / "network", "weights", command="train")


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
    with pytest.raises(
        SomaNetError, match=r"contains what an earlier version of SomaNet wrote .* and would be replaced"
    ):
        save(tmp_path / "network", "new", command="train")


def test_a_copy_elsewhere_is_not_known_and_a_moved_folder_is(tmp_path: Path) -> None:
    """The records lie in the folder and move with it, to another disk or computer."""
    run(tmp_path / "a" / "scores.json", "1")
    (tmp_path / "copy.json").write_text("1")
    assert not writers_of(tmp_path / "copy.json")
    (tmp_path / "a").rename(tmp_path / "b")
    assert writers_of(tmp_path / "b" / "scores.json")


def test_the_user_is_told_where_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    with guarded(outputs=[tmp_path / "a.json"], replace=True) as replaced:
        write_text(tmp_path / "a.json", "new")
        assert replaced.kept == [tmp_path / "a.before.json"]


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
    assert writers_of(tmp_path / "mine.json")
    assert writers_of(tmp_path / "theirs.json")


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
    assert foreign_in(tmp_path / "elsewhere", "") is None
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
    assert writers_of(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("new")  # as after it
    assert writers_of(tmp_path / "a.json")


def test_damaged_notes_make_files_unknown_and_break_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a.json", "1")
    notes = tmp_path / WRITTEN
    notes.write_text(notes.read_text()[:-5] + "\n[]\n3\n{\n" + "[" * 100_000)
    assert not writers_of(tmp_path / "a.json")
    run(tmp_path / "b.json", "1")  # the cut line does not swallow the next
    assert writers_of(tmp_path / "b.json")
    assert json.loads(notes.read_text().splitlines()[-1])["file"] == "b.json"
