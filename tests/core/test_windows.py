"""What Windows does differently, acted out: no open file is removed, nothing is flushed that was opened to be read."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from somanet.core import files, result_exchange, swapping
from somanet.core.errors import SomaNetError
from somanet.core.locks import Locks
from somanet.core.names import check_file_name
from somanet.core.processes import has_crashed
from somanet.provenance.code import code_digest

fcntl = pytest.importorskip("fcntl", reason="on Windows itself the other tests show it")


class OtherSystem:
    """The module `os` as another system has it: with a name of its own, and calls that do something else."""

    def __init__(self, name: str, **others: Any) -> None:
        self.name, self._others = name, others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(os, name)


def test_locks_are_released_before_their_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink, removed = Path.unlink, []

    def unlink_as_windows(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".lock" and path.exists():
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                raise PermissionError(errno.EACCES, "in use", str(path)) from None
            removed.append(path.name)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_as_windows)
    locks = Locks(tmp_path / "locks", tmp_path / "door")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "of-a-killed-process.lock").touch()
    lock = locks.take("a")
    assert removed == ["of-a-killed-process.lock"]
    with pytest.raises(Timeout):
        locks.take("a")
    with locks.giving_back("a", lock):
        assert lock.is_locked
    assert removed[-1] == "a.lock"
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_file_is_flushed_as_one_that_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync_as_windows(number: int) -> None:
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(number)

    monkeypatch.setattr(files, "os", OtherSystem("nt", fsync=fsync_as_windows))
    files.write_text(tmp_path / "a.txt", "ä\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\n".encode()
    monkeypatch.setattr(files, "os", OtherSystem("posix", fsync=fsync_as_windows))
    with pytest.raises(SomaNetError):
        files.write_text(tmp_path / "b.txt", "b\n")


def test_mounts_are_found_where_paths_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_proc(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    def refuse(_: Path) -> bool:
        raise NotImplementedError("Path.is_mount() is unsupported on this system")

    monkeypatch.setattr(Path, "read_text", no_proc)
    monkeypatch.setattr(Path, "is_mount", refuse)
    (tmp_path / "folder" / "disk").mkdir(parents=True)
    assert not swapping.holds_mounts(tmp_path)
    ismount = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "disk" or ismount(path))
    assert swapping.holds_mounts(tmp_path)


@pytest.mark.parametrize(("system", "own"), [("nt", True), ("posix", False)])
def test_modes_count_where_there_are_any(
    system: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows gives every folder the mode 777."""
    incoming = tmp_path / ".somanet-incoming"
    incoming.mkdir()
    incoming.chmod(0o777)
    (incoming / ".plan.json").write_text("{}", encoding="utf-8", newline="\n")
    monkeypatch.setattr(result_exchange, "os", OtherSystem(system))
    assert result_exchange._is_own(tmp_path, incoming) is own


@pytest.mark.parametrize(
    ("status", "crashed"), [(0, False), (1, False), (3, False), (-11, True), (0xC0000005, True), (0xC00000FD, True)]
)
def test_crashes_are_told_from_refusals(status: int, crashed: bool) -> None:
    assert has_crashed(status) is crashed


@pytest.mark.parametrize("name", ["con", "NUL", "aux.tif", "Com1.ome.tif", "lpt9", "COM¹", "nul .x"])
def test_names_of_devices_are_refused(name: str) -> None:
    with pytest.raises(SomaNetError, match="device"):
        check_file_name(name, "crops.csv, line 2")


@pytest.mark.parametrize("name", ["console", "com", "com10", "nul_1", "t.aux"])
def test_names_that_only_resemble_devices_pass(name: str) -> None:
    assert check_file_name(name, "here") == name


def test_code_has_one_digest_on_every_system(tmp_path: Path) -> None:
    """In the order of names as text: Windows' paths compare without regard to case."""
    contents = {"B.py": b"1", "a.py": b"2", "c/D.py": b"3", "c/a.py": b"4", "c-d/a.py": b"5"}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    expected = hashlib.sha256()
    for name in ("B.py", "a.py", "c/D.py", "c/a.py", "c-d/a.py"):
        expected.update(name.encode() + b"\0" + hashlib.sha256(contents[name]).hexdigest().encode() + b"\n")
    assert code_digest(tmp_path) == expected.hexdigest()
