"""The layers of a movie in napari, and what keys and the mouse do to its somas and tracks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
import pandas as pd
from napari import Viewer
from napari.layers import Image, Labels, Shapes, Tracks
from qtpy.QtCore import QTimer

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.corrections import Edit
from somanet.napari.frames import LabelArray
from somanet.napari.keys import KEYS
from somanet.napari.opening import Opened
from somanet.napari.place_list import PlaceList
from somanet.napari.places import Contact, Place, find_places
from somanet.napari.session import Session
from somanet.napari.splitting import label_under_line

Tool = Literal["select", "new", "split"]
CLICK_PX = 3.0
"""The mouse may move so far between press and release of a click."""
COLOURS = ("yellow", "cyan")
"""Of the soma that was selected first, and of the others."""
TAIL_FRAMES = 12
FIELD_DIAMETERS, CANVAS_PX = 12, 600
"""At a place so much of the picture, in diameters of a soma, fills so many pixels of the screen."""


class Editor:
    """The movie, its somas and its tracks as layers, and the edits of the person who looks at them.

    Attributes:
        viewer: napari's.
        opened: the movie.
        session: its corrections; None if it has no results yet.
        image, labels, tracks, marks: the layers; the last three None without results.
        selected: tracks of the selected somas, in the order of the clicks.
        tool: what the next click or drag does.
        contacts: frame → the somas that touch in it, as far as they are known.
        suspicious: the places to look at.
    """

    def __init__(
        self,
        viewer: Viewer,
        opened: Opened,
        session: Session | None,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
        draw: Callable[[int, tuple[float, float]], None],
    ) -> None:
        """Add the layers.

        Args:
            viewer: napari's.
            opened: the movie.
            session: its corrections.
            say: takes a line for the person.
            changed: is called after each edit, selection or change of the list of places.
            draw: draws a new soma in a frame, from a click at (y, x) in pixels.
        """
        self.viewer, self.opened, self.session = viewer, opened, session
        self._say, self._changed, self._draw = say, changed, draw
        self.selected: list[int] = []
        self.tool: Tool = "select"
        self.contacts: dict[int, list[Contact]] = {}
        self.suspicious = PlaceList()
        self._line: list[tuple[float, float]] = []
        size_um = opened.scale.pixel_size_um
        self._scale = (1.0, size_um or 1.0, size_um or 1.0)
        self._units = ("pixel", "um" if size_um else "pixel", "um" if size_um else "pixel")
        self.image: Image = self._add_movie()
        self.labels: Labels | None = None
        self.tracks: Tracks | None = None
        self.marks: Shapes | None = None
        if session is not None:
            self._add_results(session)

    # Layers.

    def _add_movie(self) -> Image:
        frames = self.opened.frames
        low, high = np.percentile(frames.frame(0), (1.0, 99.8))
        layer = self.viewer.add_image(
            frames, name="movie", scale=self._scale, units=self._units, axis_labels=("t", "y", "x"), colormap="gray",
            contrast_limits=(float(low), float(max(high, low + 1))), multiscale=False, rgb=False,
        )  # fmt: skip
        self.viewer.scale_bar.visible = self.opened.scale.pixel_size_um is not None
        return layer

    def _add_results(self, session: Session) -> None:
        frames = self.opened.frames
        self.array = LabelArray(session.corrected, shape=frames.shape)
        self.labels = self.viewer.add_labels(
            self.array, name="somas", scale=self._scale, units=self._units, axis_labels=("t", "y", "x"), opacity=0.5,
            multiscale=False,
        )  # fmt: skip
        self.labels.n_edit_dimensions = 2
        self.tracks = self.viewer.add_tracks(
            _as_tracks(session.points), name="tracks", scale=self._scale, units=self._units,
            axis_labels=("t", "y", "x"), tail_length=TAIL_FRAMES, tail_width=2,
        )  # fmt: skip
        self.marks = self.viewer.add_shapes(
            ndim=3, name="selection", scale=self._scale, units=self._units, axis_labels=("t", "y", "x"),
            edge_width=1.5, face_color="transparent", edge_color="yellow",
        )  # fmt: skip
        self.viewer.layers.selection.active = self.labels
        self.labels.mouse_drag_callbacks.append(self._on_mouse)
        self.labels.events.paint.connect(self._on_paint)
        self.viewer.dims.events.current_step.connect(self._on_frame)
        for name, (key, _) in KEYS.items():
            for target in (self.labels, self.viewer):
                target.bind_key(key, self._key(name), overwrite=True)
        self.refresh()

    def close(self) -> None:
        """Remove the layers and the keys."""
        if self.labels is not None:
            self.viewer.dims.events.current_step.disconnect(self._on_frame)
            for key, _ in KEYS.values():
                self.viewer.bind_key(key, None, overwrite=True)
        for layer in (self.marks, self.tracks, self.labels, self.image):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def refresh(self) -> None:
        """Show what the corrections make of the movie."""
        if self.session is None or self.labels is None or self.tracks is None:
            return
        self.array.show(self.session.corrected)
        self.labels.refresh()
        points = self.session.points
        self.tracks.data = _as_tracks(points)
        known = set(points["track_id"].tolist())
        self.selected = [track for track in self.selected if track in known]
        self._show_selection()
        self.find_places()

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        return int(self.viewer.dims.current_step[0])

    @property
    def diameter_px(self) -> float:
        """Of the usual soma."""
        assert self.opened.results is not None
        area = self.opened.results.tracks.get("area_um2", pd.Series(dtype=float)).median()
        pixels = area / self.opened.results.calibration.pixel_area_um2
        return float(2 * np.sqrt(pixels / np.pi)) if pixels > 0 else 16.0

    def _show_selection(self) -> None:
        if self.marks is None or self.session is None:
            return
        boxes, colours = [], []
        labels_YX = self.array.frame(self.frame)
        for i, track in enumerate(self.selected):
            y, x = np.nonzero(labels_YX == track)
            if len(y):
                boxes.append(_box(self.frame, y.min() - 1.5, x.min() - 1.5, y.max() + 1.5, x.max() + 1.5))
                colours.append(COLOURS[min(i, 1)])
        self.marks.data = []
        if boxes:
            self.marks.add_rectangles(boxes, edge_color=colours, face_color="transparent", edge_width=1.5)
        if len(self._line) == 2:
            ends = [[self.frame, *end] for end in self._line]
            self.marks.add_lines([ends], edge_color="white", edge_width=1.0)
        if self.labels is not None:
            self.viewer.layers.selection.active = self.labels

    # What the person does.

    def _key(self, name: str) -> Callable[[Any], None]:
        def pressed(_: Any) -> None:
            self.run(name)

        pressed.__doc__ = KEYS[name][1]
        return pressed

    def run(self, name: str) -> None:
        """Do one of :data:`KEYS`; what cannot be done is said."""
        try:
            getattr(self, f"do_{name}")()
        except SomaNetError as error:
            self._say(str(error))

    def _edited(self, edit: Edit, words: str) -> None:
        self.refresh()
        assert self.session is not None
        problem = f" NOT SAVED YET: {self.session.problem}" if self.session.unsaved else ""
        self._say(f"{words}.{problem}")

    def _one(self, what: str) -> int:
        if len(self.selected) != 1:
            raise SomaNetError(f"To {what}, select one soma by a click; {len(self.selected)} are selected.")
        return self.selected[0]

    def _two(self, what: str) -> tuple[int, int]:
        if len(self.selected) != 2:
            raise SomaNetError(
                f"To {what}, select two: click a soma, then Shift-click the other (in any frame); "
                f"{len(self.selected)} are selected."
            )
        return self.selected[0], self.selected[1]

    @property
    def _corrections(self) -> Session:
        if self.session is None:
            raise SomaNetError("The movie has no results yet. Analyse it first.")
        return self.session

    def do_new_soma(self) -> None:
        """The next click draws a soma."""
        self._take("new", "Click on the soma that was missed.")

    def do_split(self) -> None:
        """The next drag splits a soma."""
        self._take("split", "Drag a line across the soma.")

    def do_paint_new(self) -> None:
        """Paint with an id that no track has."""
        assert self.labels is not None
        self.labels.selected_label = self._corrections.next_id()
        self.labels.mode = "paint"
        self._say(f"Paint the new soma (track {self.labels.selected_label}); each stroke is saved. Z ends painting.")

    def do_escape(self) -> None:
        """No tool, nothing selected."""
        if self.labels is not None:
            self.labels.mode = "pan_zoom"
        self._take("select", "")
        self.select([])

    def do_merge(self) -> None:
        """Merge the selected somas of this frame."""
        edit = self._corrections.merge(self.frame, self.selected)
        self.selected = [edit.ids[0]]
        self._edited(
            edit, f"Merged {counted(len(edit.ids), 'soma')} of frame {edit.frame} to one of track {edit.ids[0]}"
        )

    def do_delete(self) -> None:
        """Delete the selected soma in this frame."""
        track = self._one("delete it")
        self._edited(self._corrections.delete(self.frame, track), f"Deleted track {track}'s soma of frame {self.frame}")

    def do_join(self) -> None:
        """Join the two selected tracks."""
        edit = self._corrections.join(*self._two("join their tracks"), self.frame)
        self.selected = [edit.ids[0]]
        words = "Joined" if edit.kind == "join" else f"From frame {edit.frame} on, joined"
        self._edited(edit, f"{words} tracks {edit.ids[0]} and {edit.ids[1]} to {edit.ids[0]}")

    def do_cut(self) -> None:
        """Cut the selected track at this frame."""
        edit = self._corrections.cut(self._one("cut its track"), self.frame)
        self._edited(edit, f"Track {edit.ids[0]} is track {edit.ids[1]} from frame {edit.frame} on")

    def do_swap(self) -> None:
        """Swap the two selected identities."""
        edit = self._corrections.swap(*self._two("swap their identities"), self.frame)
        self._edited(edit, f"Swapped tracks {edit.ids[0]} and {edit.ids[1]} from frame {edit.frame} on")

    def do_delete_track(self) -> None:
        """Delete the selected track."""
        track = self._one("delete its track")
        self._edited(self._corrections.delete_track(track), f"Deleted track {track}")

    def do_not_a_soma(self) -> None:
        """Mark the selected track as not a soma."""
        track = self._one("say that it is not a soma")
        self._edited(self._corrections.delete_track(track, soma=False), f"Track {track} is not a soma: removed")

    def do_undo(self) -> None:
        """Undo."""
        self._went(self._corrections.undo(), "Undone", "There is nothing to undo.")

    def do_redo(self) -> None:
        """Redo."""
        self._went(self._corrections.redo(), "Done again", "There is nothing to do again.")

    def _went(self, edit: Edit | None, words: str, nothing: str) -> None:
        if edit is None:
            raise SomaNetError(nothing)
        undone = edit if edit.kind != "undo" else next(one for one in self._corrections.edits if one.key == edit.undoes)
        if undone.kind not in ("delete_track", "not_a_soma"):
            self.show_frame(undone.frame)
        self._edited(undone, f"{words}: {undone.kind.replace('_', ' ')} in frame {undone.frame}")

    def add_soma(self, t: int, mask_YX: Any, how: str) -> None:
        """Add a soma that was drawn from a click."""
        edit = self._corrections.new(t, mask_YX)
        self.selected = [edit.ids[0]]
        self._edited(edit, f"New soma: track {edit.ids[0]} in frame {t}, drawn by {how}")

    def _take(self, tool: Tool, words: str) -> None:
        self.tool = tool
        self._line = []
        if self.labels is not None:
            if tool != "select":
                self.labels.mode = "pan_zoom"
            self.labels.mouse_pan = tool != "split"
        self._say(words)

    def select(self, tracks: list[int]) -> None:
        """Select somas by their tracks."""
        self.selected = tracks
        if self.labels is not None and tracks:
            self.labels.selected_label = tracks[0]
        self._show_selection()
        self._changed()

    # Mouse and painting.

    def _on_mouse(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        if str(layer.mode) != "pan_zoom" or event.button != 1 or self.session is None:
            return
        start = self._pixel(layer, event)
        shift = "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            if self.tool == "split":
                self._line = [start, self._pixel(layer, event)]
                self._show_selection()
            yield
        end = self._pixel(layer, event)
        try:
            if self.tool == "split":
                self._split(start, end)
            elif np.hypot(*np.subtract(start, end)) <= CLICK_PX:
                self._click(end, shift=shift)
        except SomaNetError as error:
            self._say(str(error))

    def _click(self, at_yx: tuple[float, float], *, shift: bool) -> None:
        if self.tool == "new":
            self._take("select", "The network draws the soma …")
            self._draw(self.frame, at_yx)
            return
        y, x = round(at_yx[0]), round(at_yx[1])
        inside = 0 <= y < self.array.shape[1] and 0 <= x < self.array.shape[2]
        track = int(self.array.frame(self.frame)[y, x]) if inside else 0
        if not track:
            if not shift:
                self.select([])
            return
        if not shift:
            self.select([track])
        elif track in self.selected:
            self.select([one for one in self.selected if one != track])
        else:
            self.select([*self.selected, track])
        self._say(f"Selected: track {', '.join(map(str, self.selected))}" if self.selected else "")

    def _split(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self._take("select", "")
        track = label_under_line(self.array.frame(self.frame), start, end)
        edit = self._corrections.split(self.frame, track, start, end)
        self.selected = list(edit.ids)
        self._edited(edit, f"Split track {edit.ids[0]} in frame {edit.frame}; the other part is track {edit.ids[1]}")

    def _pixel(self, layer: Labels, event: Any) -> tuple[float, float]:
        _, y, x = layer.world_to_data(event.position)
        return float(y), float(x)

    def _on_paint(self, event: Any) -> None:
        # napari says so before it writes what is filled; and a stroke may end in another event of the mouse
        QTimer.singleShot(0, self.take_painting)

    def take_painting(self) -> None:
        """Make an edit of what was painted."""
        painted = self.array.painted
        if self.session is None or not painted:
            return
        words, last = [], None
        try:
            for t, painted_YX in painted.items():
                for last in self.session.paint(t, painted_YX):
                    words.append(f"{last.kind} of track {last.ids[0]}")
        except SomaNetError as error:
            self.refresh()
            self._say(str(error))
            return
        if last is None:
            self.refresh()
        else:
            self._edited(last, f"Frame {last.frame}: {', '.join(words)}")

    def _on_frame(self, event: Any = None) -> None:
        self._show_selection()

    # Places.

    def find_places(self) -> None:
        """Find the suspicious places anew."""
        results = self.opened.results
        if self.session is None or results is None:
            return
        self.suspicious.update(
            find_places(
                results.points(self.session.corrected),
                n_frames=self.array.shape[0],
                shape_YX=(self.array.shape[1], self.array.shape[2]),
                contacts=self.contacts,
            )
        )
        self._changed()

    def do_next_place(self) -> None:
        """Go to the next place."""
        self._look_at(self.suspicious.go_on())

    def do_previous_place(self) -> None:
        """Go to the previous place."""
        self._look_at(self.suspicious.go_back())

    def do_dismiss_place(self) -> None:
        """Leave a place out of the list, and go to the next one."""
        self.suspicious.dismiss()
        self._changed()
        self.do_next_place()

    def go_to(self, number: int) -> None:
        """Show a place of the list."""
        self._look_at(self.suspicious.go_to(number))

    def _look_at(self, place: Place) -> None:
        self.show_frame(place.frame)
        self.viewer.camera.center = (0.0, place.y_px * self._scale[1], place.x_px * self._scale[2])
        self.viewer.camera.zoom = CANVAS_PX / (FIELD_DIAMETERS * self.diameter_px * self._scale[1])
        self.select([place.track])
        self._say(f"{self.suspicious.number} of {len(self.suspicious.places)}: {'; '.join(place.reasons)}")

    def show_frame(self, t: int) -> None:
        """Show a frame."""
        self.viewer.dims.set_current_step(0, t)


def _as_tracks(points: pd.DataFrame) -> Any:
    """Napari's table of tracks: id, t, y, x."""
    if points.empty:
        return np.zeros((1, 4))
    return points.sort_values(["track_id", "frame"])[["track_id", "frame", "y_px", "x_px"]].to_numpy(float)


def _box(t: int, top: float, left: float, bottom: float, right: float) -> Any:
    return np.array([[t, top, left], [t, top, right], [t, bottom, right], [t, bottom, left]])
