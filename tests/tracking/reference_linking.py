"""Linking by LapTrack with the cost of one pair at a time: slow and plain, to compare with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection

import networkx as nx
import numpy as np
import pandas as pd
from laptrack import LapTrack
from numpy.typing import NDArray

from somanet.core.calibration import Calibration

Pair = tuple[int, int]


def pair_cost(
    rows: pd.DataFrame, calibration: Calibration, max_step_um: float, weights: tuple[float, float, float]
) -> Callable[[int, int], float]:
    """The cost of a link as the documentation of ``link_cells`` gives it, as a function of two row numbers."""
    overlap, shape, intensity = weights
    table = rows.assign(t=calibration.in_intervals(rows["frame"])).to_dict("records")

    def cost(first: int, second: int) -> float:
        a, b = table[first], table[second]
        y_um, x_um = ((b[name] - a[name]) * calibration.pixel_size_um for name in ("y_px", "x_px"))
        total = (y_um**2 + x_um**2) / (max_step_um**2 * (b["t"] - a["t"]))
        if total > 1:
            return math.inf
        height = max(0, min(a["bottom_px"], b["bottom_px"]) - max(a["top_px"], b["top_px"]))
        width = max(0, min(a["right_px"], b["right_px"]) - max(a["left_px"], b["left_px"]))
        boxes = sum((one["bottom_px"] - one["top_px"]) * (one["right_px"] - one["left_px"]) for one in (a, b))
        total += overlap * (1 - height * width / (boxes - height * width))
        ratios = (max(b[name], 1) / max(a[name], 1) for name in ("area_px", "major_axis_px"))
        total += shape * min(1, sum(math.log2(ratio) ** 2 for ratio in ratios))
        if a["mean_intensity"] > 0 and b["mean_intensity"] > 0:
            total += intensity * min(1, math.log2(b["mean_intensity"] / a["mean_intensity"]) ** 2)
        return total

    return cost


def reference_links(
    rows: pd.DataFrame,
    calibration: Calibration,
    *,
    max_step_um: float,
    max_gap_frames: int,
    weights: tuple[float, float, float],
    blank_frames: Collection[int] = (),
) -> list[Pair]:
    """Links as pairs of row numbers; rows by frame and label."""
    cost = pair_cost(rows, calibration, max_step_um, weights)
    frames = rows["frame"].tolist()
    seen = [t for t in range(frames[0], frames[-1] + 1) if t in frames or t not in blank_frames]
    bounds = np.append(np.searchsorted(frames, seen), len(frames))
    coords = [np.arange(start, stop)[:, None] for start, stop in itertools.pairwise(bounds)]

    def metric(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
        return cost(int(a[0]), int(b[0]))

    cutoff = 1 + sum(weights) + 1e-6
    tracker = LapTrack(
        metric=metric,
        cutoff=cutoff,
        track_start_cost=cutoff,
        track_end_cost=cutoff,
        gap_closing_metric=metric,
        gap_closing_cutoff=cutoff if max_gap_frames else False,
        gap_closing_max_frame_count=max_gap_frames + 1,
        segment_start_cost=cutoff,
        segment_end_cost=cutoff,
    )
    return [(int(bounds[t] + i), int(bounds[u] + j)) for (t, i), (u, j) in tracker.predict(coords).edges()]


def reference_identities(n_rows: int, links: list[Pair]) -> NDArray[np.int64]:
    """Track number of each row, from 1 in order of the first row."""
    graph = nx.Graph(links)
    graph.add_nodes_from(range(n_rows))
    ids = np.zeros(n_rows, np.int64)
    for number, rows in enumerate(sorted(nx.connected_components(graph), key=min), start=1):
        ids[list(rows)] = number
    return ids
