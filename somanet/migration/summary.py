"""Numbers of one or many movies with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.migration.intervals import Estimate, Resampling, Scale, not_estimated
from somanet.migration.kinematics import Bools, Floats
from somanet.migration.pooling import UNITS, long_enough, pooled_numbers, why_undefined
from somanet.migration.requirements import counted_apart, counting, partly_met_warnings, unsupported
from somanet.migration.sampling import LENGTH_ERROR, true_jumps
from somanet.migration.sampling_warnings import sampling_warnings
from somanet.migration.travel import (
    COARSE_ERROR,
    CUT_ERROR,
    DISTANCE_ERROR,
    SLOWEST_ENDS,
    SPEED_ERROR,
    frames_per_jump,
    speed_estimates,
)

LEVELS = ("donor", "movie", "cell")
RESAMPLES = 2000
FEWEST_DONORS = 3
LEAST_OF_NOISE = 0.25
"""Squared displacement over that of noise from which it is motion."""
NOISE_ERROR = 0.05
"""Relative error of σ, whose square is taken off."""
VECTOR_NUMBERS = ("resultant", "resultant_corrected", "mean_direction_deg")
"""Numbers of the mean vector of the cells' directions."""
SCALES: Mapping[str, Scale] = {
    **{name: "positive" for name in UNITS if name not in (*VECTOR_NUMBERS, "saltating_share")},
    **dict.fromkeys(("pause_fraction", "pause_fraction_corrected", "straightness", "straightness_corrected"), "share"),
    **dict.fromkeys(("velocity_along_um_per_h", "velocity_across_um_per_h"), "signed"),
    "mean_cosine": "cosine",
    "mean_turn_deg": "half turn",
}
"""Range of each number that has one; R, the mean direction and the share of cells have intervals of their own."""


@dataclass(frozen=True)
class Summary:
    """Numbers of a set of cells.

    Attributes:
        numbers: by the names of :data:`somanet.migration.pooling.UNITS`.
        level: what the intervals resample: "donor", "movie" or "cell"; they speak for further ones of that kind.
        n_cells, n_movies, n_donors: how many; movies and donors are 0 where the table does not name them.
        n_events: saltations whose start is seen.
        n_short: cells left out for their short tracks.
        warnings: in words.
        random_directions_p: P of random directions: below 0.025 where R's interval is above 0. Given where two units or
            more have a direction, whether R has an interval or not; NaN elsewhere.
    """

    numbers: Mapping[str, Estimate]
    level: str
    n_cells: int
    n_movies: int
    n_donors: int
    n_events: int
    n_short: int
    warnings: tuple[str, ...]
    random_directions_p: float = math.nan

    def as_dict(self) -> dict[str, Any]:
        """For JSON: value, interval and unit of each number; undefined ones are None."""
        numbers = {name: e.as_dict() | {"unit": UNITS[name]} for name, e in self.numbers.items()}
        counts = {name: getattr(self, name) for name in ("n_cells", "n_movies", "n_donors", "n_events", "n_short")}
        p = self.random_directions_p if math.isfinite(self.random_directions_p) else None
        return {
            "numbers": numbers,
            "intervals_over": self.level,
            "random_directions_p": p,
            **counts,
            "warnings": list(self.warnings),
        }


