"""Locks between processes: one holder, no waiting for the dead, no files left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import Timeout

from somanet.core.errors import SomaNetError
from somanet.core.locks import Locks, make_own_folder

HOLD = """
import os, sys, time
from pathlib import Path
from somanet.core.locks import Locks
folder = Path(sys.argv[1])
lock = Locks(folder, folder.parent / "door").take(sys.argv[2])
born, bear = os.pipe()
if os.fork() == 0:  # a child, such as one that loads data, may outlive it
    os.write(bear, b"x")
    time.sleep(60)
os.read(born, 1)  # from now on the child holds nothing of what it was born with
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks", tmp_path / "door")


@pytest.fixture
def hold(locks: Locks) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a process that holds a lock."""
    started = []

    def begin(name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, locks.folder, name], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_one_process_holds_a_name(locks: Locks, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    hold("a")
    with pytest.raises(Timeout):
        locks.take("a")
    with locks.giving_back("b", locks.take("b")):
        assert {path.name for path in locks.folder.iterdir()} == {"a.lock", "b.lock"}
    assert [path.name for path in locks.folder.iterdir()] == ["a.lock"]


def test_a_killed_process_holds_none_though_its_child_lives(
    locks: Locks, hold: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = hold("a")
    process.kill()
    process.wait()
    with locks.giving_back("b", locks.take("b")):
        assert [path.name for path in locks.folder.iterdir()] == ["b.lock"]
    assert list(locks.folder.iterdir()) == []
    with locks.giving_back("a", locks.take("a")):
        pass


def test_one_waits_as_long_as_it_is_told(locks: Locks, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    process = hold("a")
    began = time.monotonic()
    with pytest.raises(Timeout):
        locks.take("a", wait_s=0.5)
    assert time.monotonic() - began >= 0.5
    killing = threading.Timer(0.5, process.kill)
    killing.start()
    with locks.giving_back("a", locks.take("a", wait_s=60)):
        killing.join()


def test_a_folder_of_another_user_is_no_place_for_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everyone may make one in `/tmp`, under anyone's number, and hold all locks in it for ever."""
    make_own_folder(tmp_path / "new" / "own")
    make_own_folder(tmp_path / "new" / "own")
    assert (tmp_path / "new" / "own").stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(SomaNetError, match="another user's, a link or a file"):
            make_own_folder(tmp_path / name)
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(SomaNetError, match=r"own: expected a folder of this user"):
        make_own_folder(tmp_path / "new" / "own")
