"""Cells, paths and saltations as the page's script reads them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from somanet.analysis.report.cell_data import cells_data, short
from somanet.analysis.report.plot_data import plots_data
from somanet.core.errors import SomaNetError
from somanet.migration.intervals import Estimate
from somanet.migration.measures import measure_movie
from somanet.migration.tables import CELL_NUMBERS
from tests.analysis.report import worlds


@pytest.mark.parametrize(("value", "kept"), [(1.23456789, 1.2346), (120.0, 120), (math.nan, None), (math.inf, None)])
def test_numbers_are_kept_short(value: float, kept: float | None) -> None:
    assert short(value) == kept


def test_paths_add_up_to_the_tracks() -> None:
    table = worlds.tracks()
    # a gap in the jumping cell's rest: frames 20 and 21 are missing
    table = table[~((table["track_id"] == worlds.JUMPING) & table["frame"].isin([20, 21]))]
    data = cells_data(table, measure_movie(table, sigma_um=0.5).migration)
    for (_, rows), path in zip(table.groupby("track_id"), data["paths"], strict=True):
        frames = [t for first, count in path["runs"] for t in range(first, first + count)]
        assert frames == rows["frame"].tolist()
        assert np.allclose(np.cumsum(path["y"]) / 10, rows["y_px"])
        assert np.allclose(np.cumsum(path["x"]) / 10, rows["x_px"])
        assert len(path["v"]) == len(rows) - 1
    jumping = data["paths"][1]
    assert jumping["runs"] == [[0, 20], [22, 8]]
    assert jumping["v"].index(None) == 19
    assert jumping["v"][8:11] == [960, 960, 960]  # tenths of µm/h


def test_the_jump_is_where_it_was_drawn() -> None:
    """Cell 2, the second of the table: frames 8 to 11, 48 µm at 96 µm/h to the right."""
    data = cells_data(worlds.tracks(), worlds.report().measures.migration)
    assert data["saltations"] == [[1, 8, 11, 48, 96, 0, ""]]
    assert data["numbers"]["track_id"] == [worlds.RESTING, worlds.JUMPING, worlds.BRIEF]
    assert data["numbers"]["long_enough"] == [1, 1, 0]
    assert set(data["numbers"]) == {*CELL_NUMBERS.names, "n_found"}


def test_the_drift_that_was_taken_off_is_told() -> None:
    """Six resting cells on a stage that moves 1 µm down per frame: the shift at frame t is (t, 0) µm."""
    one = worlds.tracks().query("track_id == 1")
    many = [one.assign(track_id=i, y_um=one["y_um"] + one["frame"], x_um=one["x_um"] + 9 * i) for i in range(1, 7)]
    table = many[0].iloc[:0]
    for part in many:
        table = part if table.empty else table.merge(part, how="outer")
    data = cells_data(table, measure_movie(table, sigma_um=0.5, drift="cells").migration)
    assert np.allclose(data["shifts"], [[t, t, 0] for t in range(worlds.N_FRAMES)])
    still = cells_data(table, measure_movie(table, sigma_um=0.5).migration)
    assert np.allclose(np.array(still["shifts"])[:, 1:], 0)


def test_measures_of_other_tracks_are_refused() -> None:
    table = worlds.tracks()
    with pytest.raises(SomaNetError, match="do not belong to the report's tracks"):
        cells_data(table[table["track_id"] != worlds.BRIEF], worlds.report().measures.migration)


def test_the_figure_of_directions_shows_the_numbers_of_the_table() -> None:
    """One cell has a direction, which is no estimate: neither its mean nor its R is printed, and no mean is drawn."""
    measures = worlds.report().measures
    shown = plots_data(measures)["directions"]
    assert measures.direction.n == 1
    assert not shown["mean_known"]
    for name, (value, why) in shown["numbers"].items():
        assert value == "–"
        assert why == f"not estimated: {measures.summary.numbers[name].problem}"
    known = {"mean_direction_deg": Estimate(12.3, -8.0, 32.6), "resultant": Estimate(0.76, 0.4, 0.9)}
    summary = replace(measures.summary, numbers={**measures.summary.numbers, **known}, random_directions_p=0.002)
    shown = plots_data(replace(measures, summary=summary))["directions"]
    assert shown["mean_known"]
    assert shown["numbers"]["resultant"] == ("0.760", "0.400 to 0.900")
    assert shown["random_p"] == 0.002


def test_plots_of_the_world_and_of_nothing_are_json() -> None:
    plots = plots_data(worlds.report().measures)
    assert plots["distributions"]["length_um"] == [48]
    assert plots["directions"]["saltations"]["angles_deg"] == [0]
    empty = plots_data(worlds.empty_report().measures)
    assert empty["msd"] is None
    assert empty["autocorrelation"] is None
    assert empty["directions"]["cells"]["resultant"] is None
    for data in (plots, empty):
        json.dumps(data, allow_nan=False)
