"""The list of suspicious places: what is looked at outlives edits, and what was dismissed stays away."""

from __future__ import annotations

import pytest

from somanet.core.errors import SomaNetError
from somanet.napari.place_list import PlaceList
from somanet.napari.places import Place


def place(frame: int, *reasons: str) -> Place:
    return Place(frame, frame + 10, 1.0, 2.0, 1 / (1 + frame), reasons or ("jump",))


A, B, C, D = (place(frame) for frame in range(4))


@pytest.fixture
def four() -> PlaceList:
    found = PlaceList()
    found.update([A, B, C, D])
    return found


def test_places_are_gone_through_in_a_circle(four: PlaceList) -> None:
    assert [four.go_on() for _ in range(5)] == [A, B, C, D, A]
    assert (four.number, four.go_back(), four.number) == (1, D, 4)


def test_after_a_place_was_mended_the_one_that_follows_it_comes_next(four: PlaceList) -> None:
    four.go_to(1)
    four.update([A, C, D])
    assert four.current is None
    assert four.go_on() == C
    four.update([A, D])
    assert four.go_back() == A


def test_a_place_that_moved_in_the_list_stays_the_current_one(four: PlaceList) -> None:
    four.go_to(2)
    changed = place(2, "jump", "touches")
    four.update([changed, A, B, D])
    assert (four.current, four.go_on()) == (changed, A)


def test_a_dismissed_place_stays_away_until_it_is_suspicious_for_another_reason(four: PlaceList) -> None:
    four.go_to(1)
    four.dismiss()
    assert four.places == [A, C, D]
    assert four.go_on() == C
    four.update([A, B, C, D])
    assert four.places == [A, C, D]
    again = place(1, "ends")
    four.update([A, again, C, D])
    assert four.places == [A, again, C, D]


def test_nothing_to_look_at_is_said(four: PlaceList) -> None:
    with pytest.raises(SomaNetError, match="Go to a suspicious place first"):
        four.dismiss()
    with pytest.raises(SomaNetError, match="no suspicious places"):
        PlaceList().go_on()
