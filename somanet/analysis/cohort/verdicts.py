"""Whether saltation numbers hold, judged where they are published: movies of one group and one kind together.

One movie's checks scatter; those of several that are filmed and measured alike are pooled sign by sign
(:mod:`somanet.migration.signs`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from somanet.analysis.cohort.results import MovieResult
from somanet.core.files import plain
from somanet.migration.comparability import frame_intervals_min
from somanet.migration.signs import Signs, pooled
from somanet.migration.verdict_names import FAIL, HOLD

AXIS = "axis_deg"


@dataclass(frozen=True)
class Verdict:
    """What the movies of one group, frame interval and settings say together.

    Attributes:
        group: its name, or "all".
        interval_min: between their frames.
        movies: their names.
        signs: of all of them.
    """

    group: str
    interval_min: float
    movies: tuple[str, ...]
    signs: Signs

    @property
    def verdict(self) -> str:
        """Whether the numbers hold, do not, or whether these movies cannot tell."""
        return self.signs.verdict()

    @property
    def reasons(self) -> list[str]:
        """What speaks against them, in words."""
        return self.signs.reasons()

    @property
    def in_words(self) -> str:
        """One sentence."""
        n = len(self.movies)
        which = "the only movie" if n == 1 else f"all {n} movies" if self.group == "all" else f"{n} movies"
        of_group = "" if self.group == "all" else f" of {self.group}"
        judged = "saltation numbers" if n == 1 else "together, saltation numbers"
        together = f"Of {which}{of_group} ({self.interval_min:.4g} min between frames) {judged}"
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        if self.verdict == HOLD:
            return f"{together} hold, as far as frames left out, the second detector and the tracks show."
        if self.verdict == FAIL:
            return f"{together} do not hold{why}."
        told = "this movie alone cannot tell" if n == 1 else "these movies cannot tell"
        return f"{together} may hold or not: {told}{why}."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "frame_interval_min": self.interval_min,
            "movies": list(self.movies),
            "saltation_numbers": self.verdict,
            "reasons": self.reasons,
            "nearest_limit": self.signs.nearest,
            "signs": self.signs.as_dict(),
        }


def verdicts_of(results: Mapping[str, MovieResult], movies: pd.DataFrame) -> Iterator[Verdict]:
    """One for each group, frame interval and setting of the measurement that has movies with signs.

    Args:
        results: the movies, by name.
        movies: the table of them, with ``movie`` and ``group`` if they have one.
    """
    kinds: dict[tuple[str, float, str], list[str]] = {}
    known = frame_intervals_min(movies.assign(frame_interval_h=movies["frame_interval_min"] / 60))
    for row in movies.to_dict("records"):
        name = str(row["movie"])
        if results[name].signs is None:
            continue
        interval = min(known, key=lambda minutes: abs(minutes - float(row["frame_interval_min"])))
        settings = {
            key: plain(value)
            for key, value in (results[name].manifest["parameters"].get("migrate") or {}).items()
            if key != AXIS
        }
        kind = str(row.get("group", "all")), interval, json.dumps(settings, sort_keys=True, default=str)
        kinds.setdefault(kind, []).append(name)
    for (group, interval, _), names in sorted(kinds.items()):
        signs = [one for one in (results[name].signs for name in names) if one is not None]
        yield Verdict(group, interval, tuple(names), pooled(signs))
