"""Tracks against the ground truth as lineages: CHOTA, complete tracks and divisions, all computed by traccuracy."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pandas as pd

from somanet.core.extras import SERVES, require
from somanet.evaluation.tracks import Matches, Pairs

LINEAGE_METRICS = (
    "CHOTA",
    "link_precision",
    "link_recall",
    "link_f1",
    "track_purity",
    "target_effectiveness",
    "complete_tracks",
    "division_precision",
    "division_recall",
    "division_f1",
    "division_f1_within_1_frame",
    "n_reference_divisions",
    "n_predicted_divisions",
)


def lineage_scores(
    matches: Matches,
    *,
    mothers_true: Mapping[int, int] | None = None,
    mothers_pred: Mapping[int, int] | None = None,
) -> dict[str, float]:
    """Scores of traccuracy in addition to those of :func:`somanet.evaluation.tracks.track_scores`.

    The matching is SomaNet's, so that all scores of a prediction refer to the same pairs. An edge over missed frames
    counts as the path between them (traccuracy's relaxed skips), except in CHOTA, which has no such edges. If one mask
    covers several cells, all scores but CHOTA use the cell it overlaps best.

    Args:
        matches: from :func:`somanet.evaluation.tracks.match_masks` or ``match_points``.
        mothers_true: cell → the mother cell it divided from; without divisions if None.
        mothers_pred: the same for the prediction.

    Returns:
        `CHOTA` (Cell HOTA: like HOTA, and a cell's ancestors and descendants count as its track);
        `link_precision`, `link_recall`, `link_f1` of links from one frame to the next; `track_purity` and
        `target_effectiveness`, the share of links of the predicted and of the reference tracks that their best partner
        has; `complete_tracks`, the share of reference tracks without any error; `division_precision`,
        `division_recall`, `division_f1` of divisions in the correct frame with both daughters correct,
        `division_f1_within_1_frame`; the number of divisions. Undefined is NaN.

    Raises:
        SomaNetError: the extra `traccuracy` is not installed.
    """
    matches = matches.without_long_gaps()
    with _quiet():
        library = _library()
        if not any(matches.reference):
            return dict.fromkeys(LINEAGE_METRICS, math.nan)
        mothers = (mothers_true or {}, mothers_pred or {})
        chota = _compute(library, library.metrics.CHOTAMetric(), matches, mothers, relaxed=False)
        single = _one_to_one(matches)
        links = _compute(library, library.metrics.BasicMetrics(), single, mothers)
        overlaps = _compute(library, library.metrics.TrackOverlapMetrics(), single, mothers)
        complete = _compute(library, library.metrics.CompleteTracks(), single, mothers)
        divisions = _compute(library, library.metrics.DivisionMetrics(max_frame_buffer=1), single, mothers)
    exact, near = divisions["Frame Buffer 0"], divisions["Frame Buffer 1"]
    scores = (
        chota["CHOTA"],
        *(links[f"Edge {name}"] for name in ("Precision", "Recall", "F1")),
        overlaps["track_purity"],
        overlaps["target_effectiveness"],
        complete["complete_tracklets"],
        *(exact[f"Division {name}"] for name in ("Precision", "Recall", "F1")),
        near["Division F1"],
        exact["Total GT Divisions"],
        exact["Total Predicted Divisions"],
    )
    return {name: float(value) for name, value in zip(LINEAGE_METRICS, scores, strict=True)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress progress bars and warnings about undefined scores."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _library() -> ModuleType:
    require("traccuracy", purpose=SERVES["traccuracy"])
    import traccuracy
    import traccuracy.loaders
    import traccuracy.matchers
    import traccuracy.metrics

    return traccuracy  # type: ignore[no-any-return]


def _one_to_one(matches: Matches) -> Matches:
    """Keep only the best-overlapping of the cells that one mask covers."""
    single = Matches(matches.reference, matches.predicted, [], [])
    for pairs, iou in zip(matches.pairs, matches.iou, strict=True):
        best = {}
        for k in sorted(range(len(pairs)), key=lambda k: (iou[k], pairs[k])):
            best[pairs[k][1]] = k
        kept = sorted(best.values())
        single.pairs.append([pairs[k] for k in kept])
        single.iou.append([iou[k] for k in kept])
    return single


def _compute(
    library: ModuleType,
    metric: Any,
    matches: Matches,
    mothers: tuple[Mapping[int, int], Mapping[int, int]],
    *,
    relaxed: bool = True,
) -> dict[str, Any]:
    """One metric, on its own graphs: traccuracy records errors in the graphs that it is given."""
    true, true_nodes = _graph(library, matches.reference, mothers[0], first=0)
    # traccuracy distinguishes the graphs by their nodes, so no number may occur in both.
    pred, pred_nodes = _graph(library, matches.predicted, mothers[1], first=len(true_nodes))
    mapping = [(true_nodes[t, i], pred_nodes[t, j]) for t, pairs in enumerate(matches.pairs) for i, j in pairs]
    matched = library.matchers.Matched(true, pred, mapping, {"name": "SomaNet"})
    found = metric.compute(matched, relax_skips_gt=relaxed, relax_skips_pred=relaxed)
    return found.results  # type: ignore[no-any-return]


def _graph(
    library: ModuleType, ids: Pairs, mothers: Mapping[int, int], *, first: int
) -> tuple[Any, dict[tuple[int, int], int]]:
    """A graph of points and steps, numbered from ``first``, and (frame, id) → its node."""
    nodes: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    rows = []
    for t, frame in enumerate(ids):
        for i in frame:
            nodes[t, i] = first + len(nodes)
            # A mother ends before her daughters begin.
            rows.append((nodes[t, i], t, last.get(i, last.get(mothers.get(i, i), -1))))
        last |= {i: nodes[t, i] for i in frame}
    table = pd.DataFrame(rows, columns=["node_id", "t", "parent"]).astype("int64")
    return library.loaders.load_point_data(df=table, pos_columns=()), nodes
