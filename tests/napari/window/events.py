"""A person at napari: keys and mouse as Qt delivers them, in pixels of the movie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from somanet.napari.window.panel import SomaNetPanel

MODIFIERS = {
    "": Qt.KeyboardModifier.NoModifier,
    "Shift": Qt.KeyboardModifier.ShiftModifier,
    "Control": Qt.KeyboardModifier.ControlModifier,
    "Control-Shift": Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
}
NAMED = {".": Qt.Key.Key_Period, ",": Qt.Key.Key_Comma, "Escape": Qt.Key.Key_Escape, "[": Qt.Key.Key_BracketLeft}


class Person:
    """Someone who presses keys and moves the mouse over a panel's viewer."""

    def __init__(self, panel: SomaNetPanel) -> None:
        self.panel = panel
        self.window = panel.viewer.window._qt_viewer
        self.canvas = self.window.canvas.native

    @property
    def editor(self) -> Any:
        assert self.panel.editor is not None
        return self.panel.editor

    def wait(self, seconds: float = 0.05) -> None:
        end = time.monotonic() + seconds
        while True:
            QApplication.processEvents()
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 300.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"nothing happened within {seconds:g} s; the panel says: {self.panel.told}"
            self.wait()

    def press(self, key: str) -> None:
        """A key such as `D`, `Shift-D` or `Control-Z`, of KEYS."""
        held, _, name = key.rpartition("-") if len(key) > 1 else ("", "", key)
        code = NAMED.get(name) or getattr(Qt.Key, f"Key_{name.upper()}")
        QTest.keyClick(self.window, code, MODIFIERS[held])
        self.wait()

    def click(self, y: float, x: float, *, held: str = "") -> None:
        at = self._place(y, x)
        self._move(at, Qt.MouseButton.NoButton)
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, MODIFIERS[held], at)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, MODIFIERS[held], at)
        self.wait()

    def drag(self, *places: tuple[float, float]) -> None:
        """Press at the first place, move over the others, release at the last."""
        first, *rest = [self._place(*place) for place in places]
        self._move(first, Qt.MouseButton.NoButton)
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, MODIFIERS[""], first)
        for at in rest:
            self._move(at, Qt.MouseButton.LeftButton)
            self.wait(0.02)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, MODIFIERS[""], (rest or [first])[-1])
        self.wait()

    def show(self, t: int) -> None:
        self.panel.viewer.dims.set_current_step(0, t)
        self.wait()

    def labels(self, t: int) -> np.ndarray:
        """What napari shows as labels of a frame."""
        return np.asarray(self.editor.layers.labels.data[t])

    def _move(self, at: QPoint, buttons: Any) -> None:
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent

        place = QPointF(at)
        everywhere = QPointF(self.canvas.mapToGlobal(at))
        event = QMouseEvent(QEvent.Type.MouseMove, place, everywhere, Qt.MouseButton.NoButton, buttons, MODIFIERS[""])
        QApplication.sendEvent(self.canvas, event)

    def _place(self, y: float, x: float) -> QPoint:
        """Where a pixel of the movie is on the canvas."""
        viewer, scale = self.panel.viewer, self.editor.layers.image.scale
        centre, zoom = viewer.camera.center[-2:], viewer.camera.zoom
        rows = self.canvas.height() / 2 + (y * scale[-2] - centre[0]) * zoom
        columns = self.canvas.width() / 2 + (x * scale[-1] - centre[1]) * zoom
        return QPoint(round(columns), round(rows))


def rows(frames: np.ndarray) -> Iterator[tuple[int, int]]:
    """(track, frame) of each soma in labels TYX."""
    for t, labels_YX in enumerate(frames):
        yield from ((int(label), t) for label in np.unique(labels_YX) if label)
