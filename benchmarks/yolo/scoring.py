"""Scores of every system by the same code: boxes of each set, and tracks of the movie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.yolo.box_scores import Boxes, MatchedBoxes, best_cut, boxes_of, match_boxes, on_edge, score_boxes
from benchmarks.yolo.box_tracks import track_boxes
from benchmarks.yolo.sets import LATER_X_PX, MOVIE, ScoredSet
from benchmarks.yolo.somas import SIDES
from somanet.core.calibration import Calibration
from somanet.core.schema import BOXES
from somanet.evaluation.scores import bootstrap_intervals, score_dataset
from somanet.evaluation.tracks import match_points, track_scores
from somanet.evaluation.windows import Window, confine
from somanet.io.images import read_labels
from somanet.io.movies import open_movie
from somanet.io.tables import read_table
from somanet.segmentation.inference.video import find_blank_frames
from somanet.tracking.exchange import write_csv
from somanet.tracking.formats import read_tracks
from somanet.tracking.movie import track_masks

RESAMPLES = 1000
USUAL_CUT = 0.25
"""libreyolo's default, for a detector without a matched box in the validation sets."""
MOST_LINKED = 200
"""Maximum boxes per frame, about ten times the number of somas: more would be noise, and take hours to link."""
WINDOWS = {"whole frame": Window(), f"x ≥ {LATER_X_PX}": Window(x_from_px=LATER_X_PX)}


@dataclass(frozen=True)
class System:
    """A system that detects somas.

    Attributes:
        name: its name in the tables.
        folder: its predictions: a CSV for each set and, if it has masks, a folder of label images.
        masks: `own`: its boxes need no threshold. `ranked`: a label is the row number of its
            box in the CSV, and a threshold keeps some of them. None: it has boxes only.
    """

    name: str
    folder: Path
    masks: Literal["own", "ranked"] | None = None

    def boxes(self, set_name: str, *, cut: float = 0.0) -> pd.DataFrame:
        """Its boxes of a set above a threshold, ``BOXES`` columns."""
        table = read_table(self.folder / f"{set_name}.csv", BOXES)
        return table[table["score"] >= cut]

    def labels(self, set_name: str, names: Sequence[str], *, cut: float) -> list[NDArray[np.int32]]:
        """Its label images of a set above a threshold; for systems with masks."""
        if self.masks == "own":
            return [read_labels(self.folder / set_name / f"{name}.tif") for name in names]
        counts = self.boxes(set_name, cut=cut)["image"].value_counts()
        ranked = [(read_labels(self.folder / set_name / f"{name}.png"), int(counts.get(name, 0))) for name in names]
        return [np.where(labels <= n, labels, 0) for labels, n in ranked]


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth labels of one image, and their boxes."""

    name: str
    labels: NDArray[np.int32]
    boxes: Boxes


def ground_truths_of(images: ScoredSet) -> list[GroundTruth]:
    """The ground truth of a set."""
    return [GroundTruth(item.name, item.labels, boxes_of(item.labels)) for item in images]


def match_set(
    ground_truths: Sequence[GroundTruth], boxes: pd.DataFrame, *, x_from_px: float = 0.0, interior: bool = False
) -> list[MatchedBoxes]:
    """Every image of a set matched.

    Args:
        ground_truths: the images.
        boxes: of all of them, ``BOXES`` columns.
        x_from_px: boxes with their centre left of it do not count.
        interior: nor do those cut by the image's edge.
    """
    by_image = dict(iter(boxes.groupby("image")))
    matched = []
    for ground_truth in ground_truths:
        rows = by_image.get(ground_truth.name, boxes[:0])
        pred = rows[list(SIDES)].to_numpy(float)
        out = [_left_of(some, x_from_px) for some in (ground_truth.boxes, pred)]
        if interior:
            out = [
                left | on_edge(some, ground_truth.labels.shape)
                for left, some in zip(out, (ground_truth.boxes, pred), strict=True)
            ]
        scores = rows["score"].to_numpy(float)
        matched.append(match_boxes(ground_truth.boxes, pred, scores, ignored_true=out[0], ignored_pred=out[1]))
    return matched


def _left_of(boxes: Boxes, x_px: float) -> NDArray[np.bool_]:
    left: NDArray[np.bool_] = (boxes[:, 0] + boxes[:, 2]) / 2 < x_px
    return left


def choose_cut(system: System, validation: Sequence[tuple[str, Sequence[GroundTruth]]]) -> dict[str, Any]:
    """A system's confidence threshold, by the mean F1 of the validation sets."""
    if system.masks == "own":
        return {"cut": 0.0, "chosen": "none: everything it labels is a soma"}
    matched = [match_set(ground_truths, system.boxes(name)) for name, ground_truths in validation]
    cut, f1 = best_cut(matched)
    if math.isnan(cut):
        return {"cut": USUAL_CUT, "chosen": "libreyolo's default, as nothing matched in the validation sets"}
    return {"cut": cut, "chosen": "best mean F1 of the validation sets", "validation_f1": f1}


