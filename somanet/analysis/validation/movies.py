"""The whole chain on simulated movies: images → masks → tracks → saltations, against the ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.validation.conditions import MovieCondition
from somanet.analysis.validation.ground_truth import QUANTITIES
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import ratio
from somanet.evaluation.migration import relative_bias, score_saltations
from somanet.evaluation.tracks import Matches, match_masks, track_scores
from somanet.migration.cells import migration_of
from somanet.migration.pooling import long_enough, pooled_numbers
from somanet.migration.saltation import LEAST_FRAMES, LEAST_HOURS, LEAST_LENGTH_UM
from somanet.simulation.neurons import SimulatedMovie, simulate_movie
from somanet.tracking.movie import track_masks

Labels = NDArray[np.integer]
Segment = Callable[[Sequence[NDArray[np.generic]]], Iterator[Labels]]
"""From the frames of a movie to their label images, 0 = background, with ids unrelated between frames."""

TRACK_SCORES = ("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1", "identity_switches", "precision", "recall", "followed")
SOURCES = ("perfect", "chain")
"""Sources of saltations: the true positions, which show the effect of the frame interval, and the chain's tracks."""
UNMATCHED = 1_000_000
"""Added to the ids of tracks that match no cell, so that their saltations match none."""


@dataclass(frozen=True)
class Found:
    """Saltations found in the tracks of one movie: the cells, and the counts from ``score_saltations``."""

    cells: pd.DataFrame
    n_true: int
    n_found: int
    n_matched: int


@dataclass(frozen=True)
class ChainResult:
    """One movie through the chain.

    Attributes:
        tracking: :data:`TRACK_SCORES` of its tracks.
        jumps: ground truth jumps that start while their cell is in view: ``length_um``, ``duration_h``.
        in_view_h: total time that cells are in view.
        found: saltations by :data:`SOURCES`.
    """

    tracking: dict[str, float]
    jumps: pd.DataFrame
    in_view_h: float
    found: dict[str, Found]


def simulate(condition: MovieCondition, *, seed: int) -> SimulatedMovie:
    """One movie of a condition."""
    return simulate_movie(
        seed=seed,
        n_frames=condition.n_frames,
        shape_YX=condition.shape_YX,
        calibration=Calibration(condition.pixel_size_um, condition.interval_min),
        settings=condition.settings,
    )


def true_masks(movie: SimulatedMovie, *, seed: int = 0) -> Segment:
    """A perfect segmentation of this movie: its ground truth masks, with ids unrelated between frames."""
    rng = np.random.default_rng(seed)

    def segment(frames: Sequence[NDArray[np.generic]]) -> Iterator[Labels]:
        for labels_YX, _ in zip(movie.labels_TYX, frames, strict=True):
            ids = np.unique(labels_YX[labels_YX > 0])
            names = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
            names[ids] = rng.permutation(ids.size) + 1
            yield names[labels_YX]

    return segment


def network_masks(folder: Path | str) -> Segment:
    """The segmentation of a saved network; blank frames get no labels, as in an analysis.

    Raises:
        SomaNetError: the folder has no network.
    """
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.inference.video import find_blank_frames, segmented_frames
    from somanet.segmentation.network.checkpoint import load_checkpoint

    segmenter = Segmenter((load_checkpoint(Path(folder)),))

    def segment(frames: Sequence[NDArray[np.generic]]) -> Iterator[Labels]:
        found = segmented_frames(segmenter, frames, blank_frames=find_blank_frames(frames))
        return (one.labels_YX for one in found)

    return segment


def run_chain(movie: SimulatedMovie, segment: Segment) -> ChainResult:
    """Segment, track and measure one movie, and measure the true positions as well.

    Raises:
        SomaNetError: the segmentation does not return one label image per frame, or py-ctcmetrics is not installed.
    """
    frames = list(movie.frames_TYX)
    masks = list(segment(frames))
    if len(masks) != len(frames):
        raise SomaNetError(
            f"The segmentation returned {len(masks)} label images for {len(frames)} frames; expected one per frame."
        )
    tracked = track_masks(masks, frames, movie.calibration)
    matches = match_masks(movie.labels_TYX, tracked.labels())
    scores = track_scores(matches)
    itself = {int(i): int(i) for i in movie.tracks["track_id"].unique()}
    view = _in_view(movie)
    long = view[(view["n_frames"] >= LEAST_FRAMES) | (view["end_h"] - view["start_h"] >= LEAST_HOURS)]
    jumps = _saltations(movie).merge(long, on="track_id", suffixes=("", "_view"))
    jumps = jumps[(jumps["start_h"] >= jumps["start_h_view"]) & (jumps["start_h"] < jumps["end_h_view"])]
    return ChainResult(
        tracking={name: scores[name] for name in TRACK_SCORES},
        jumps=jumps.assign(duration_h=jumps["end_h"] - jumps["start_h"])[["track_id", "length_um", "duration_h"]],
        in_view_h=float((long["end_h"] - long["start_h"]).sum()),
        found={
            "perfect": _found(movie, movie.tracks, itself, tracked.drift.table),
            "chain": _found(movie, tracked.tracks, true_ids(matches), tracked.drift.table),
        },
    )


