"""MetaMorph's STK, written byte by byte from its published layout: one directory, planes in a row, private tags."""

from __future__ import annotations

import struct
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from somanet.core.problems import FileProblem, StackProblem
from somanet.io.movies import open_movie

PIXELS = np.random.default_rng(0).integers(0, 60_000, (5, 24, 31), dtype=np.uint16)
TEN = 10 * 60.0
DAY_1 = 1_721_425
"""Julian day of the first of January of the year 1."""


def write_stk(
    path: Path, minutes: list[float], *, um: tuple[int, int] = (65, 100), unit: bytes = b"um", z: int = 0
) -> Path:
    """A stack with the time of each plane since midnight of the first of May 2024, and a calibration as a fraction."""
    blobs = bytearray()

    def put(data: bytes) -> int:
        blobs.extend(data)
        return 8 + len(blobs) - len(data)

    pixels = put(PIXELS.astype("<u2").tobytes())
    fraction = put(struct.pack("<2I", *um))
    text = put(struct.pack("<I", len(unit) + 1) + unit + b"\0")
    uic1 = put(struct.pack("<6I", 4, fraction, 5, fraction, 6, text))
    planes = b""
    for one in minutes:
        day = date(2024, 5, 1).toordinal() - 1 + DAY_1 + int(one // 1440)
        planes += struct.pack("<6I", z, 1, day, round((one % 1440) * 60_000), day, 0)
    uic2 = put(planes)
    n, (height, width) = len(minutes), PIXELS.shape[1:]
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, pixels),
        (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, height * width * 2), (33628, 4, 3, uic1), (33629, 5, n, uic2),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(blobs)) + bytes(blobs) + directory)
    return path


def test_frames_scale_and_times(tmp_path: Path) -> None:
    """Over midnight."""
    with open_movie(write_stk(tmp_path / "a.stk", [1400, 1412, 1424, 1436, 1448])) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS)
        assert movie.file_calibration.pixel_size_um == pytest.approx(0.65)
        assert movie.file_calibration.frame_interval_min == pytest.approx(12)
        assert movie.file_calibration.times_h is None
        assert not movie.unnamed


def test_a_pause(tmp_path: Path) -> None:
    with open_movie(write_stk(tmp_path / "a.stk", [TEN, TEN + 12, TEN + 24, TEN + 144, TEN + 156])) as movie:
        assert movie.file_calibration.times_h == pytest.approx([0, 0.2, 0.4, 2.4, 2.6])


def test_no_calibration(tmp_path: Path) -> None:
    """MetaMorph writes 1 pixel where nothing was calibrated."""
    with open_movie(write_stk(tmp_path / "a.stk", [0, 1, 2, 3, 4], um=(1, 1), unit=b"pixel")) as movie:
        assert movie.file_calibration.pixel_size_um is None


def test_planes(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match=r"a Z stack of 5 planes .*--axes TYX"):
        open_movie(write_stk(tmp_path / "a.stk", [0, 1, 2, 3, 4], z=2))


def test_a_cut_stack_is_refused(tmp_path: Path) -> None:
    """Its directory, moved before pixels of which the last are missing."""
    whole = write_stk(tmp_path / "a.stk", [0, 1, 2, 3, 4]).read_bytes()
    (tmp_path / "b.stk").write_bytes(whole[:-20])
    with pytest.raises(FileProblem, match="truncated"):
        open_movie(tmp_path / "b.stk")
