"""Hashes as computed by DVC, and the location of its cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from somanet.provenance.trace.hashes import Hashes, cache_folder, cache_object, dvc_project


def test_hashes_are_those_of_dvc(tmp_path: Path) -> None:
    """DVC itself names a folder of six files, of which the patterns leave a.txt, `ü b.txt`, kept.log and linked.txt.

    In the linked folder there is one more, which DVC does not follow.
    """
    from dvc.repo import Repo

    names = ("a.txt", "sub/ü b.txt", "sub/c.pyc", "__pycache__/d.txt", "sub/e.log", "sub/kept.log", "sub/deep/f.tmp")
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "g.txt").write_text("g")
    (tmp_path / "data" / "linked.txt").symlink_to(tmp_path / "elsewhere" / "g.txt")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".dvcignore").write_text("# not these\n__pycache__/\n*.py[cod]\n*.log\n!kept.log\ndata/**/*.tmp\n")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        repo.add([str(tmp_path / "data")])
    [out] = yaml.safe_load((tmp_path / "data.dvc").read_text())["outs"]
    assert out["nfiles"] == 4
    assert Hashes(tmp_path).md5(tmp_path / "data") == out["md5"]
    assert cache_object(out["md5"], tmp_path).is_file()
    (tmp_path / "data" / "a.txt").write_text("b")
    assert Hashes(tmp_path).md5(tmp_path / "data") != out["md5"]


def test_hashes_are_those_of_the_lock() -> None:
    """Files recorded in the repository's locks and unchanged since have the recorded hash."""
    root = Path(__file__).resolve().parents[3]
    hashes, same = Hashes(root), set()
    for lock in (root / "dvc.lock", *root.glob("profiles/*/dvc.lock")):
        for stage in yaml.safe_load(lock.read_text())["stages"].values():
            for entry in (*stage.get("deps", ()), *stage.get("outs", ())):
                path = lock.parent / entry["path"]
                if path.exists() and hashes.md5(path) == entry["md5"]:
                    same.add(entry["md5"])
    assert len(same) > 10


def test_a_pipe_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        Hashes(tmp_path).md5(tmp_path / "pipe")


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.provenance.trace.hashes.LARGEST_BYTES", 2)
    (tmp_path / "f").write_text("abc")
    assert Hashes(tmp_path).md5(tmp_path / "f") is None
    assert Hashes(tmp_path).md5(tmp_path) is None
    with pytest.raises(FileNotFoundError):
        Hashes(tmp_path).md5(tmp_path / "none")


def test_the_cache_may_lie_elsewhere(tmp_path: Path) -> None:
    assert cache_folder(tmp_path) == tmp_path / ".dvc" / "cache"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n[cache]\n    dir = ../../shared\n")
    assert cache_folder(tmp_path) == (tmp_path / ".." / "shared").resolve()
    (tmp_path / ".dvc" / "config.local").write_text("['remote \"x\"']\n    url = y\n[cache]\n    dir = /far\n")
    assert cache_folder(tmp_path) == Path("/far")
    (tmp_path / ".dvc" / "config").write_text("no section\n")
    assert cache_folder(tmp_path) == tmp_path / ".dvc" / "cache"


def test_a_profile_has_its_own_cache_and_counts_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC itself, in a project within one that links the code around it: bytecode does not count on either path."""
    from dvc.repo import Repo

    profile = tmp_path / "profiles" / "own"
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    for name in ("code/a.py", "code/__pycache__/a.pyc"):
        (tmp_path / name).write_text(name)
    for folder in (tmp_path, profile):
        (folder / ".dvc").mkdir(parents=True)
        (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
        (folder / ".dvcignore").write_text("__pycache__/\n")
    (profile / "code").symlink_to("../../code")
    (profile / "dvc.yaml").write_text("stages:\n  s: {cmd: mkdir out && touch out/a, deps: [code], outs: [out]}\n")
    monkeypatch.chdir(profile)
    with Repo() as repo:
        repo.reproduce()
    [stage] = yaml.safe_load((profile / "dvc.lock").read_text())["stages"].values()
    [code], [out] = stage["deps"], stage["outs"]
    assert code["nfiles"] == 1
    hashes = Hashes(tmp_path)
    assert hashes.md5(profile / "code") == hashes.md5(tmp_path / "code") == code["md5"]
    assert hashes.md5(profile / "out") == out["md5"]
    assert dvc_project(profile / "out", tmp_path) == profile
    assert dvc_project(tmp_path / "code", tmp_path) == dvc_project(tmp_path, tmp_path) == tmp_path
    assert cache_object(out["md5"], dvc_project(profile / "out", tmp_path)).is_file()
    assert not cache_object(out["md5"], tmp_path).exists()
