"""The groups of fields and buttons that the panel is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtWidgets import QFormLayout, QGridLayout, QGroupBox, QListWidget, QPushButton, QVBoxLayout

from somanet.core.calibration import FileCalibration
from somanet.napari.keys import KEYS
from somanet.napari.place_list import PlaceList
from somanet.napari.window.widgets import button, number_box

MASK_KEYS = ("new_soma", "paint_new", "merge", "split", "delete")
TRACK_KEYS = ("join", "cut", "swap", "delete_track", "not_a_soma")
UNDO_KEYS = ("undo", "redo")
PLACE_KEYS = ("next_place", "previous_place", "dismiss_place")
SHOWN_PLACES = 200
_SHORT = {
    "next_place": "Next", "previous_place": "Previous", "dismiss_place": "Is right", "new_soma": "New by click",
    "paint_new": "Paint new", "split": "Split by line", "delete": "Delete here", "cut": "Cut here",
    "swap": "Swap from here",
}  # fmt: skip
"""Words of a button where they are not the action's name."""


def two_columns(buttons: Sequence[QPushButton]) -> QGridLayout:
    """Buttons in rows of two."""
    grid = QGridLayout()
    for i, one in enumerate(buttons):
        grid.addWidget(one, i // 2, i % 2)
    return grid


def key_buttons(names: Sequence[str], run: Callable[[str], None]) -> QGridLayout:
    """A button for each action, which names its key.

    Args:
        names: of :data:`somanet.napari.keys.KEYS`.
        run: does the action of a name.
    """
    made = []
    for name in names:
        key, words = KEYS[name]
        label = f"{_SHORT.get(name, name.replace('_', ' ').capitalize())}  [{key.replace('Control', 'Ctrl')}]"
        made.append(button(label, lambda one=name: run(one), words))
    return two_columns(made)


class ButtonBox(QGroupBox):
    """Buttons under a title."""

    def __init__(self, title: str, buttons: QGridLayout) -> None:
        """Put the buttons in."""
        super().__init__(title)
        self.setLayout(buttons)


class AnalysisBox(QGroupBox):
    """The scale of a movie without results, and the button that analyses it."""

    def __init__(self, analyse: Callable[[], None]) -> None:
        """Make the fields."""
        super().__init__("Analyse")
        form = QFormLayout(self)
        self.pixel = number_box("µm", 0.0, 20.0, 4)
        self.interval = number_box("min", 0.0, 240.0, 3)
        form.addRow("pixel size", self.pixel)
        form.addRow("frame interval", self.interval)
        self.start = button("Analyse this movie", analyse, "find and track the somas, measure migration")
        form.addRow(self.start)

    def show_scale(self, scale: FileCalibration) -> None:
        """Fill in what is known."""
        self.pixel.setValue(scale.pixel_size_um or 0.0)
        self.interval.setValue(scale.frame_interval_min or 0.0)

    @property
    def scale(self) -> tuple[float | None, float | None]:
        """µm of a pixel and minutes between frames; None where the person left them out."""
        return self.pixel.value() or None, self.interval.value() or None


class PlacesBox(QGroupBox):
    """The list of suspicious places."""

    def __init__(self, run: Callable[[str], None], go_to: Callable[[int], None]) -> None:
        """Make the list.

        Args:
            run: does the action of a name.
            go_to: shows the place of a number.
        """
        super().__init__("Suspicious places")
        column = QVBoxLayout(self)
        self._list = QListWidget()
        self._list.setMaximumHeight(140)
        self._list.itemActivated.connect(lambda item: go_to(self._list.row(item)))
        self._list.itemClicked.connect(lambda item: go_to(self._list.row(item)))
        column.addWidget(self._list)
        column.addLayout(key_buttons(PLACE_KEYS, run))

    def show_places(self, suspicious: PlaceList) -> None:
        """Show the first places and which is looked at."""
        shown, current = suspicious.places[:SHOWN_PLACES], suspicious.current
        self._list.blockSignals(True)
        self._list.clear()
        for place in shown:
            self._list.addItem(f"{place.score:.2f}  frame {place.frame}: {'; '.join(place.reasons)}")
        if current is not None and current in shown:
            self._list.setCurrentRow(shown.index(current))
        self._list.blockSignals(False)