def score_set(
    images: Sequence[MatchedBoxes], cut: float, reference: tuple[Sequence[MatchedBoxes], float] | None, *, seed: int
) -> dict[str, Any]:
    """Scores with bootstrap intervals over images, and their differences from a reference on the same images.

    Args:
        images: matched images of a system.
        cut: its threshold.
        reference: the same for the reference system; None gives no differences.
        seed: of the bootstrap.
    """

    def pooled(index: NDArray[np.intp]) -> dict[str, float]:
        values = score_boxes([images[i] for i in index], min_score=cut)
        if reference is not None:
            other = score_boxes([reference[0][i] for i in index], min_score=reference[1])
            values |= {f"{name}_minus_reference": values[name] - other[name] for name in ("f1", "ap")}
        return values

    values = pooled(np.arange(len(images)))
    best = best_cut([images])
    return {
        **values,
        "best_f1": best[1],
        "interval95": bootstrap_intervals(len(images), pooled, seed=seed, resamples=RESAMPLES),
        "n_images": len(images),
        "n_true": sum(int(image.counted_true.sum()) for image in images),
        "n_predicted": sum(int((image.counted & (image.scores >= cut)).sum()) for image in images),
    }


def score_masks(system: System, ground_truths: Sequence[GroundTruth], set_name: str, *, cut: float) -> dict[str, Any]:
    """Scores of a system's masks, as `somanet evaluate` has them."""
    found = system.labels(set_name, [ground_truth.name for ground_truth in ground_truths], cut=cut)
    pairs = [
        (ground_truth.name, ground_truth.labels, labels)
        for ground_truth, labels in zip(ground_truths, found, strict=True)
    ]
    return score_dataset(pairs).as_dict()


def track_system(system: System, movie_folder: Path, tracks_folder: Path, *, cut: float) -> dict[str, Any]:
    """Tracks of the movie from a system's boxes, and from its masks if it has any, against the reference.

    Writes the tracks; returns scores by what was linked and by part of the frame, or the number of boxes per frame
    if there are too many.
    """
    with open_movie(movie_folder / "cell_body.tif") as movie:
        calibration = movie.file_calibration.complete()
        blank = find_blank_frames(movie)
        boxes = system.boxes(MOVIE, cut=cut)
        if len(boxes) > MOST_LINKED * movie.n_frames:
            return {"boxes_per_frame": len(boxes) / movie.n_frames}
        boxes = boxes.assign(frame=boxes["image"].astype("int64"))
        tracks = {"boxes": track_boxes(boxes, movie, calibration, blank_frames=blank)}
        if system.masks:
            masks = system.labels(MOVIE, [f"{t:04d}" for t in range(movie.n_frames)], cut=cut)
            tracks["masks"] = track_masks(masks, movie, calibration, blank_frames=blank).tracks
    for kind, table in tracks.items():
        write_csv(tracks_folder / f"{system.name}_{kind}.csv", table)
    return {kind: _score_tracks(table, movie_folder / "tracks.csv", calibration) for kind, table in tracks.items()}


def _score_tracks(tracks: pd.DataFrame, reference: Path, calibration: Calibration) -> dict[str, Any]:
    true = read_tracks(reference, calibration)
    matches = match_points(true, tracks)
    return {
        name: track_scores(confine(matches, window.points(true), window.points(tracks)))
        for name, window in WINDOWS.items()
    }
