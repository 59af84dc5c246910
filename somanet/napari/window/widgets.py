"""Widgets that the panel is made of."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QPushButton


class OnClose(QObject):
    """Does something when a window is closed."""

    def __init__(self, closed: Callable[[], None]) -> None:
        """To be installed as the window's event filter."""
        super().__init__()
        self._closed = closed

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's."""
        if event.type() == QEvent.Type.Close:
            self._closed()
        return False


def button(words: str, pressed: Callable[..., None], tip: str) -> QPushButton:
    """A button that leaves the keys to the viewer."""
    found = QPushButton(words)
    found.setToolTip(tip)
    found.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    found.clicked.connect(lambda _=None: pressed())
    return found


def wrapped_label(words: str) -> QLabel:
    """A text that may need several lines."""
    label = QLabel(words)
    label.setWordWrap(True)
    return label


def number_box(unit: str, low: float, high: float, digits: int) -> QDoubleSpinBox:
    """A field for a number with its unit; the lowest value stands for one that is not known."""
    box = QDoubleSpinBox()
    box.setDecimals(digits)
    box.setRange(low, high)
    box.setSuffix(f" {unit}")
    box.setSpecialValueText("not known")
    return box
