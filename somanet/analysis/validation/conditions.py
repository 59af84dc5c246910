"""The simulated experiments to analyse: a base condition, and variations of one factor at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from somanet.simulation.settings import NeuronSettings

INTERVALS_MIN = (5.0, 10.0, 15.0, 20.0, 30.0)
CHECKED_AT_MIN = (5.0, 10.0, 20.0)
BASE = "frame interval"


@dataclass(frozen=True)
class TrackCondition:
    """One kind of experiment on tracks alone: cells that never touch, leave or are lost.

    Attributes:
        factor: short name of what differs from the base.
        level: short name of its value.
        interval_min: between frames.
        noise_um: localisation noise per axis.
        n_cells: cells per movie.
        hours: duration of a movie.
        detector: detector of saltations.
        n_donors: number of donors, each with movies; 1 for one movie whose cells are the units.
        n_movies: movies per donor.
        donor_cv: spread (log-normal) of the donors' mean pause and of their mean length.
        pause_cv: spread of a cell's pauses: 1 is exponential, less is more regular, more is bursty.
        settings: motion of the cells.
    """

    factor: str = BASE
    level: str = "base"
    interval_min: float = 10.0
    noise_um: float = 0.5
    n_cells: int = 30
    hours: float = 12.0
    detector: Literal["rule", "model"] = "rule"
    n_donors: int = 1
    n_movies: int = 1
    donor_cv: float = 0.0
    pause_cv: float = 1.0
    settings: NeuronSettings = field(default_factory=NeuronSettings)


def interval_conditions(base: TrackCondition, *, intervals_min: Sequence[float]) -> list[TrackCondition]:
    """The base at each frame interval, by both detectors."""
    return [
        replace(base, interval_min=minutes, detector=detector, level=f"{detector}, {minutes:g} min")
        for detector in ("rule", "model")
        for minutes in intervals_min
    ]


def factor_conditions(base: TrackCondition, *, intervals_min: Sequence[float]) -> list[TrackCondition]:
    """One factor changed at a time, each at some frame intervals."""
    cells = base.settings

    def moving(**changes: float) -> TrackCondition:
        return replace(base, settings=replace(cells, **changes))

    changed = [
        ("noise", "0.25 µm", replace(base, noise_um=0.25)),
        ("noise", "1 µm", replace(base, noise_um=1.0)),
        ("mean pause", "0.75 h", moving(pause_mean_h=0.75)),
        ("mean pause", "3 h", moving(pause_mean_h=3.0)),
        ("cells", "10", replace(base, n_cells=10)),
        ("hours", "4", replace(base, hours=4.0)),
        ("mean length", "15 µm", moving(jump_length_um=15.0)),
        ("mean length", "50 µm", moving(jump_length_um=50.0)),
        ("spread of lengths", "cv 0.7", moving(jump_length_cv=0.7)),
        ("mean speed", "40 µm/h", moving(jump_speed_um_per_h=40.0)),
        ("spread of speeds", "cv 0.5", moving(jump_speed_cv=0.5)),
        ("turns", "90° sd", moving(turning_sd_deg=90.0)),
        ("pauses", "regular, cv 0.5", replace(base, pause_cv=0.5)),
        ("pauses", "in bursts, cv 1.5", replace(base, pause_cv=1.5)),
    ]
    return [
        replace(condition, factor=factor, level=level, interval_min=minutes)
        for factor, level, condition in changed
        for minutes in intervals_min
    ]


def donor_conditions(base: TrackCondition, *, intervals_min: Sequence[float]) -> list[TrackCondition]:
    """Donors × movies × cells, donors differing by 20 %: intervals over donors."""
    designs = [(4, 2, 10), (8, 2, 10)]
    return [
        replace(
            base,
            factor="donors",
            level=f"{donors} donors × {movies} movies × {cells} cells",
            interval_min=minutes,
            n_donors=donors,
            n_movies=movies,
            n_cells=cells,
            donor_cv=0.2,
        )
        for donors, movies, cells in designs
        for minutes in intervals_min
    ]


@dataclass(frozen=True)
class MovieCondition:
    """One kind of simulated movie for the whole chain.

    Attributes:
        factor, level: short names of what differs from the base, and of its value.
        interval_min: between frames.
        n_frames: frames per movie.
        side_px: height; the width is an eighth more.
        pixel_size_um: size of a pixel.
        settings: appearance, and motion of the cells.
    """

    factor: str = BASE
    level: str = "10 min"
    interval_min: float = 10.0
    n_frames: int = 64
    side_px: int = 400
    pixel_size_um: float = 1.3
    settings: NeuronSettings = field(default_factory=NeuronSettings)

    @property
    def shape_YX(self) -> tuple[int, int]:
        """Height and width; unequal, so that swapped axes would be noticed."""
        return self.side_px, self.side_px * 9 // 8


def movie_intervals(base: MovieCondition, *, intervals_min: Sequence[float]) -> list[MovieCondition]:
    """The base at each frame interval, with the same number of frames."""
    return [replace(base, interval_min=minutes, level=f"{minutes:g} min") for minutes in intervals_min]


def movie_factors(base: MovieCondition) -> list[MovieCondition]:
    """Camera, density and rate changed one at a time."""
    base_settings = base.settings
    changed = [
        ("camera noise", "75 counts", replace(base_settings, read_noise_counts=75.0)),
        ("camera noise", "150 counts", replace(base_settings, read_noise_counts=150.0)),
        ("shot noise", "4 counts per photon", replace(base_settings, counts_per_photon=4.0)),
        ("density", "20 per mm²", replace(base_settings, somas_per_mm2=20.0)),
        ("density", "120 per mm²", replace(base_settings, somas_per_mm2=120.0)),
        ("mean pause", "0.75 h", replace(base_settings, pause_mean_h=0.75)),
        ("mean pause", "3 h", replace(base_settings, pause_mean_h=3.0)),
    ]
    return [replace(base, factor=factor, level=level, settings=cells) for factor, level, cells in changed]
