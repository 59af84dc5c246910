"""Whether a movie supports "saltations per hour", or another description of its motion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from somanet.migration.cells import Migration
from somanet.migration.frame_dropping import NAMES, Thinned
from somanet.migration.intervals import not_estimated
from somanet.migration.motion_modes import CONTINUOUS, UNDECIDED, Modes
from somanet.migration.pooling import UNITS
from somanet.migration.requirements import unsupported
from somanet.migration.saltation import LEAST_LENGTH_SIGMAS
from somanet.migration.sampling_warnings import FEWEST_EVENTS
from somanet.migration.summary import Summary

MOST_CONTINUOUS = 0.3
"""Share of the cells' time of those that keep moving, half of the undecided ones counted. Cells that creep fast but
jump clearly are among them, so it takes a lesser sign of another kind as well."""
LESSER_CHANGE, LESSER_DISAGREEMENT, LESSER_HIDDEN = 0.1, 1.1, 1.25
MOST_CHANGE = 0.25
"""Change of corrected frequency or length at twice the frame interval."""
MOST_DISAGREEMENT = 1.15
"""Corrected frequency by the rule over that by the model, or the other way round; by the model at the movie's interval
or at twice that, whichever is nearer: where frames are fast it joins short rests, and finds them with fewer frames."""
MOST_HIDDEN, FAR_TOO_HIDDEN = 1.5, 1.6
"""Corrected over uncorrected frequency. Where frames hide a third of the jumps or more, what they hide is a guess: a
good one only where the numbers are known to stay when half of the frames are left out, which hides more, and no lesser
sign speaks against it. Above the second limit, 3 of 8 hidden, it is none."""
MOST_TOGETHER = 1.2
"""Sum of squares of change, disagreement and share, each over its limit (the share of those that keep moving as
:data:`CONTINUOUS_COUNTS` at most, as it is no sign alone)."""
CONTINUOUS_COUNTS = 0.9
MOST_EXCHANGES, MOST_OF_ONE = 0.01, 0.02
"""Pairs of steps that look like two tracks that exchanged cells, over the number of saltations; the latter where there
is one such pair only, as two cells that pass each other make one, too."""
MOST_CUT = 0.1
"""Saltations whose end is lost with the cell, over all: tracks that break in motion lose the long ones, and pauses and
paths are of what is left."""
LONGEST_LEAST = 0.35
"""Least length of a saltation over their mean length, where noise sets it: what is shorter is not seen."""


@dataclass(frozen=True)
class Support:
    """Whether saltation numbers can be quoted.

    Attributes:
        saltations: they are supported.
        reasons: why not, in words; empty if they are.
        continuous_share: of the cells' time, half of the undecided ones counted; NaN without steps.
        change: of corrected frequency or length at twice the interval, the larger one as a log ratio; NaN if unknown.
        disagreement: corrected frequency of the detectors, the larger over the smaller, the model's at the interval, or
            twice that, at which they are nearer; NaN if unknown.
        hidden: corrected over uncorrected frequency, by the rule; NaN if unknown.
        exchanges: of cells between two tracks, see :func:`somanet.migration.exchanges.n_exchanges`.
        cut_share: saltations whose end is lost with the cell, over all; NaN without any.
        travel: speed, pauses and distance of saltations are supported: nothing but their small number is against them.
        identities: tracks keep their cells, as far as exchanges can be seen.
    """

    saltations: bool
    reasons: tuple[str, ...]
    continuous_share: float
    change: float
    disagreement: float
    hidden: float
    exchanges: int
    cut_share: float
    travel: bool
    identities: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for the list of warnings."""
        if self.saltations:
            return ()
        return (f"Saltation numbers are not supported by this movie: {'; '.join(self.reasons)}.",)


def support_of(
    modes: Modes | None,
    thinned: tuple[Thinned, ...],
    model_thinned: tuple[Thinned, ...],
    rule: Summary,
    model: Summary,
    found: Migration,
    exchanges: int,
) -> Support:
    """Check what saltation numbers rest on; limits are calibrated on simulated worlds, see ``docs/trust.md``.

    Args:
        modes: of the movie's cells.
        thinned, model_thinned: corrected numbers by the two detectors, with frames left out.
        rule, model: numbers by the two detectors.
        found: by the rule.
        exchanges: of cells between two tracks.
    """
    share = math.nan if modes is None else modes.mode_share[CONTINUOUS] + modes.mode_share[UNDECIDED] / 2
    change = _change(thinned)
    values = [summary.numbers[NAMES[0]].value for summary in (rule, model)]
    disagreement = _disagreement(values[0], [values[1], *(one.numbers[NAMES[0]].value for one in model_thinned[1:2])])
    seen = rule.numbers["frequency_per_h"].value
    hidden = values[0] / seen if seen > 0 else math.nan
    cells = found.cells
    n = int(cells["n_saltations"].sum())
    n_cut = float(cells["n_cut"].sum())
    cut = n_cut / max(n, n_cut) if n else math.nan
    reasons = [
        *_of_motion(share, change, disagreement, hidden, thinned, values),
        *_of_tracks(exchanges, rule.n_events, cut),
        *_of_noise(rule, found),
    ]
    few = []
    if rule.n_events < FEWEST_EVENTS:
        few = [f"{rule.n_events} saltations are found, and it takes {FEWEST_EVENTS} to describe them"]
    elif rule.numbers[NAMES[0]].problem:
        few = [f"their frequency is not estimated: {rule.numbers[NAMES[0]].problem}"]
    return Support(
        saltations=not (reasons or few),
        reasons=(*few, *reasons),
        continuous_share=share,
        change=change,
        disagreement=disagreement,
        hidden=hidden,
        exchanges=exchanges,
        cut_share=cut,
        travel=not reasons,
        identities=not _exchanged(exchanges, rule.n_events),
    )


