"""Why a movie has no cells: the step that dropped the objects, with numbers."""

from __future__ import annotations

from somanet.analysis.no_cells import why_no_cells
from somanet.core.calibration import Calibration

SETTINGS = {"min_track_h": 0.5, "min_soma_area_um2": 40.0, "max_step_um": 25.0}


def why(
    *,
    interval_min: float = 12.0,
    n_frames: int = 20,
    n_objects: int = 90,
    noise: int = 0,
    short: int = 0,
    haze: int = 0,
) -> str:
    segmentation = {"n_objects": n_objects, "n_haze": haze}
    tracking = {"settings": SETTINGS, "n_noise_objects": noise, "n_points_in_short_tracks": short}
    return why_no_cells({"n_frames": n_frames}, segmentation, tracking, Calibration(1.28, interval_min))


def test_no_object_points_to_the_picture() -> None:
    assert "outlined no object in any of 20 frames" in why(n_objects=0)


def test_haze_points_to_the_option_that_keeps_it() -> None:
    assert "every object that the network outlined in 20 frames, 31 in all, was left out as haze" in why(
        n_objects=0, haze=31
    )
    assert "31 more were left out as haze (--keep-haze keeps them) and 90 are in tracks" in why(short=90, haze=31)


def test_small_objects_point_to_the_pixel_size() -> None:
    text = why(noise=80, short=10)
    assert "80 are smaller than 40 µm² (track.min_soma_area_um2) and 10 are in tracks shorter than 0.5 h" in text
    assert "pixel size of 1.28 µm" in text


def test_objects_that_were_divided_add_up() -> None:
    """Of 90 outlined objects two touched: 91 detections."""
    assert ": 2 are smaller than 40 µm² (track.min_soma_area_um2) and 89 (touching ones divided) are in tracks" in why(
        noise=2, short=89
    )


def test_short_tracks_point_to_the_length_of_the_movie_if_it_is_that() -> None:
    assert "The whole movie lasts 24 min only, at 12 min between frames. Is that right?" in why(n_frames=3, short=90)
    assert "--frame-interval-min 12. " in why(interval_min=0.2, short=90)
    assert "--frame-interval-min" not in why(interval_min=0.02, n_frames=600, short=90)


def test_short_tracks_in_a_long_movie_point_to_the_motion() -> None:
    text = why(short=90)
    assert "lasts" not in text
    assert "farther than 25 µm (track.max_step_um)" in text


def test_a_table_without_tracks_is_named() -> None:
    assert why_no_cells({}, {"tracks_from": "mine.xml"}, {}, Calibration(1.0, 1.0)) == (
        "There is no cell: mine.xml has no track."
    )
