"""Paired differences between two networks on the same images: the one definition for every comparison.

The difference in a score is the difference of the two scores as reported for the data set: the IoU is a mean over
images, object scores pool the objects of all images, and trainings that differ in their seed are averaged. Interval
and p refer to that same number; both account for the variation between images, not between trainings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import SCORES, ImageValues, image_values
from somanet.evaluation.resampling import (
    DRAWN_PATTERNS,
    MAX_EXACT,
    Floats,
    bootstrap_counts,
    exchange_patterns,
    holm,
    percentile_interval,
)

SEED = 0  # of the resampling, so that equal scores give equal files
ALPHA = 0.05
_TIE = 1e-9
"""Statistics that differ by less than this share of the scores' size are ties: it is above the rounding of sums
(2e-16 per image), and below any difference that matters."""


@dataclass(frozen=True)
class Difference:
    """One score of two networks on the same images; NaN where undefined.

    Attributes:
        score, reference_score: scores of the data set as reported: means over seeds.
        value: ``score`` − ``reference_score``.
        low, high: its 95 % interval, see :func:`bootstrap_interval`.
        p: two-sided, see :func:`exchange_p`.
        p_holm: p corrected for all networks that are compared with the reference in this score.
    """

    score: float
    reference_score: float
    value: float
    low: float
    high: float
    p: float
    p_holm: float


def paired_differences(
    tables: Mapping[str, ImageValues],
    reference: str,
    *,
    scores: Sequence[str] = SCORES,
    seed: int = SEED,
    movie_of: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Difference]]:
    """Network → score → difference from the reference, which is itself left out.

    Args:
        tables: network → its images' values, see :func:`same_images`.
        reference: one of the networks.
        scores: names of the scores in `metrics.json`.
        seed: seed of the resampling.
        movie_of: image → its movie, where images of one movie resemble each other: whole movies are then drawn and
            exchanged, so that interval and p account for the variation between movies. The difference is the same.

    Raises:
        SomaNetError: a score cannot be computed from the tables, or an image has no movie.
    """
    theirs = tables[reference]
    values = {name: ours for name, ours in tables.items() if name != reference}
    if unknown := [score for score in scores if score not in theirs.scores]:
        raise SomaNetError(
            f"The per-image tables do not have {unknown[0]!r}; they have {', '.join(theirs.scores)}. Name one of these."
        )
    units = units_of(theirs.images, movie_of)
    counts = bootstrap_counts(int(units.max()) + 1, seed=seed)[:, units]
    p_VK = exchange_p(list(values.values()), theirs, scores, seed=seed, units=units)
    found: dict[str, dict[str, Difference]] = {}
    for (name, ours), p_K in zip(values.items(), p_VK, strict=True):
        a_K, b_K = (dataset_scores(one, scores) for one in (ours, theirs))
        low_K, high_K = bootstrap_interval(ours, theirs, scores, counts, units=units)
        numbers_KF = np.column_stack([a_K, b_K, a_K - b_K, low_K, high_K, p_K, p_K])
        found[name] = {score: Difference(*row) for score, row in zip(scores, numbers_KF.tolist(), strict=True)}
    return corrected(found)


def units_of(images: Sequence[str], movie_of: Mapping[str, str] | None) -> NDArray[np.intp]:
    """The number of the unit that each image belongs to: its movie, or itself.

    Raises:
        SomaNetError: some images have no movie.
    """
    if movie_of is None:
        return np.arange(len(images))
    if lacking := [image for image in images if image not in movie_of]:
        raise SomaNetError(
            f"{len(lacking)} of {len(images)} images have no movie, such as {lacking[0]!r}: expected the movie of "
            "each, or of none. Give all of them."
        )
    return np.unique([movie_of[image] for image in images], return_inverse=True)[1]


def corrected(found: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, Difference]]:
    """The same with p corrected by Holm's method within each score, over these networks only."""
    scores = next(iter(found.values()), {})
    p_holm = {score: holm(np.array([one[score].p for one in found.values()])) for score in scores}
    return {
        name: {score: replace(one, p_holm=float(p_holm[score][place])) for score, one in differences.items()}
        for place, (name, differences) in enumerate(found.items())
    }