def summarize(
    cells: pd.DataFrame,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    min_track_h: Collection[float | None] = (None,),
) -> Summary:
    """Pool the cells, with intervals from a bootstrap of cells within movies within donors.

    Whole donors are resampled with all their movies and cells; with fewer than two donors, whole movies; with
    fewer than two movies, cells. Lower levels are not resampled once more, which would count their variance twice
    (Davison & Hinkley 1997, section 3.8). The interval is the estimate ± t(n - 1)·√(n/(n - 1)) bootstrap standard
    errors of n resampled units (Hesterberg 2015): percentiles of few donors are far too narrow.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION` of all movies, with a column ``movie`` if there are several
            and ``donor`` if known. Short tracks are left out.
        seed: of the bootstrap.
        resamples: how many.
        min_track_h: the movies' settings, for the words about cells that are left out; None is the usual rule.

    Raises:
        SomaNetError: missing columns, or donors that share a movie.
    """
    used = long_enough(cells)
    level, unit, counts, warnings = _units(used)
    values = {name: float(v[0]) for name, v in pooled_numbers(used, np.ones((1, len(used)))).items()}

    def estimated(met: Bools) -> tuple[dict[str, Estimate], float]:
        """The intervals over the units of the cells that count, and P of random directions."""
        some, units = used[met].reset_index(drop=True), np.unique(unit[met], return_inverse=True)[1]
        sets = Resampling.of(units, level=level, resamples=resamples, seed=seed, widening=_widening(some, level))
        sums = _vector_sums(some, units)
        return _estimates(values, pooled_numbers(some, sets.weights), sets, some, sums), sets.random_p(sums)

    numbers, random_p = estimated(np.ones(len(used), bool))
    for met, names in counted_apart(counting(used, tuple(UNITS))):
        if met.any():
            fewer, fewer_p = estimated(met)
            numbers |= {name: fewer[name] for name in names}
            random_p = fewer_p if "resultant" in names else random_p
    n_short = len(cells) - len(used)
    return Summary(
        numbers=numbers,
        level=level,
        n_cells=len(used),
        n_movies=counts["movie"],
        n_donors=counts["donor"],
        n_events=int(used["n_saltations"].sum()),
        n_short=n_short,
        warnings=(*sampling_warnings(cells, min_track_h), *partly_met_warnings(used), *warnings),
        random_directions_p=random_p if math.isfinite(values["resultant"]) else math.nan,
    )


def _vector_sums(cells: pd.DataFrame, units: NDArray[np.intp]) -> NDArray[np.complex128]:
    """(units,) sum of exp(i·direction) of each unit's cells."""
    cosine, sine = (np.bincount(units, cells[f"heading_{name}"].to_numpy(float)) for name in ("cosine", "sine"))
    return np.asarray(cosine + 1j * sine, np.complex128)


def _mean_vectors(resampled: Mapping[str, Floats]) -> NDArray[np.complex128]:
    """(B,) mean of exp(i·direction) of the sets."""
    angle = np.radians(resampled["mean_direction_deg"])
    return np.asarray(resampled["resultant"] * (np.cos(angle) + 1j * np.sin(angle)), np.complex128)


def _estimates(
    values: Mapping[str, float],
    resampled: Mapping[str, Floats],
    sets: Resampling,
    cells: pd.DataFrame,
    sums: NDArray[np.complex128],
) -> dict[str, Estimate]:
    """The interval of each number, or the reason why there is none."""
    error = _model_errors(values, cells)
    unmet = unsupported(cells, tuple(UNITS))
    found: dict[str, Estimate] = {}
    for name, value in values.items():
        drawn = resampled[name]
        if name in unmet:
            found[name] = not_estimated(value, unmet[name])
        elif not math.isfinite(value):
            found[name] = not_estimated(value, why_undefined(name, cells))
        elif name == "rms_speed_1h_um_per_h" and value**2 < LEAST_OF_NOISE * _hourly_noise(cells):
            found[name] = not_estimated(value, "motion in an hour is not clear of the noise")
        elif name == "saltating_share":
            found[name] = sets.share_of_cells(value, drawn)
        elif name in VECTOR_NUMBERS:
            mean_vectors = _mean_vectors(resampled)
            length = sets.resultant(values["resultant"], mean_vectors, sums)  # of the true R, so for both values of it
            if name == "mean_direction_deg":
                found[name] = sets.direction(value, mean_vectors, length)
            else:  # the corrected one may be below 0, where no true R is
                found[name] = Estimate(value, min(length.low, value), max(length.high, value), length.problem)
        else:
            found[name] = sets.interval(value, drawn, scale=SCALES[name], model_error=error.get(name, 0.0))
    return found


