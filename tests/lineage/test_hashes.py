"""Hashes as DVC computes them, and where its cache lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from somanet.lineage.hashes import Hashes, cache_folder, cache_object


def test_hashes_are_those_of_dvc(tmp_path: Path) -> None:
    """DVC itself names a file and a folder, in which two files are ignored."""
    from dvc.repo import Repo

    for name, text in (("a.txt", "a"), ("sub/ü b.txt", "b"), ("sub/c.pyc", "c"), ("__pycache__/d.txt", "d")):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(text)
    (tmp_path / ".dvcignore").write_text("# not these\n__pycache__/\n*.py[cod]\n")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        repo.add([str(tmp_path / "data")])
    [out] = yaml.safe_load((tmp_path / "data.dvc").read_text())["outs"]
    assert out["nfiles"] == 2
    assert Hashes(tmp_path).md5(tmp_path / "data") == out["md5"]
    assert cache_object(out["md5"], tmp_path).is_file()
    (tmp_path / "data" / "a.txt").write_text("b")
    assert Hashes(tmp_path).md5(tmp_path / "data") != out["md5"]


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.lineage.hashes.LARGEST_BYTES", 2)
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
