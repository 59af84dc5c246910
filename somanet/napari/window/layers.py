"""A movie in napari: its frames, somas, tracks and the marks of what is selected, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari import Viewer
from napari.layers import Image, Labels, Shapes, Tracks

from somanet.napari.frames import FrameArray, LabelArray
from somanet.napari.session import Session
from somanet.napari.splitting import YX

COLOURS = ("yellow", "cyan")
"""Of the soma that was selected first, and of the others."""
TAIL_FRAMES = 12
FIELD_DIAMETERS, CANVAS_PX = 12, 600
"""At a place so much of the picture, in diameters of a soma, fills so many pixels of the screen."""


class MovieLayers:
    """The layer of a movie's frames. Places are (y, x) in pixels; napari's world is in µm where the scale is known.

    Attributes:
        viewer: napari's.
        image: the movie.
    """

    def __init__(self, viewer: Viewer, frames: FrameArray, pixel_size_um: float | None) -> None:
        """Add the movie; without a size of its pixels it is shown in pixels."""
        self.viewer = viewer
        self._scale = (1.0, pixel_size_um or 1.0, pixel_size_um or 1.0)
        self._units = ("pixel", *["um" if pixel_size_um else "pixel"] * 2)
        low, high = np.percentile(frames.frame(0), (1.0, 99.8))
        self.image: Image = viewer.add_image(
            frames, name="movie", **self._placed(), colormap="gray",
            contrast_limits=(float(low), float(max(high, low + 1))), multiscale=False, rgb=False,
        )  # fmt: skip
        viewer.scale_bar.visible = pixel_size_um is not None

    def _placed(self) -> dict[str, Any]:
        return {"scale": self._scale, "units": self._units, "axis_labels": ("t", "y", "x")}

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        return int(self.viewer.dims.current_step[0])

    def show_frame(self, t: int) -> None:
        """Show a frame."""
        self.viewer.dims.set_current_step(0, t)

    @property
    def centre_yx(self) -> YX:
        """The middle of what is seen."""
        centre = self.viewer.camera.center
        return float(centre[-2] / self._scale[1]), float(centre[-1] / self._scale[2])

    def look_at(self, t: int, at_yx: YX, diameter_px: float) -> None:
        """Show a place of a frame, so near that a soma of a diameter is seen well."""
        self.show_frame(t)
        self.viewer.camera.center = (0.0, at_yx[0] * self._scale[1], at_yx[1] * self._scale[2])
        self.viewer.camera.zoom = CANVAS_PX / (FIELD_DIAMETERS * diameter_px * self._scale[1])

    def close(self) -> None:
        """Remove the layers."""
        self._remove(self.image)

    def _remove(self, *layers: Any) -> None:
        for layer in layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)


class ResultLayers(MovieLayers):
    """The layers of a movie with its results.

    Attributes:
        array: the labels that are shown, and what was painted into them.
        labels, tracks: somas and tracks.
        marks: boxes around the selected somas, and the line that is being dragged.
    """

    def __init__(self, viewer: Viewer, frames: FrameArray, pixel_size_um: float | None, session: Session) -> None:
        """Add the movie, and the results as they are corrected so far."""
        super().__init__(viewer, frames, pixel_size_um)
        self.array = LabelArray(session.corrected, shape=frames.shape)
        self.labels: Labels = viewer.add_labels(
            self.array, name="somas", **self._placed(), opacity=0.5, multiscale=False
        )  # fmt: skip
        self.labels.n_edit_dimensions = 2
        self.tracks: Tracks = viewer.add_tracks(
            _as_tracks(session.points), name="tracks", **self._placed(), tail_length=TAIL_FRAMES, tail_width=2
        )
        self.marks: Shapes = viewer.add_shapes(
            ndim=3, name="selection", **self._placed(), edge_width=1.5, face_color="transparent", edge_color="yellow"
        )
        viewer.layers.selection.active = self.labels

    def show(self, labels: Sequence[Any], points: pd.DataFrame) -> None:
        """Show other somas and tracks; what was painted is dropped."""
        self.array.show(labels)
        self.labels.refresh()
        self.tracks.data = _as_tracks(points)

    def track_at(self, at_yx: YX) -> int:
        """The track of the soma at a place of the frame that is shown; 0 where there is none."""
        y, x = round(at_yx[0]), round(at_yx[1])
        inside = 0 <= y < self.array.shape[1] and 0 <= x < self.array.shape[2]
        return int(self.array.frame(self.frame)[y, x]) if inside else 0

    def mark(self, tracks: Sequence[int], line: Sequence[YX] = ()) -> None:
        """Draw boxes around somas of the frame that is shown, and a line if it has two ends."""
        boxes, colours = [], []
        labels_YX = self.array.frame(self.frame)
        for i, track in enumerate(tracks):
            y, x = np.nonzero(labels_YX == track)
            if len(y):
                boxes.append(_box(self.frame, y.min() - 1.5, x.min() - 1.5, y.max() + 1.5, x.max() + 1.5))
                colours.append(COLOURS[min(i, 1)])
        self.marks.data = []
        if boxes:
            self.marks.add_rectangles(boxes, edge_color=colours, face_color="transparent", edge_width=1.5)
        if len(line) == 2:
            self.marks.add_lines([[[self.frame, *end] for end in line]], edge_color="white", edge_width=1.0)
        self.viewer.layers.selection.active = self.labels

    def close(self) -> None:
        """Remove the layers."""
        self._remove(self.marks, self.tracks, self.labels)
        super().close()


def _as_tracks(points: pd.DataFrame) -> Any:
    """Napari's table of tracks: id, t, y, x."""
    if points.empty:
        return np.zeros((1, 4))
    return points.sort_values(["track_id", "frame"])[["track_id", "frame", "y_px", "x_px"]].to_numpy(float)


def _box(t: int, top: float, left: float, bottom: float, right: float) -> Any:
    return np.array([[t, top, left], [t, top, right], [t, bottom, right], [t, bottom, left]])
