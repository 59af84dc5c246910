"""A movie stored as one image per time point, channel or plane: a folder, or a pattern such as `img_t*.tif`."""

from __future__ import annotations

import fnmatch
import io
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from somanet.core.calibration import FileCalibration
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import IMAGE_BYTES
from somanet.core.problems import FileProblem
from somanet.io.completeness import JPEG_MAGIC, TIFF_MAGICS
from somanet.io.declared_size import open_tiff
from somanet.io.decoding import decode_pixels
from somanet.io.frame_times import frame_times
from somanet.io.image_names import Plane, Series, find_series, is_image_name, leave_out_thumbnails
from somanet.io.micro_manager import ELAPSED, METADATA, beside_images
from somanet.io.movie_layout import Wanted, find_layout
from somanet.io.movie_planes import PlanesMovie
from somanet.io.photometric import light_of
from somanet.io.tiff_scale import tiff_calibration

_BY_NUMBER = (
    "The images were taken for time points by the numbers in their names. Separate images of a data set belong into a "
    "folder named images, and the folder around it is the data set."
)
_BY_CLOCK = (
    "The images were put in order by the clock times in their names, {first} to {last}, which are the times of the "
    "frames."
)
_LISTED = 5
_JPEG = (
    "The images are JPEG, which loses detail: edges and dim somas are altered. Measure the microscope's own files if "
    "there are any."
)


