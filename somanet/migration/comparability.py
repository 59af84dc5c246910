"""Why groups cannot be compared in a number, and what a reader of a comparison has to know, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.core.counting import counted
from somanet.migration.kinematics import Floats
from somanet.migration.requirements import rests_on_saltations
from somanet.migration.verdict_names import FAIL, VERDICT

SAME_INTERVAL = 1.02
"""Frame intervals within this factor are equal: microscopes write 10.003 min for 10 min."""
ROUNDING = 1e-9
"""Spread of donors over their greatest number below which it is none."""
MOST_CELLS_RATIO = 2.0
"""Cells per donor of one group over those of the other, up to which R is compared: random directions are found
different in 0.04 to 0.06 of experiments up to here, in up to 0.08 at 3 and 0.12 at 5."""


def frame_intervals_min(cells: pd.DataFrame) -> list[float]:
    """The frame intervals of cells, ascending, those within 2 % of each other as one."""
    found: list[float] = []
    for minutes in sorted(60 * float(hours) for hours in cells["frame_interval_h"].dropna().unique()):
        if not found or minutes > SAME_INTERVAL * found[-1]:
            found.append(minutes)
    return found


def intervals_problem(cells: pd.DataFrame, groups: tuple[str, str]) -> str:
    """Refuse groups of several frame intervals: what frames hide is corrected for, but not exactly."""
    if len(frame_intervals_min(cells)) < 2:
        return ""
    each = [
        f"{group} every {' and '.join(f'{m:.4g}' for m in frame_intervals_min(cells[cells['group'] == group]))} min"
        for group in groups
    ]
    return (
        f"The groups cannot be compared: their movies have different frame intervals ({'; '.join(each)}), and every "
        "number depends on it. Compare movies of one interval, or leave out frames of the faster ones."
    )


def few_cells_problem(donors: pd.DataFrame, groups: tuple[str, str]) -> str:
    """Refuse R of donors with few cells against R of donors with many: the former varies more, and not evenly."""
    cells = [float(donors.loc[donors["group"] == group, "n_cells"].median()) for group in groups]
    if max(cells) <= MOST_CELLS_RATIO * min(cells):
        return ""
    each = " and ".join(f"{group} has {n:.3g}" for group, n in zip(groups, cells, strict=True))
    return (
        f"R of the groups cannot be compared, as {each} cells per donor: with more than twice as many, equal "
        "directions are found different too often. Compare the mean cosine to an axis (--axis-deg), or film more cells."
    )


def undefined_notes(donors: pd.DataFrame, groups: tuple[str, str]) -> list[str]:
    """Donors that do not count, as the number is undefined for them."""
    lacking = [
        f"{', '.join(donors.loc[(donors['group'] == group) & donors['value'].isna(), 'donor'])} of {group}"
        for group in groups
        if donors.loc[donors["group"] == group, "value"].isna().any()
    ]
    return [f"Not counted, as this number is undefined for them: {'; '.join(lacking)}."] if lacking else []


def reused_notes(donors: pd.DataFrame, groups: tuple[str, str], *, paired: bool) -> list[str]:
    """Donor ids that are in both groups, where they are not said to be the same donors."""
    reference, other = (set(donors.loc[donors["group"] == group, "donor"]) for group in groups)
    both = sorted(reference & other)
    if not both or paired:
        return []
    ids = ", ".join(both[:6]) + (", …" if len(both) > 6 else "")
    note = f"The donor ids {ids} are in both groups and count as different donors."
    return [f"{note} If they are the same, compare them with themselves: --paired donor."]


def unsupported_notes(cells: pd.DataFrame, groups: tuple[str, str], number: str) -> list[str]:
    """Movies of the groups whose data do not support saltation numbers, where the number is one.

    Those whose numbers do not hold are told apart from those that cannot tell, where ``cells`` has the verdicts.
    """
    if not rests_on_saltations(number) or (cells["saltations_supported"] == 1).all():
        return []
    movie = cells["movie"] if "movie" in cells else cells["donor"]
    what = "movies" if "movie" in cells else "donors"
    unsupported = cells["saltations_supported"] != 1
    fails = cells[VERDICT] == FAIL if VERDICT in cells else None

    def counts(found: pd.Series) -> str:
        """How many movies of each group have such cells."""
        each = []
        for group in groups:
            one = cells["group"] == group
            n = movie[one & found].nunique()
            each += [f"{n} of {movie[one].nunique()} {what} of {group}"] if n else []
        return " and ".join(each)

    if fails is None:
        said = f"Saltation numbers are not supported by {counts(unsupported)}"
    else:
        failing, untold = counts(unsupported & fails), counts(unsupported & ~fails)
        parts = [f"saltation numbers do not hold in {failing}"] if failing else []
        parts += [f"whether saltation numbers hold cannot be told of {untold}"] if untold else []
        said = " and ".join(parts)
        said = said[:1].upper() + said[1:]
    note = (
        f"{said}: a difference in frequency or length may be one in the way of moving. Compare the groups without "
        "these, too."
    )
    return [note]


def donors_problem(a: Floats, b: Floats, groups: tuple[str, str], *, paired: bool) -> str:
    """Why donors cannot be compared, in words."""
    if paired and a.size < 2:
        return (
            f"The groups cannot be compared in pairs: {counted(a.size, 'donor has', 'donors have')} this number in "
            "both, and it takes two. Give the same id to the movies of one donor, or leave out --paired."
        )
    few = [
        f"{group} has {counted(side.size, 'donor')}"
        for group, side in zip(groups, (a, b), strict=True)
        if side.size < 2
    ]
    if few:
        return (
            f"The groups cannot be compared: {' and '.join(few)} with this number, and it takes two per "
            "group to know how much donors differ. More cells or movies of the same donor do not help."
        )
    spread = np.ptp(b - a) if paired else np.ptp(a) + np.ptp(b)
    size = max(float(np.abs(a).max()), float(np.abs(b).max()))
    return "" if spread > ROUNDING * size else "The groups cannot be compared: the donors' numbers do not vary at all."
