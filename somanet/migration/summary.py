"""Numbers of one or many movies with 95 % intervals, and warnings where sampling cannot support them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from somanet.core.errors import SomaNetError
from somanet.core.schema import check_columns
from somanet.migration.kinematics import over
from somanet.migration.sampling import true_jumps
from somanet.migration.tables import MIGRATION

Floats = NDArray[np.float64]

LEVELS = ("donor", "movie", "cell")
RESAMPLES = 2000
LONGEST_INTERVAL_H = 10 / 60
FEWEST_EVENTS = 20
FEWEST_DONORS = 3
MOST_UNDEFINED = 0.05
MOST_CUT = 0.5
UNITS = {
    "frequency_per_h": "1/h",
    "frequency_corrected_per_h": "1/h",
    "mean_length_um": "µm",
    "mean_length_corrected_um": "µm",
    "mean_duration_h": "h",
    "mobile_speed_um_per_h": "µm/h",
    "mobile_speed_corrected_um_per_h": "µm/h",
    "mean_pause_h": "h",
    "pause_fraction": "",
    "average_speed_um_per_h": "µm/h",
    "straightness": "",
    "saltating_share": "",
}
"""The numbers of a summary, in order, and their units."""
SHARES = ("pause_fraction", "straightness", "saltating_share")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON: undefined ones are None."""
        return {"value": _json(self.value), "interval95": [_json(self.low), _json(self.high)]}


@dataclass(frozen=True)
class Summary:
    """Numbers of a set of cells.

    Attributes:
        numbers: by the names of :data:`UNITS`.
        level: what the intervals resample: "donor", "movie" or "cell"; they speak for further ones of that kind.
        n_cells, n_movies, n_donors: how many; movies and donors are 0 where the table does not name them.
        n_events: saltations whose start is seen.
        n_short: cells left out for their short tracks.
        warnings: in words.
    """

    numbers: Mapping[str, Estimate]
    level: str
    n_cells: int
    n_movies: int
    n_donors: int
    n_events: int
    n_short: int
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: value, interval and unit of each number; undefined ones are None."""
        numbers = {name: e.as_dict() | {"unit": UNITS[name]} for name, e in self.numbers.items()}
        counts = {name: getattr(self, name) for name in ("n_cells", "n_movies", "n_donors", "n_events", "n_short")}
        return {"numbers": numbers, "intervals_over": self.level, **counts, "warnings": list(self.warnings)}


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def pooled_numbers(cells: pd.DataFrame, weights: Floats) -> dict[str, Floats]:
    """The numbers of :data:`UNITS` of weighted cells: ratios of sums, so that long tracks count for their length.

    The corrected ones are those of :func:`somanet.migration.sampling.true_jumps`, what frames hide undone.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        weights: (B, cells) how often each cell counts in each of B sets.

    Returns:
        (B,) for each number; NaN where undefined.
    """

    def total(values: pd.Series | Floats) -> Floats:
        return np.asarray(weights @ np.asarray(values, np.float64), np.float64)

    n, observed = total(cells["n_saltations"]), total(cells["observed_h"])
    paused = (cells["observed_h"] - cells["mobile_h"]).where(cells["n_saltations"] > 0, 0.0)
    jumps = true_jumps(cells, weights)
    known = cells["straightness"].notna()
    return {
        "frequency_per_h": over(n, observed),
        "frequency_corrected_per_h": over(jumps.started, total(cells["exposed_h"])),
        "mean_length_um": over(total(cells["complete_um"]), total(cells["n_complete"])),
        "mean_length_corrected_um": over(jumps.travel_um, jumps.whole),
        "mean_duration_h": over(total(cells["complete_h"]), total(cells["n_complete"])),
        "mobile_speed_um_per_h": over(total(cells["complete_um"]), total(cells["complete_h"])),
        "mobile_speed_corrected_um_per_h": over(jumps.path_um, jumps.moving_h),
        "mean_pause_h": over(total(paused), n),
        "pause_fraction": 1 - over(total(cells["mobile_h"]), observed),
        "average_speed_um_per_h": over(
            total((cells["average_speed_um_per_h"] * cells["observed_h"]).fillna(0.0)), observed
        ),
        "straightness": over(total(cells["straightness"].fillna(0.0)), total(known)),
        "saltating_share": over(total(cells["n_saltations"] > 0), total(pd.Series(1.0, index=cells.index))),
    }


def long_enough(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells seen for at least 4 h or 12 frames.

    Raises:
        SomaNetError: the table lacks columns of :data:`somanet.migration.tables.MIGRATION`.
    """
    check_columns(cells, MIGRATION, "cells")
    return cells[cells["long_enough"] == 1].reset_index(drop=True)