def true_ids(matches: Matches) -> dict[int, int]:
    """Predicted track → the ground truth track that it matches in over half of its frames; others are left out."""
    frames = Counter(i for frame in matches.predicted for i in frame)
    pairs = Counter((j, i) for frame in matches.pairs for i, j in frame)
    return {predicted: true for (predicted, true), n in pairs.items() if 2 * n > frames[predicted]}


def _in_view(movie: SimulatedMovie) -> pd.DataFrame:
    by_cell = movie.tracks.groupby("track_id")["t_h"]
    return by_cell.agg(start_h="min", end_h="max", n_frames="size").reset_index()


def _saltations(movie: SimulatedMovie) -> pd.DataFrame:
    return movie.saltations[movie.saltations["length_um"] >= LEAST_LENGTH_UM]


def _found(movie: SimulatedMovie, tracks: pd.DataFrame, names: dict[int, int], stage: pd.DataFrame) -> Found:
    result = migration_of(tracks, stage=stage)
    events = result.saltations.events
    events = events.assign(track_id=[names.get(int(i), UNMATCHED + int(i)) for i in events["track_id"]])
    scores = score_saltations(_saltations(movie), events, _in_view(movie))
    return Found(result.cells, scores.n_true, scores.n_found, scores.n_matched)


def chain_scores(results: Sequence[ChainResult]) -> dict[str, float]:
    """Scores of one or several movies of one condition together.

    Returns:
        Mean :data:`TRACK_SCORES`; ``n_jumps``, ground truth jumps that start in view; for ``perfect`` and ``chain`` the
        ``_recall`` and ``_precision`` of saltations and the ``_bias`` of each quantity, ``_raw`` and ``_corrected``,
        against the jumps of these same cells.
    """
    jumps = pd.concat([result.jumps for result in results], ignore_index=True)
    hours = sum(result.in_view_h for result in results)
    length, moving = float(jumps["length_um"].sum()), float(jumps["duration_h"].sum())
    true_values = {
        "frequency": ratio(len(jumps), hours),
        "length": ratio(length, len(jumps)),
        "speed": ratio(length, moving),
    }
    row = {name: float(np.mean([result.tracking[name] for result in results])) for name in TRACK_SCORES}
    row["n_jumps"] = float(len(jumps))
    for source in SOURCES:
        found = [result.found[source] for result in results]
        n_true, n_found, n_matched = (
            sum(getattr(one, name) for one in found) for name in ("n_true", "n_found", "n_matched")
        )
        row[f"{source}_recall"] = ratio(n_matched, n_true)
        row[f"{source}_precision"] = ratio(n_matched, n_found)
        cells = long_enough(pd.concat([one.cells for one in found], ignore_index=True))
        numbers = pooled_numbers(cells, np.ones((1, len(cells))))
        for quantity, names in QUANTITIES.items():
            for kind, name in zip(("raw", "corrected"), names, strict=True):
                row[f"{source}_{quantity}_{kind}_bias"] = relative_bias(float(numbers[name][0]), true_values[quantity])
    return row


def score_movies(condition: MovieCondition, segment: Segment | None, *, movies: int, seed: int = 0) -> pd.DataFrame:
    """Scores of a condition: one row per movie, and a row ``all`` for them together.

    Args:
        condition: the simulated condition.
        segment: the segmentation; ground truth masks if None.
        movies: number of movies.
        seed: seed of the first one.
    """
    results = []
    for i in range(movies):
        movie = simulate(condition, seed=seed + i)
        results.append(run_chain(movie, segment or true_masks(movie)))
    about = {"factor": condition.factor, "level": condition.level, "interval_min": condition.interval_min}
    rows = [about | {"movie": str(seed + i)} | chain_scores([result]) for i, result in enumerate(results)]
    return pd.DataFrame([*rows, about | {"movie": "all"} | chain_scores(results)])
