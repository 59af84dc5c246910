"""ImageJ's selections as values: name, frame, and the pixels inside; their files are read and written by roifile."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import ROI_CORNERS, ROIS, TABLE_BYTES
from somanet.core.problems import FileProblem
from somanet.io.datasets.sources import ZipSource
from somanet.io.rois.filling import Mask, fill_loops, oval_mask
from somanet.io.rois.outlines import pixel_outlines
from somanet.io.rois.paths import (
    Loop,
    ellipse_loop,
    float_of_bytes,
    path_loops,
    path_of_loops,
    rotated_rectangle_loop,
    rounded_rectangle_loop,
)

if TYPE_CHECKING:
    from roifile import ImagejRoi

ROI_SUFFIX = ".roi"
LARGEST_PX = 60535
"""Largest coordinate that ImageJ's format holds."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_LABEL = re.compile(r"(\d{4})-\d{4}-\d{4}|(\d{5})-\d{5}-\d{5}|(\d{6})-\d{6}-\d{6}")
"""Names that ImageJ itself gives: slice, y, x."""
_OWN = re.compile(r"(?:t\d+_)?id(\d+)", re.ASCII)
_NO_AREA = {3: "line", 4: "freehand line", 5: "segmented line", 6: "no selection", 9: "angle", 10: "point"}
_REMEDY = "Save it again in Fiji (ROI Manager > More > Save)."


@dataclass(frozen=True)
class Selection:
    """One selection.

    Attributes:
        name: as ImageJ's ROI Manager shows it.
        position: frame of the stack from 0; None if it was drawn on no frame in particular.
        shape: what is filled: the whole box, an oval in it, or closed polygons by the even-odd rule; or why it has no
            area: "line", "point", "text", …
        box: top, left, bottom, right in whole pixels; of polygons, the pixels they can reach.
        loops: corners of the polygons.
        note: what of it cannot be drawn as ImageJ does; empty if all can.
    """

    name: str
    position: int | None
    shape: Literal["box", "oval", "polygons"] | str
    box: tuple[int, int, int, int]
    loops: tuple[Loop, ...] = ()
    note: str = ""

    @property
    def has_area(self) -> bool:
        """Whether it has an inside, which points and lines lack."""
        return self.shape in ("box", "oval", "polygons")

    @property
    def own_id(self) -> int | None:
        """The id in a name that SomaNet gave, such as `t0012_id0034`; None for other names."""
        found = _OWN.fullmatch(self.name)
        return int(found[1]) if found and 0 < int(found[1]) < 2**31 else None

    def mask(self, shape_YX: tuple[int, int]) -> tuple[tuple[slice, slice], Mask]:
        """Where in an image it lies, and which pixels there are inside, exactly those that ImageJ fills."""
        height, width = shape_YX
        top, left = (min(max(self.box[n], 0), size) for n, size in ((0, height), (1, width)))
        bottom, right = (min(max(self.box[n], least), size) for n, least, size in ((2, top, height), (3, left, width)))
        place = (slice(top, bottom), slice(left, right))
        if not self.has_area or bottom == top or right == left:
            return place, np.zeros((bottom - top, right - left), bool)
        if self.shape == "box":
            return place, np.ones((bottom - top, right - left), bool)
        if self.shape == "oval":
            rows = slice(top - self.box[0], bottom - self.box[0])
            columns = slice(left - self.box[1], right - self.box[1])
            return place, oval_mask(self.box[2] - self.box[0], self.box[3] - self.box[1], (rows, columns))
        corner = np.array([left, top])
        return place, fill_loops([loop - corner for loop in self.loops], (bottom - top, right - left))


