"""Whether a movie supports "saltations per hour", or another description of its motion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from somanet.core.counting import counted
from somanet.migration.cells import Migration
from somanet.migration.frame_dropping import NAMES, Thinned
from somanet.migration.intervals import not_estimated
from somanet.migration.motion_modes import CONTINUOUS, UNDECIDED, Modes
from somanet.migration.pooling import UNITS
from somanet.migration.requirements import unsupported
from somanet.migration.saltation import LEAST_LENGTH_SIGMAS
from somanet.migration.sampling_warnings import FEWEST_EVENTS, Pieces
from somanet.migration.signs import MOST_CHANGE, Signs
from somanet.migration.summary import Summary
from somanet.migration.travel import step_range
from somanet.migration.verdict_names import FAIL, UNTOLD


@dataclass(frozen=True)
class Support:
    """Whether saltation numbers can be quoted.

    Attributes:
        saltations: they are supported: no sign is beyond its limit, and there are enough of them.
        reasons: why not, in words; empty if they are.
        signs: what is seen of the assumptions behind them.
        travel: speed, pauses and distance of saltations are supported: nothing but their small number is against them.
        identities: tracks keep their cells, as far as exchanges can be seen.
    """

    saltations: bool
    reasons: tuple[str, ...]
    signs: Signs
    travel: bool
    identities: bool

    @property
    def verdict(self) -> str:
        """Whether the numbers hold, do not, or whether this movie alone cannot tell."""
        return self.signs.verdict()

    @property
    def remark(self) -> str:
        """What to say beside a saltation number; empty where it holds."""
        return {FAIL: "not supported", UNTOLD: "this movie alone cannot tell"}.get(self.verdict, "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for the list of warnings."""
        why = "; ".join(self.reasons)
        if self.verdict == FAIL:
            return (f"Saltation numbers are not supported by this movie: {why}.",)
        if self.verdict == UNTOLD:
            told = why or "it is too short to leave out frames"
            return (f"Whether saltation numbers hold, this movie alone cannot tell: {told}.",)
        return ()


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
    signs = signs_of(modes, thinned, model_thinned, rule, model, found, exchanges)
    reasons = signs.reasons()
    few = []
    if rule.n_events < FEWEST_EVENTS:
        few = [
            f"the frequency counts {counted(rule.n_events, 'saltation')}, and it takes {FEWEST_EVENTS} to describe them"
        ]
    elif rule.numbers[NAMES[0]].problem:
        few = [f"their frequency is not estimated: {rule.numbers[NAMES[0]].problem}"]
    return Support(
        saltations=not (reasons or few),
        reasons=(*few, *reasons),
        signs=signs,
        travel=not reasons,
        identities=not signs.exchanged > 1,
    )


def signs_of(
    modes: Modes | None,
    thinned: tuple[Thinned, ...],
    model_thinned: tuple[Thinned, ...],
    rule: Summary,
    model: Summary,
    found: Migration,
    exchanges: int,
) -> Signs:
    """The signs of one movie, from the same as :func:`support_of`."""
    frequency, length = (rule.numbers[name].value for name in NAMES)
    by_model = [model.numbers[NAMES[0]].value, *(one.numbers[NAMES[0]].value for one in model_thinned[1:2])]
    logs = [_log_ratio(value, frequency) for value in (*by_model, math.nan)]
    changes = _changes(thinned)
    cells = found.cells
    n, n_cut = int(cells["n_saltations"].sum()), float(cells["n_cut"].sum()) + missed_in_motion(found)
    sigma, least = found.noise.sigma_um, found.saltations.min_length_um
    set_by_noise = math.isclose(least, LEAST_LENGTH_SIGMAS * sigma)
    share = math.nan if modes is None else modes.mode_share[CONTINUOUS] + modes.mode_share[UNDECIDED] / 2
    return Signs(
        n_movies=1,
        n_events=rule.n_events,
        frequency_per_h=frequency,
        length_um=length,
        change_of_frequency=changes[0],
        change_of_length=changes[1],
        model=logs[0],
        model_of_half=logs[1],
        moving_share=share,
        hidden=_log_ratio(frequency, rule.numbers["frequency_per_h"].value),
        exchanges=exchanges,
        cut_share=n_cut / max(n, n_cut) if n else math.nan,
        least_over_mean=least / length if set_by_noise and length > 0 else 0.0,
        in_pieces=Pieces.of(cells, found.saltations.pauses, found.steps.interval_h).over_limit,
    )


def missed_in_motion(found: Migration) -> float:
    """Saltations that end in missing frames, beyond as many as would if frames were missing after any step alike.

    Detections that are missing at random cut saltations, too, which the numbers allow for; those that are missing
    because a cell moves hide the long saltations, and the fast ones.
    """
    steps = found.steps
    first, last = step_range(steps, found.saltations.events)
    edges = np.zeros(len(steps) + 1, np.int64)
    np.add.at(edges, first, 1)
    np.add.at(edges, last + 1, -1)
    moving = np.cumsum(edges)[:-1] > 0
    missed = np.zeros(len(steps), bool)
    missed[:-1] = (steps.gap & ~steps.pause)[1:] & (steps.track_id[1:] == steps.track_id[:-1])
    resting = ~moving & ~steps.gap
    expected = missed[resting].mean() * moving.sum() if resting.any() else 0.0
    return max(0.0, float(missed[moving].sum() - expected))


def _log_ratio(value: float, to: float) -> float:
    """NaN where one of them is 0 or unknown."""
    return math.log(value / to) if value > 0 and to > 0 else math.nan


def _changes(thinned: tuple[Thinned, ...]) -> list[float]:
    """The changes of frequency and length with every second frame left out, as log ratios; NaN where unknown."""
    if len(thinned) < 2:
        return [math.nan, math.nan]
    found = (thinned[1].changes[name].value for name in NAMES)
    return [math.log1p(value) if value > -1 else math.nan for value in found]


def flagged(found: Migration, support: Support, thinned: tuple[Thinned, ...]) -> Migration:
    """The same cells, with what they do not support said in each row, so that a cohort knows it, too.

    Args:
        found: by either detector.
        support: of the movie.
        thinned: by the same detector: its numbers may follow the frame interval where the other's do not.
    """
    steady = not any(abs(one) > math.log1p(MOST_CHANGE) for one in _changes(thinned))
    flags = {"saltations_supported": int(support.travel and steady), "identities_kept": int(support.identities)}
    return replace(found, cells=found.cells.assign(**flags))


def without_unsupported(summary: Summary, cells: pd.DataFrame) -> Summary:
    """The summary of these cells; what their flags say is not supported is not estimated."""
    unmet = unsupported(cells[cells["long_enough"] == 1], tuple(UNITS))
    refused = {name: not_estimated(math.nan, reason) for name, reason in unmet.items()}
    p = math.nan if "resultant" in refused else summary.random_directions_p
    return replace(summary, numbers={**summary.numbers, **refused}, random_directions_p=p) if refused else summary
