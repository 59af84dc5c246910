"""Movies in TIFF: ImageJ hyperstacks, OME-TIFF, and plain multi-page files."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from somanet.core.problems import FileProblem
from somanet.io.completeness import TIFF_MAGICS, tiff_cut
from somanet.io.declared_size import open_tiff
from somanet.io.movie_base import Movie, choose_channel, choose_planes, project
from somanet.io.tiff_files import companions, used_files
from somanet.io.tiff_scale import ome_channel_names, tiff_calibration

_COLOURS = ("red", "green", "blue", "alpha")
_UNNAMED_AXES = "IQ"  # the two letters that tifffile gives to pages in an unnamed order


class TiffMovie(Movie):
    """A TIFF read page by page (see :class:`Movie`)."""

    def __init__(self, path: Path, channel: int | str | None, z: int | str | None = None) -> None:
        self.path = path
        _check_whole(path)
        self._tiff = open_tiff(path, str(path))
        try:
            self._open(channel, z)
        except BaseException:
            self._tiff.close()
            raise

    def _open(self, channel: int | str | None, z: int | str | None) -> None:
        others = companions(self._tiff, str(self.path))
        for file in others:
            if file.suffix.lower() in (".tif", ".tiff"):
                _check_whole(file)
        all_series = self._tiff.series
        self.files = used_files(self._tiff, self.path, others)
        series = all_series[0]
        # Writers that append page by page without a common header produce one series per frame.
        self._page_per_series = len(all_series) > 1 and all(
            s.axes == "YX" and s.shape == series.shape and s.dtype == series.dtype for s in all_series
        )
        if len(all_series) > 1 and (self._tiff.is_ome or not self._page_per_series):
            shapes = ", ".join(str(s.shape) for s in all_series[:4])
            raise FileProblem(
                f"{self.path}: expected one movie, found {len(all_series)} image series ({shapes}). "
                "Several positions? Save one per file.",
                "wrong shape",
            )
        axes, shape = series.axes, series.shape
        if self._page_per_series:
            axes, shape = "I" + axes, (len(all_series), *shape)
        self._series, self._all_series = series, all_series
        self._layout(axes, shape, channel, z)
        self._check_announced(axes, shape)
        self.dtype = series.dtype.newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise FileProblem(f"{self.path}: expected grey levels, found {self.dtype} pixels.", "wrong type")
        self.file_calibration = tiff_calibration(self._tiff, str(self.path), n_frames=self.n_frames)

    def _layout(self, axes: str, shape: tuple[int, ...], channel: int | str | None, z: int | str | None) -> None:
        """Find which axis is which; sets the shape, the number of frames, the chosen channel and planes."""
        described = ", ".join(f"{axis}={size}" for axis, size in zip(axes, shape, strict=True))
        unnamed = [axis for axis in axes if axis in _UNNAMED_AXES]
        if len(unnamed) == 1 and "T" not in axes:
            as_planes = z is not None and "Z" not in axes
            axes = axes.replace(unnamed[0], "Z" if as_planes else "T")
            self.unnamed = not as_planes
        sizes = dict(zip(axes, shape, strict=True))
        if set(axes) - set("TCSYXZ") or not {"Y", "X"} <= set(axes):
            raise FileProblem(
                f"{self.path}: expected time, height and width, found axes {described}. Save it as an ImageJ or OME "
                "TIFF with one time axis.",
                "wrong shape",
            )
        self.shape_YX = (sizes["Y"], sizes["X"])
        self.n_frames = sizes.get("T", 1)
        self._axes, self._sizes = axes, sizes
        self._planes = choose_planes(sizes.get("Z", 1), z, str(self.path), described=described)
        self.n_planes = len(self._planes)
        self._colour, self._channel = 0, 0
        if sizes.get("S", 1) > 1 and sizes.get("C", 1) > 1:
            raise FileProblem(f"{self.path}: expected channels or RGB, found both ({described}).", "wrong shape")
        if sizes.get("S", 1) > 1:
            names = _COLOURS[: sizes["S"]] if sizes["S"] <= 4 else tuple(map(str, range(sizes["S"])))
            self._colour = choose_channel(names, channel, str(self.path))
        else:
            n_channels = sizes.get("C", 1)
            names = ome_channel_names(self._tiff.ome_metadata, str(self.path)) if self._tiff.ome_metadata else ()
            if len(names) != n_channels:
                names = tuple(str(index) for index in range(n_channels))
            self._channel = choose_channel(names, channel, str(self.path))

    def _check_announced(self, axes: str, shape: tuple[int, ...]) -> None:
        """Compare with the count in ImageJ's header, and with the bytes that a contiguous block needs."""
        header = self._tiff.imagej_metadata if self._tiff.is_imagej else None
        found = math.prod(size for axis, size in zip(axes, shape, strict=True) if axis not in "YXS")
        promised = int(header.get("images", 1)) if header else 1
        offset = self._series.dataoffset
        size = self._tiff.filehandle.size
        if promised > found or (offset is not None and offset + self._series.nbytes > size):
            raise FileProblem(
                f"{self.path}: the TIFF is truncated: its header announces {max(promised, found)} images and the file "
                f"ends at byte {size} before the last of them. Fetch it again.",
                "truncated",
            )

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        if self._page_per_series:
            # the series are time points or planes, and the other number is 0
            return np.asarray(self._all_series[max(t, z)].asarray()).astype(self.dtype, copy=False)
        if self._series.dataoffset is not None and "S" not in self._axes:
            # One uncompressed block, often behind a single page: ImageJ's files over 4 GB have no others.
            return self._read_block(self._series.dataoffset, self._index(t, z, self._page_axes()))
        page = self._series.pages[self._index(t, z, self._page_axes())]
        if page is None:
            raise FileProblem(f"{self.path}: frame {t} lies in another file of the set, which is missing.", "missing")
        handle = page.parent.filehandle
        with handle if handle.closed else nullcontext():  # another file of the set is open only while it is read
            if handle.closed:
                handle.open()
            plane = page.asarray()
        if self._sizes.get("S", 1) > 1:
            plane = plane[self._colour] if self._axes.index("S") < self._axes.index("Y") else plane[..., self._colour]
        # A page with a length-1 axis (one sample, one plane) is still one plane.
        return np.ascontiguousarray(plane.reshape(self.shape_YX).astype(self.dtype, copy=False))

    def _page_axes(self) -> str:
        """The axes over pages: all but height, width and colour."""
        return "".join(axis for axis in self._axes if axis not in "YXS")

    def _index(self, t: int, z: int, axes: str) -> int:
        position = {"T": t, "Z": z, "C": self._channel}
        index = 0
        for axis in axes:
            index = index * self._sizes[axis] + position.get(axis, 0)
        return index

    def _read_block(self, offset: int, index: int) -> np.ndarray:
        count = math.prod(self.shape_YX)
        stored = np.dtype(self._series.dtype).newbyteorder(self._tiff.byteorder)
        handle = self._tiff.filehandle
        handle.seek(offset + index * count * stored.itemsize)
        data = handle.read(count * stored.itemsize)
        return np.frombuffer(data, dtype=stored).reshape(self.shape_YX).astype(self.dtype)

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()


def _check_whole(path: Path) -> None:
    """Refuse a file that is empty, not a TIFF, or truncated: tifffile would open parts of it without an error."""
    with path.open("rb") as handle:
        size = path.stat().st_size
        magic = handle.read(4)
        cut = tiff_cut(handle, size, str(path)) if magic in TIFF_MAGICS else None
    if not size:
        raise FileProblem(f"{path}: the file is empty (0 bytes). Was a copy interrupted? Fetch it again.", "truncated")
    if magic not in TIFF_MAGICS:
        raise FileProblem(f"{path}: expected a TIFF, found a file that starts with {magic!r}.", "not an image")
    if cut:
        raise FileProblem(
            f"{path}: the TIFF is truncated: {cut}. Was a copy or download interrupted? Fetch it again.",
            "truncated",
        )
