"""Movies in Nikon's ND2, by the package nd2."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nd2
import numpy as np

from somanet.core.limits import HARMLESS_BYTES, PAGES
from somanet.io.bounded_decoding import decode_bounded
from somanet.io.frame_times import FrameTimes, frame_times
from somanet.io.movie_base import Movie, project
from somanet.io.movie_layout import Wanted, find_layout
from somanet.io.scale import square_um, to_minutes
from somanet.io.trial_opening import try_opening

_IN_A_FRAME = "CYXS"
"""nd2 returns these axes of one point in time, plane and position at once."""

_TIME_BYTES = 8
"""In front of a frame's pixels."""
_TRY = "f = nd2.ND2File(path); f.sizes, f.metadata, f.experiment, f.frame_metadata(0)"
"""What a file says of itself may be compressed, without the size that it unpacks to."""


class Nd2Movie(Movie):
    """An ND2 file read one plane at a time (see :class:`Movie`).

    A frame that the microscope did not save reads as zeros, and is counted among the blank ones.
    """

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path, self.files = path, (path,)
        try_opening(path, "ND2", "import nd2", _TRY)
        self._file = nd2.ND2File(path)
        try:
            self._open(wanted)
        except BaseException:
            self._file.close()
            raise

    def _open(self, wanted: Wanted) -> None:
        sizes = {str(axis): int(size) for axis, size in self._file.sizes.items()}
        positions = sizes.pop("P", 1)
        names = [str(getattr(point, "name", None) or i) for i, point in enumerate(self._points())]
        if len(names) != positions or len(set(names)) < positions:
            names = [str(i) for i in range(positions)]
        self._position = self._take_position(names, wanted)
        channels = [str(one.channel.name) for one in self._metadata().channels or ()]
        axes = "".join(sizes) if all(len(axis) == 1 for axis in sizes) else "?" * len(sizes)
        layout = find_layout(axes, tuple(sizes.values()), wanted, str(self.path), channels=channels)
        self._stored = axes
        self._take_layout(layout, np.dtype(self._file.dtype))
        PAGES.check(math.prod(size for axis, size in self._file.sizes.items() if axis not in _IN_A_FRAME), self.path)
        self._numbers = {tuple(sorted(at.items())): i for i, at in enumerate(self._file.loop_indices)}
        self.file_calibration = self._times().calibration(self._pixel_size_um())

    def _points(self) -> list[Any]:
        """The stage positions of an experiment with several."""
        loops = [loop for loop in self._file.experiment if loop.type == "XYPosLoop"]
        return list(loops[0].parameters.points) if loops else []

    def _metadata(self) -> Any:
        return self._file.metadata  # a dataclass; in the format's oldest variant a dictionary, which `parsing` refuses

    def _pixel_size_um(self) -> float | None:
        channels = self._metadata().channels
        if not channels or not all(channels[0].volume.axesCalibrated[:2]):
            return None
        x_um, y_um, _ = channels[0].volume.axesCalibration
        return square_um(float(x_um), float(y_um), str(self.path))

    def _times(self) -> FrameTimes:
        """From the time at which the first plane of each frame was taken, and the experiment's settings."""
        planes_min = {}
        for t in range(self.n_frames if "T" in self._layout.axes else 0):
            planes: Any = self._file.frame_metadata(self._number(t, 0))
            planes_min[t] = float(planes.channels[0].time.relativeTimeMs) / 60_000
        loops = [loop for loop in self._file.experiment if loop.type == "TimeLoop"]
        period = to_minutes(loops[0].parameters.periodMs, "ms") if loops else None
        return frame_times({"the experiment": period}, planes_min, self.n_frames, by="the frames' times")

    def _number(self, t: int, z: int) -> int:
        """The number of a point in time and plane, under the file's own names of axes."""
        index = dict(zip(self._stored, self._layout.index(t, z), strict=True))
        at: dict[str, Any] = {axis: place for axis, place in index.items() if axis not in _IN_A_FRAME}
        if (tuple(sorted(at.items()))) not in self._numbers:
            at["P"] = self._position
        return self._numbers[tuple(sorted(at.items()))] if at else 0

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        index = dict(zip(self._stored, self._layout.index(t, z), strict=True))
        number = self._number(t, z)
        self._check_frame(number)
        frame = self._file.read_frame(number)
        within = [axis for axis in self._stored if axis in _IN_A_FRAME]
        if frame.ndim != len(within):  # nd2 leaves out channels or colours of which there is one
            frame = frame.reshape([self._file.sizes[axis] for axis in within])
        plane = frame[tuple(index[axis] for axis in within)]
        return np.array(plane, dtype=self.dtype)  # nd2's own is a view of the mapped file

    def _check_frame(self, number: int) -> None:
        """Refuse a compressed frame that unpacks to more than its pixels: nd2 itself would go on to the end."""
        if self._file.attributes.compressionType != "lossless":
            return
        about = self._file.attributes
        declared = about.heightPx * (about.widthPx or 0) * about.componentCount * self.dtype.itemsize
        reader: Any = self._file._rdr
        name = f"ImageDataSeq|{number}!".encode()
        if name in reader.chunkmap and (data := reader._load_chunk(name))[_TIME_BYTES:]:
            decode_bounded("zlib", data[_TIME_BYTES:], declared + HARMLESS_BYTES)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
