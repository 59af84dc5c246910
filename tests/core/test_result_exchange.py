"""An exchange of results file by file is believed only where it was begun, and stops before its first move."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file
from somanet.core.result_records import hashes_of
from somanet.core.results import check_results, result_folder
from tests.core.small_results import KIND, content, write


def test_a_record_of_others_removes_nothing_outside_of_the_folder(tmp_path: Path) -> None:
    """Names that lead out, with the right hashes, in a record and in the plan of a move: what they name stays."""
    (tmp_path / "precious.txt").write_text("mine")
    digest = sha256_file(tmp_path / "precious.txt")
    evil = {"../precious.txt": digest, str(tmp_path / "precious.txt"): digest, "..": digest}
    output = tmp_path / "results"
    (output / ".somanet-incoming").mkdir(parents=True)
    write_json(output / KIND.record, {"files": evil})
    (output / ".somanet-incoming").chmod(0o700)
    write_json(output / ".somanet-incoming" / ".plan.json", {"goes": evil, "comes": list(evil), "made": made(output)})
    with pytest.raises(SomaNetError, match="is not what a stopped command leaves"):
        check_results(output, KIND)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"precious.txt", "results"}
    shutil.rmtree(output / ".somanet-incoming")
    assert write(output, "one", replace=True) == 0
    assert (output / "tracks.csv").read_text() == "tracks one"
    assert (tmp_path / "precious.txt").read_text() == "mine"


def plant(folder: Path, files: dict[str, str], *, goes: dict[str, str], record: bool = True) -> None:
    """What a stopped exchange would leave, made by someone else."""
    incoming = folder / ".somanet-incoming"
    incoming.mkdir(parents=True)
    for name, text in files.items():
        (incoming / name).write_text(text)
    comes = list(files)
    if record:
        hashes = {name: sha256_file(incoming / name) for name in files}
        write_json(incoming / KIND.record, {"version": "theirs", "files": hashes})
        comes.append(KIND.record)
    write_json(incoming / ".plan.json", {"goes": goes, "comes": comes, "made": made(folder)})
    incoming.chmod(0o700)


def made(folder: Path) -> list[int]:
    """What a plan says of the two folders and the user, whom nobody else can be."""
    return [folder.stat().st_ino, (folder / ".somanet-incoming").stat().st_ino, os.getuid()]


@pytest.mark.parametrize("planted", ["no record", "another content", "a hidden file", "a link", "a link as the folder"])
def test_an_exchange_that_somanet_did_not_begin_moves_nothing(tmp_path: Path, planted: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("mine")
    name = ".bashrc" if planted == "a hidden file" else "thesis.doc"
    goes = {"thesis.doc": sha256_file(out / "thesis.doc")}
    plant(out, {name: "evil"}, goes=goes, record=planted != "no record")
    incoming = out / ".somanet-incoming"
    if planted == "another content":
        (incoming / "thesis.doc").write_text("worse")
    elif planted == "a link":
        (incoming / "thesis.doc").rename(tmp_path / "elsewhere")
        (incoming / "thesis.doc").symlink_to(tmp_path / "elsewhere")
    elif planted == "a link as the folder":
        incoming.rename(tmp_path / "other")
        incoming.symlink_to(tmp_path / "other")
    before = content(tmp_path)
    with pytest.raises(SomaNetError, match="is not what a stopped command leaves"):
        check_results(out, KIND)
    assert content(tmp_path) == before


def test_an_exchange_replaces_no_input_and_removes_nothing_that_no_record_names(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "tracks.csv").write_text("mine")
    plant(out, {"tracks.csv": "evil"}, goes={"tracks.csv": sha256_file(out / "tracks.csv")})
    with guard.reading(out / "tracks.csv"), pytest.raises(SomaNetError, match=r"tracks\.csv is an input"):
        check_results(out, KIND)
    assert (out / "tracks.csv").read_text() == "mine"
    check_results(out, KIND)
    assert "mine" in content(out).values()  # complete and consistent: moved in, and what was there is kept


@pytest.mark.parametrize("origin", ["a copy", "a guess", "another user", "writable by all", "a link as the plan"])
def test_an_exchange_from_elsewhere_moves_nothing(tmp_path: Path, origin: str) -> None:
    """All hashes fit, so that only the folders, the user and the modes tell it from one that was stopped here."""
    out = tmp_path / "out"
    made_at = tmp_path / "theirs" if origin == "a copy" else out
    plant(made_at, {"tracks.csv": "theirs"}, goes={})
    if origin == "a copy":
        shutil.copytree(made_at, out)  # with the modes
    incoming = out / ".somanet-incoming"
    plan = incoming / ".plan.json"
    if origin == "a guess":
        plan.write_text(plan.read_text().replace(str(made(out)[1]), str(made(out)[1] + 1)))
    elif origin == "another user":
        if os.getuid() != 0:
            pytest.skip("only root gives files away")
        os.chown(incoming, 65534, 65534)
    elif origin == "writable by all":
        incoming.chmod(0o777)
    elif origin == "a link as the plan":
        plan.rename(tmp_path / "plan.json")
        plan.symlink_to(tmp_path / "plan.json")
    (out / "tracks.csv").write_text("mine")
    before = content(out)
    with pytest.raises(SomaNetError, match="is not what a stopped command leaves"):
        check_results(out, KIND)
    assert content(out) == before


def write_b(output: Path) -> None:
    with guard.guarded(outputs=[output], replace=True), result_folder(output, KIND) as folder:
        (folder / "tracks.csv").write_text("b")
        (folder / "only_b.csv").write_text("b")
        write_json(folder / KIND.record, {"version": "b", "files": hashes_of(folder, KIND)})


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.getuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("mounted", ["tracks.csv", "ctc", "only_b.csv", ".somanet-incoming"])
def test_what_is_mounted_under_the_name_of_a_result_stops_all_before_the_first_move(
    tmp_path: Path, mounted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the current folder, which cannot be swapped: before the work for names that are known, else after it."""
    out, disk = tmp_path / "out", tmp_path / "disk"
    write(out, "a")
    place, is_folder = out / mounted, mounted in ("ctc", ".somanet-incoming")
    for one in (disk, place):
        if is_folder:
            one.mkdir(exist_ok=True)
        else:
            one.touch()
    if subprocess.run(["mount", "--bind", disk, place], check=False, capture_output=True).returncode:
        pytest.skip("this system mounts nothing")
    try:
        before = content(out)
        monkeypatch.chdir(out)
        with pytest.raises(SomaNetError, match="a disk is mounted on it or in it"):
            write_b(Path())
        assert content(out) == before
    finally:
        subprocess.run(["umount", place], check=True)
