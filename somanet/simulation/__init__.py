"""Nucleus images and movies of migrating neurons with known truth: the data that needs no download.

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from somanet.simulation.cohorts import CohortMovie, cohort_movies, group_settings
    from somanet.simulation.crops import neuron_crops
    from somanet.simulation.neurons import SimulatedMovie, simulate_movie
    from somanet.simulation.nuclei import simulate_nuclei
    from somanet.simulation.settings import NeuronSettings
    from somanet.simulation.variety import Variety

__all__ = [
    "CohortMovie",
    "NeuronSettings",
    "SimulatedMovie",
    "Variety",
    "cohort_movies",
    "group_settings",
    "neuron_crops",
    "simulate_movie",
    "simulate_nuclei",
]

_HOME = {
    "CohortMovie": "cohorts",
    "NeuronSettings": "settings",
    "SimulatedMovie": "neurons",
    "Variety": "variety",
    "cohort_movies": "cohorts",
    "group_settings": "cohorts",
    "neuron_crops": "crops",
    "simulate_movie": "neurons",
    "simulate_nuclei": "nuclei",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
