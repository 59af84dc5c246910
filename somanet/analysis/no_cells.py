"""Why a movie has no cells: which step dropped the objects that the network outlined, and the likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration
from somanet.core.counting import counted

OTHER_NETWORK = "A network trained on a few labelled crops of this microscope may be needed (somanet finetune)."
LIKELY_MIN = (2.0, 60.0)
"""Usual intervals of movies of migrating somas; one 60 times shorter was meant in minutes and taken for seconds."""


def why_no_cells(
    metadata: Mapping[str, Any], segmentation: Mapping[str, Any], tracking: Mapping[str, Any], calibration: Calibration
) -> str:
    """A note on a movie without tracks.

    Args:
        metadata: content of `movie.json`.
        segmentation: of `segmentation.json`.
        tracking: of `tracking.json`.
        calibration: the physical scale.
    """
    if "n_objects" not in segmentation:
        return f"There is no cell: {segmentation['tracks_from']} has no track."
    n_objects, n_frames, n_haze = segmentation["n_objects"], metadata["n_frames"], segmentation.get("n_haze", 0)
    if not n_objects and n_haze:
        return (
            f"No cell was found: every object that the network outlined in {n_frames} frames, {n_haze} in all, was "
            f"left out as haze, as it hardly stands out. If they are cells, give --keep-haze. {OTHER_NETWORK}"
        )
    if not n_objects:
        return (
            f"No cell was found: the network outlined no object in any of {n_frames} frames. Is it the channel of the "
            f"somas, and is the pixel size right? {OTHER_NETWORK}"
        )
    settings, n_noise, n_short = (
        tracking["settings"],
        tracking["n_noise_objects"],
        tracking["n_points_in_short_tracks"],
    )
    least_h = settings["min_track_h"]
    dropped = []
    if n_haze:
        dropped.append(f"{n_haze} more were left out as haze (--keep-haze keeps them)")
    if n_noise:
        dropped.append(f"{n_noise} are smaller than {settings['min_soma_area_um2']:.3g} µm² (track.min_soma_area_um2)")
    if n_short:
        divided = " (touching ones divided)" if n_noise + n_short > n_objects else ""
        dropped.append(f"{n_short}{divided} are in tracks shorter than {least_h:g} h or two frames (track.min_track_h)")
    found = f"No cell was found, though the network outlined {counted(n_objects, 'object')} in {n_frames} frames"
    text = f"{found}: {' and '.join(dropped)}." if dropped else f"{found}."
    if n_short >= n_noise:
        return f"{text} {_why_short(n_frames, least_h, settings['max_step_um'], calibration)}"
    return (
        f"{text} Is the pixel size of {calibration.pixel_size_um:.4g} µm right? If the somas are that small, lower the "
        f"limit with --set track.min_soma_area_um2=0. {OTHER_NETWORK}"
    )


def _why_short(n_frames: int, least_h: float, step_um: float, calibration: Calibration) -> str:
    minutes = calibration.frame_interval_min
    lasts_h = float(calibration.hours(n_frames - 1))
    if lasts_h < least_h:
        text = f"The whole movie lasts {lasts_h * MINUTES_PER_HOUR:.3g} min only, at {minutes:.3g} min between frames."
        low, high = LIKELY_MIN
        if low <= minutes * 60 <= high:
            text += (
                f" Were minutes taken for seconds? Then give --frame-interval-min {minutes * 60:.4g}. If not, a movie "
                "this short"
            )
        else:
            text += " Is that right? A movie this short"
        return f"{text} is tracked with --set track.min_track_h=0."
    return (
        f"Objects are not found again from frame to frame, {minutes:.3g} min later: do they move farther than "
        f"{step_um:.3g} µm (track.max_step_um), is the frame interval right, or are they no somas? {OTHER_NETWORK}"
    )
