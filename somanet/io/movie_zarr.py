"""Movies in zarr: one array, or an OME-Zarr image (0.4 and 0.5) with axes, units and scale."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from somanet.core.calibration import FileCalibration
from somanet.core.foreign import parsing
from somanet.core.limits import CHUNKS
from somanet.core.problems import FileProblem
from somanet.io.declared_size import check_pixels
from somanet.io.movie_base import Movie, project, whole_frames
from somanet.io.movie_layout import Layout, Wanted, find_layout
from somanet.io.scale import square_um, to_minutes, to_um
from somanet.io.zarr_chunks import find_stored
from somanet.io.zarr_decoding import bounded
from somanet.io.zarr_metadata import METADATA, check_zarr, n_chunks

MARKERS = METADATA


class ZarrMovie(Movie):
    """A zarr array read one time point at a time (see :class:`Movie`).

    A missing chunk reads as the fill value, and a program may omit empty chunks on purpose:
    :func:`~somanet.io.zarr_chunks.find_stored` tells which are missing. Of labels, omitted chunks are background.
    """

    def __init__(self, path: Path, wanted: Wanted, *, allow_truncated: bool = False, labels: bool = False) -> None:
        self.path, self.files = path, (path,)
        check_zarr(path)
        with parsing(path, "a zarr array or OME-Zarr image"):
            root: Any = zarr.open(str(path), mode="r")
            names = _positions(root, path)
            number = self._take_position(names or ("0",), wanted)
            node = root[names[number]] if names else root
        image = _Image(node, _array_axes(node), {}, ()) if isinstance(node, zarr.Array) else _multiscale(node, path)
        self._array = bounded(image.array)
        self._take_layout(self._find_layout(image, wanted), self._array.dtype)
        of_frame = [i for axis, i in zip(self._layout.axes, self._layout.stored, strict=True) if axis in "YX"]
        shape, chunk = ([sizes[i] for i in of_frame] for sizes in (self._array.shape, self._array.chunks))
        check_pixels(*self.shape_YX, str(path))
        CHUNKS.check(n_chunks(shape, chunk), path, declared="a frame")
        times = [i for axis, i in zip(self._layout.axes, self._layout.stored, strict=True) if axis == "T"]
        self._frames_per_chunk = self._array.chunks[times[0]] if times else 1
        y_um, x_um, interval = (image.scale.get(axis) for axis in "yxt")
        self.file_calibration = FileCalibration(square_um(x_um, y_um, str(path)), interval)
        if not labels:
            self._check_stored(allow_truncated)

    def _check_stored(self, allow_truncated: bool) -> None:
        """Refuse a movie whose end is missing, or end it there; note chunks that are missing before."""
        stored = find_stored(Path(self.path, self._array.path), self._array, self._layout, self.path)
        self.notes = (stored.note,) if stored.note else ()
        if stored.end == self.n_frames:
            return
        if not allow_truncated:
            raise FileProblem(
                f"{self.path}: the zarr is truncated: of {self.n_frames} frames, it lacks frame {stored.end} and all "
                "after it. Was a copy interrupted? Fetch it again. If they are lost, or were black and therefore left "
                f"out: {whole_frames(stored.end)}",
                "truncated",
            )
        self.n_frames, self.truncated = stored.end, True

    def _find_layout(self, image: _Image, wanted: Wanted) -> Layout:
        axes, shape = image.axes, self._array.shape
        if len(axes) != len(shape) or len(set(axes)) != len(axes):
            raise FileProblem(
                f"{self.path}: the metadata name the axes {', '.join(axes)[:80]}, the array has {len(shape)} "
                "axes. Correct _ARRAY_DIMENSIONS or dimension_names.",
                "wrong shape",
            )
        letters = "".join(axis.upper() if len(axis) == 1 else "?" for axis in axes)
        if (set(letters) - set("TCZYXI") or not {"Y", "X"} <= set(letters)) and wanted.axes is None:
            described = ", ".join(f"{axis}={size}" for axis, size in zip(axes, shape, strict=True))
            raise FileProblem(
                f"{self.path}: expected axes t, y and x, found {described}. Name the axes in the metadata, or save "
                "TYX.",
                "wrong shape",
            )
        if not all(shape):
            described = ", ".join(f"{axis}={size}" for axis, size in zip(axes, shape, strict=True))
            raise FileProblem(f"{self.path}: the array is empty ({described}).", "wrong shape")
        return find_layout(letters, shape, wanted, str(self.path), channels=image.channels)

    def chunk_of(self, t: int) -> int:
        """The number, along time, of the zarr chunk that frame ``t`` is in."""
        return t // self._frames_per_chunk

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        plane = np.asarray(self._array[self._layout.index(t, z)])
        if self._layout.axes.index("X") < self._layout.axes.index("Y"):
            plane = plane.T
        return np.ascontiguousarray(plane.astype(self.dtype, copy=False))

    def close(self) -> None:
        """Nothing to close: zarr opens each chunk anew."""


@dataclass(frozen=True)
class _Image:
    """A zarr image: its array, axis names, step per axis in µm or minutes, and channel names."""

    array: Any
    axes: tuple[str, ...]
    scale: dict[str, float | None]
    channels: tuple[str, ...]


def _positions(node: Any, path: Path) -> tuple[str, ...]:
    """The groups 0, 1, … that bioformats2raw writes, one for each position; none where there is one movie."""
    attributes: dict[str, Any] = dict(node.attrs)
    ome = attributes.get("ome", attributes)
    ome = ome if isinstance(ome, dict) else {}
    if isinstance(node, zarr.Group) and ("plate" in ome or "well" in ome):
        field: Any = node
        while "multiscales" not in dict(field.attrs).get("ome", field.attrs) and (inside := sorted(field.group_keys())):
            field = field[inside[0]]  # row, column, field of view
        below = Path(path, field.path[len(node.path) :].lstrip("/"))
        raise FileProblem(
            f"{path}: expected one movie, found a {'plate' if 'plate' in ome else 'well'} of OME-Zarr with a movie per "
            f"field of view. Open a field by its own path, such as {below}",
            "wrong shape",
        )
    if isinstance(node, zarr.Array) or "bioformats2raw.layout" not in ome or "multiscales" in ome:
        return ()
    names = sorted((name for name in node.group_keys() if name.isdecimal()), key=int)
    if not names:
        raise FileProblem(
            f"{path}: expected the images that bioformats2raw writes (groups 0, 1, …), found none. Was only a part "
            "of it copied? Fetch it again.",
            "missing",
        )
    return tuple(names)


def _array_axes(array: Any) -> tuple[str, ...]:
    """Axis names of a bare array: its own if it has any; else the first of three is `i`, of unknown meaning."""
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if named and all(named):
        known = {"time": "t", "channel": "c"}
        return tuple(known.get(str(name).lower(), str(name).lower()) for name in named)
    if array.ndim == 3:
        return ("i", "y", "x")
    return tuple(f"axis{i}" for i in range(array.ndim))


def _inside(name: str, path: Path) -> str:
    """A path of metadata, which must not lead out of the zarr folder."""
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise FileProblem(
            f"{path}: expected an array within the zarr folder, found the path {name[:80]!r} in its metadata. Correct "
            "`datasets`, or open that array by its own path.",
            "missing",
        )
    return name


def _multiscale(group: zarr.Group, path: Path) -> _Image:
    """The full-resolution level of an OME-Zarr image."""
    attributes: dict[str, Any] = dict(group.attrs)
    arrays = "none"
    try:
        ome: dict[str, Any] = attributes.get("ome", attributes)
        image = ome["multiscales"][0]
        dataset = image["datasets"][0]
        inside = _inside(dataset["path"], path)
        array = group[inside]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", "tczyx")]
        steps = [1.0] * len(axes)
        scaled = False
        for transform in [
            *dataset.get("coordinateTransformations", ()),
            *image.get("coordinateTransformations", ()),
        ]:
            if transform.get("type") == "scale":
                steps = [a * float(b) for a, b in zip(steps, transform["scale"], strict=True)]
                scaled = True
        names = tuple(axis["name"].lower() for axis in axes)
        labels = [c.get("label") for c in ome.get("omero", {}).get("channels", ())]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        with suppress(Exception):  # the members may be damaged too; their names only help
            arrays = ", ".join(sorted(name for name, _ in group.arrays())[:8]) or arrays
        raise FileProblem(
            f"{path}: expected OME-Zarr metadata (multiscales with axes and a scale), found a group without valid "
            f"metadata; its arrays: {arrays}. Open one of them by its own path."
        ) from error
    if not isinstance(array, zarr.Array) or array.ndim != len(axes):
        raise FileProblem(f"{path}: the OME-Zarr metadata do not fit the array '{inside}'.", "wrong shape")
    scale: dict[str, float | None] = {}
    for axis, name, step in zip(axes, names, steps, strict=True):
        unit = str(axis.get("unit", ""))
        scale[name] = (to_minutes if name == "t" else to_um)(step, unit) if scaled else None
    return _Image(array, names, scale, tuple(str(label or i) for i, label in enumerate(labels)))
