"""What each number needs of a movie, and the reason why it is not estimated where that is not met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.migration.kinematics import Bools

NOT_OF_SALTATIONS = (
    "average_speed_um_per_h", "rms_speed_1h_um_per_h", "straightness", "velocity_along_um_per_h",
    "velocity_across_um_per_h", "mean_cosine", "resultant", "resultant_corrected", "mean_direction_deg",
)  # fmt: skip
"""Numbers that mean something whether cells saltate or not; all others rest on saltations."""
NEEDS_EVEN_FRAMES = (
    "frequency_corrected_per_h",
    "mean_length_corrected_um",
    "mobile_speed_corrected_um_per_h",
    "mean_pause_corrected_h",
    "pause_fraction_corrected",
    "rms_speed_1h_um_per_h",
)
NEEDS_SALTATIONS = (
    "mobile_speed_corrected_um_per_h",
    "mean_pause_corrected_h",
    "pause_fraction_corrected",
    "average_speed_corrected_um_per_h",
    "straightness_corrected",
)
"""Numbers that the correction derives from saltations, with nothing of their own to show that these are not right."""
NEEDS_QUIET_PAUSES = (*NEEDS_SALTATIONS, "mean_turn_deg")
NEEDS_LONG_TRACKS = ("straightness_corrected",)
MOST_FALSE_MOTION = 0.03
MOST_FALSE_SALTATIONS = 0.25
"""Share of the saltations found that noise alone is expected to make."""
LEAST_SEEN = 0.8
"""Share of the movie's time that cells have to be seen, the average micrometre counting, for their straightness."""
NOISY = "noise alone makes steps in pauses mobile, which adds distance: use a longer frame interval or a sharper image"
UNEVEN = "frames are at unequal times, and the correction needs one frame interval"
UNSUPPORTED = "it rests on saltation numbers, which the movie does not support"
EXCHANGED = "tracks seem to exchange their cells, which adds distance that no cell moved: correct the tracks"


@dataclass(frozen=True)
class Flag:
    """What was found of a whole movie, and so of each of its cells.

    Attributes:
        column: of :data:`somanet.migration.tables.MIGRATION`, 1 where it is met.
        numbers: that need it; None for all.
        reason: why they are not estimated where no cell meets it.
        short: the same for a few movies among others, after "as".
    """

    column: str
    numbers: tuple[str, ...] | None
    reason: str
    short: str

    def needed_by(self, names: Iterable[str]) -> list[str]:
        """Those of some numbers that need it."""
        return [name for name in names if self.numbers is None or name in self.numbers]

    def met(self, cells: pd.DataFrame) -> Bools:
        """(cells,) whether each one's movie meets it."""
        return np.asarray(cells[self.column] == 1, bool)


FLAGS = (
    Flag("saltations_supported", NEEDS_SALTATIONS, UNSUPPORTED, "they do not support saltation numbers"),
    Flag("identities_kept", None, EXCHANGED, "their tracks seem to exchange cells"),
)
"""Set by :func:`somanet.migration.measures.measure_movie`; of several movies, those that meet them count."""


def rests_on_saltations(number: str) -> bool:
    """Whether a number of a summary means something only if cells saltate."""
    return number not in NOT_OF_SALTATIONS


def unsupported(cells: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Numbers that none of these cells' movies supports, and why.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        names: the numbers there are.
    """
    found: dict[str, str] = {}
    for flag in FLAGS:  # first, so that a reason of the number's own is the one that is given
        if len(cells) and not flag.met(cells).any():
            found |= dict.fromkeys(flag.needed_by(names), flag.reason)
    if (cells["false_motion"] > MOST_FALSE_MOTION).any():
        found |= dict.fromkeys(NEEDS_QUIET_PAUSES, NOISY)
    n, false = int(cells["n_saltations"].sum()), float(cells["false_saltations"].sum())
    if n and false > MOST_FALSE_SALTATIONS * n:
        reason = f"noise alone makes about {false:.2g} saltations in cells that rest, and {n} are found"
        found |= {name: reason for name in names if rests_on_saltations(name)}
    if (cells["even_frames"] == 0).any():
        found |= dict.fromkeys(NEEDS_EVEN_FRAMES, UNEVEN)
    if seen_share(cells) < LEAST_SEEN:
        share = f"cells are seen for {100 * seen_share(cells):.0f} % of the movie on average"
        found |= dict.fromkeys(NEEDS_LONG_TRACKS, f"{share}, and paths become less straight with time")
    return found


def seen_share(cells: pd.DataFrame) -> float:
    """Share of their movies' time for which cells are seen, weighted by the distance they cover; NaN without any."""
    distance = cells["distance_um"].to_numpy(float)
    share = ((cells["end_h"] - cells["start_h"]) / cells["movie_h"]).fillna(0.0).to_numpy(float)
    return float((share * distance).sum() / distance.sum()) if distance.sum() > 0 else float("nan")


def partly_met(cells: pd.DataFrame) -> list[tuple[Flag, Bools]]:
    """Flags that some of the cells' movies meet and others do not, with the cells that count."""
    met = [(flag, flag.met(cells)) for flag in FLAGS]
    return [(flag, counts) for flag, counts in met if counts.any() and not counts.all()]


def partly_met_warnings(cells: pd.DataFrame) -> list[str]:
    """Which movies do not count in some numbers of several movies together, in words."""
    warnings = []
    for flag, counts in partly_met(cells):
        if "movie" in cells:
            left_out = sorted(cells.loc[~counts, "movie"].astype(str).unique())
            which = f"{len(left_out)} of {cells['movie'].nunique()} movies"
            names = f": {', '.join(left_out[:6])}{', …' if len(left_out) > 6 else ''}"
        else:
            which, names = f"{int((~counts).sum())} of {len(cells)} cells", ""
        what = "Any number" if flag.numbers is None else "Speed, pauses, distance and straightness"
        does = "leaves out" if flag.numbers is None else "leave out"
        warnings.append(f"{what} {does} {which}, as {flag.short}{names}.")
    return warnings
