"""Tracks against the ground truth: the standard scores by py-ctcmetrics, on label movies, folders and points."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.extras import SERVES, require
from somanet.evaluation.masks import Labels, overlap, ratio

METRICS = ("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1")
MATCH_UM = 8.0
MIN_REFERENCE_FRAMES = 10
FOLLOWED_SHARE = 0.8
_LONGEST_GAP = 2

Pairs = list[list[int]]


@dataclass(frozen=True)
class Matches:
    """Which reference and predicted tracks match in each frame: the input of every score.

    Attributes:
        reference, predicted: ids in each frame.
        pairs: matched (reference id, predicted id) in each frame.
        iou: intersection over union of each pair; NaN for points.
    """

    reference: Pairs
    predicted: Pairs
    pairs: list[list[tuple[int, int]]]
    iou: list[list[float]]

    def without_long_gaps(self) -> Matches:
        """The same, with at most two empty frames in a row, so that no score's cost follows the last frame's number.

        A score asks whether a step is one to the next frame, and of divisions whether they are one frame apart; longer
        gaps, of frames without any cell in either, are all the same to it.
        """
        short, empty = Matches([], [], [], []), 0
        for frame in zip(self.reference, self.predicted, self.pairs, self.iou, strict=True):
            empty = 0 if frame[0] or frame[1] else empty + 1
            if empty <= _LONGEST_GAP:
                for kept, values in zip((short.reference, short.predicted, short.pairs, short.iou), frame, strict=True):
                    kept.append(values)  # type: ignore[attr-defined]
        return short


def match_masks(labels_true: Iterable[Labels], labels_pred: Iterable[Labels]) -> Matches:
    """Match two label movies, value = track id, by the challenge's rule: more than half of the true mask is covered.

    Args:
        labels_true: YX label images; one frame at a time is in memory.
        labels_pred: the same number, of the same shapes.

    Raises:
        SomaNetError: the movies differ in length or shape.
    """
    matches = Matches([], [], [], [])
    for true_YX, pred_YX in zip_longest(labels_true, labels_pred):
        if true_YX is None or pred_YX is None:
            shorter = "truth" if true_YX is None else "prediction"
            raise SomaNetError(
                f"The {shorter} ends after {len(matches.pairs)} frames; expected two label movies of the same length."
            )
        measured = overlap(true_YX, pred_YX)
        true, pred = (np.setdiff1d(labels, 0) for labels in (true_YX, pred_YX))
        rows, columns = np.nonzero(measured.shared_px > 0.5 * measured.true_px[:, None])
        matches.reference.append(true.tolist())
        matches.predicted.append(pred.tolist())
        matches.pairs.append(list(zip(true[rows].tolist(), pred[columns].tolist(), strict=True)))
        matches.iou.append(measured.iou[rows, columns].tolist())
    return matches


def match_points(
    reference: pd.DataFrame,
    predicted: pd.DataFrame,
    *,
    max_distance_um: float = MATCH_UM,
    min_reference_frames: int = MIN_REFERENCE_FRAMES,
) -> Matches:
    """Match two tables of tracks frame by frame: one to one, as many as possible, then as near as possible.

    Shorter reference tracks are ignored: they need not be detected, and detections there that match no counted track
    are left out rather than counted as false positives.

    Args:
        reference, predicted: ``track_id``, ``frame``, ``y_um``, ``x_um``.
        max_distance_um: maximum distance of a pair.
        min_reference_frames: reference tracks with fewer frames are ignored.

    Raises:
        SomaNetError: columns are missing, or a distance that is not positive.
    """
    for name, table in (("reference", reference), ("predicted", predicted)):
        missing = [column for column in ("track_id", "frame", "y_um", "x_um") if column not in table.columns]
        if missing:
            raise SomaNetError(f"The {name} tracks lack {missing}; they have {list(table.columns)}.")
    if not (math.isfinite(max_distance_um) and max_distance_um > 0):
        raise SomaNetError(f"max_distance_um must be a positive length, found {max_distance_um}.")
    counted = reference.groupby("track_id")["frame"].transform("count") >= min_reference_frames
    matches = Matches([], [], [], [])
    n_frames = 1 + max(int(table["frame"].max()) if len(table) else -1 for table in (reference, predicted))
    tables = (reference[counted], reference[~counted], predicted)
    frames = [{int(cast("int", t)): rows for t, rows in table.groupby("frame")} for table in tables]
    for t in range(n_frames):
        if not any(t in table for table in frames):
            for values in (matches.reference, matches.predicted, matches.pairs, matches.iou):
                values.append([])
            continue
        true, short, pred = (table.get(t, whole[:0]) for table, whole in zip(frames, tables, strict=True))
        pairs = _nearest(true, pred, max_distance_um)
        rest = pred[~pred["track_id"].isin([b for _, b in pairs])]
        ignored = {b for _, b in _nearest(short, rest, max_distance_um)}
        matches.reference.append(sorted(true["track_id"].tolist()))
        matches.predicted.append(sorted(set(pred["track_id"].tolist()) - ignored))
        matches.pairs.append(pairs)
        matches.iou.append([math.nan] * len(pairs))
    return matches


def note_on_short(reference: pd.DataFrame, min_reference_frames: int) -> str | None:
    """That no reference track is long enough to be counted by :func:`match_points`, and what to do; None if one is."""
    lengths = reference.groupby("track_id")["frame"].count()
    if not len(lengths) or lengths.max() >= min_reference_frames:
        return None
    longest = int(lengths.max())
    return (
        f"Nothing is scored by points: reference tracks of fewer than {min_reference_frames} frames are ignored, and "
        f"of {len(lengths)} the longest has {longest}. --min-reference-frames {longest} or less counts them."
    )


def _nearest(true: pd.DataFrame, pred: pd.DataFrame, max_distance_um: float) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    a, b = (table[["y_um", "x_um"]].to_numpy(float) for table in (true, pred))
    distance = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    near = distance <= max_distance_um
    # Any match outweighs all the distance that could be saved.
    rows, columns = linear_sum_assignment(np.where(near, distance / max_distance_um / (1 + len(a)), 2.0))
    ids = zip(true["track_id"].to_numpy()[rows], pred["track_id"].to_numpy()[columns], near[rows, columns], strict=True)
    return sorted((int(i), int(j)) for i, j, is_near in ids if is_near)


def track_scores(matches: Matches, *, followed_share: float = FOLLOWED_SHARE) -> dict[str, float]:
    """All scores of a prediction.

    Args:
        matches: from :func:`match_masks` or :func:`match_points`.
        followed_share: a reference track is followed if one predicted track, and no other, is matched to it, in its
            first and its last frame and in at least this share of its frames.

    Returns:
        The Cell Tracking Challenge's `DET`, `SEG` (NaN for points), `TRA`, `LNK`, and `HOTA`, `IDF1`, all by
        py-ctcmetrics, as is `identity_switches`, the number of times a reference track continues under another id.
        `precision`, `recall`, `f1` of detections; `followed`, the share of reference tracks; `n_reference_tracks`,
        `n_predicted_tracks`. Undefined is NaN; without any detection scores are 0.

    Raises:
        SomaNetError: the extra `tracking-metrics` is not installed.
    """
    matches = matches.without_long_gaps()
    n_true, n_pred = (sum(map(len, ids)) for ids in (matches.reference, matches.predicted))
    found = [set(frame) for frame in matches.pairs]
    tp_true, tp_pred = (sum(len({pair[side] for pair in pairs}) for pairs in found) for side in (0, 1))
    precision, recall = ratio(tp_pred, n_pred), ratio(tp_true, n_true)
    scores = {
        **_challenge_scores(matches, n_true, n_pred),
        "precision": precision,
        "recall": recall,
        "f1": ratio(2 * precision * recall, precision + recall),
        "followed": _followed(matches, followed_share),
        "n_reference_tracks": len({i for frame in matches.reference for i in frame}),
        "n_predicted_tracks": len({i for frame in matches.predicted for i in frame}),
    }
    return {name: float(value) for name, value in scores.items()}


def _followed(matches: Matches, share: float) -> float:
    partners: dict[int, list[int | None]] = {}
    for reference, pairs in zip(matches.reference, matches.pairs, strict=True):
        partner = dict(pairs)
        for i in reference:
            partners.setdefault(i, []).append(partner.get(i))
    followed = [
        ids[0] is not None
        and ids[0] == ids[-1]
        and {*ids} <= {ids[0], None}
        and sum(i is not None for i in ids) >= share * len(ids)
        for ids in partners.values()
    ]
    return ratio(sum(followed), len(followed))


def _challenge_scores(matches: Matches, n_true: int, n_pred: int) -> dict[str, float]:
    calculate, of_whole_cells = _library()
    if not n_true or not n_pred:
        value = math.nan if not n_true else 0.0
        seg = value if any(map(len, matches.iou)) or not n_true else 0.0
        return {**dict.fromkeys(METRICS, value), "SEG": seg, "identity_switches": 0 if n_true else math.nan}
    true_tracks, true_labels = _without_gaps(matches.reference)
    pred_tracks, pred_labels = _without_gaps(matches.predicted)
    mapped_true: Pairs = []
    mapped_pred: Pairs = []
    for t, pairs in enumerate(matches.pairs):
        mapped_true.append([true_labels[t][i] for i, _ in pairs])
        mapped_pred.append([pred_labels[t][j] for _, j in pairs])
    found: dict[str, Any] = {
        "labels_ref": _arrays(labels.values() for labels in true_labels),
        "labels_comp": _arrays(labels.values() for labels in pred_labels),
        "mapped_ref": _arrays(mapped_true),
        "mapped_comp": _arrays(mapped_pred),
        "ious": [*matches.iou, []],
    }
    masks = not any(math.isnan(value) for frame in matches.iou for value in frame)
    # Without two consecutive points there is no link to score.
    links = any(last > first or parent for _, first, last, parent in true_tracks.tolist())
    wanted = ["DET", "TRA", "MOTA", *(["SEG"] if masks else []), *(["LNK"] if links else [])]
    # It prints to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        results = calculate(pred_tracks, true_tracks, found, dict(found), wanted, True)
    # For these, `calculate` fails at a frame without reference cells; the library's own functions do not.
    true_cells, pred_cells = _numbered(matches.reference), _numbered(matches.predicted)
    whole = {
        "labels_ref": _arrays([true_cells[i] for i in frame] for frame in matches.reference),
        "labels_comp": _arrays([pred_cells[j] for j in frame] for frame in matches.predicted),
        "mapped_ref": _arrays([true_cells[i] for i, _ in pairs] for pairs in matches.pairs),
        "mapped_comp": _arrays([pred_cells[j] for _, j in pairs] for pairs in matches.pairs),
    }
    for measure in of_whole_cells:
        results |= measure(**whole)
    scores = {name: results.get(name, math.nan) for name in METRICS}
    return {**scores, "identity_switches": results["IDSW"]}


def _arrays(frames: Iterable[Iterable[int]]) -> list[NDArray[np.int64]]:
    """One array per frame, plus an empty frame: the library takes integers only, and at least two frames."""
    return [*(np.array(list(frame), np.int64) for frame in frames), np.empty(0, np.int64)]


def _numbered(ids: Pairs) -> dict[int, int]:
    """Id → consecutive number from 1: the library makes tables as long as the largest id."""
    return {i: number for number, i in enumerate(sorted({i for frame in ids for i in frame}), start=1)}


def _without_gaps(ids: Pairs) -> tuple[NDArray[np.int64], list[dict[int, int]]]:
    """The challenge's table (label, first, last frame, parent) and, in each frame, id → label.

    Its tracks have no gaps: after a gap a cell continues under a new label with the old one as its parent.
    """
    rows: list[list[int]] = []
    current: dict[int, int] = {}
    labels: list[dict[int, int]] = []
    for t, frame in enumerate(ids):
        now: dict[int, int] = {}
        for i in frame:
            row = current.get(i)
            if row is None or rows[row][2] < t - 1:
                rows.append([len(rows) + 1, t, t, 0 if row is None else row + 1])
                current[i] = row = len(rows) - 1
            rows[row][2] = t
            now[i] = row + 1
        labels.append(dict(sorted(now.items(), key=lambda item: item[1])))
    return np.array(rows, np.int64).reshape(-1, 4), labels


def _library() -> tuple[Callable[..., dict[str, Any]], tuple[Callable[..., dict[str, Any]], ...]]:
    """The functions for the challenge's scores, and for the identity scores (HOTA, IDF1)."""
    require("tracking-metrics", purpose=SERVES["tracking-metrics"])
    from ctc_metrics.metrics import hota, idf1
    from ctc_metrics.scripts.evaluate import calculate_metrics

    return calculate_metrics, (hota, idf1)


