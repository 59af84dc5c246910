"""Signs that saltation numbers do not hold, of one movie or of several together, and how near each is to its limit.

Each sign is a ratio to a limit that was set on simulated worlds (``docs/trust.md``): above 1 it speaks against the
numbers. The greatest of them is how near the movie is to them. Of one movie the signs scatter, by 4 to 7 % where some
30 cells are seen for 12 h. Several movies of one kind are pooled sign by sign, with their directions, so that chance
averages out and what is wrong in all of them stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from somanet.migration.sampling_warnings import FEWEST_EVENTS
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD

MOST_CONTINUOUS = 0.3
"""Share of the cells' time of those that keep moving, half of the undecided ones counted. Cells that creep fast but
jump clearly are among them, so it takes a lesser sign of another kind as well."""
ANY_NUMBER = 1000
"""From so many exchanges on, what is counted is no tracks."""
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
"""Saltations whose end is lost with the cell, or missed more often than rests, over all: tracks that break in motion
lose the long ones, and pauses and paths are of what is left."""
LONGEST_LEAST = 0.35
"""Least length of a saltation over their mean length, where noise sets it: what is shorter is not seen."""

HOLDS_TO, FAILS_FROM = 1.0, 1.9
"""How near to its limit the nearest sign may be for the numbers to hold, and from where they do not. Between the two it
cannot be told. Set on simulated worlds, see ``docs/trust.md``; movies together have the same, as their signs scatter
less and stand no nearer to the truth."""


@dataclass(frozen=True)
class Signs:
    """What is seen of the assumptions behind saltation numbers. NaN where unknown.

    Attributes:
        n_movies, n_events: movies, and saltations whose start is seen.
        frequency_per_h, length_um: corrected, by the rule.
        change_of_frequency, change_of_length: logarithm of what they become with every second frame left out, over
            what they are.
        model, model_of_half: logarithm of the frequency by the model, at the interval and with every second frame, over
            that by the rule.
        moving_share: of the cells' time of those that keep moving, half of the undecided ones counted.
        hidden: logarithm of corrected over uncorrected frequency.
        exchanges: of cells between two tracks.
        cut_share: saltations whose end is lost with the cell, or missed more often than rests are, over all.
        least_over_mean: least length of a saltation over their mean length where noise sets it, else 0.
        in_pieces: pauses of a single step beyond those that there may be, where noise cuts jumps: above 1 it does
            (:class:`somanet.migration.sampling_warnings.Pieces`). Unknown in results of before.
    """

    n_movies: int
    n_events: int
    frequency_per_h: float
    length_um: float
    change_of_frequency: float
    change_of_length: float
    model: float
    model_of_half: float
    moving_share: float
    hidden: float
    exchanges: int
    cut_share: float
    least_over_mean: float
    in_pieces: float

    @property
    def change(self) -> float:
        """The larger change with every second frame left out, a log ratio without its direction."""
        changes = (self.change_of_frequency, self.change_of_length)
        return max((abs(one) for one in changes if math.isfinite(one)), default=math.nan)

    @property
    def disagreement(self) -> float:
        """Log ratio of rule and model without its direction, of the nearer one by the model."""
        return min((abs(one) for one in (self.model, self.model_of_half) if math.isfinite(one)), default=math.nan)

    @property
    def exchanged(self) -> float:
        """Exchanges over how many there may be."""
        most = (MOST_EXCHANGES if self.exchanges > 1 else MOST_OF_ONE) * self.n_events
        return self.exchanges / most if most else (math.inf if self.exchanges else 0.0)

    def in_words(self) -> list[tuple[float, str]]:
        """Each sign over its limit, and what it is in words."""
        return [*self._of_motion(), *self._of_tracks()]

    @property
    def nearest(self) -> float:
        """The greatest sign over its limit."""
        return max(value for value, _ in self.in_words())

    def reasons(self, level: float = 1.0) -> list[str]:
        """Signs above a level, in words; several signs together only where none is alone."""
        found = self.in_words()
        alone = [words for value, words in found if value > level and not words.startswith(TOGETHER)]
        return alone or [words for value, words in found if value > level]

    def verdict(self) -> str:
        """Whether the numbers hold, do not, or whether this cannot be told."""
        if self.n_events < FEWEST_EVENTS:
            return UNTOLD
        if self.nearest > FAILS_FROM:
            return FAIL
        return HOLD if self.nearest <= HOLDS_TO and math.isfinite(self.change) else UNTOLD

    def _of_motion(self) -> list[tuple[float, str]]:
        """What speaks for another motion than jumps and rests, or for pauses that frames hide."""
        change, disagreement, hidden, share = (
            value if math.isfinite(value) else 0.0
            for value in (self.change, self.disagreement, self.hidden, self.moving_share / MOST_CONTINUOUS)
        )
        lesser = max(change / math.log1p(LESSER_CHANGE), disagreement / math.log(LESSER_DISAGREEMENT))
        unsteady = max(lesser, share) if math.isfinite(self.change) else math.inf
        parts = change / math.log1p(MOST_CHANGE), disagreement / math.log(MOST_DISAGREEMENT)
        together = parts[0] ** 2 + parts[1] ** 2 + min(share, CONTINUOUS_COUNTS) ** 2
        by_the_model = self.model if math.isfinite(self.model) else self.model_of_half
        moving = f"cells that keep moving, or may, make up {100 * self.moving_share:.0f} % of the observed time"
        whole, half, by_model = (self._numbers(*logs) for logs in ((0, 0), self._changes, (by_the_model, 0)))
        signs = [
            f"with every second frame left out, frequency or length change by a factor of {math.exp(change):.2f}",
            f"rule and model differ by one of {math.exp(disagreement):.2f}",
            moving,
        ]
        known = [words for words, value in zip(signs, self._known, strict=True) if math.isfinite(value)]
        return [
            (
                min(share, max(lesser, hidden / math.log(LESSER_HIDDEN))),
                f"{moving}, and their changes of speed are taken for saltations",
            ),
            (
                parts[0],
                (
                    f"with every second frame left out, they become {half[0]:.2g} per hour of {half[1]:.2g} µm "
                    f"instead of {whole[0]:.2g} per hour of {whole[1]:.2g} µm"
                ),
            ),
            (parts[1], f"the rule finds {whole[0]:.2g} per hour and the model {by_model[0]:.2g}"),
            (
                max(hidden / math.log(FAR_TOO_HIDDEN), min(hidden / math.log(MOST_HIDDEN), unsteady)),
                (
                    f"{100 * -math.expm1(-hidden):.0f} % of them are hidden by frames that are too far apart for "
                    "pauses so short"
                ),
            ),
            (math.sqrt(together / MOST_TOGETHER), f"{TOGETHER} speak against them: {', '.join(known)}"),
        ]

    @property
    def _changes(self) -> tuple[float, float]:
        return self.change_of_frequency, self.change_of_length

    @property
    def _known(self) -> tuple[float, float, float]:
        return self.change, self.disagreement, self.moving_share

    def _numbers(self, of_frequency: float, of_length: float) -> tuple[float, float]:
        """Frequency and length, changed."""
        return self.frequency_per_h * math.exp(of_frequency), self.length_um * math.exp(of_length)

    def _of_tracks(self) -> list[tuple[float, str]]:
        """What speaks for tracks that do not follow their cells, or for noise that hides many saltations."""
        cut = self.cut_share if math.isfinite(self.cut_share) else 0.0
        least = self.least_over_mean * self.length_um
        return [
            (
                self.exchanged,
                _exchanged(self.exchanges),
            ),
            (
                cut / MOST_CUT,
                (
                    f"in {100 * cut:.0f} % of the saltations the cell is lost before they end, which loses the long "
                    "ones and shortens what is seen of a cell: correct the tracks"
                ),
            ),
            (
                self.least_over_mean / LONGEST_LEAST,
                (
                    f"with an error of {least / 4:.2g} µm, saltations of less than {least:.2g} µm are not seen, which "
                    f"is much of their mean length of {self.length_um:.2g} µm"
                ),
            ),
            (
                # by how much they are too many, this does not tell: no number is said not to hold for it alone
                min(self.in_pieces, FAILS_FROM) if math.isfinite(self.in_pieces) else 0.0,
                (
                    "jumps are hardly faster than the speed that noise allows to see, and are found in pieces, too "
                    "many and too short"
                ),
            ),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: unknown ones are None."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Signs:
        """From what :meth:`as_dict` gave."""
        known: dict[str, Any] = {one.name: found[one.name] for one in fields(cls) if one.name != "in_pieces"}
        known["in_pieces"] = found.get("in_pieces")
        known = {name: math.nan if value is None else value for name, value in known.items()}
        return cls(**known)


TOGETHER = "several signs together"


def pooled(signs: Sequence[Signs]) -> Signs:
    """The signs of several movies together: counts are added, others averaged by the number of saltations."""
    weights = np.array([one.n_events for one in signs], np.float64)

    def mean(name: str) -> float:
        values = np.array([getattr(one, name) for one in signs], np.float64)
        known = np.isfinite(values) & (weights > 0)
        return float(np.average(values[known], weights=weights[known])) if known.any() else math.nan

    return Signs(
        n_movies=sum(one.n_movies for one in signs),
        n_events=sum(one.n_events for one in signs),
        frequency_per_h=mean("frequency_per_h"),
        length_um=mean("length_um"),
        change_of_frequency=mean("change_of_frequency"),
        change_of_length=mean("change_of_length"),
        model=mean("model"),
        model_of_half=mean("model_of_half"),
        moving_share=mean("moving_share"),
        hidden=mean("hidden"),
        exchanges=sum(one.exchanges for one in signs),
        cut_share=mean("cut_share"),
        least_over_mean=mean("least_over_mean"),
        in_pieces=mean("in_pieces"),
    )


def _exchanged(n: int) -> str:
    """That tracks exchange their cells; so many times that no person counts them if they are no tracks at all."""
    if n >= ANY_NUMBER:
        return "thousands of times two tracks seem to exchange their cells: are their numbers those of tracks"
    times = "once" if n == 1 else f"{n} times"
    return f"{times} two tracks seem to exchange their cells, which looks like two saltations: correct them"
