"""What each number needs of a movie, and the reason why it is not estimated where that is not met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.migration.kinematics import Bools
from somanet.migration.verdict_names import FAIL, VERDICT

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
FAILING, UNTELLING = "their saltation numbers do not hold", "they cannot tell whether saltation numbers hold"
"""Of movies among others, where their verdicts are known."""
EXCHANGED = "tracks seem to exchange their cells, which adds distance that no cell moved: correct the tracks"


def rests_on_saltations(number: str) -> bool:
    """Whether a number of a summary means something only if cells saltate."""
    return number not in NOT_OF_SALTATIONS


@dataclass(frozen=True)
class Need:
    """What some numbers need of a movie. Of several movies, the cells of those that meet it count.

    Attributes:
        numbers: whether one of that name needs it.
        met: (cells,) whether each one's movie meets it, from :data:`somanet.migration.tables.MIGRATION`.
        reason: why the numbers are not estimated where no cell's movie meets it, from the same.
        short: the same for a few movies among others, after "as", with which cells' movies it is said of; from the
            table and :attr:`met`.
        what: the numbers in words, as a subject.
        leave: its verb.
    """

    numbers: Callable[[str], bool]
    met: Callable[[pd.DataFrame], Bools]
    reason: Callable[[pd.DataFrame], str]
    short: Callable[[pd.DataFrame, Bools], Mapping[str, Bools]]
    what: str
    leave: str = "leave out"

    def needed_by(self, names: Iterable[str]) -> list[str]:
        """Those of some numbers that need it."""
        return [name for name in names if self.numbers(name)]


def _said(short: str) -> Callable[[pd.DataFrame, Bools], Mapping[str, Bools]]:
    """The same of all movies that do not meet a need."""
    return lambda _, met: {short: ~met}


def _by_verdict(cells: pd.DataFrame, met: Bools) -> Mapping[str, Bools]:
    """Movies whose saltation numbers do not hold apart from those that cannot tell, where the verdicts are known."""
    if VERDICT not in cells:
        return {"they do not support saltation numbers": ~met}
    fails = np.asarray(cells[VERDICT] == FAIL, bool)
    apart = {FAILING: ~met & fails, UNTELLING: ~met & ~fails}
    return {short: unmet for short, unmet in apart.items() if unmet.any()}


def _why_unsupported(cells: pd.DataFrame) -> str:
    """The reason where no movie supports what rests on saltations."""
    apart = list(_by_verdict(cells, np.zeros(len(cells), bool)))
    known = {
        (FAILING,): "which do not hold",
        (UNTELLING,): "and whether these hold cannot be told",
        (FAILING, UNTELLING): "which do not hold in some of the movies, and the others cannot tell whether they do",
    }.get(tuple(apart))
    return f"it rests on saltation numbers, {known}" if known else UNSUPPORTED


def _flagged(column: str) -> Callable[[pd.DataFrame], Bools]:
    """Whether each cell has 1 in a column that is 0 where its movie does not meet a need."""
    return lambda cells: np.asarray(cells[column] == 1, bool)


def _quiet(cells: pd.DataFrame) -> Bools:
    """Whether noise leaves steps in pauses below the threshold; movies without steps have no such noise."""
    return ~np.asarray(cells["false_motion"] > MOST_FALSE_MOTION, bool)


def _found_by_motion(cells: pd.DataFrame) -> Bools:
    """Whether noise alone makes no more than :data:`MOST_FALSE_SALTATIONS` of a movie's saltations."""
    movie = np.unique(cells["movie"], return_inverse=True)[1] if "movie" in cells else np.zeros(len(cells), np.int64)
    found, false = (np.bincount(movie, cells[name].to_numpy(float)) for name in ("n_saltations", "false_saltations"))
    return np.asarray(~((found > 0) & (false > MOST_FALSE_SALTATIONS * found))[movie], bool)


def _made_by_noise(cells: pd.DataFrame) -> str:
    n, false = int(cells["n_saltations"].sum()), float(cells["false_saltations"].sum())
    return f"noise alone makes about {false:.2g} saltations in cells that rest, and the frequency counts {n}"


