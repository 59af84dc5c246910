"""Movies in Zeiss' CZI, by Zeiss' own package pylibCZIrw."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from pylibCZIrw import czi

from somanet.core.calibration import FileCalibration
from somanet.core.documents import parse_xml
from somanet.core.limits import XML_BYTES
from somanet.core.problems import FileProblem
from somanet.io.movie_base import Movie, project
from somanet.io.movie_layout import Wanted, find_layout
from somanet.io.scale import square_um, to_minutes, to_um
from somanet.io.trial_opening import try_opening

_PIXELS = {
    "Gray8": (np.uint8, False),
    "Gray16": (np.uint16, False),
    "Gray32Float": (np.float32, False),
    "Bgr24": (np.uint8, True),
    "Bgr48": (np.uint16, True),
}
"""Zeiss' name of a pixel type → data type, and whether a pixel has blue, green and red."""


class CziMovie(Movie):
    """A CZI file read one plane at a time, tiles joined (see :class:`Movie`).

    A plane that the microscope did not save reads as zeros, and is counted among the blank ones.
    """

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path, self.files = path, (path,)
        try_opening(path, "CZI", "from pylibCZIrw import czi", _TRY)
        self._file = czi.CziReader(str(path))
        try:
            self._open(wanted)
        except BaseException:
            self._file.close()
            raise

    def _open(self, wanted: Wanted) -> None:
        XML_BYTES.check(len(self._file.raw_metadata), self.path, declared="its metadata")
        root = parse_xml(self._file.raw_metadata, str(self.path), "CZI metadata")
        box = {axis: int(stop - start) for axis, (start, stop) in self._file.total_bounding_box_no_pyramid.items()}
        scenes = self._file.scenes_bounding_rectangle_no_pyramid
        self._scene = None
        roi = self._file.total_bounding_rectangle_no_pyramid
        if scenes:
            numbers = sorted(scenes)
            chosen = self._take_position(_scene_names(root, numbers), wanted)
            self._scene, roi = numbers[chosen], scenes[numbers[chosen]]
        else:
            self._take_position(("0",), wanted)
        self._roi = (roi.x, roi.y, roi.w, roi.h)
        kinds = set(self._file.pixel_types.values())
        kind = next(iter(kinds)) if len(kinds) == 1 else ""
        if kind not in _PIXELS:
            raise FileProblem(
                f"{self.path}: expected channels of one of the pixel types {', '.join(_PIXELS)}, found "
                f"{', '.join(sorted(map(str, kinds)))}. Export the channel of the somas as TIFF (ZEN: Image Export).",
                "wrong type",
            )
        dtype, coloured = _PIXELS[kind]
        axes = "".join(axis for axis, size in box.items() if axis not in "YXS" and (axis in "TZC" or size > 1)) + "YX"
        shape = [*(box[axis] for axis in axes[:-2]), roi.h, roi.w]
        if coloured:
            axes, shape = axes + "S", [*shape, 3]
        channels = [
            str(one.get("Name") or i) for i, one in enumerate(root.findall(f".//{_IMAGE}/Dimensions/Channels/*"))
        ]
        self._stored = axes
        self._take_layout(find_layout(axes, shape, wanted, str(self.path), channels=channels), np.dtype(dtype))
        self.file_calibration = FileCalibration(_pixel_size_um(root, str(self.path)), _interval_min(root))

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        index: dict[str, Any] = dict(zip(self._stored, self._layout.index(t, z), strict=True))
        plane = {axis: at for axis, at in index.items() if axis in "TZC"}
        pixels = self._file.read(roi=self._roi, plane=plane, scene=self._scene)
        colour = 2 - index["S"] if "S" in index else 0  # a pixel is blue, green, red
        return np.ascontiguousarray(pixels[..., colour], dtype=self.dtype)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_TRY = (
    "f = czi.CziReader(path); f.raw_metadata, f.pixel_types, f.total_bounding_box_no_pyramid, "
    "f.scenes_bounding_rectangle_no_pyramid"
)
"""Damaged entries of a directory end the process that opens it."""
_IMAGE = "Metadata/Information/Image"


def _scene_names(root: ET.Element, numbers: list[int]) -> list[str]:
    """Names of the scenes; their numbers if two have the same, or none."""
    found = {
        int(scene.get("Index", "-1")): scene.get("Name") or ""
        for scene in root.findall(f".//{_IMAGE}/Dimensions/S/Scenes/Scene")
    }
    names = [found.get(number, "") for number in numbers]
    return names if all(names) and len(set(names)) == len(names) else [str(number) for number in numbers]


def _pixel_size_um(root: ET.Element, source: str) -> float | None:
    found = {
        one.get("Id"): to_um(one.findtext("Value"), "m") for one in root.findall(".//Metadata/Scaling/Items/Distance")
    }
    return square_um(found.get("X"), found.get("Y"), source)


def _interval_min(root: ET.Element) -> float | None:
    increment = root.findtext(f".//{_IMAGE}/Dimensions/T/Positions/Interval/Increment")
    return to_minutes(increment, "s")
