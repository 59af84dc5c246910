"""Movies in Leica's LIF, by the package liffile."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import liffile
import numpy as np

from somanet.core.limits import XML_BYTES
from somanet.core.problems import FileProblem
from somanet.io.frame_times import frame_times
from somanet.io.movie_base import Movie, project
from somanet.io.movie_layout import Wanted, describe_axes, find_layout
from somanet.io.scale import square_um, to_um

_KNOWN = "TZCYXS"


class LifMovie(Movie):
    """One image series of a LIF file, read one plane at a time (see :class:`Movie`)."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path, self.files = path, (path,)
        _check_header(path)
        self._file = liffile.LifFile(path)
        try:
            self._open(wanted)
        except BaseException:
            self._file.close()
            raise

    def _open(self, wanted: Wanted) -> None:
        images = list(self._file.images)
        if not images:
            raise FileProblem(f"{self.path}: the file has no images. Was the recording stopped?", "not an image")
        names = [str(image.path) for image in images]
        names = names if len(set(names)) == len(names) else [str(i) for i in range(len(names))]
        self._image: Any = images[self._take_position(names, wanted)]
        self._stored = tuple(map(str, self._image.sizes))
        # a wavelength, a tile or a rotation has no letter of its own here; --axes can make channels of it
        axes = "".join(axis if axis in _KNOWN else axis.lower() for axis in self._stored)
        shape = tuple(map(int, self._image.sizes.values()))
        if not axes.removesuffix("S").endswith("YX"):
            raise FileProblem(
                f"{self.path}: expected images of height and width, found a section in depth or a line "
                f"({describe_axes(axes, shape)}). Choose another image with --position; the file has "
                f"{', '.join(names)[:200]}.",
                "wrong shape",
            )
        self._take_layout(find_layout(axes, shape, wanted, str(self.path)), np.dtype(self._image.dtype))
        x_um, y_um = (to_um(_step(self._image.coords.get(axis)), "m") for axis in "XY")
        times = self._image.coords.get("T")
        planes = {} if times is None else {t: float(one) / 60 for t, one in enumerate(times)}
        found = frame_times({}, planes, self.n_frames, by="the frames' time stamps")
        self.file_calibration = found.calibration(square_um(x_um, y_um, str(self.path)))

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        index: dict[str, Any] = dict(zip(self._stored, self._layout.index(t, z), strict=True))
        frame = self._image.frame(**{axis: at for axis, at in index.items() if axis not in "YXS"})
        plane = frame[..., index["S"]] if "S" in index else frame
        return np.ascontiguousarray(plane, dtype=self.dtype)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_header(path: Path) -> None:
    """Refuse a header of impossible length, which liffile would read into memory."""
    with path.open("rb") as handle:
        head = handle.read(13)
    if len(head) < 13 or head[:4] != b"\x70\0\0\0":
        raise FileProblem(f"{path}: expected Leica LIF, found a file that starts with {head[:4]!r}.", "not an image")
    XML_BYTES.check(2 * int(struct.unpack_from("<I", head, 9)[0]), path, declared="its header")


def _step(coordinates: Any) -> float | None:
    """The distance of neighbours along an axis; None of a single one."""
    if coordinates is None or len(coordinates) < 2:
        return None
    return abs(float(coordinates[-1]) - float(coordinates[0])) / (len(coordinates) - 1)
