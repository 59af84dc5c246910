"""The list of suspicious places as a person works through it."""

from __future__ import annotations

from collections.abc import Iterable

from somanet.core.errors import SomaNetError
from somanet.napari.places import Place


class PlaceList:
    """Suspicious places, and the one that is looked at. Both outlive an edit, after which places are found anew.

    Attributes:
        places: those that were not dismissed, the most suspicious first.
        current: the one that is looked at; None before the first, and after it was mended.
    """

    def __init__(self) -> None:
        """An empty list."""
        self.places: list[Place] = []
        self.current: Place | None = None
        self._next = 0
        self._dismissed: set[tuple[int, int, tuple[str, ...]]] = set()

    def update(self, found: Iterable[Place]) -> None:
        """Take the places that there are now. The current one stays so if it is still among them."""
        self.places = [place for place in found if _identity(place) not in self._dismissed]
        if self.current is None:
            return
        numbers = {(place.frame, place.track): number for number, place in enumerate(self.places)}
        number = numbers.get((self.current.frame, self.current.track))
        if number is not None:
            self._next, self.current = number + 1, self.places[number]
        else:  # it was mended: the next one has its number
            self._next, self.current = max(0, self._next - 1), None

    def go_to(self, number: int) -> Place:
        """Make a place the current one; after the last comes the first.

        Raises:
            SomaNetError: there is none.
        """
        if not self.places:
            raise SomaNetError("There are no suspicious places.")
        number %= len(self.places)
        self._next, self.current = number + 1, self.places[number]
        return self.current

    def go_on(self) -> Place:
        """Go to the next place."""
        return self.go_to(self._next)

    def go_back(self) -> Place:
        """Go to the previous place."""
        return self.go_to(self._next - (1 if self.current is None else 2))

    def dismiss(self) -> None:
        """Leave the current place out of the list, whatever is edited elsewhere.

        Raises:
            SomaNetError: there is none.
        """
        if self.current is None:
            raise SomaNetError("Go to a suspicious place first.")
        self._dismissed.add(_identity(self.current))
        self.update(self.places)

    @property
    def number(self) -> int:
        """Number of the current place, or of the one that was current last, from 1."""
        return self._next


def _identity(place: Place) -> tuple[int, int, tuple[str, ...]]:
    return place.frame, place.track, place.reasons
