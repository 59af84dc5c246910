"""Movies in zarr: one array, or an OME-Zarr image (0.4 and 0.5) with axes, units and scale."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from somanet.core.calibration import FileCalibration
from somanet.core.foreign import parsing
from somanet.core.limits import CHUNKS
from somanet.core.problems import FileProblem
from somanet.io.movie_base import Movie, choose_channel, choose_planes, project
from somanet.io.scale import to_minutes, to_um
from somanet.io.zarr_metadata import METADATA, check_zarr, n_chunks

MARKERS = METADATA


class ZarrMovie(Movie):
    """A zarr array read one time point at a time (see :class:`Movie`).

    A missing chunk reads as the fill value: zarr omits empty chunks on purpose, so a lost chunk cannot be told from an
    empty one. ``check_movie`` notes blank frames.
    """

    def __init__(self, path: Path, channel: int | str | None, z: int | str | None = None) -> None:
        self.path, self.files = path, (path,)
        check_zarr(path)
        with parsing(path, "a zarr array or OME-Zarr image"):
            node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            axes, self.unnamed = _array_axes(node, "t" if z is None else "z")
            image = _Image(node, axes, {}, ())
        else:
            image = _multiscale(node, path)
        self._array = image.array
        self._layout(image.axes, image.channels, channel, z)
        self.dtype = self._array.dtype.newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise FileProblem(f"{path}: expected grey levels, found {self.dtype} pixels.", "wrong type")
        of_frame = [axis in "yx" for axis in image.axes]
        shape, chunk = (list(compress(sizes, of_frame)) for sizes in (self._array.shape, self._array.chunks))
        CHUNKS.check(n_chunks(shape, chunk), path, declared="a frame")
        y_um, x_um, interval = (image.scale.get(axis) for axis in "yxt")
        if y_um and x_um and abs(y_um - x_um) > 0.01 * max(y_um, x_um):
            raise FileProblem(
                f"{path}: expected square pixels, found {x_um:g} µm wide by {y_um:g} µm high. Resample the movie.",
                "wrong shape",
            )
        self.file_calibration = FileCalibration(x_um, interval)

    def _layout(
        self, axes: tuple[str, ...], names: tuple[str, ...], channel: int | str | None, z: int | str | None
    ) -> None:
        if len(axes) != self._array.ndim or len(set(axes)) != len(axes):
            raise FileProblem(
                f"{self.path}: the metadata name the axes {', '.join(axes)[:80]}, the array has {self._array.ndim} "
                "axes. Correct _ARRAY_DIMENSIONS or dimension_names.",
                "wrong shape",
            )
        sizes = dict(zip(axes, self._array.shape, strict=True))
        described = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
        if set(axes) - set("tczyx") or not {"y", "x"} <= set(axes):
            raise FileProblem(
                f"{self.path}: expected axes t, y and x, found {described}. Name the axes in the metadata, or save "
                "TYX.",
                "wrong shape",
            )
        self._planes = choose_planes(sizes.get("z", 1), z, str(self.path), described=described)
        self.n_planes = len(self._planes)
        n_channels = sizes.get("c", 1)
        if len(names) != n_channels:
            names = tuple(str(index) for index in range(n_channels))
        self._axes, self._channel = axes, choose_channel(names, channel, str(self.path))
        self.n_frames, self.shape_YX = sizes.get("t", 1), (sizes["y"], sizes["x"])
        if not all(self._array.shape):
            raise FileProblem(f"{self.path}: the array is empty ({described}).", "wrong shape")

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        position: dict[str, int | slice] = {"t": t, "c": self._channel, "z": z}
        plane = np.asarray(self._array[tuple(position.get(axis, slice(None)) for axis in self._axes)])
        if self._axes.index("x") < self._axes.index("y"):
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


def _array_axes(array: Any, first: str) -> tuple[tuple[str, ...], bool]:
    """Axis names of a bare array, and whether they are guessed: its own if it has any, else ``first``, y and x."""
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if named and all(named):
        known = {"time": "t", "channel": "c"}
        return tuple(known.get(str(name).lower(), str(name).lower()) for name in named), False
    if array.ndim == 3:
        return (first, "y", "x"), first == "t"
    return tuple(f"axis{i}" for i in range(array.ndim)), False


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
