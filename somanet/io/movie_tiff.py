"""Movies in TIFF: ImageJ hyperstacks, OME-TIFF, and plain multi-page files."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import tifffile

from somanet.core.problems import FileProblem
from somanet.io.completeness import TIFF_MAGICS, tiff_cut
from somanet.io.declared_size import open_tiff
from somanet.io.file_kinds import READ_BYTES, found_instead
from somanet.io.movie_base import Movie, project, whole_frames
from somanet.io.movie_layout import Wanted, describe_axes, find_layout, flat_index, split_axes
from somanet.io.photometric import light_of
from somanet.io.tiff_files import companion_of, companions, missing_files, used_files
from somanet.io.tiff_scale import ome_channel_names, tiff_calibration
from somanet.io.tiff_segments import check_segments


class TiffMovie(Movie):
    """A TIFF read page by page (see :class:`Movie`).

    Attributes:
        companion: the file with the metadata of the movie that this TIFF is a part of; nothing else is known then.
    """

    companion: Path | None = None

    def __init__(self, path: Path, wanted: Wanted, *, allow_truncated: bool = False) -> None:
        self.path = path
        check_whole(path)
        self._tiff = open_tiff(path, str(path))
        try:
            self._open(wanted, allow_truncated)
        except BaseException:
            self._tiff.close()
            raise

    def _open(self, wanted: Wanted, allow_truncated: bool) -> None:
        if self._tiff.ome_metadata:
            self.companion = companion_of(self._tiff.ome_metadata, self.path)
        if self.companion is not None:
            return
        others = companions(self._tiff, str(self.path))
        for file in others:
            if file.suffix.lower() in (".tif", ".tiff"):
                check_whole(file)
        all_series = self._tiff.series
        self.files = used_files(self._tiff, self.path, others)
        main = [series for series in all_series if not getattr(series.keyframe, "is_reduced", False)] or all_series
        # Writers that append page by page without a common header produce one series per frame.
        self._page_per_series = (
            len(main) > 1
            and not self._tiff.is_ome
            and all(s.axes == "YX" and s.shape == main[0].shape and s.dtype == main[0].dtype for s in main)
        )
        if self._page_per_series:
            number = self._take_position(("0",), wanted)
        else:
            number = self._take_position(_series_names(main), wanted)
        series = main[number]
        axes, shape = series.axes, series.shape
        if self._page_per_series:
            axes, shape = "I" + axes, (len(main), *shape)
        xml = self._tiff.ome_metadata
        names = ome_channel_names(xml, str(self.path), image=number) if xml else ()
        self._series, self._all_series = series, main
        self._take_layout(find_layout(axes, shape, wanted, str(self.path), channels=names), series.dtype)
        self._check_announced(axes, shape)
        if self._block() is None and not self._page_per_series:
            pages = split_axes(self._layout, len(series.pages))
            if pages is None:
                raise FileProblem(
                    f"{self.path}: its metadata announce {describe_axes(axes, shape)}, which do not fit its "
                    f"{len(series.pages)} pages. Export it anew (Fiji: File > Save As > Tiff).",
                    "wrong shape",
                )
            self._over_pages, self._within_page = pages
            self._check_pages(xml, allow_truncated)
        self._light = light_of(self._tiff, str(self.path))
        self.notes = _left_out(self._tiff, all_series) if self._tiff.is_ome else ()
        self.notes += (self._light.note,) if self._light.note else ()
        self.file_calibration = tiff_calibration(self._tiff, str(self.path), n_frames=self.n_frames, image=number)

    def _block(self) -> int | None:
        """Where the planes begin, if they are one uncompressed block, often behind a single page.

        ImageJ's files over 4 GB have no further pages.
        """
        offset = self._series.dataoffset
        return int(offset) if offset is not None and self._layout.axes.endswith("YX") else None

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

    def _check_pages(self, xml: str | None, allow_truncated: bool) -> None:
        """Refuse a movie whose metadata announce planes that it lacks, or end it before the first of them."""
        lacking = [
            t
            for t in range(self.n_frames)
            if any(self._series.pages[self._page(t, z)] is None for z in self._layout.planes)
        ]
        if not lacking:
            return
        if xml is not None and (elsewhere := missing_files(xml, self.path)):
            raise FileProblem(elsewhere, "missing")
        if allow_truncated and lacking[0]:
            self.n_frames, self.truncated = lacking[0], True
            return
        listed = ", ".join(map(str, lacking[:6])) + (", …" if len(lacking) > 6 else "")
        raise FileProblem(
            f"{self.path}: expected {self.n_frames} frames, which its metadata announce, found no image of "
            f"{len(lacking)} of them (frame {listed}). Was the recording stopped, or an image left out? "
            + (whole_frames(lacking[0]) if lacking[0] else "Export it anew."),
            "missing",
        )

    def _page(self, t: int, z: int) -> int:
        return flat_index(self._over_pages, self._layout.sizes, self._layout.at(t, z))

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        return self._light.of(self._stored_plane(t, z))

    def _stored_plane(self, t: int, z: int) -> np.ndarray:
        if self._page_per_series:
            # the series are time points or planes, and the other number is 0
            series = self._all_series[max(t, z)]
            for page in series.pages:
                if page is not None:
                    check_segments(page, str(self.path))
            return np.asarray(series.asarray()).astype(self.dtype, copy=False)
        at, sizes = self._layout.at(t, z), self._layout.sizes
        if (offset := self._block()) is not None:
            return self._read_block(offset, flat_index(self._layout.axes[:-2], sizes, at))
        page = self._series.pages[self._page(t, z)]
        assert page is not None  # refused when the movie was opened
        handle = page.parent.filehandle
        with handle if handle.closed else nullcontext():  # another file of the set is open only while it is read
            if handle.closed:
                handle.open()
            check_segments(page, str(self.path))
            data = page.asarray()
        within = data.reshape([sizes[axis] for axis in self._within_page])
        plane = within[tuple(at.get(axis, slice(None)) for axis in self._within_page)]
        return np.ascontiguousarray(plane.astype(self.dtype, copy=False))

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


def _left_out(tiff: tifffile.TiffFile, series: list[tifffile.TiffPageSeries]) -> tuple[str, ...]:
    """A note on pages that OME-XML does not name, such as time points after its SizeT."""
    used = {page.index for one in series for page in one.pages if page is not None and page.parent is tiff}
    n_left = len(tiff.pages) - len(used)
    if n_left < 1:
        return ()
    note = (
        f"The file has {len(tiff.pages)} images, and its OME metadata name {len(used)} of them: the other {n_left} "
        "were left out. If they are time points, the metadata are wrong; export the movie anew."
    )
    return (note,)


def _series_names(series: list[tifffile.TiffPageSeries]) -> tuple[str, ...]:
    """Names of a file's series; their numbers if two have the same, or none."""
    names = [str(one.name or "") for one in series]
    named = all(names) and len(set(names)) == len(names)
    return tuple(names) if named else tuple(map(str, range(len(series))))


def check_whole(path: Path) -> None:
    """Refuse a file that is empty, not a TIFF, or truncated: tifffile would open parts of it without an error."""
    with path.open("rb") as handle:
        size = path.stat().st_size
        head = handle.read(READ_BYTES)
        magic = head[:4]
        cut = tiff_cut(handle, size, str(path)) if magic in TIFF_MAGICS else None
    if not size:
        raise FileProblem(f"{path}: the file is empty (0 bytes). Was a copy interrupted? Fetch it again.", "truncated")
    if magic not in TIFF_MAGICS:
        raise FileProblem(f"{path}: expected a TIFF, found {found_instead(head)}", "not an image")
    if cut:
        raise FileProblem(
            f"{path}: the TIFF is truncated: {cut}. Was a copy or download interrupted? Fetch it again.",
            "truncated",
        )
