"""A truncated TIFF: refused, or opened as the frames before the cut on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from somanet.core.errors import SomaNetError
from somanet.io.movies import open_movie

FRAMES = np.random.default_rng(0).integers(0, 999, (7, 20, 30)).astype(np.uint16)
IMAGEJ = {"imagej": True, "metadata": {"axes": "TYX", "unit": "um", "finterval": 720.0}, "resolution": (2, 2)}


def cut(folder: Path, keep: float, frames: np.ndarray = FRAMES, **how: Any) -> Path:
    tifffile.imwrite(folder / "whole.tif", frames, **how)
    data = (folder / "whole.tif").read_bytes()
    (folder / "cut.tif").write_bytes(data[: int(len(data) * keep)])
    return folder / "cut.tif"


@pytest.mark.parametrize(
    ("how", "least"),
    [(IMAGEJ, 3), ({**IMAGEJ, "compression": "zlib"}, 2), ({"compression": "zlib", "metadata": None}, 2)],
)
def test_the_frames_before_the_cut_are_there(tmp_path: Path, how: dict[str, Any], least: int) -> None:
    """55 % of the bytes hold 3 of 7 frames, one fewer if directories lie between them."""
    path = cut(tmp_path, 0.55, **how)
    with pytest.raises(SomaNetError, match="truncated") as error:
        open_movie(path)
    with open_movie(path, allow_truncated=True) as movie:
        assert str(error.value).endswith(f"(frames 0 to {movie.n_frames - 1}) with --allow-truncated.")
        assert movie.truncated
        assert least <= movie.n_frames <= 4
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[: movie.n_frames])


def test_the_scale_of_the_header_is_kept(tmp_path: Path) -> None:
    with open_movie(cut(tmp_path, 0.55, **IMAGEJ), allow_truncated=True) as movie:
        assert movie.file_calibration.pixel_size_um == 0.5
        assert movie.file_calibration.frame_interval_min == 12.0


def test_channels_stay_apart(tmp_path: Path) -> None:
    """Two channels in turn: 14 images, of which 6 or 7 are whole, make 3 frames."""
    frames = np.stack([FRAMES, FRAMES + 1000], axis=1)
    path = cut(tmp_path, 0.45, frames, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(SomaNetError, match="--channel"):
        open_movie(path, allow_truncated=True)
    with open_movie(path, channel=1, allow_truncated=True) as movie:
        assert movie.n_frames == 3
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[:3] + 1000)


def test_a_whole_file_is_not_called_truncated(tmp_path: Path) -> None:
    cut(tmp_path, 1.0, **IMAGEJ)
    with open_movie(tmp_path / "whole.tif", allow_truncated=True) as movie:
        assert not movie.truncated
        assert movie.n_frames == 7


@pytest.mark.parametrize(("keep", "words"), [(0.1, "no frame before the cut"), (0.001, "cut within its header")])
def test_nothing_whole_is_refused(tmp_path: Path, keep: float, words: str) -> None:
    path = cut(tmp_path, keep, **IMAGEJ)
    with pytest.raises(SomaNetError) as error:
        open_movie(path, allow_truncated=True)
    assert words in str(error.value)
    with pytest.raises(SomaNetError) as error:
        open_movie(path)
    assert "--allow-truncated" not in str(error.value)


def test_planes_are_refused(tmp_path: Path) -> None:
    frames = np.stack([FRAMES, FRAMES], axis=1)
    path = cut(tmp_path, 0.6, frames, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(SomaNetError, match="planes or colours"):
        open_movie(path, allow_truncated=True)
