"""The few numbers of a pipeline's movies that `dvc metrics` shows; the stages' own outputs have all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SPEED = "average_speed_um_per_h"
"""Path from frame to frame over time, not corrected: it grows with the frame rate and with noise. It is defined for
every movie, and alike for the tracks found and for the reference, which it is there to be compared with."""


def tracks_headline(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Number of tracks, and the mean HOTA of the movies that have a reference.

    Args:
        metrics: movie → its numbers, as the stage `track` writes them.
    """
    scored = [one["points_detection"] for one in metrics.values() if "points_detection" in one]
    return {
        "tracks": sum(one["n_tracks"] for one in metrics.values()),
        "HOTA": _mean([one["HOTA"] for one in scored]),
    }


def migration_headline(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Number of cells and of saltations, and the cells' average speed beside that of the reference tracks.

    ``um_per_h`` and ``true_um_per_h`` are means over cells of :data:`SPEED`, path from frame to frame over time, of the
    tracks found and of the reference, in µm/h: no speed of saltations, and not to be compared between movies of other
    frame intervals or noise.

    Args:
        metrics: movie → its summary, as the stage `migrate` writes it; `reference` in it is of the reference tracks.
    """
    movies = list(metrics.values())
    return {
        "cells": sum(one["n_cells"] for one in movies),
        "saltations": sum(one["n_events"] for one in movies),
        "um_per_h": _mean_speed(movies),
        "true_um_per_h": _mean_speed([one["reference"] for one in movies if "reference" in one]),
    }


def cohort_headline(comparisons: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float | None]:
    """The least adjusted p of the cohort's comparisons; None where nothing is compared.

    Args:
        comparisons: pair of groups → number → name → value.
    """
    found = [values["p_adjusted"] for numbers in comparisons.values() for values in numbers.values()]
    return {"least_p": min((p for p in found if p is not None and not math.isnan(p)), default=None)}


def _mean_speed(summaries: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean of :data:`SPEED` over cells: each movie's mean counts as often as it has cells."""
    speeds = [(one["numbers"][SPEED]["value"], one["n_cells"]) for one in summaries]
    known = [(speed, cells) for speed, cells in speeds if speed is not None and cells]
    total = sum(cells for _, cells in known)
    return sum(speed * cells for speed, cells in known) / total if total else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else None
