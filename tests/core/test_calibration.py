"""Scale: 0.5 µm pixels, 20-minute frames; never a default."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.calibration import Calibration, FileCalibration, usual_interval_h, usual_interval_min
from somanet.core.errors import SomaNetError

POSITIVE = st.floats(1e-6, 1e6)


def test_conversions_by_hand() -> None:
    """20 min are 1/3 h; a pixel of 0.5 µm covers 0.25 µm²."""
    scale = Calibration(pixel_size_um=0.5, frame_interval_min=20)
    assert scale.frame_interval_h == pytest.approx(1 / 3)
    assert scale.pixel_area_um2 == 0.25


@given(POSITIVE, POSITIVE)
def test_areas_and_hours_follow_from_the_scale(pixel: float, interval: float) -> None:
    scale = Calibration(pixel, interval)
    assert math.sqrt(scale.pixel_area_um2) == pytest.approx(pixel)
    assert scale.frame_interval_h * 60 == pytest.approx(interval)


def test_there_is_no_default() -> None:
    with pytest.raises(TypeError, match="pixel_size_um"):
        Calibration()  # type: ignore[call-arg]


@pytest.mark.parametrize("value", ["0.5", None, True, [0.5]])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(SomaNetError, match=r"Pixel size \(µm\) must be a positive number, found"):
        Calibration(value, 20)  # type: ignore[arg-type]
    with pytest.raises(SomaNetError, match=r"Frame interval \(min\) must be a positive number, found"):
        Calibration(0.5, value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, -0.5, math.nan, math.inf, -math.inf])
def test_nonsense_is_refused(value: float) -> None:
    with pytest.raises(SomaNetError, match=r"Pixel size \(µm\) must be a positive number"):
        Calibration(value, 20)
    with pytest.raises(SomaNetError, match=r"Frame interval \(min\) must be a positive number"):
        Calibration(0.5, value)
    with pytest.raises(SomaNetError, match="must be a positive number"):
        FileCalibration(0.5, 20).complete(pixel_size_um=value)


def test_what_is_given_goes_before_the_file() -> None:
    file = FileCalibration(pixel_size_um=0.5, frame_interval_min=20)
    assert file.complete() == Calibration(0.5, 20)
    assert file.complete(pixel_size_um=0.7) == Calibration(0.7, 20)
    assert file.complete(frame_interval_min=15) == Calibration(0.5, 15)
    assert FileCalibration().complete(pixel_size_um=0.7, frame_interval_min=15) == Calibration(0.7, 15)


@pytest.mark.parametrize(
    ("file", "named", "not_named"),
    [
        (FileCalibration(frame_interval_min=20), "--pixel-size-um", "--frame-interval-min"),
        (FileCalibration(pixel_size_um=0.5), "--frame-interval-min", "--pixel-size-um"),
    ],
)
def test_what_is_missing_is_asked_for_by_its_option(file: FileCalibration, named: str, not_named: str) -> None:
    with pytest.raises(SomaNetError, match=named) as error:
        file.complete()
    assert not_named not in str(error.value)


def test_all_that_is_missing_is_asked_for_at_once() -> None:
    with pytest.raises(SomaNetError, match="--pixel-size-um and --frame-interval-min were not given"):
        FileCalibration().complete()


def test_a_scale_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Calibration(0.5, 20).pixel_size_um = 1.0  # type: ignore[misc]


def test_the_usual_interval_is_that_of_times_before_they_were_rounded() -> None:
    """10 min between frames, in hours with 8 decimals and a pause: the median step is 10.000000199999981 min."""
    times = np.round(np.arange(30) / 6, 8) + (np.arange(30) >= 20)
    assert usual_interval_h(times.tolist()) * 60 != 10.0
    assert usual_interval_min(times.tolist()) == 10.0
    assert usual_interval_min([0.0, 12.3456 / 60, 2 * 12.3456 / 60]) == 12.3456
    assert math.isnan(usual_interval_min([0.0]))
