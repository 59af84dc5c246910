"""One call measures a movie: the parts agree with what they are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.migration.cells import migration_of
from somanet.migration.measures import measure_movie
from somanet.migration.summary import summarize
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


def test_every_warning_is_said_once() -> None:
    warnings = measure_movie(tracks(n_cells=2)).warnings
    assert len(warnings) == len(set(warnings)) > 1