def dataset_scores(table: ImageValues, scores: Sequence[str]) -> Floats:
    """Scores of all images together, means over seeds, as reported."""
    every_image_once = np.ones((1, len(table.images)))
    scores_K: Floats = table.seed_means(scores, table.sums(every_image_once))[0]
    return scores_K


def bootstrap_interval(
    ours: ImageValues,
    theirs: ImageValues,
    scores: Sequence[str],
    counts_RN: Floats,
    *,
    units: NDArray[np.intp] | None = None,
) -> tuple[Floats, Floats]:
    """95 % percentile bootstrap intervals (Efron 1979) of differences: each resample draws the same images for both.

    Args:
        ours, theirs: values of the same images.
        scores: names of the scores.
        counts_RN: see :func:`somanet.evaluation.resampling.bootstrap_counts`; where units are movies, their counts for
            each of their images.
        units: number of each image's unit, which is drawn as a whole; None: each image is one.

    Returns:
        Lower and upper bounds. Resamples in which a score is undefined are left out. NaN where fewer than two units
        define the score of a network: a single one does not show how they vary.
    """
    units = np.arange(len(ours.images)) if units is None else units
    drawn_R = counts_RN.sum(axis=1)
    ours_RK, theirs_RK = (one.seed_means(scores, one.sums(counts_RN), n_images=drawn_R) for one in (ours, theirs))
    low_K, high_K = percentile_interval(ours_RK - theirs_RK)
    few_K = np.array([min(_n_defining(table, score, units) for table in (ours, theirs)) < 2 for score in scores])
    return np.where(few_K, np.nan, low_K), np.where(few_K, np.nan, high_K)


def _n_defining(table: ImageValues, score: str, units: NDArray[np.intp]) -> int:
    """Number of units with an image in which a score is defined on its own, in any seed."""
    return len(np.unique(units[np.isfinite(table.of_images(score))]))


def exchange_p(
    networks: Sequence[ImageValues],
    reference: ImageValues,
    scores: Sequence[str],
    *,
    seed: int,
    drawn_patterns: int = DRAWN_PATTERNS,
    units: NDArray[np.intp] | None = None,
) -> Floats:
    """Two-sided p of the paired permutation test that networks and reference are exchangeable on every image.

    Under the null hypothesis their results on an image could be swapped (Fisher 1935). The statistic is the reported
    difference, recomputed with the results of some images exchanged; p is the share of such patterns in which it is at
    least as far from 0 as observed. For a mean over images this is the sign-flip test, the same as
    `scipy.stats.permutation_test`, except that statistics that differ only by the rounding of their sums are ties.
    Up to :data:`~somanet.evaluation.resampling.MAX_EXACT` images all patterns are enumerated, so that n images that all
    agree give 2/2^n. Beyond, patterns are drawn at random, and the observed one is counted among them (Phipson and
    Smyth 2010), so that p is never 0. Patterns in which a score is undefined are left out.

    Seeds are exchanged in order; if one side has fewer, its seeds are repeated from the first until both sides match.

    Args:
        networks, reference: values of the same images.
        scores: names of the scores.
        seed: seed of the drawn patterns.
        drawn_patterns: number of patterns, including the observed one.
        units: number of each image's unit, such as its movie, which is exchanged as a whole; None: each image is one.

    Returns:
        Networks × scores; NaN where the difference is undefined.
    """
    units = np.arange(len(reference.images)) if units is None else units
    n_units = int(units.max()) + 1
    pairs = [_even_seeds(one.values_CSN, reference.values_CSN) for one in networks]
    observed_VK = np.array([dataset_scores(one, scores) - dataset_scores(reference, scores) for one in networks])
    sizes_VK = np.array([_size(one, scores) + _size(reference, scores) for one in networks])
    least_VK = np.abs(observed_VK) - _TIE * sizes_VK
    as_far_VK, defined_VK = (np.full(observed_VK.shape, 0 if n_units <= MAX_EXACT else 1) for _ in range(2))
    for exchanged_PU in exchange_patterns(n_units, seed=seed, drawn_patterns=drawn_patterns):
        exchanged = exchanged_PU[:, units]
        for row, (ours_CSN, theirs_CSN) in enumerate(pairs):
            moved_CSP = (theirs_CSN - ours_CSN) @ exchanged.T
            sums = ours_CSN.sum(axis=2)[..., None] + moved_CSP, theirs_CSN.sum(axis=2)[..., None] - moved_CSP
            first_PK, second_PK = (reference.seed_means(scores, sums_CSP) for sums_CSP in sums)
            distance_PK = np.abs(first_PK - second_PK)
            as_far_VK[row] += (distance_PK >= least_VK[row]).sum(axis=0)
            defined_VK[row] += np.isfinite(distance_PK).sum(axis=0)
    p_VK: Floats = np.where(np.isfinite(observed_VK), as_far_VK / np.maximum(defined_VK, 1), np.nan)
    return p_VK


