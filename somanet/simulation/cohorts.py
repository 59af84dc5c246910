"""Groups of donors with given effects: what a cohort's comparison is tried and tested on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.simulation.neurons import check_seed
from somanet.simulation.settings import NeuronSettings

VARYING = ("pause_mean_h", "jump_length_um")
"""What differs between donors of one group."""


@dataclass(frozen=True)
class CohortMovie:
    """A movie to simulate.

    Attributes:
        name: of the movie.
        donor, group: whose cells it shows.
        seed: for :func:`somanet.simulation.neurons.simulate_movie`.
        settings: of the donor's cells.
    """

    name: str
    donor: str
    group: str
    seed: int
    settings: NeuronSettings


def group_settings(effects: Mapping[str, float], base: NeuronSettings | None = None) -> NeuronSettings:
    """The settings of a group: the base with other values.

    Raises:
        SomaNetError: there is no such setting, or its value is out of range.
    """
    known = NeuronSettings.describe()
    for name in effects:
        if name not in known:
            raise SomaNetError(
                f"There is no setting {name!r} of simulated neurons, such as {', '.join(VARYING)}. All of them: "
                f"{', '.join(known)}."
            )
    return replace(base or NeuronSettings(), **effects)


def cohort_movies(
    groups: Mapping[str, NeuronSettings],
    *,
    donors: int,
    movies_per_donor: int = 1,
    donor_spread: float = 0.1,
    seed: int = 0,
) -> Iterator[CohortMovie]:
    """Plan the movies of a cohort: donors' mean pauses and mean jump lengths spread log-normally about their group's.

    Args:
        groups: name → settings of its mean donor.
        donors: of each group; every donor is in one group.
        movies_per_donor: of each donor.
        donor_spread: standard deviation of the logarithm of a donor's mean pause, and of the mean length.
        seed: same seed, same movies.

    Raises:
        SomaNetError: a seed, number or spread out of range.
    """
    check_seed(seed)
    if donors < 1 or movies_per_donor < 1 or not 0 <= donor_spread <= 1:
        raise SomaNetError(
            f"Expected at least one donor and movie and a spread of donors from 0 to 1, found {donors}, "
            f"{movies_per_donor} and {donor_spread}."
        )
    seeds = np.random.SeedSequence(seed).spawn(len(groups) * donors)
    for number, (group, donor) in enumerate((group, donor) for group in groups for donor in range(1, donors + 1)):
        rng = np.random.default_rng(seeds[number])
        factors = {name: math.exp(donor_spread * rng.standard_normal()) for name in VARYING}
        settings = replace(
            groups[group], **{name: getattr(groups[group], name) * factor for name, factor in factors.items()}
        )
        for movie in range(1, movies_per_donor + 1):
            yield CohortMovie(f"{group}_{donor}_{movie}", f"{group}_{donor}", group, int(rng.integers(2**31)), settings)
