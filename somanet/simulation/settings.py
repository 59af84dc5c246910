"""Every effect of the simulated neuron movie, as one frozen value with units in its names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from somanet.core.errors import SomaNetError


def _setting(default: float, doc: str, *, low: float = 0.0, high: float = math.inf, above_low: bool = False) -> Any:
    """A dataclass field that carries its one-line meaning and its permitted range."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "above_low": above_low})


def _positive(default: float, doc: str) -> Any:
    return _setting(default, doc, above_low=True)


def _share(default: float, doc: str, *, high: float = 1.0) -> Any:
    return _setting(default, doc, high=high)


@dataclass(frozen=True)
class NeuronSettings:
    """What a simulated movie of migrating neurons looks like and how its cells move.

    Defaults give 12-minute frames at about 1.3 µm per pixel the soma sizes, brightness, background and noise
    measured in the neuritetracker example movie (github.com/sgbasel/neuritetracker). ``describe`` lists every
    field's meaning. An effect is switched off by 0.

    Raises:
        SomaNetError: a value outside its range.
    """

    # How many
    somas_per_mm2: float = _setting(45.0, "Labelled somas per area; at least one is in view in the first frame.")
    touching_fraction: float = _share(0.2, "Share of somas that start beside another one.")
    neighbours_per_mm2: float = _setting(110.0, "Unlabelled cells per area: dark rim, hardly brighter than background.")
    neighbour_motion_um_per_h: float = _setting(3.0, "Their random walk: standard deviation per axis in one hour.")
    ghosts_per_mm2: float = _setting(12.0, "Out-of-focus cells per area, seen as a wide glow.")
    debris_per_mm2: float = _setting(25.0, "Small bright specks per area.")

    # Saltatory motion
    motile_fraction: float = _share(0.85, "Share of cells that saltate; the others only jitter.")
    pause_mean_h: float = _positive(1.5, "Mean time between jumps (exponential).")
    jump_length_um: float = _positive(25.0, "Mean length of a jump (gamma).")
    jump_length_cv: float = _setting(0.35, "Standard deviation of the jump length over its mean.", high=2.0)
    jump_speed_um_per_h: float = _positive(75.0, "Mean speed in a jump (gamma, constant within one jump).")
    jump_speed_cv: float = _setting(0.2, "Standard deviation of the jump speed over its mean.", high=0.6)
    pause_jitter_um: float = _setting(0.5, "Standard deviation per axis of the soma around its resting place.")
    turning_sd_deg: float = _setting(25.0, "Standard deviation of the turn from one jump to the next.")
    heading_deg: float = _setting(0.0, "Preferred first heading: 0 = +x, 90 = +y (down).", low=-360.0, high=360.0)
    heading_concentration: float = _setting(0.0, "Von Mises κ of the first heading around the preferred one; 0 = any.")
    nucleus_lag_um: float = _setting(10.0, "Greatest distance by which the nucleus trails the soma's centre in a jump.")

    # Shape
    soma_diameter_um: float = _positive(21.5, "Median diameter of the circle of a soma's area.")
    soma_diameter_cv: float = _setting(0.14, "Spread (log-normal) of the soma diameter between cells.", high=1.0)
    soma_aspect: float = _setting(1.3, "Mean length over width of a resting soma.", low=1.0, high=5.0)
    soma_roughness: float = _share(0.12, "Irregularity of the soma's outline.", high=0.5)
    swelling_sd: float = _share(0.08, "Standard deviation over time of the log of a soma's radius.", high=0.5)
    wobble_sd_deg: float = _setting(6.0, "Standard deviation over time of a resting soma's direction.", high=90.0)
    stretch_in_jump: float = _setting(1.25, "Factor on a soma's aspect while it jumps.", low=1.0, high=4.0)
    nucleus_diameter_fraction: float = _setting(0.6, "Nucleus diameter over soma diameter.", high=1.0, above_low=True)

    # Leading processes
    process_length_um: float = _setting(45.0, "Mean length of the leading process; 0 draws no processes.")
    process_length_log_sd: float = _setting(0.3, "Spread over time of the log of a process' length.", high=2.0)
    process_width_um: float = _positive(1.8, "Width of the leading process at the soma.")
    process_brightness: float = _share(0.75, "Brightness of process and growth cone over that of its own soma.", high=3)
    filopodia_per_cone: float = _setting(40.0, "Mean number of spikes of a growth cone.", high=200)
    trailing_fraction: float = _share(0.5, "Share of cells with a trailing process.")

    # Light
    soma_brightness_counts: float = _positive(2600.0, "Median brightness of a soma above background.")
    soma_brightness_log_sd: float = _setting(1.0, "Spread (log-normal) of the soma brightness between cells.", high=3.0)
    neighbour_contrast_counts: float = _setting(480.0, "Depth of an unlabelled cell's dark rim.")
    ghost_brightness_counts: float = _setting(260.0, "Mean peak brightness of an out-of-focus cell.")
    background_counts: float = _setting(5900.0, "Background where the illumination is best.")
    illumination_falloff: float = _share(0.22, "Share of light lost at the corner farthest from the best spot.")
    bleaching_per_h: float = _setting(0.006, "Rate at which all fluorescence fades (exponential).")
    nucleus_brightness_counts: float = _positive(45.0, "Median brightness of a nucleus above its background.")
    nucleus_background_counts: float = _setting(206.0, "Background of the nucleus channel.")

    dim_share: float = _share(0.0, "Share of somas that are dim, wherever bright ones are.")
    dim_brightness: float = _share(0.12, "Brightness of a dim soma over what it would be.", high=1.0)
    haze_counts: float = _setting(0.0, "Mean light of tissue out of focus, in patches; 0 = none.")
    haze_grain_um: float = _positive(12.0, "Size of these patches.")
    scattered_share: float = _share(0.0, "Share of the cells' light that tissue scatters into a glow around them.")
    scatter_um: float = _positive(25.0, "Width (Gaussian sigma) of that glow.")

    # Optics, stage and camera
    psf_sigma_um: float = _setting(0.8, "Blur (Gaussian sigma) of a cell in focus.")
    defocus_um: float = _setting(0.5, "Mean extra blur of a cell (exponential).")
    drift_um_per_h: float = _setting(0.6, "Standard deviation per axis of the stage's drift in one hour (random walk).")
    counts_per_photon: float = _setting(0.5, "Camera gain: shot noise variance over signal; 0 = no shot noise.")
    read_noise_counts: float = _setting(
        25.0, "Standard deviation of the camera's noise; the nucleus channel has a tenth."
    )
    saturation_counts: float = _setting(14500.0, "Brightest value of the camera.", high=65535.0, above_low=True)

    def __post_init__(self) -> None:
        for item in fields(self):
            value, low, high = getattr(self, item.name), item.metadata["low"], item.metadata["high"]
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise SomaNetError(f"{item.name} must be a finite number, found {value!r}. {item.metadata['doc']}")
            if not low <= value <= high or (item.metadata["above_low"] and value == low):
                least = f"above {low:g}" if item.metadata["above_low"] else f"at least {low:g}"
                most = "" if math.isinf(high) else f" and at most {high:g}"
                raise SomaNetError(f"{item.name} must be {least}{most}, found {value:g}. {item.metadata['doc']}")

    @classmethod
    def describe(cls) -> dict[str, str]:
        """The one-line meaning of every field, in order."""
        return {item.name: item.metadata["doc"] for item in fields(cls)}