class SeriesMovie(PlanesMovie):
    """Numbered images as one movie (see :class:`Movie`); each file is opened when its frame is read."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path = path
        series = the_series(path)
        self.files = (path,) if path.is_dir() else series.files
        self._take_position(("0",), wanted)
        self._where = series.planes
        first = series.planes[0, 0, 0]
        data = file_bytes(first, "an image", IMAGE_BYTES)
        pixels = decode_pixels(data, str(first))
        axes, shape = "TCZYX", [series.n_frames, len(series.channels), series.n_planes, *pixels.shape]
        if pixels.ndim == 3:
            axes += "S"
        layout = find_layout(axes, shape, wanted, str(path), channels=series.channels)
        self._take_layout(layout, pixels.dtype)
        self.file_calibration, notes = _calibration(data, first, series)
        if data.startswith(JPEG_MAGIC):
            notes = (*notes, _JPEG)
        if not series.says_time and wanted.axes is None:
            notes = (*notes, _BY_NUMBER)
        if series.clocks:
            notes = (*notes, _BY_CLOCK.format(first=series.clocks[0], last=series.clocks[-1]))
        if path.is_dir() and (others := _other_images(path, series)):
            notes = (*notes, f"Images in the folder that are no part of the movie by their names: {_listed(others)}.")
        if thumbnails := len(_named(path)) - len(series_files(path)):
            notes = (*notes, f"{thumbnails} thumbnails beside the images ('…_thumb…') are left out.")
        self.notes = notes

    def _pixels(self, plane: Plane) -> np.ndarray:
        return _decoded(self._where[plane])

    def _unlike(self, file: Path, pixels: np.ndarray, expected: tuple[int, ...]) -> FileProblem:
        """Which images differ from most."""
        kinds = {other: _kind(pixels if other == file else _decoded(other)) for other in self._where.values()}
        most = statistics.mode(kinds.values())
        odd = [f"{other.name} ({kind})" for other, kind in kinds.items() if kind != most]
        return FileProblem(
            f"{self.path}: expected images of one size and type, found {len(kinds) - len(odd)} of {most} and "
            f"{len(odd)} other: {_listed(odd)}. Do they belong to another movie? Move them elsewhere, or export the "
            "images anew.",
            "wrong shape",
        )


def _decoded(file: Path) -> np.ndarray:
    return decode_pixels(file_bytes(file, "an image", IMAGE_BYTES), str(file), as_light=True)


def _kind(pixels: np.ndarray) -> str:
    return f"{' × '.join(map(str, pixels.shape))} {pixels.dtype}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def _other_images(folder: Path, series: Series) -> list[str]:
    """Names of the images in a folder that are none of its series."""
    own = set(series.files)
    return [file.name for file in series_files(folder) if is_image_name(file) and file not in own]


def is_pattern(path: Path) -> bool:
    """Whether a path is no file but a pattern of file names."""
    return bool(set("*?") & set(path.name)) and not path.exists()


def series_files(path: Path) -> list[Path]:
    """The files that a folder or a pattern names, sorted, without thumbnails."""
    return leave_out_thumbnails(_named(path))


def _named(path: Path) -> list[Path]:
    folder, name = (path, "*") if path.is_dir() else (path.parent, path.name)
    return sorted(file for file in folder.iterdir() if fnmatch.fnmatchcase(file.name, name) and file.is_file())


def the_series(path: Path) -> Series:
    """The one series in a folder or of a pattern.

    Raises:
        FileProblem: there is none, there are several, or images are missing in it.
    """
    if not path.is_dir() and not path.parent.is_dir():
        raise FileProblem(f"{path.parent}: no such folder. Check the path.", "missing")
    files = series_files(path)
    found = find_series(files)
    if not found:
        raise FileProblem(
            f"{path}: expected a movie as numbered images, such as img_t001.tif, img_t002.tif, found {len(files)} "
            "files that form none. A movie file is named itself; of names with several numbers, choose by a pattern "
            "in quotes, such as 'img_t*_ch1.tif'.",
            "missing" if not files else "not an image",
        )
    if len(found) > 1:
        listed = ", ".join(f"'{one.pattern.name}' ({one.n_frames} frames)" for one in found[:6])
        raise FileProblem(
            f"{path}: expected one movie, found {len(found)} series of images: {listed}"
            f"{', …' if len(found) > 6 else ''}. Name one of them in quotes: '{found[0].pattern}'",
            "wrong shape",
        )
    if found[0].problem:
        raise FileProblem(f"{found[0].pattern}: {found[0].problem}", "wrong shape" if found[0].undecided else "missing")
    return found[0]


def holds_single_images(series: Series) -> bool:
    """Whether the files of a series are single images, by the first and the last one's header.

    Numbered files of several frames each are movies of their own, and a file may be a part of an OME-TIFF of several.
    """
    return all(_is_single(file) for file in {series.files[0], series.files[-1]})


def _is_single(file: Path) -> bool:
    if file.suffix.lower() not in (".tif", ".tiff"):
        return True
    try:
        with parsing(file, "an image"), open_tiff(file, str(file)) as tiff:
            return _is_single_tiff(tiff)
    except FileProblem:  # whoever reads it says why
        return False


def _is_single_tiff(tiff: tifffile.TiffFile) -> bool:
    if tiff.is_ome and ("BinaryOnly" in (tiff.ome_metadata or "") or any(one.is_multifile for one in tiff.series)):
        return False
    return len(tiff.series) == 1 and set(tiff.series[0].axes) <= set("YXS")


def _calibration(data: bytes, first: Path, series: Series) -> tuple[FileCalibration, tuple[str, ...]]:
    """The scale in the first image, in Micro-Manager's metadata beside it, and in clock times of the names; notes."""
    found = FileCalibration()
    notes: tuple[str, ...] = ()
    if data.startswith(TIFF_MAGICS):
        with open_tiff(io.BytesIO(data), str(first)) as tiff:
            light = light_of(tiff, str(first))
            notes += (light.note,) if light.note else ()
            found = tiff_calibration(tiff, str(first), n_frames=1)
    pixel_um, interval_min = found.pixel_size_um, found.frame_interval_min
    planes, by = dict(enumerate(series.times_min)), "the clock times in the names"
    if (beside := first.with_name(METADATA)).is_file():
        frame_of = {file.name: t for (t, channel, plane), file in series.planes.items() if not channel and not plane}
        try:
            its_pixel_um, its_interval_min, elapsed = beside_images(beside, frame_of)
            pixel_um, interval_min = pixel_um or its_pixel_um, interval_min or its_interval_min
            planes, by = (planes, by) if planes else (elapsed, ELAPSED)
        except FileProblem:  # a recording that was stopped leaves it open
            notes += (f"{METADATA} beside the images is no whole metadata of Micro-Manager, and was not used.",)
    ignored = found.pixel_note if pixel_um is None else ""
    stated = {"the first image" if found.frame_interval_min else METADATA: interval_min}
    return frame_times(stated, planes, series.n_frames, by=by).calibration(pixel_um, ignored), notes