NEEDS = (
    Need(
        NEEDS_SALTATIONS.__contains__,
        _flagged("saltations_supported"),
        _why_unsupported,
        _by_verdict,
        "Speed, pauses, distance and straightness",
    ),
    Need(
        lambda _: True,
        _flagged("identities_kept"),
        lambda _: EXCHANGED,
        _said("their tracks seem to exchange cells"),
        "Any number",
        "leaves out",
    ),
    Need(
        NEEDS_QUIET_PAUSES.__contains__,
        _quiet,
        lambda _: NOISY,
        _said("noise alone makes steps of their resting cells mobile"),
        "Speed, pauses, distance, straightness and turns",
    ),
    Need(
        rests_on_saltations,
        _found_by_motion,
        _made_by_noise,
        _said("noise alone makes a quarter or more of their saltations"),
        "Saltation numbers",
    ),
    Need(
        NEEDS_EVEN_FRAMES.__contains__,
        _flagged("even_frames"),
        lambda _: UNEVEN,
        _said("their frames are at unequal times"),
        "Corrected frequency, length, speed and pauses, and the net speed over an hour,",
    ),
)
"""Of a whole movie, and so of each of its cells; where no movie meets several, the last one is the reason given."""


def counting(cells: pd.DataFrame, names: Sequence[str]) -> dict[str, Bools]:
    """(cells,) which cells count in each number: those whose movies meet all that it needs.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`, with ``movie`` if they are of several.
        names: the numbers.
    """
    found = {name: np.ones(len(cells), bool) for name in names}
    for need in NEEDS:
        met = need.met(cells)
        for name in need.needed_by(names):
            found[name] = found[name] & met
    return found


def counted_apart(counts: Mapping[str, Bools]) -> list[tuple[Bools, list[str]]]:
    """The different sets of cells that count, where these are not all, each with its numbers."""
    groups: dict[bytes, tuple[Bools, list[str]]] = {}
    for name, one in counts.items():
        if not one.all():
            groups.setdefault(one.tobytes(), (one, []))[1].append(name)
    return list(groups.values())


def unsupported(cells: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Numbers that none of these cells' movies supports, and why.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        names: the numbers there are.
    """
    if not len(cells):
        return {}
    counts = counting(cells, names)
    met = [(need, need.met(cells)) for need in NEEDS]
    found: dict[str, str] = {}
    for name in names:
        if counts[name].any():
            continue
        needs = [(need, one) for need, one in met if need.needed_by([name])]
        alone = [need.reason(cells) for need, one in needs if not one.any()]
        together = "; ".join(short for need, one in needs if not one.all() for short in need.short(cells, one))
        found[name] = alone[-1] if alone else f"no movie supports it: {together}"
    for name in set(NEEDS_LONG_TRACKS) & set(names) - set(found):
        share = seen_share(cells[counts[name]])
        if share < LEAST_SEEN:
            of_movie = f"cells are seen for {100 * share:.0f} % of the movie on average"
            found[name] = f"{of_movie}, and paths become less straight with time"
    return found


def seen_share(cells: pd.DataFrame) -> float:
    """Share of their movies' time for which cells are seen, weighted by the distance they cover; NaN without any."""
    distance = cells["distance_um"].to_numpy(float)
    share = ((cells["end_h"] - cells["start_h"]) / cells["movie_h"]).fillna(0.0).to_numpy(float)
    return float((share * distance).sum() / distance.sum()) if distance.sum() > 0 else float("nan")


def partly_met_warnings(cells: pd.DataFrame) -> list[str]:
    """Which movies do not count in some numbers of several movies together, and how many cells do, in words."""
    warnings = []
    for need in NEEDS:
        counts = need.met(cells)
        if counts.all() or not counts.any():
            continue
        n = f"{int(counts.sum())} of {len(cells)} cells count"
        for short, unmet in need.short(cells, counts).items():
            if "movie" in cells:
                left_out = sorted(cells.loc[unmet, "movie"].astype(str).unique())
                which = f"{len(left_out)} of {cells['movie'].nunique()} movies"
                names = f": {', '.join(left_out[:6])}{', …' if len(left_out) > 6 else ''}"
            else:
                which, names = f"{int(unmet.sum())} of {len(cells)} cells", ""
            warnings.append(f"{need.what} {need.leave} {which}, as {short}{names}; {n}.")
    return warnings
