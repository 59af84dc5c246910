"""What the mouse does to somas: clicks select or draw, a dragged line splits, strokes of napari's brush are edits."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from somanet.core.errors import SomaNetError
from somanet.napari.splitting import YX, label_under_line
from somanet.napari.window.editor import Editor

Tool = Literal["select", "new", "split"]
CLICK_PX = 3.0
"""The mouse may move so far between press and release of a click."""


class Mouse:
    """The mouse over the somas.

    Attributes:
        tool: what the next click or drag does.
    """

    def __init__(self, editor: Editor, draw: Callable[[int, YX], None]) -> None:
        """Listen to the mouse.

        Args:
            editor: of the movie.
            draw: draws a new soma in a frame, from a click at (y, x) in pixels.
        """
        self._editor, self._draw = editor, draw
        self.tool: Tool = "select"
        self._labels: Labels = editor.layers.labels
        self._labels.mouse_drag_callbacks.append(self._on_mouse)
        self._labels.events.paint.connect(self._on_paint)

    def take(self, tool: Tool, words: str) -> None:
        """Take a tool, and say what to do with it."""
        self.tool = tool
        self._editor.line = []
        if tool != "select":
            self._labels.mode = "pan_zoom"
        self._labels.mouse_pan = tool != "split"
        self._editor.say(words)

    def put_down(self) -> None:
        """No tool, of napari's neither, and nothing selected."""
        self._labels.mode = "pan_zoom"
        self.take("select", "")
        self._editor.select([])

    def _on_mouse(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        if str(layer.mode) != "pan_zoom" or event.button != 1:
            return
        start = _pixel(layer, event)
        shift = "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            if self.tool == "split":
                self._editor.line = [start, _pixel(layer, event)]
                self._editor.mark()
            yield
        end = _pixel(layer, event)
        try:
            if self.tool == "split":
                self._split(start, end)
            elif np.hypot(*np.subtract(start, end)) <= CLICK_PX:
                self._click(end, shift=shift)
        except SomaNetError as error:
            self._editor.say(str(error))

    def _click(self, at_yx: YX, *, shift: bool) -> None:
        editor = self._editor
        if self.tool == "new":
            self.take("select", "The network draws the soma …")
            self._draw(editor.frame, at_yx)
            return
        track = editor.layers.track_at(at_yx)
        if not track:
            if not shift:
                editor.select([])
            return
        if not shift:
            editor.select([track])
        elif track in editor.selected:
            editor.select([one for one in editor.selected if one != track])
        else:
            editor.select([*editor.selected, track])
        editor.say(f"Selected: track {', '.join(map(str, editor.selected))}" if editor.selected else "")

    def _split(self, start: YX, end: YX) -> None:
        self.take("select", "")
        editor = self._editor
        track = label_under_line(editor.layers.array.frame(editor.frame), start, end)
        edit = editor.session.split(editor.frame, track, start, end)
        words = f"Split track {edit.ids[0]} in frame {edit.frame}; the other part is track {edit.ids[1]}"
        editor.edited(edit, words, selected=edit.ids)

    def _on_paint(self, event: Any) -> None:
        # napari says so before it writes what is filled; and a stroke may end in another event of the mouse
        QTimer.singleShot(0, self.take_painting)

    def take_painting(self) -> None:
        """Make edits of what was painted."""
        editor = self._editor
        painted = editor.layers.array.painted
        if not painted:
            return
        words, last = [], None
        try:
            for t, painted_YX in painted.items():
                for last in editor.session.paint(t, painted_YX):
                    words.append(f"{last.kind} of track {last.ids[0]}")
        except SomaNetError as error:
            editor.refresh()
            editor.say(str(error))
            return
        if last is None:
            editor.refresh()
        else:
            editor.edited(last, f"Frame {last.frame}: {', '.join(words)}")


def _pixel(layer: Labels, event: Any) -> YX:
    _, y, x = layer.world_to_data(event.position)
    return float(y), float(x)