def _even_seeds(ours_CSN: Floats, theirs_CSN: Floats) -> tuple[Floats, Floats]:
    """Both with the same number of seeds, each repeated equally often, so that means over seeds are unchanged."""
    ours, theirs = ours_CSN.shape[1], theirs_CSN.shape[1]
    places = np.arange(math.lcm(ours, theirs))
    return ours_CSN[:, places % ours], theirs_CSN[:, places % theirs]


def _size(table: ImageValues, scores: Sequence[str]) -> Floats:
    """Scores of the absolute values, to which the rounding of a sum is relative."""
    return dataset_scores(replace(table, values_CSN=np.abs(table.values_CSN)), scores)


def same_images(tables: Mapping[str, pd.DataFrame]) -> dict[str, ImageValues]:
    """Per-image tables as arrays, with the images sorted by name and the columns that all tables have.

    Args:
        tables: network → its table, as from :func:`somanet.evaluation.scores.score_dataset`; a column `seed`
            distinguishes several trainings.

    Raises:
        SomaNetError: a table is incomplete, or has other images, another ground truth or other thresholds than the
            first; the message names the difference.
    """
    values = {name: image_values(table, name, by_name=True) for name, table in tables.items()}
    (first, expected), *others = values.items()
    for name, found in others:
        _check_images(first, expected, name, found)
    for name, found in others:
        if found.thresholds != expected.thresholds:
            raise SomaNetError(
                f"{first} was scored at the IoU thresholds {', '.join(expected.thresholds)}, {name} at "
                f"{', '.join(found.thresholds)}: their mean AP and object scores are different measures. Score both in "
                "the same way."
            )
    shared = [column for column in expected.columns if all(column in found.columns for found in values.values())]
    return {name: found.only(shared) for name, found in values.items()}


def _check_images(first: str, expected: ImageValues, name: str, found: ImageValues) -> None:
    only_first, only_here = (
        [image for image in some.images if image not in set(other.images)]
        for some, other in ((expected, found), (found, expected))
    )
    if only_first or only_here:
        parts = [f"only {who} has {_some(only)}" for who, only in ((first, only_first), (name, only_here)) if only]
        raise SomaNetError(
            f"{first} and {name} were scored on different images ({len(expected.images)} and {len(found.images)}): "
            f"{'; '.join(parts)}. Differences need the same images: score both on one data set."
        )
    for image, one, other in zip(expected.images, expected.n_true, found.n_true, strict=True):
        if one != other:
            raise SomaNetError(
                f"{first} and {name} were scored against different ground truths: image {image} has {one:g} true somas "
                f"in one and {other:g} in the other. Score both on one data set."
            )


def _some(names: Sequence[object], n: int = 5) -> str:
    return ", ".join(map(str, names[:n])) + (f" and {len(names) - n} more" if len(names) > n else "")
