"""The axes of the cohort's figures."""

from __future__ import annotations

import pytest

from somanet.analysis.cohort.figures import BEYOND, _arrows, _limit, cell_column
from somanet.core.plots import blank
from tests.analysis.worlds import tracks


@pytest.mark.parametrize(
    ("points", "least", "most"),
    [([1.0, 3.0], -0.5, 5.0), ([-2.0, 1.0], -3.5, 2.0), ([-3.0, -1.0], -5.0, 0.5)],
)
def test_the_axis_shows_every_point_and_0_but_no_endless_interval(
    points: list[float], least: float, most: float
) -> None:
    """An interval from -100 to 100; the axis ends near 1.6 times the points."""
    ax = blank(3, 3).subplots()
    ax.vlines(0, -100, 100)
    _limit(ax, points)
    low, high = ax.get_ylim()
    assert least <= low <= min(0, *points)
    assert max(0, *points) <= high <= most


def test_an_interval_that_goes_on_beyond_the_axis_has_an_arrow_head_there() -> None:
    """From 1 to 100 at 0: up; from -100 to 100 at 1: both ways; from 1 to 2 at 2: none; a bar across: none."""
    ax = blank(3, 3).subplots()
    for place, (low, high) in enumerate([(1, 100), (-100, 100), (1, 2)]):
        ax.vlines(place, low, high, color="#d55e00")
    ax.hlines(300, 0, 1)
    _limit(ax, [1.0, 2.0])
    ends = ax.get_ylim()
    _arrows(ax)
    heads = [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_marker())
        for line in ax.lines
        if line.get_gid() == BEYOND
    ]
    assert heads == [(0.0, ends[1], "^"), (1.0, ends[0], "v"), (1.0, ends[1], "^")]
    assert ax.get_ylim() == ends


def test_cells_without_a_corrected_number_show_their_own() -> None:
    table = tracks(1, seed=0, jumps=2).assign(mean_length_um=1.0, frequency_corrected_per_h=1.0)
    assert cell_column(table, "mean_length_corrected_um") == ("mean_length_um", " (uncorrected)")
    assert cell_column(table, "frequency_corrected_per_h") == ("frequency_corrected_per_h", "")
    assert cell_column(table, "another") == ("", " (not shown)")
