"""The true values of a simulated population, which intervals should contain."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from somanet.analysis.validation.conditions import TrackCondition
from somanet.evaluation.masks import ratio
from somanet.migration.saltation import LEAST_LENGTH_UM
from somanet.simulation.settings import NeuronSettings

QUANTITIES: Mapping[str, tuple[str, str]] = {
    "frequency": ("frequency_per_h", "frequency_corrected_per_h"),
    "length": ("mean_length_um", "mean_length_corrected_um"),
    "speed": ("mobile_speed_um_per_h", "mobile_speed_corrected_um_per_h"),
}
"""Quantity → its uncorrected and corrected names in a summary."""


def true_numbers(condition: TrackCondition) -> dict[str, float]:
    """Frequency, length and speed of saltations over all donors, cells and times.

    A jump below 5 µm is not a saltation. Length and speed weight donors by their saltations, as in pooled numbers;
    speed is weighted by distance, as the corrected one.
    """
    spread = np.linspace(-4, 4, 41) if condition.donor_cv > 0 else np.zeros(1)
    weight = np.exp(-(spread**2) / 2) / np.exp(-(spread**2) / 2).sum()
    total = np.zeros(3)
    for pause_z, pause_weight in zip(spread, weight, strict=True):
        for length_z, length_weight in zip(spread, weight, strict=True):
            donor = donor_settings(condition, pause_z=float(pause_z), length_z=float(length_z))
            frequency, length_um = _frequency_and_length(donor)
            speed = donor.jump_speed_um_per_h  # the mean of independent lengths and speeds, weighted by length
            total += pause_weight * length_weight * frequency * np.array([1.0, length_um, length_um * speed])
    frequency, length_um, moment = total.tolist()
    return {"frequency": frequency, "length": ratio(length_um, frequency), "speed": ratio(moment, length_um)}


def donor_settings(condition: TrackCondition, *, pause_z: float, length_z: float) -> NeuronSettings:
    """One donor's cells: mean pause and mean length z spreads from the mean donor's."""
    cells, cv = condition.settings, condition.donor_cv
    # Settings are validated on creation, so only those that differ are created anew.
    if cv == 0:
        return cells
    return NeuronSettings(
        **{
            **cells.__dict__,
            "pause_mean_h": cells.pause_mean_h * math.exp(cv * pause_z),
            "jump_length_um": cells.jump_length_um * math.exp(cv * length_z),
        }
    )


def _frequency_and_length(cells: NeuronSettings) -> tuple[float, float]:
    """Saltations per hour (one per mean cycle of moving cells, if long enough) and their mean length."""
    cycle_h = cells.pause_mean_h + cells.jump_length_um / _speed(cells)
    per_h, mean_um, cv = cells.motile_fraction / cycle_h, cells.jump_length_um, cells.jump_length_cv
    if cv < 1e-6:
        return per_h * (mean_um >= LEAST_LENGTH_UM), mean_um
    shape, scale = 1 / cv**2, mean_um * cv**2
    long = float(stats.gamma.sf(LEAST_LENGTH_UM, shape, scale=scale))
    # x times a gamma density is proportional to a gamma density with shape + 1.
    beyond = float(stats.gamma.sf(LEAST_LENGTH_UM, shape + 1, scale=scale))
    return per_h * long, mean_um * beyond / long


def _speed(cells: NeuronSettings) -> float:
    """Length over time of all jumps together: the mean of 1/speed of a gamma is 1/(mean·(1 - cv²))."""
    return cells.jump_speed_um_per_h * (1 - cells.jump_speed_cv**2)
