"""One call measures a movie: the parts agree with what they are made of."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.stages.migrate import summary_of
from somanet.core.errors import SomaNetError
from somanet.core.files import plain
from somanet.migration.cells import migration_of
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.pooling import UNITS
from somanet.migration.summary import SCALES, summarize
from somanet.migration.tables import CELL_NUMBERS, SALTATION_EVENTS
from tests.migration.worlds import drift_table


def tracks(n_cells: int = 6, n_frames: int = 40, *, seed: int = 0, jump_um: float = 20.0) -> pd.DataFrame:
    """Cells that rest with 0.3 µm of noise and jump once to the right, at different times; 10 min frames."""
    rng = np.random.default_rng(seed)
    rows = []
    for cell in range(1, n_cells + 1):
        y = 50.0 * cell + rng.normal(0, 0.3, n_frames)
        x = rng.normal(0, 0.3, n_frames) + np.where(np.arange(n_frames) > 5 + 5 * cell, jump_um, 0)
        rows += [(cell, t, t / 6, y[t], x[t], y[t], x[t]) for t in range(n_frames)]
    return pd.DataFrame(rows, columns=["track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um"])


def test_the_parts_are_those_of_the_library() -> None:
    measures = measure_movie(tracks(), seed=3)
    expected = migration_of(tracks())
    pd.testing.assert_frame_equal(measures.migration.cells, expected.cells)
    assert measures.summary.as_dict() == summarize(expected.cells, seed=3).as_dict()
    assert measures.summary.n_events == 6
    assert measures.model_summary.n_events == 6
    assert measures.walk is not None


def test_directions_are_counted_from_the_axis() -> None:
    """Every cell goes to the right: 0° from +x, −90° from +y, which is a quarter turn away."""
    right, down = (measure_movie(tracks(), axis_deg=axis) for axis in (0.0, 90.0))
    assert right.direction.mean_deg == pytest.approx(0, abs=3)
    assert down.direction.mean_deg == pytest.approx(-90, abs=3)
    assert right.saltation_direction.n == 6
    assert right.direction.resultant > 0.99


def test_headings_in_tables_are_those_in_the_image_whatever_the_axis() -> None:
    """Cells and saltations have the same heading with any axis, and their tables' columns say so."""
    right, down = (measure_movie(tracks(), axis_deg=axis, resamples=20).migration for axis in (0.0, 90.0))
    for schema, of_right, of_down in (
        (CELL_NUMBERS, right.cells, down.cells),
        (SALTATION_EVENTS, right.saltations.events, down.saltations.events),
    ):
        np.testing.assert_array_equal(of_right["direction_deg"], of_down["direction_deg"])
        [said] = [column.meaning for column in schema.columns if column.name == "direction_deg"]
        assert "in the image, whatever the axis: 0 = right, 90 = down" in said
    assert down.cells["axis_deg"].eq(90).all()


def test_the_noise_can_be_given() -> None:
    measures = measure_movie(tracks(), sigma_um=2.0)
    assert measures.migration.noise.sigma_um == 2.0
    with pytest.raises(SomaNetError, match="positive"):
        measure_movie(tracks(), sigma_um=-1)


def test_only_what_the_images_show_is_subtracted() -> None:
    """A stage that moves 2 µm right per frame carries every cell 78 µm in 39 steps."""
    still = tracks()
    moving = still.assign(x_um=still["x_um"] + 2.0 * still["frame"])
    stage = drift_table(np.arange(40)[:, None] * [0.0, 2.0])
    expected, seen, removed, kept = (
        measure_movie(table, stage=shift, drift=drift).migration
        for table, shift, drift in (
            (still, None, "image"), (moving, None, "image"), (moving, stage, "image"), (moving, stage, "none"),
        )
    )  # fmt: skip
    pd.testing.assert_frame_equal(removed.cells, expected.cells, rtol=1e-6)
    assert (removed.drift.source, seen.drift.source, kept.drift.source) == ("image", "none", "none")
    assert removed.drift.farthest_um == pytest.approx(78)
    pd.testing.assert_frame_equal(kept.cells, seen.cells)
    assert seen.cells["net_um"].mean() - expected.cells["net_um"].mean() == pytest.approx(2.0 * 39, abs=3)


@pytest.mark.parametrize("n_frames", [0, 1, 2])
def test_movies_without_steps_have_undefined_numbers(n_frames: int) -> None:
    table = tracks(n_frames=max(n_frames, 1)).iloc[: 6 * n_frames]
    measures = measure_movie(table)
    assert np.isnan(measures.summary.numbers["frequency_per_h"].value)
    assert measures.autocorrelation is None
    assert any("No cell is seen long enough" in warning for warning in measures.warnings)