def summarize(cells: pd.DataFrame, *, seed: int = 0, resamples: int = RESAMPLES) -> Summary:
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

    Raises:
        SomaNetError: missing columns, or donors that share a movie.
    """
    used = long_enough(cells)
    level, unit, counts, warnings = _units(used)
    n_units = int(unit.max(initial=-1)) + 1
    value = {name: float(v[0]) for name, v in pooled_numbers(used, np.ones((1, len(used)))).items()}
    numbers = {name: Estimate(v, math.nan, math.nan) for name, v in value.items()}
    if n_units >= 2:
        drawn = np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=resamples)
        resampled = pooled_numbers(used, drawn[:, unit].astype(np.float64))
        reach = float(stats.t.ppf(0.975, n_units - 1)) * math.sqrt(n_units / (n_units - 1))
        numbers = {name: _estimate(name, v, resampled[name], reach) for name, v in value.items()}
    n_short = len(cells) - len(used)
    return Summary(
        numbers=numbers,
        level=level,
        n_cells=len(used),
        n_movies=counts["movie"],
        n_donors=counts["donor"],
        n_events=int(used["n_saltations"].sum()),
        n_short=n_short,
        warnings=(*sampling_warnings(cells), *warnings),
    )


def _estimate(name: str, value: float, resampled: Floats, reach: float) -> Estimate:
    defined = resampled[np.isfinite(resampled)]
    if math.isnan(value) or defined.size < (1 - MOST_UNDEFINED) * resampled.size:
        return Estimate(value, math.nan, math.nan)
    error = reach * float(defined.std())
    return Estimate(value, max(0.0, value - error), min(1.0 if name in SHARES else math.inf, value + error))


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


def sampling_warnings(cells: pd.DataFrame) -> tuple[str, ...]:
    """What frame interval, track length and number of events cannot support, in words."""
    used = long_enough(cells)
    warnings = []
    longest = cells["frame_interval_h"].max()
    if longest > LONGEST_INTERVAL_H * 1.001:
        warnings.append(
            f"Frames are up to {longest * 60:.3g} min apart: above 10 min neighbouring saltations run together, "
            "so that they look fewer, longer and slower. Prefer the corrected frequency and length, and compare only "
            "movies of one frame interval."
        )
    n_short = len(cells) - len(used)
    if n_short:
        warnings.append(f"{n_short} of {len(cells)} cells are seen for less than 4 h and 12 frames and are left out.")
    if used.empty:
        warnings.append("No cell is seen long enough: there are no numbers.")
        return tuple(warnings)
    complete, started = int(used["n_complete"].sum()), int(used["n_saltations"].sum())
    if complete < FEWEST_EVENTS:
        warnings.append(
            f"Only {complete} complete saltations: below {FEWEST_EVENTS}, lengths, speeds and pauses are rough."
        )
    elif complete < 0.7 * started:
        warnings.append(
            f"Only {complete} of {started} saltations are seen to their end: short tracks lose the long ones, so "
            "lengths are too small."
        )
    jumps = true_jumps(used, np.ones((1, len(used))))
    if started and np.isnan(jumps.started).any():
        warnings.append("Pauses are hardly longer than the frame interval: the frequency cannot be corrected.")
    elif jumps.cut[0] > MOST_CUT:
        warnings.append(
            "Jumps are hardly faster than the speed that noise allows to see: they are found in pieces, too many and "
            "too short. Use a longer frame interval, a sharper image or the model."
        )
    return tuple(warnings)
