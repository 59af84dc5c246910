"""The frames of a truncated TIFF before the cut, on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from somanet.core.foreign import parsing
from somanet.core.problems import FileProblem
from somanet.io.completeness import TIFF_MAGICS, tiff_cut
from somanet.io.declared_size import open_tiff
from somanet.io.movie_base import Movie
from somanet.io.movie_choices import choose_channel, choose_planes
from somanet.io.movie_layout import Wanted
from somanet.io.photometric import light_of
from somanet.io.tiff_scale import tiff_calibration
from somanet.io.tiff_segments import check_segments


def is_cut(path: Path) -> bool:
    """Whether a TIFF breaks off before its end, by its pages or by ImageJ's count of images."""
    with path.open("rb") as handle:
        size = path.stat().st_size
        if handle.read(4) not in TIFF_MAGICS:
            return False
        if tiff_cut(handle, size, str(path)):
            return True
    with open_tiff(path, str(path)) as tiff:
        page, n_images = tiff.pages.first, _promised(tiff)
        one_block = len(tiff.pages) == 1 and n_images > 1
        return one_block and _offset(page) + n_images * page.nbytes > size


class CutTiffMovie(Movie):
    """The complete frames of a truncated TIFF with one time axis (see :class:`Movie`).

    Only ImageJ's header, which is at the beginning, and complete pages are trusted. A file whose page directory is
    written last (OME-TIFF of some writers) has nothing left to read.
    """

    truncated = True

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path, self.files = path, (path,)
        if wanted.axes is not None or wanted.position is not None:
            raise FileProblem(
                f"{path}: of a truncated TIFF only time points are read, in the order of its pages. Leave out "
                "--axes and --position, or fetch the file again.",
                "truncated",
            )
        choose_planes(1, wanted.z, str(path), described="a truncated TIFF, of which only time points are read")
        with parsing(path, "a movie", remedy="The TIFF is cut within its header. Fetch it again."):
            self._tiff = open_tiff(path, str(path))
        try:
            self._open(wanted.channel)
        except BaseException:
            self._tiff.close()
            raise

    def _open(self, channel: int | str | None) -> None:
        size = self._tiff.filehandle.size
        first = self._tiff.pages.first
        header = self._tiff.imagej_metadata or {}
        if int(header.get("slices", 1)) > 1 or first.samplesperpixel > 1:
            raise FileProblem(
                f"{self.path}: the TIFF is truncated and has planes or colours. Fetch it again.", "truncated"
            )
        self._block = _offset(first) if len(self._tiff.pages) == 1 and _promised(self._tiff) > 1 else None
        if self._block is not None:
            n_images = min((size - self._block) // first.nbytes, _promised(self._tiff))
        else:
            n_images = sum(_is_whole(page, size) and page.shape == first.shape for page in self._tiff.pages)
        self._n_channels = max(int(header.get("channels", 1)), 1)
        names = tuple(str(index) for index in range(self._n_channels))
        self._channel = choose_channel(names, channel, str(self.path))
        self.n_channels = self._n_channels
        self.n_frames = n_images // self._n_channels
        if self.n_frames < 1:
            raise FileProblem(
                f"{self.path}: the TIFF is truncated and no frame before the cut is whole. Fetch it again.", "truncated"
            )
        height, width = first.shape
        self.shape_YX = (height, width)
        self.dtype = np.dtype(first.dtype).newbyteorder("=")
        if first.dtype is None or self.dtype.kind not in "uif":
            raise FileProblem(f"{self.path}: expected grey levels, found {first.dtype} pixels.", "wrong type")
        self._light = light_of(self._tiff, str(self.path))
        self.notes = (self._light.note,) if self._light.note else ()
        self.file_calibration = tiff_calibration(self._tiff, str(self.path), n_frames=self.n_frames)

    def _read(self, t: int) -> np.ndarray:
        return self._light.of(self._stored(t))

    def _stored(self, t: int) -> np.ndarray:
        index = t * self._n_channels + self._channel
        page = self._tiff.pages[0 if self._block is not None else index]
        if self._block is None:
            check_segments(page, str(self.path))
            return np.asarray(page.asarray()).astype(self.dtype, copy=False)
        handle = self._tiff.filehandle
        handle.seek(self._block + index * page.nbytes)
        stored = np.dtype(page.dtype).newbyteorder(self._tiff.byteorder)
        return np.frombuffer(handle.read(page.nbytes), dtype=stored).reshape(self.shape_YX).astype(self.dtype)

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()


def _promised(tiff: tifffile.TiffFile) -> int:
    """Number of images according to ImageJ's header; 1 without one."""
    return int((tiff.imagej_metadata or {}).get("images", 1))


def _offset(page: tifffile.TiffPage) -> int:
    return int(page.dataoffsets[0])


def _is_whole(page: tifffile.TiffPage | tifffile.TiffFrame, size: int) -> bool:
    ends = (start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True))
    return max(ends, default=size + 1) <= size
