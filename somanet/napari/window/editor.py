"""A movie under correction: what is selected, which places are suspicious, and what an edit changes on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.corrections import Edit
from somanet.napari.opening import Results
from somanet.napari.place_list import PlaceList
from somanet.napari.places import Contact, Place, find_places
from somanet.napari.session import Session
from somanet.napari.splitting import YX
from somanet.napari.window.layers import ResultLayers


class Editor:
    """Brings session, layers, selection and places together: after every edit all four say the same.

    Attributes:
        layers: what is seen.
        session: the corrections.
        results: the automatic results.
        selected: tracks of the selected somas, in the order of the clicks.
        line: the ends of a line that is being dragged.
        contacts: frame → the somas that touch in it, as far as they are known.
        suspicious: the places to look at.
        say: takes a line for the person.
    """

    def __init__(
        self,
        layers: ResultLayers,
        session: Session,
        results: Results,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        """Show the corrections.

        Args:
            layers: those of the movie.
            session: its corrections.
            results: what they are made on.
            say: takes a line for the person.
            changed: is called after each edit, selection or change of the list of places.
        """
        self.layers, self.session, self.results = layers, session, results
        self.say, self._changed = say, changed
        self.selected: list[int] = []
        self.line: list[YX] = []
        self.contacts: dict[int, list[Contact]] = {}
        self.suspicious = PlaceList()
        layers.viewer.dims.events.current_step.connect(self._on_frame)
        self.refresh()

    def close(self) -> None:
        """Take no notice of the viewer from here on."""
        self.layers.viewer.dims.events.current_step.disconnect(self._on_frame)

    def _on_frame(self, event: Any = None) -> None:
        self.mark()

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        return self.layers.frame

    @property
    def diameter_px(self) -> float:
        """Of the usual soma."""
        area = self.results.tracks.get("area_um2", pd.Series(dtype=float)).median()
        pixels = area / self.results.calibration.pixel_area_um2
        return float(2 * np.sqrt(pixels / np.pi)) if pixels > 0 else 16.0

    # What is shown.

    def refresh(self) -> None:
        """Show what the corrections make of the movie; what was painted and is no edit is dropped."""
        points = self.session.points
        self.layers.show(self.session.corrected, points)
        known = set(points["track_id"].tolist())
        self.selected = [track for track in self.selected if track in known]
        self.mark()
        self.find_places()

    def mark(self) -> None:
        """Show what is selected, and the line."""
        self.layers.mark(self.selected, self.line)

    def edited(self, edit: Edit, words: str, *, selected: Sequence[int] | None = None) -> None:
        """Show an edit, and say what it did.

        Args:
            edit: that was made.
            words: what it did, without a full stop.
            selected: the tracks that are selected from here on; None: the same as before.
        """
        if selected is not None:
            self.selected = list(selected)
        self.refresh()
        problem = f" NOT SAVED YET: {self.session.problem}" if self.session.unsaved else ""
        self.say(f"{words}.{problem}")

    # What is selected.

    def select(self, tracks: Sequence[int]) -> None:
        """Select somas by their tracks."""
        self.selected = list(tracks)
        if tracks:
            self.layers.labels.selected_label = tracks[0]
        self.mark()
        self._changed()

    def one(self, what: str) -> int:
        """The selected track.

        Args:
            what: what it is needed for, for the message.

        Raises:
            SomaNetError: not one is selected.
        """
        if len(self.selected) != 1:
            raise SomaNetError(f"To {what}, select one soma by a click; {len(self.selected)} are selected.")
        return self.selected[0]

    def two(self, what: str) -> tuple[int, int]:
        """The two selected tracks; see :meth:`one`."""
        if len(self.selected) != 2:
            raise SomaNetError(
                f"To {what}, select two: click a soma, then Shift-click the other (in any frame); "
                f"{len(self.selected)} are selected."
            )
        return self.selected[0], self.selected[1]

    # Places.

    def find_places(self) -> None:
        """Find the suspicious places anew."""
        n_frames, *shape_YX = self.layers.array.shape
        self.suspicious.update(
            find_places(
                self.results.points(self.session.corrected),
                n_frames=n_frames,
                shape_YX=(shape_YX[0], shape_YX[1]),
                contacts=self.contacts,
            )
        )
        self._changed()

    def take_contacts(self, contacts: dict[int, list[Contact]]) -> None:
        """Take the somas that touch, once they are known."""
        self.contacts = contacts
        self.find_places()

    def dismiss_place(self) -> None:
        """Leave the current place out of the list."""
        self.suspicious.dismiss()
        self._changed()

    def look_at(self, place: Place) -> None:
        """Show a place of the list, and select its soma."""
        self.layers.look_at(place.frame, (place.y_px, place.x_px), self.diameter_px)
        self.select([place.track])
        self.say(f"{self.suspicious.number} of {len(self.suspicious.places)}: {'; '.join(place.reasons)}")