def _widening(cells: pd.DataFrame, level: str) -> float:
    """How much wider intervals over tracks are, as several tracks may be of one cell: where a track breaks, for one.

    A movie shows at most as many cells as its tracks, and on average as many as their time over its own. If tracks of
    one cell were all alike, that mean would be the number of independent ones; at least two.
    """
    hours = ((cells["end_h"] - cells["start_h"]) / cells["movie_h"]).fillna(1.0)
    if level != "cell" or len(cells) < 2:
        return 1.0
    return math.sqrt(len(cells) / float(np.clip(hours.sum(), 2.0, len(cells))))


def _hourly_noise(cells: pd.DataFrame) -> float:
    """Mean of 4σ² in µm², which is taken off squared displacements over an hour."""
    n = float(cells["n_1h"].sum())
    return float((4 * cells["noise_um"] ** 2 * cells["n_1h"]).sum()) / n if n else math.nan


def _model_errors(values: Mapping[str, float], cells: pd.DataFrame) -> dict[str, float]:
    """What frames do not tell, and resampling does not show; half widths on the scales of :data:`SCALES`.

    Of length: how jumps may differ from straight ones of even speed. Of distance: corners that are cut. Of speed: how
    far its two estimates are apart, and how near the threshold is to the jumps' own speed. Of pauses: how much longer
    than length over speed a jump lasts.
    """
    one = np.ones((1, len(cells)))
    jumps = true_jumps(cells, one)
    by_runs, by_squares = (float(v[0]) for v in speed_estimates(cells, one, jumps))
    speed, share = values["mobile_speed_corrected_um_per_h"], values["pause_fraction_corrected"]
    apart = abs(math.log(by_runs / by_squares)) if math.isfinite(speed) else math.nan
    jump_h = values["mean_length_corrected_um"] / speed
    slow_h = SLOWEST_ENDS * jump_h
    straight = values["straightness_corrected"]
    frames = float(frames_per_jump(cells, one, np.array([jump_h]))[0])
    coarse = COARSE_ERROR * min(max(2 - frames, 0.0), 1.0)
    return {
        "mean_length_corrected_um": LENGTH_ERROR,
        "mobile_speed_corrected_um_per_h": math.hypot(SPEED_ERROR, CUT_ERROR * float(jumps.cut[0])) + apart + coarse,
        "average_speed_corrected_um_per_h": DISTANCE_ERROR,
        "straightness_corrected": DISTANCE_ERROR / (1 - straight) if straight < 1 else math.nan,
        "rms_speed_1h_um_per_h": NOISE_ERROR * _hourly_noise(cells) / values["rms_speed_1h_um_per_h"] ** 2,
        "mean_pause_corrected_h": slow_h / values["mean_pause_corrected_h"],
        "pause_fraction_corrected": SLOWEST_ENDS / share if share > 0 else math.nan,
    }


def _units(cells: pd.DataFrame) -> tuple[str, NDArray[np.intp], dict[str, int], list[str]]:
    """The highest level with two units or more, each cell's unit there, and how many movies and donors."""
    columns = [name for name in ("donor", "movie") if name in cells]
    if cells[columns].isna().to_numpy().any():
        raise SomaNetError(
            f"Some cells have no {' or '.join(columns)}: name it for all of them, or leave the column out."
        )
    counts = {name: int(cells[name].nunique()) if name in columns else 0 for name in ("donor", "movie")}
    if len(columns) == 2 and (cells.groupby("movie")["donor"].nunique() > 1).any():
        raise SomaNetError("A movie belongs to more than one donor. Give movies of different donors different names.")
    warnings = []
    for level in LEVELS[:-1]:
        if counts[level] >= 2:
            if counts[level] < FEWEST_DONORS:
                warnings.append(f"Two {level}s only: the intervals are wide and rest on their one difference.")
            if level == "movie":
                warnings.append("One donor, or none named: the intervals speak for its movies, not for other donors.")
            return level, np.unique(cells[level], return_inverse=True)[1], counts, warnings
    if len(cells):
        warnings.append("One movie only: the intervals speak for its cells, not for other movies or donors.")
    return "cell", np.arange(len(cells)), counts, warnings