def drawn(kind: str) -> pd.DataFrame:
    """Ten cells, two days' worth of trouble each."""
    rng, n_frames = np.random.default_rng(7), 60
    t = np.arange(n_frames)
    steps = {
        "all immobile": lambda: rng.normal(0, 0.3, n_frames),
        "all mobile": lambda: 8.0 * t + rng.normal(0, 0.3, n_frames),
        "zero noise": lambda: np.where(t > rng.integers(10, 50), 20.0, 0.0),
        "identical frames": lambda: np.zeros(n_frames),
        "one jumps": lambda: np.where((t > 30) & (t > rng.integers(0, 90)), 25.0, 0.0) + rng.normal(0, 0.3, n_frames),
        "no pauses": lambda: np.cumsum(rng.uniform(6, 9, n_frames)),
        "noise beyond jumps": lambda: rng.normal(0, 6.0, n_frames),
        "unequal times": lambda: np.where(t > rng.integers(10, 50), 20.0, 0.0) + rng.normal(0, 0.3, n_frames),
    }[kind]
    times = np.cumsum(np.where(t < 30, 1, 2)) / 12 if kind == "unequal times" else t / 6
    rows = []
    for cell in range(1, 11):
        x = steps()
        y = rng.normal(0, 0.3, n_frames) if kind not in ("zero noise", "identical frames") else np.zeros(n_frames)
        rows += [(cell, i, times[i], y[i], x[i], y[i], x[i]) for i in t]
    return pd.DataFrame(rows, columns=["track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um"])


KINDS = (
    "all immobile", "all mobile", "zero noise", "identical frames", "one jumps", "no pauses", "noise beyond jumps",
    "unequal times",
)  # fmt: skip


@cache
def measured(kind: str, n_cells: int = 10) -> Measures:
    """The movie of that kind, or its first cells."""
    table = drawn(kind)
    return measure_movie(table[table["track_id"] <= n_cells], drift="none")


METADATA = {"movie": "a.tif", "n_frames": 60, "pixel_size_um": 1.0, "frame_interval_min": 10.0}


def without_interval(value: object, where: str = "") -> list[str]:
    """Places of numbers with neither an interval of two ends around them nor a reason."""
    if isinstance(value, list):
        return [bad for i, item in enumerate(value) for bad in without_interval(item, f"{where}[{i}]")]
    if not isinstance(value, dict):
        return []
    if "value" not in value:
        return [bad for name, item in value.items() for bad in without_interval(item, f"{where}.{name}")]
    interval, number = value["interval95"], value["value"]
    if interval is None:
        return [] if value["not_estimated"].strip() else [where]
    good = None not in (*interval, number) and interval[0] <= number <= interval[1] and "not_estimated" not in value
    return [] if good else [where]


@pytest.mark.parametrize(("kind", "n_cells"), [*((kind, 10) for kind in KINDS), ("one jumps", 2), ("all mobile", 1)])
def test_every_number_has_an_interval_or_a_reason(kind: str, n_cells: int) -> None:
    """Whatever the movie is like; and no number without either is in the file besides settings, counts and p-values."""
    summary = plain(summary_of(measured(kind, n_cells), METADATA))
    assert without_interval(summary) == []
    assert len(summary["numbers"]) == len(summary["model"]) == len(UNITS)
    bare = {name for name, value in summary.items() if isinstance(value, float)}
    assert bare <= {
        "pixel_size_um", "frame_interval_min", "localisation_noise_um", "mobile_threshold_um_per_h",
        "least_saltation_um", "axis_deg", "random_directions_p", "drift_removed_um",
    }  # fmt: skip


def test_the_check_for_intervals_finds_what_lacks_one() -> None:
    assert without_interval({"a": {"value": 1.0, "interval95": [0.5, 0.9]}}) == [".a"]
    assert without_interval({"a": [{"value": 1.0, "interval95": [None, None]}]}) == [".a[0]"]
    assert without_interval({"a": {"value": 1.0, "interval95": None, "not_estimated": " "}}) == [".a"]


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [
        ("all immobile", "frequency_per_h", "it is 0"),
        ("all immobile", "mean_length_um", "no saltation is seen from start to end"),
        ("all mobile", "frequency_corrected_per_h", "it is 0"),
        ("identical frames", "straightness", "no cell moves"),
        ("all immobile", "average_speed_corrected_um_per_h", "it is 0"),
        ("no pauses", "mean_length_um", "no saltation is seen from start to end"),
        ("noise beyond jumps", "average_speed_corrected_um_per_h", "noise alone"),
        ("unequal times", "frequency_corrected_per_h", "unequal times"),
        ("zero noise", "mean_turn_deg", "no cell makes two"),
    ],
)
def test_reasons_fit_the_movie(kind: str, number: str, words: str) -> None:
    assert words in measured(kind).summary.numbers[number].problem


def test_no_interval_is_useless() -> None:
    """Two cells are too few for most numbers: what is given spans a factor of 30 or 90 % of a range at most."""
    for n_cells in (2, 3, 10):
        numbers = measured("one jumps", n_cells).summary.numbers
        for name, found in numbers.items():
            if not found.problem and SCALES.get(name) == "positive":
                assert 0 < found.low <= found.value <= found.high <= 30 * found.low, name
            if not found.problem and SCALES.get(name) == "share":
                assert 0 <= found.low <= found.high <= 1, name
                assert found.high - found.low <= 0.9, name


def test_every_warning_is_said_once() -> None:
    warnings = measure_movie(tracks(n_cells=2)).warnings
    assert len(warnings) == len(set(warnings)) > 1
