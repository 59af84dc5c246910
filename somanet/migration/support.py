"""Whether a movie supports "saltations per hour", or another description of its motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from somanet.migration.frame_dropping import NAMES, Thinned
from somanet.migration.motion_modes import CONTINUOUS, UNDECIDED, Modes
from somanet.migration.summary import Summary

MOST_CONTINUOUS = 0.3
"""Share of the cells' time of those that keep moving, half of the undecided ones counted. Cells that creep fast but
jump clearly are among them, so it takes a lesser sign of the other two as well."""
LESSER_CHANGE, LESSER_DISAGREEMENT = 0.1, 1.1
MOST_CHANGE = 0.25
"""Change of corrected frequency or length at twice the frame interval."""
MOST_DISAGREEMENT = 1.15
"""Corrected frequency by the rule over that by the model, or the other way round."""
MOST_EXCHANGES = 0.02
"""Pairs of steps that look like two tracks that exchanged cells, over the number of saltations."""


NOT_OF_SALTATIONS = (
    "average_speed_um_per_h", "rms_speed_1h_um_per_h", "straightness", "velocity_along_um_per_h",
    "velocity_across_um_per_h", "mean_cosine", "resultant", "mean_direction_deg",
)  # fmt: skip
"""Numbers of a summary that mean something whether cells saltate or not; all others rest on saltations."""


def rests_on_saltations(number: str) -> bool:
    """Whether a number of :data:`somanet.migration.summary.UNITS` means something only if cells saltate."""
    return number not in NOT_OF_SALTATIONS


@dataclass(frozen=True)
class Support:
    """Whether saltation numbers can be quoted.

    Attributes:
        saltations: they are supported.
        reasons: why not, in words; empty if they are.
        continuous_share: of the cells' time, half of the undecided ones counted; NaN without steps.
        change: of corrected frequency or length at twice the interval, the larger one as a log ratio; NaN if unknown.
        disagreement: corrected frequency of the detectors, the larger over the smaller; NaN if unknown.
        exchanges: of cells between two tracks, see :func:`somanet.migration.exchanges.n_exchanges`.
    """

    saltations: bool
    reasons: tuple[str, ...]
    continuous_share: float
    change: float
    disagreement: float
    exchanges: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for the list of warnings."""
        if self.saltations:
            return ()
        return (f"Saltation numbers are not supported by this movie: {'; '.join(self.reasons)}.",)


def support_of(
    modes: Modes | None, thinned: tuple[Thinned, ...], rule: Summary, model: Summary, exchanges: int
) -> Support:
    """Check what saltation numbers rest on; limits are calibrated on simulated worlds, see ``docs/trust.md``.

    Args:
        modes: of the movie's cells.
        thinned: corrected numbers by the rule, with frames left out.
        rule, model: numbers by the two detectors.
        exchanges: of cells between two tracks.
    """
    share = math.nan if modes is None else modes.mode_share[CONTINUOUS] + modes.mode_share[UNDECIDED] / 2
    change = _change(thinned[1]) if len(thinned) > 1 else math.nan
    values = [summary.numbers[NAMES[0]].value for summary in (rule, model)]
    disagreement = max(values) / min(values) if all(value > 0 for value in values) else math.nan
    reasons = []
    if share > MOST_CONTINUOUS and (change > math.log1p(LESSER_CHANGE) or disagreement > LESSER_DISAGREEMENT):
        reasons.append(
            f"cells that keep moving, or may, make up {100 * share:.0f} % of the observed time, and their changes "
            "of speed are taken for saltations"
        )
    if change > math.log1p(MOST_CHANGE):
        whole, half = (
            f"{one.numbers[NAMES[0]].value:.2g} per hour of {one.numbers[NAMES[1]].value:.2g} µm" for one in thinned[:2]
        )
        reasons.append(f"with every second frame left out, they become {half} instead of {whole}")
    if disagreement > MOST_DISAGREEMENT:
        reasons.append(f"the rule finds {values[0]:.2g} per hour and the model {values[1]:.2g}")
    if exchanges > MOST_EXCHANGES * rule.n_events:
        reasons.append(
            f"{exchanges} times two tracks seem to exchange their cells, which looks like two saltations: correct them"
        )
    return Support(not reasons, tuple(reasons), share, change, disagreement, exchanges)


def _change(half: Thinned) -> float:
    """The larger change of frequency and length, as a log ratio; NaN if neither is known."""
    logs = [math.log1p(half.changes[name].value) for name in NAMES if half.changes[name].value > -1]
    return max((abs(value) for value in logs if math.isfinite(value)), default=math.nan)