def score_ctc_folders(result: Path | str, reference: Path | str, metrics: Sequence[str] = METRICS) -> dict[str, float]:
    """Score a Cell Tracking Challenge folder against a reference in the challenge's own layout.

    Args:
        result: folder with ``mask000.tif`` … and ``res_track.txt``.
        reference: folder with ``TRA/man_track000.tif`` … and ``TRA/man_track.txt``, and ``SEG/man_seg000.tif`` … for
            SEG.
        metrics: some of :data:`METRICS`.

    Raises:
        SomaNetError: the extra is not installed, an unknown metric, or not folders of the challenge.
    """
    _library()
    from ctc_metrics import evaluate_sequence

    if unknown := sorted(set(metrics) - set(METRICS)):
        raise SomaNetError(f"There are no scores {unknown}; there are {list(METRICS)}.")
    for folder, name in ((Path(result), "res_track.txt"), (Path(reference) / "TRA", "man_track.txt")):
        if not (folder / name).is_file():
            raise SomaNetError(f"{folder}: expected a Cell Tracking Challenge folder with {name}. Check the path.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = evaluate_sequence(str(result), str(reference), list(metrics), threads=1)
    except (AssertionError, OSError, ValueError, KeyError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SomaNetError(f"{result}: cannot be scored against {reference} ({reason}).") from error
    return {name: math.nan if found[name] is None else float(found[name]) for name in metrics}
