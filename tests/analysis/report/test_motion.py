"""How the cells move, on the page: motion leads where saltations are not supported, and they are marked."""

from __future__ import annotations

import re

from somanet.analysis.report.definitions import HEADLINES
from somanet.analysis.report.motion import motion_cards, motion_section
from somanet.analysis.report.sections import headline
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.summary import rests_on_saltations
from tests.migration.test_motion_modes import movie
from tests.migration.worlds import along_x


def measured(kinds: str) -> Measures:
    return measure_movie(movie(kinds, seed=21), drift="none")


def labels(html: str) -> list[str]:
    return re.findall(r'class="tip"[^>]*>([^<]+)<', html)


def test_walks_are_described_by_their_motion_and_saltations_are_marked() -> None:
    walks = measured("w" * 12)
    head = headline(walks)
    assert labels(head)[:3] == [f"{state}, share of steps of 10 min" for state in ("At rest", "Creeping", "Running")]
    assert head.count("not supported") == sum(rests_on_saltations(item.name) for item in HEADLINES) == 6
    section = motion_section(walks)
    assert "not supported" in section
    assert section.count("<svg") == 2
    assert "0 saltatory, 12 continuous" in section or "continuous" in section


def test_saltating_cells_keep_their_headline() -> None:
    saltating = measured("s" * 12)
    assert saltating.support.saltations
    assert labels(headline(saltating))[0] == "Saltation frequency, corrected"
    assert "not supported" not in headline(saltating)
    assert "are supported" in motion_section(saltating)


def test_a_movie_without_steps_has_no_such_section() -> None:
    empty = measure_movie(along_x([1.0]))
    assert motion_section(empty) == ""
    assert motion_cards(empty) == ""
