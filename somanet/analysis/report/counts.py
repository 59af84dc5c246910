"""How many saltations there are: one count, that of `saltations.csv`, and which of them each number is based on."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import pandas as pd

from somanet.core.counting import counted
from somanet.migration.cells import Migration
from somanet.migration.pooling import long_enough

START_SEEN = ("", "end")
"""Values of ``censored`` with which a saltation's start is observed."""


@dataclass(frozen=True)
class SaltationCounts:
    """The saltations that were found, and those among them that numbers use.

    Attributes:
        found: all of them, the rows of `saltations.csv`.
        started: those of cells observed long enough whose start is observed: the numerator of the frequency.
        complete: those of them whose end is observed as well: lengths, durations and speeds are theirs.
        brief: those of cells observed too briefly, which no number uses.
    """

    found: int
    started: int
    complete: int
    brief: int

    @property
    def unseen_start(self) -> int:
        """Those of cells observed long enough whose start is not observed."""
        return self.found - self.brief - self.started

    def in_words(self) -> str:
        """Where each of them counts, as sentences; they begin with the one count."""
        if not self.found:
            return "No saltation was found."
        found = counted(self.found, "saltation was", "saltations were")
        left_out = [
            f"{number} {words}"
            for number, words in (
                (self.brief, "of cells observed too briefly"),
                (self.unseen_start, "whose start is not observed"),
            )
            if number
        ]
        if self.complete == self.found:
            return f"{found} found, and every number of saltations is based on all of them."
        if self.brief == self.found:
            which = "in a cell" if self.found == 1 else "all in cells"
            return f"{found} found, {which} observed too briefly, so no number of saltations is estimated."
        if not self.started:
            return f"{found} found, but none counts: {' and '.join(left_out)}."
        used = "all of them" if self.started == self.found else str(self.started)
        without = f" (without {' and '.join(left_out)})" if left_out else ""
        same = f"of the same {'one' if self.started == 1 else 'ones'}"
        ended = same if self.complete == self.started else f"those of the {self.complete} that also end in view"
        if not self.complete:
            none = "None of these ends in view, so none has a length or a speed."
            return f"{found} found; the frequency counts {used}{without}. {none}"
        return f"{found} found; the frequency counts {used}{without}, lengths and speeds are {ended}."


def saltation_counts(migration: Migration) -> SaltationCounts:
    """Count the saltations of one movie."""
    events = migration.saltations.events
    return count_saltations(events, set(long_enough(migration.cells)["track_id"]))


def count_saltations(events: pd.DataFrame, long: Set[int]) -> SaltationCounts:
    """Count rows of :data:`somanet.migration.tables.SALTATION_EVENTS`.

    Args:
        events: of one movie.
        long: the cells that are observed long enough.
    """
    of_long = events["track_id"].isin(list(long))
    return SaltationCounts(
        found=len(events),
        started=int((of_long & events["censored"].isin(START_SEEN)).sum()),
        complete=int((of_long & (events["censored"] == "")).sum()),
        brief=int((~of_long).sum()),
    )
