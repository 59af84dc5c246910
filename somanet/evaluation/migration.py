"""Saltations and their statistics against the ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class EventScores:
    """How well saltations are detected; NaN where undefined.

    Attributes:
        n_true: true saltations entirely within their track's observed time; those cut off by it do not count.
        n_found: detected saltations, without those that match a cut-off one.
        n_matched: one-to-one pairs that overlap in time.
        frequency_bias: detected over true saltations that start within the observed time, minus 1.
        length_bias: mean length of complete detected ones over that of the true ones, minus 1.
    """

    n_true: int
    n_found: int
    n_matched: int
    frequency_bias: float
    length_bias: float

    @property
    def recall(self) -> float:
        """Share of true saltations that have a match; merged ones share a single match."""
        return self.n_matched / self.n_true if self.n_true else math.nan

    @property
    def precision(self) -> float:
        """Share of detected saltations that have a match."""
        return self.n_matched / self.n_found if self.n_found else math.nan


def score_saltations(true: pd.DataFrame, found: pd.DataFrame, observed: pd.DataFrame) -> EventScores:
    """Compare detected saltations with the true ones of the same track ids.

    Args:
        true: columns of :data:`somanet.core.schema.SALTATIONS`; may include saltations outside the observed time.
        found: the same, and ``censored`` (empty, start, end or both).
        observed: one row per track: ``track_id``, ``start_h``, ``end_h``.
    """
    window = observed[["track_id", "start_h", "end_h"]].rename(columns={"start_h": "seen_from_h", "end_h": "seen_to_h"})
    ground_truth = true.merge(window, on="track_id")
    ground_truth = ground_truth[
        (ground_truth["start_h"] < ground_truth["seen_to_h"]) & (ground_truth["end_h"] > ground_truth["seen_from_h"])
    ]
    started = ground_truth["start_h"] >= ground_truth["seen_from_h"]
    whole = started & (ground_truth["end_h"] <= ground_truth["seen_to_h"])
    matched = ignored = 0
    found_by_track = dict(list(found.groupby("track_id")))
    for track_id, events in ground_truth.groupby("track_id"):
        if track_id not in found_by_track:
            continue
        rows, _ = match_events(events, found_by_track[track_id])
        is_whole = whole.loc[events.index].to_numpy()[rows]
        matched += int(is_whole.sum())
        ignored += int((~is_whole).sum())
    seen_start = found["censored"].isin(["", "end"]).sum()
    complete = found[found["censored"] == ""]
    return EventScores(
        n_true=int(whole.sum()),
        n_found=len(found) - ignored,
        n_matched=matched,
        frequency_bias=relative_bias(float(seen_start), float(started.sum())),
        length_bias=relative_bias(_mean(complete["length_um"]), _mean(ground_truth.loc[whole, "length_um"])),
    )


def match_events(true: pd.DataFrame, found: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of true and detected events of one track, paired one to one for the longest total overlap in time."""
    start = np.maximum.outer(true["start_h"].to_numpy(float), found["start_h"].to_numpy(float))
    end = np.minimum.outer(true["end_h"].to_numpy(float), found["end_h"].to_numpy(float))
    overlap = np.clip(end - start, 0.0, None)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    real = overlap[rows, columns] > 0
    return rows[real], columns[real]


def relative_bias(measured: float, true: float) -> float:
    """Measured over true value, minus 1; NaN if the true value is 0 or unknown."""
    return measured / true - 1 if true else math.nan


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else math.nan
