"""Linking against LapTrack with the cost of one pair at a time: the same tracks and totals, without work for each."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.calibration import Calibration
from somanet.tracking import linking
from somanet.tracking.detections import DETECTION_COLUMNS
from somanet.tracking.linking import link_cells
from tests.tracking.reference_linking import pair_cost, reference_identities, reference_links

WEIGHTS = (0.3, 0.2, 0.2)
EVEN = Calibration(1.28, 10.0)


def somas(frames: list[int], y: Any, x: Any, radius: Any, intensity: Any) -> pd.DataFrame:
    """A table of round somas, as ``detect_cells`` gives it; labels count the somas of a frame."""
    table = pd.DataFrame({"frame": frames, "y_px": y, "x_px": x, "mean_intensity": intensity}).astype(float)
    radius = np.asarray(radius, float)
    table = table.assign(
        label=table.groupby("frame").cumcount() + 1,
        area_px=np.pi * radius**2,
        major_axis_px=2 * radius,
        minor_axis_px=2 * radius,
        top_px=np.floor(table["y_px"] - radius),
        left_px=np.floor(table["x_px"] - radius),
        bottom_px=np.ceil(table["y_px"] + radius),
        right_px=np.ceil(table["x_px"] + radius),
        frame=table["frame"].astype(int),
    )
    rest = [name for name in DETECTION_COLUMNS if name not in table]
    return table.assign(**dict.fromkeys(rest, 0.0))[list(DETECTION_COLUMNS)]


def wanderers(seed: int, *, n_cells: int, n_frames: int, side_px: float) -> pd.DataFrame:
    """Cells that walk at random, are missed now and then, come and go; some of unknown intensity."""
    rng = np.random.default_rng(seed)
    walk = rng.uniform(0, side_px, (1, n_cells, 2)) + rng.normal(0, 4, (n_frames, n_cells, 2)).cumsum(axis=0)
    seen = rng.random((n_frames, n_cells)) < 0.85
    seen[rng.integers(0, n_frames), :] = False
    t, cell = np.nonzero(seen)
    intensity = np.where(rng.random(len(t)) < 0.1, 0.0, rng.uniform(100, 300, n_cells)[cell])
    return somas(t.tolist(), *walk[t, cell].T, rng.uniform(4, 8, len(t)), intensity)


def cases() -> dict[str, tuple[pd.DataFrame, Calibration, int, tuple[int, ...]]]:
    uneven = Calibration(0.9, 10.0, tuple((np.arange(12) / 6 + (np.arange(12) > 5) * 0.7).tolist()))
    crowd = wanderers(3, n_cells=60, n_frames=9, side_px=160)
    return {
        "few cells": (wanderers(1, n_cells=6, n_frames=12, side_px=120), EVEN, 3, ()),
        "no gaps": (wanderers(2, n_cells=25, n_frames=8, side_px=200), EVEN, 0, ()),
        "a crowd": (crowd, EVEN, 2, ()),
        "blank frames": (crowd[~crowd["frame"].isin([3, 4, 5])].reset_index(drop=True), EVEN, 1, (3, 4, 5)),
        "blank frames, and one without somas": (
            crowd[~crowd["frame"].isin([3, 4])].reset_index(drop=True),
            EVEN,
            1,
            (3, 4),
        ),
        "a pause": (wanderers(4, n_cells=20, n_frames=12, side_px=150), uneven, 2, ()),
        "gaps as long as the movie": (wanderers(5, n_cells=12, n_frames=10, side_px=110), EVEN, 40, ()),
    }


@pytest.mark.parametrize("case", cases())
def test_the_tracks_are_those_of_laptrack(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs are random numbers, so that one choice is the cheapest; also where frames are linked a few at a time."""
    detections, scale, gap, blank = cases()[case]
    links = reference_links(detections, scale, max_step_um=14, max_gap_frames=gap, weights=WEIGHTS, blank_frames=blank)
    tracks = link_cells(detections, scale, max_step_um=14, max_gap_frames=gap, blank_frames=blank)
    found = tracks.sort_values(["frame", "label"])["track_id"].to_numpy()
    np.testing.assert_array_equal(found, reference_identities(len(detections), links))
    assert 1 < tracks["track_id"].nunique() < len(tracks) / 2
    monkeypatch.setattr(linking, "BLOCK_SOMAS", 40)
    few_at_a_time = link_cells(detections, scale, max_step_um=14, max_gap_frames=gap, blank_frames=blank)
    pd.testing.assert_frame_equal(few_at_a_time, tracks)


@st.composite
def lattices(draw: st.DrawFn) -> pd.DataFrame:
    """Three frames of equal somas at some of 5 by 4 places 10 px apart: many links cost the same."""
    places = st.lists(st.integers(0, 19), unique=True, min_size=1, max_size=9).map(sorted)
    at = [(t, place) for t in range(3) for place in draw(places)]
    y, x = np.divmod([place for _, place in at], 4)
    return somas([t for t, _ in at], 10.0 * y, 10.0 * x, np.full(len(at), 4.0), np.full(len(at), 100.0))


@settings(max_examples=25, deadline=None)
@given(detections=lattices(), max_step_px=st.sampled_from([11.0, 15.0, 21.0, 33.0]))
def test_where_links_cost_the_same_the_total_does(detections: pd.DataFrame, max_step_px: float) -> None:
    step_um = max_step_px * EVEN.pixel_size_um
    options = {"max_step_um": step_um, "max_gap_frames": 0}
    tracks = link_cells(detections, EVEN, **options)  # type: ignore[arg-type]
    ids = tracks.sort_values(["frame", "label"])["track_id"].tolist()
    rows = pd.Series(range(len(ids))).groupby(ids)
    found = [pair for _, track in rows for pair in itertools.pairwise(track)]
    expected = reference_links(detections, EVEN, weights=WEIGHTS, **options)  # type: ignore[arg-type]
    cost = pair_cost(detections, EVEN, step_um, WEIGHTS)
    assert len(found) == len(expected)
    assert sum(cost(a, b) for a, b in found) == pytest.approx(sum(cost(a, b) for a, b in expected), abs=1e-5)


def calls_of(detections: pd.DataFrame) -> int:
    """Number of Python functions that linking calls."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        link_cells(detections, EVEN, max_step_um=14, max_gap_frames=2)
    finally:
        sys.setprofile(before)
    return calls


def test_no_python_for_each_soma_or_pair() -> None:
    """Sixteen times the somas, and 256 times the pairs of them: hardly more calls."""
    few, many = (wanderers(6, n_cells=n, n_frames=6, side_px=40 * n**0.5) for n in (20, 320))
    calls_of(few)  # imports
    assert calls_of(many) < 1.5 * calls_of(few)