def read_selections(path: Path) -> list[Selection]:
    """The selections in a zip of ImageJ's ROI Manager, or in a single `.roi`.

    Raises:
        SomaNetError: no such file, a zip that is unsafe, damaged or without selections, or far too many of them.
    """
    if path.suffix.lower() == ROI_SUFFIX:
        return [_read(file_bytes(path, "an ImageJ selection", TABLE_BYTES), path.stem, str(path))]
    source = ZipSource(path)
    files = [name for name in source.files if name.lower().endswith(ROI_SUFFIX)]
    if not files:
        raise FileProblem(
            f"{path}: expected ImageJ selections (.roi), found {len(source.files)} other files, such as "
            f"{source.files[0]}. In Fiji, ROI Manager > More > Save writes such a zip.",
            "wrong type",
        )
    ROIS.check(len(files), path)
    return [
        _read(source.read(name, "an ImageJ selection", TABLE_BYTES), PurePosixPath(name).stem, source.label(name))
        for name in files
    ]


def is_roi_zip(path: Path) -> bool:
    """Whether a file is a zip that holds ImageJ's selections and nothing else."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return False
    return all(name.lower().endswith(ROI_SUFFIX) for name in ZipSource(path).files)


def write_selections(path: Path, selections: Iterable[tuple[str, bytes]]) -> int:
    """Write the zip that ImageJ's ROI Manager opens: the same selections always give the same bytes.

    Args:
        path: ends in .zip.
        selections: names with the content of their files, see :func:`outline_selection`; one in memory at a time.

    Returns:
        Their number.

    Raises:
        SomaNetError: there are none, or the file cannot be written.
    """
    count = 0
    with atomic_path(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as target:
            for name, content in selections:
                info = zipfile.ZipInfo(f"{name}{ROI_SUFFIX}", _EARLIEST)
                info.create_system, info.external_attr = 3, 0o100644 << 16
                target.writestr(info, content)
                count += 1
        if not count:
            raise SomaNetError(
                f"Cannot write {path}: expected at least one object, found none: ImageJ takes no empty zip."
            )
    return count


def label_selections(labels_YX: NDArray[np.integer], *, position: int | None = None) -> Iterator[tuple[str, bytes]]:
    """The objects of a label image as selections: the pixels inside are exactly the object's, in ImageJ as here.

    An object in several pieces or with holes becomes a composite selection.

    Args:
        labels_YX: 0 = background.
        position: its frame in a stack, from 0; None for a still image.

    Yields:
        `t0012_id0034` (`id0034` without a frame) and the content of its file.

    Raises:
        SomaNetError: the image is larger than ImageJ's format allows.
    """
    from scipy import ndimage

    if max(labels_YX.shape) > LARGEST_PX:
        raise SomaNetError(
            f"Expected images of up to {LARGEST_PX} px a side, as ImageJ's selections allow, found "
            f"{labels_YX.shape[0]} × {labels_YX.shape[1]}. Cut it first."
        )
    ids, small = np.unique(labels_YX, return_inverse=True)
    ordered = small.reshape(labels_YX.shape) + (1 if len(ids) and ids[0] != 0 else 0)
    for number, box in enumerate(ndimage.find_objects(ordered), start=1):
        if box is None:
            continue
        place, one = (box[0].start, box[1].start), int(ids[number if ids[0] == 0 else number - 1])
        name = f"id{one:04d}" if position is None else f"t{position:04d}_id{one:04d}"
        yield name, outline_selection(ordered[box] == number, place, name, position)


def outline_selection(mask_YX: NDArray[np.bool_], place_YX: tuple[int, int], name: str, position: int | None) -> bytes:
    """The file of a selection whose inside is exactly a mask.

    Args:
        mask_YX: with at least one pixel in every row and column of its edge.
        place_YX: where its first pixel lies in the image.
        name: the selection's.
        position: frame of the stack from 0.
    """
    from roifile import ROI_TYPE, ImagejRoi

    top, left = place_YX
    loops = pixel_outlines(mask_YX)
    height, width = mask_YX.shape
    roi = ImagejRoi(
        roitype=ROI_TYPE.TRACED,
        name=name,
        version=228,
        top=top,
        left=left,
        bottom=top + height,
        right=left + width,
        position=0 if position is None else position + 1,
    )
    if len(loops) == 1:
        roi.integer_coordinates = loops[0].astype(np.int32)
        roi.n_coordinates = len(loops[0])
    else:
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = path_of_loops(loop + np.array([left, top]) for loop in loops)
        roi.shape_roi_size = len(roi.multi_coordinates)
    return roi.tobytes()


def _read(data: bytes, name: str, source: str) -> Selection:
    from roifile import ImagejRoi

    with parsing(source, "an ImageJ selection", remedy=_REMEDY):
        roi = ImagejRoi.frombytes(data)
        return _selection(roi, name, source)


def _selection(roi: ImagejRoi, name: str, source: str) -> Selection:
    """A selection as ImageJ decodes it (`ij.io.RoiDecoder` of 1.53t)."""
    from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE

    ROI_CORNERS.check(max(roi.n_coordinates, roi.shape_roi_size), source)
    position = next((p - 1 for p in (roi.t_position, roi.position, roi.z_position) if p > 0), _position_in(name))
    box = (roi.top, roi.left, roi.bottom, roi.right)
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.IMAGE):
        return Selection(name, position, roi.subtype.name.lower(), box)
    if roi.roitype.value in _NO_AREA:
        return Selection(name, position, _NO_AREA[roi.roitype.value], box)
    ends = (roi.x1, roi.y1, roi.x2, roi.y2)
    loops: list[Loop]
    note = ""
    if roi.composite:
        if roi.multi_coordinates is None:
            raise ValueError(f"a path in a selection of type {roi.roitype.value}")
        loops = path_loops(roi.multi_coordinates)
    elif roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        if roi.subpixelrect:
            left, top = int(roi.xd), int(roi.yd)
            box = (top, left, top + int(np.ceil(roi.heightd)), left + int(np.ceil(roi.widthd)))
        if roi.roitype == ROI_TYPE.OVAL:
            return Selection(name, position, "oval", box)
        if roi.rounded_rect_arc_size <= 0:
            return Selection(name, position, "box", box)
        size = (box[3] - box[1], box[2] - box[0])
        loops = [rounded_rectangle_loop(box[1], box[0], *size, roi.rounded_rect_arc_size)]
    elif roi.subtype in (ROI_SUBTYPE.ELLIPSE, ROI_SUBTYPE.ROTATED_RECT):
        number = float_of_bytes(roi.arrow_style_or_aspect_ratio, roi.arrow_head_size, roi.rounded_rect_arc_size)
        loop_of = ellipse_loop if roi.subtype == ROI_SUBTYPE.ELLIPSE else rotated_rectangle_loop
        loops = [loop_of(*ends, number)]
    elif roi.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        loops = [_relative(np.asarray(roi.coordinates(), np.float32))]
        if roi.options & ROI_OPTIONS.SPLINE_FIT:
            note = "drawn by the corners, without the spline that Fiji fits through them"
    else:
        return Selection(name, position, f"unknown kind {roi.roitype.value}", box)
    loops = [loop for loop in loops if len(loop)]
    if not all(np.isfinite(loop).all() for loop in loops):
        raise ValueError("coordinates that are no numbers")
    return Selection(name, position, "polygons", _around(loops), tuple(loops), note)


def _relative(corners: NDArray[np.float32]) -> Loop:
    """Corners with the digits that ImageJ keeps: it stores them relative to the first column and row, in 32 bits."""
    origin = corners.min(axis=0) if len(corners) else np.zeros(2, np.float32)
    return (corners - origin).astype(np.float64) + origin.astype(np.float64)


def _around(loops: list[Loop]) -> tuple[int, int, int, int]:
    """The pixels that polygons can reach."""
    if not loops:
        return (0, 0, 0, 0)
    low = np.floor(np.min([loop.min(axis=0) for loop in loops], axis=0))
    high = np.ceil(np.max([loop.max(axis=0) for loop in loops], axis=0))
    return int(low[1]), int(low[0]), int(high[1]), int(high[0])


def _position_in(name: str) -> int | None:
    """The slice in a name that ImageJ gave, before it stored positions."""
    found = _LABEL.fullmatch(name)
    slice_number = int(next(part for part in found.groups() if part)) if found else 0
    return slice_number - 1 if slice_number > 0 else None
