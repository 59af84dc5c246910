"""Frames kept in a temporary file: the same frames, decoded once, in spite of full disks and long movies."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.io import frame_store
from somanet.io.frame_store import FrameFile, keeping, kept
from somanet.io.movie_tiff import TiffMovie
from somanet.io.movies import open_movie, write_movie

N_FRAMES, HEIGHT, WIDTH = 5, 7, 9
FRAMES = np.random.default_rng(0).integers(0, 4000, (N_FRAMES, HEIGHT, WIDTH), dtype=np.uint16)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    write_movie(tmp_path / "movie.tif", FRAMES, Calibration(1.0, 10.0))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "movie.tif"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames in the order in which they are decoded."""
    seen: list[int] = []
    read = TiffMovie._read
    monkeypatch.setattr(TiffMovie, "_read", lambda movie, t: seen.append(t) or read(movie, t))
    return seen


@pytest.mark.parametrize("compressed", [False, True])
def test_each_frame_is_decoded_once(movie: Path, decoded: list[int], compressed: bool) -> None:
    scratch = movie.parent / "scratch"
    with keeping(open_movie(movie), scratch, compressed=compressed) as found:
        decoded.clear()
        np.testing.assert_array_equal(found[3], FRAMES[3])
        for _ in range(2):
            np.testing.assert_array_equal(np.stack(list(found)), FRAMES)
        with found as again:  # another reader, which closes what it was given
            assert again.frame(1).dtype == np.uint16
        np.testing.assert_array_equal(found[1:3], FRAMES[1:3])
        assert sorted(decoded) == list(range(N_FRAMES))
        assert (len(found), found.shape_YX) == (N_FRAMES, (HEIGHT, WIDTH))
        with pytest.raises(IndexError):
            found.frame(N_FRAMES)
    assert list(scratch.iterdir()) == []


def test_a_frame_belongs_to_the_caller(movie: Path) -> None:
    with keeping(open_movie(movie), movie.parent) as found:
        for _ in range(2):
            frame = found.frame(2)
            frame[:] = 0
        np.testing.assert_array_equal(found.frame(2), FRAMES[2])


@pytest.mark.parametrize("limit", ["bytes", "free space"])
def test_of_a_long_movie_the_first_frames_are_kept(
    movie: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    room = 2 * FRAMES[0].nbytes + 1
    if limit == "bytes":
        monkeypatch.setattr(frame_store, "MOST_BYTES", room)
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4 * room))
    with keeping(open_movie(movie), movie.parent) as found:
        decoded.clear()
        for _ in range(2):
            np.testing.assert_array_equal(np.stack(list(found)), FRAMES)
    assert decoded == [0, 1, 2, 3, 4, 2, 3, 4]


class _FullDisk:
    """A file that takes three frames, and of the fourth a part."""

    def __init__(self, file: object) -> None:
        self._file, self._room = file, 3

    def write(self, data: bytes) -> int:
        self._room -= 1
        if self._room == -1:
            return len(data) // 2
        if self._room < -1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_full_disk_costs_a_movie_time_only(movie: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    with keeping(open_movie(movie), movie.parent) as found:
        monkeypatch.setattr(found._file, "_file", _FullDisk(found._file._file))
        decoded.clear()
        for _ in range(2):
            np.testing.assert_array_equal(np.stack(list(found)), FRAMES)
    assert decoded == [0, 1, 2, 3, 4, 3, 4]


def test_computed_frames_need_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FrameFile(tmp_path, compressed=True) as file:
        labels = (FRAMES > 3900).astype(np.int32)
        stored = kept(iter(labels), file)
        np.testing.assert_array_equal(np.stack(list(stored)), labels)
        assert (len(stored), stored[0].dtype) == (N_FRAMES, np.int32)
        with pytest.raises(ValueError, match="int64"):
            file.keep(9, labels[0].astype(np.int64))
    with FrameFile(tmp_path, compressed=False) as file:
        monkeypatch.setattr(file, "_file", _FullDisk(file._file))
        with pytest.raises(SomaNetError, match="the disk is full"):
            kept(iter(FRAMES), file)
