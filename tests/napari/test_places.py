"""Suspicious places in worlds where the only errors are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.napari.places import Contact, find_places, touching

SHAPE = (200, 300)
N = 40


def cells(n: int = 12, *, seed: int = 0) -> pd.DataFrame:
    """Cells on a grid that jitter by about a pixel, of about 200 px (diameter 16 px), all seen in every frame."""
    rng = np.random.default_rng(seed)
    rows = []
    for track in range(1, n + 1):
        y, x = 40 + 40 * ((track - 1) // 4), 60 + 60 * ((track - 1) % 4)
        for frame in range(N):
            dy, dx = rng.normal(0, 1, 2)
            rows.append((track, frame, y + dy, x + dx, 200 + rng.normal(0, 4), 0.95, 0))
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px", "area_px", "confidence", "drawn"])


def found(table: pd.DataFrame, **contacts: object) -> list[tuple[int, int, str]]:
    places = find_places(table, n_frames=N, shape_YX=SHAPE, **contacts)  # type: ignore[arg-type]
    assert [place.score for place in places] == sorted((place.score for place in places), reverse=True)
    return [(place.frame, place.track, place.reasons[0]) for place in places]


def at(table: pd.DataFrame, track: int, frame: int) -> int:
    return int(table.index[(table["track_id"] == track) & (table["frame"] == frame)][0])


def test_a_quiet_movie_has_no_suspicious_places() -> None:
    assert found(cells()) == []
    assert found(cells().iloc[:0]) == []


def test_two_identities_that_were_swapped_jump() -> None:
    """From frame 20 on, cells 5 and 6 have each other's place, 60 px away."""
    table = cells()
    later = table["frame"] >= 20
    table.loc[later, "track_id"] = table.loc[later, "track_id"].replace({5: 6, 6: 5})
    assert sorted((frame, track) for frame, track, _ in found(table)) == [(20, 5), (20, 6)]
    assert all("a step of" in reason for *_, reason in found(table))


def test_a_track_that_breaks_off_inside_is_two_ends() -> None:
    """Cell 7 is lost from frame 15 to 29; what is found then is track 90, ten frames long."""
    table = cells()
    table = table[~((table["track_id"] == 7) & table["frame"].between(15, 29))]
    table.loc[(table["track_id"] == 7) & (table["frame"] >= 30), "track_id"] = 90
    reasons = {(frame, track): reason for frame, track, reason in found(table)}
    assert set(reasons) == {(14, 7), (30, 90)}
    assert "ends in frame 14" in reasons[14, 7]


def test_a_track_that_leaves_over_the_edge_is_no_suspect() -> None:
    table = cells()
    leaving = table["track_id"] == 1
    table.loc[leaving, "x_px"] = 60 - 2.0 * table.loc[leaving, "frame"]  # at the edge in frame 26
    table = table[~(leaving & (table["frame"] > 26))]
    assert found(table) == []


def test_a_soma_that_swallows_its_neighbour_in_one_frame() -> None:
    """Its area doubles, then halves: one place, as both are within three frames."""
    table = cells()
    table.loc[at(table, 3, 10), "area_px"] = 400.0
    [(frame, track, reason)] = found(table)
    assert (frame in (10, 11), track) == (True, 3)
    assert "its area is" in reason
    table.loc[at(table, 3, 10), "drawn"] = 1  # a person drew it so
    assert found(table) == []


def test_an_unsure_network_and_a_person_who_is_sure() -> None:
    table = cells()
    table.loc[at(table, 2, 5), "confidence"] = 0.3
    table.loc[at(table, 4, 6), "confidence"] = 0.6
    assert [(frame, track) for frame, track, _ in found(table)] == [(5, 2), (6, 4)]
    table.loc[at(table, 2, 5), "drawn"] = 1
    assert [(frame, track) for frame, track, _ in found(table)] == [(6, 4)]
    table["confidence"] = np.nan  # tracks of another program
    assert found(table) == []


def test_somas_that_meet_are_one_place_where_they_touch_most() -> None:
    contacts = {t: [Contact(1, 2, length)] for t, length in ((7, 3), (8, 9), (9, 4), (30, 5))}
    assert found(cells(), contacts=contacts) == [
        (8, 1, "tracks 1 and 2 touch in frames 7 to 9"),
        (30, 1, "tracks 1 and 2 touch in frame 30"),
    ]


def test_signs_of_one_place_add_up() -> None:
    table = cells()
    table.loc[at(table, 2, 5), "confidence"] = 0.35
    [alone] = find_places(table, n_frames=N, shape_YX=SHAPE)
    [both] = find_places(table, n_frames=N, shape_YX=SHAPE, contacts={5: [Contact(2, 3, 16)]})
    assert alone.score == pytest.approx(0.5)
    assert both.score == pytest.approx(1 - 0.5 * 0.6)
    assert len(both.reasons) == 2


# Touching


def labels(gap: int) -> np.ndarray:
    """Two bars of 5 × 4 px side by side, and a third far away."""
    found = np.zeros((20, 40), np.int32)
    found[3:8, 2:6] = 1
    found[3:8, 6 + gap : 10 + gap] = 2
    found[14:18, 30:34] = 3
    return found


CENTRES = [(5.0, 3.5), (5.0, 8.0), (15.5, 31.5)]


@pytest.mark.parametrize(("gap", "length"), [(0, 10), (1, 5)])
def test_somas_touch_with_at_most_a_pixel_between_them(gap: int, length: int) -> None:
    """Five rows: without a gap each has a pair at distance 1 and, between next-but-one columns, two at distance 2."""
    [contact] = touching(lambda: labels(gap), CENTRES, 20.0)
    assert (contact.one, contact.other) == (1, 2)
    assert contact.length_px >= length


def test_a_wider_gap_is_no_contact() -> None:
    assert touching(lambda: labels(2), CENTRES, 20.0) == []


def test_frames_without_near_somas_are_not_read() -> None:
    def read() -> np.ndarray:
        raise AssertionError("it was read")

    assert touching(read, CENTRES, 3.0) == []
    assert touching(read, CENTRES[:1], 50.0) == []
    assert touching(read, [], 50.0) == []
