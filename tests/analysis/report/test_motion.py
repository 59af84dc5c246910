"""How the cells move, on the page: motion leads where saltations are not supported, and they are marked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from somanet.analysis.methods import movie_methods
from somanet.analysis.names import MANIFEST
from somanet.analysis.report.definitions import HEADLINES
from somanet.analysis.report.motion import motion_cards, motion_section
from somanet.analysis.report.sections import headline, settings_note
from somanet.analysis.stages.migrate import summary_of
from somanet.cli.analyze import _print_number, print_summary
from somanet.core.files import plain, write_json
from somanet.migration.intervals import Estimate, not_estimated
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.requirements import rests_on_saltations
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
    section = motion_section(walks, title="a")
    assert "not supported" in section
    assert section.count("<svg") == 2
    assert "0 saltatory, 12 continuous" in section or "continuous" in section


def test_saltating_cells_keep_their_headline() -> None:
    saltating = measured("s" * 12)
    assert saltating.support.saltations
    assert labels(headline(saltating))[0] == "Saltation frequency, corrected"
    assert "not supported" not in headline(saltating)
    assert "are supported" in motion_section(saltating, title="a")


def test_no_number_is_printed_without_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    _print_number("speed", not_estimated(40.2, "it rests on too few cells"), " µm/h", remark="  not supported")
    _print_number("length", Estimate(20.0, 15.0, 26.0), " µm", remark="  not supported")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == ["speed not estimated: it rests on too few cells", "length 20.0 µm [15.0, 26.0] not supported"]


@pytest.mark.parametrize(("kinds", "sigma", "words"), [("w", 0.1, "at most 0."), ("r", 0.4, "measured as 0.")])
def test_the_error_is_told_in_every_output_as_what_it_is(
    kinds: str, sigma: float, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Walks with an error of a fortieth of a step have a bound, cells at rest a number: page, JSON, methods, screen."""
    measures = measure_movie(movie(kinds * 12, seed=22, sigma=sigma), drift="none")
    noise = measures.migration.noise
    assert noise.bounded == (kinds == "w")
    assert 0.95 * sigma < noise.high_um < 0.7
    summary = plain(
        summary_of(measures, {"movie": "a", "n_frames": 70, "pixel_size_um": 1.0, "frame_interval_min": 10})
    )
    assert (summary["localisation_noise_um"] is None) == noise.bounded
    assert (summary["localisation"]["sigma_um"]["interval95"] is None) == noise.bounded
    write_json(tmp_path / MANIFEST, {"notes": [], "files": {}})
    print_summary(measures, tmp_path)
    manifest = {
        "input": {"file": "a.tif", "movie": "a", "sha256": "0", "shape_YX": [2, 3], "n_frames": 70}
        | {"pixel_size_um": 1.0, "frame_interval_min": 10.0},
        "tracks_from": "a.csv",
        "parameters": {},
        "somanet": "0",
        "code": {"versions": {"numpy": "0"}, "platform": "x"},
    }
    printed = capsys.readouterr().out
    for text in (motion_section(measures, title="a"), settings_note(measures), movie_methods(manifest, summary)):
        assert words in text
        assert ("not estimated (no cell can be shown to rest" in text) == noise.bounded
    assert ("shown to rest, so it cannot be told from slow motion; at most 0." in printed) == noise.bounded
    assert "localisation error  " in printed


def test_a_movie_without_steps_has_no_such_section() -> None:
    empty = measure_movie(along_x([1.0]))
    assert motion_section(empty, title="a") == ""
    assert motion_cards(empty) == ""