def _of_motion(
    share: float,
    change: float,
    disagreement: float,
    hidden: float,
    thinned: tuple[Thinned, ...],
    values: list[float],
) -> list[str]:
    """What speaks for another motion than jumps and rests, or for pauses that frames hide."""
    reasons = []
    moving = f"cells that keep moving, or may, make up {100 * share:.0f} % of the observed time"
    unsteady = change > math.log1p(LESSER_CHANGE) or disagreement > LESSER_DISAGREEMENT
    if share > MOST_CONTINUOUS and (unsteady or hidden > LESSER_HIDDEN):
        reasons.append(f"{moving}, and their changes of speed are taken for saltations")
    if change > math.log1p(MOST_CHANGE):
        whole, half = (
            f"{one.numbers[NAMES[0]].value:.2g} per hour of {one.numbers[NAMES[1]].value:.2g} µm" for one in thinned[:2]
        )
        reasons.append(f"with every second frame left out, they become {half} instead of {whole}")
    if disagreement > MOST_DISAGREEMENT:
        reasons.append(f"the rule finds {values[0]:.2g} per hour and the model {values[1]:.2g}")
    steady = change <= math.log1p(LESSER_CHANGE) and disagreement <= LESSER_DISAGREEMENT and not share > MOST_CONTINUOUS
    if hidden > FAR_TOO_HIDDEN or (hidden > MOST_HIDDEN and not steady):
        reasons.append(
            f"{100 * (1 - 1 / hidden):.0f} % of them are hidden by frames that are too far apart for pauses so short"
        )
    if not reasons and _together(share, change, disagreement) > MOST_TOGETHER:
        signs = [
            f"with every second frame left out, frequency or length change by a factor of {math.exp(change):.2f}",
            f"rule and model differ by one of {disagreement:.2f}",
            moving,
        ]
        known = [words for words, value in zip(signs, (change, disagreement, share), strict=True) if value == value]
        reasons.append(f"several signs together speak against them: {', '.join(known)}")
    return reasons


def _disagreement(rule: float, model: list[float]) -> float:
    """The larger over the smaller of frequencies by rule and model, of the nearest one by the model; NaN if unknown."""
    both = [max(rule, value) / min(rule, value) for value in model if rule > 0 and value > 0]
    return min(both, default=math.nan)


def _together(share: float, change: float, disagreement: float) -> float:
    """Sum of squares of the signs over their limits; unknown ones are none."""
    signs = (
        change / math.log1p(MOST_CHANGE),
        math.log(disagreement) / math.log(MOST_DISAGREEMENT),
        min(share / MOST_CONTINUOUS, CONTINUOUS_COUNTS),
    )
    return sum(value**2 for value in signs if math.isfinite(value))


def _of_tracks(exchanges: int, n_events: int, cut: float) -> list[str]:
    """What speaks for tracks that do not follow their cells."""
    reasons = []
    if _exchanged(exchanges, n_events):
        reasons.append(
            f"{exchanges} times two tracks seem to exchange their cells, which looks like two saltations: correct them"
        )
    if cut > MOST_CUT:
        reasons.append(
            f"in {100 * cut:.0f} % of the saltations the cell is lost before they end, which loses the long ones and "
            "shortens what is seen of a cell: correct the tracks"
        )
    return reasons


def _exchanged(exchanges: int, n_events: int) -> bool:
    return exchanges > (MOST_EXCHANGES if exchanges > 1 else MOST_OF_ONE) * n_events


def _of_noise(rule: Summary, found: Migration) -> list[str]:
    """Noise that hides many saltations, where it sets the least length."""
    sigma, least, mean = found.noise.sigma_um, found.saltations.min_length_um, rule.numbers[NAMES[1]].value
    if not (math.isclose(least, LEAST_LENGTH_SIGMAS * sigma) and least > LONGEST_LEAST * mean):
        return []
    seen = f"with an error of {sigma:.2g} µm, saltations of less than {least:.2g} µm are not seen"
    return [f"{seen}, which is much of their mean length of {mean:.2g} µm"]


def _change(thinned: tuple[Thinned, ...]) -> float:
    """The larger change of frequency and length with every second frame left out, as a log ratio; NaN if unknown."""
    if len(thinned) < 2:
        return math.nan
    logs = [math.log1p(value) for name in NAMES if (value := thinned[1].changes[name].value) > -1]
    return max((abs(value) for value in logs if math.isfinite(value)), default=math.nan)


def flagged(found: Migration, support: Support, thinned: tuple[Thinned, ...]) -> Migration:
    """The same cells, with what they do not support said in each row, so that a cohort knows it, too.

    Args:
        found: by either detector.
        support: of the movie.
        thinned: by the same detector: its numbers may follow the frame interval where the other's do not.
    """
    steady = not _change(thinned) > math.log1p(MOST_CHANGE)
    flags = {"saltations_supported": int(support.travel and steady), "identities_kept": int(support.identities)}
    return replace(found, cells=found.cells.assign(**flags))


def without_unsupported(summary: Summary, cells: pd.DataFrame) -> Summary:
    """The summary of these cells; what their flags say is not supported is not estimated."""
    unmet = unsupported(cells[cells["long_enough"] == 1], tuple(UNITS))
    refused = {name: not_estimated(math.nan, reason) for name, reason in unmet.items()}
    return replace(summary, numbers={**summary.numbers, **refused}) if refused else summary
