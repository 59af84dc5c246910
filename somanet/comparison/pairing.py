"""Networks on the same images: differences from a reference with intervals and p, and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.comparison.networks import SCORES, Network, check_names, image_scores, thresholds
from somanet.comparison.statistics import Floats, bootstrap_counts, holm, mean_intervals, ranks, sign_flip_p
from somanet.errors import SomaNetError

SEED = 0  # of the resampling, so that equal scores give equal files
DECIDING = "iou"
ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """Mean over images of a network's score minus the reference's; NaN where undefined.

    Attributes:
        value: the mean difference.
        low, high: its 95 % bootstrap interval over images.
        p: of the sign-flip test, see :func:`somanet.comparison.statistics.sign_flip_p`.
        p_holm: corrected for the number of networks that are compared with the reference in this score.
        n_images: images on which both are defined.
    """

    value: float
    low: float
    high: float
    p: float
    p_holm: float
    n_images: int


@dataclass(frozen=True)
class Pairing:
    """Networks scored on the same images.

    Attributes:
        names: the networks, in the order given.
        images: the images, in the order of their names.
        reference: the network that the others are compared with.
        chosen: whether it was taken for being the best on these images, rather than named beforehand.
        deciding: the score that decides what is best, and that ranks are of.
        scores: score -> networks × images, each averaged over seeds.
        differences: network -> score -> difference from the reference; the reference itself is not in it.
        ranks: networks × images, 1 = best in the deciding score.
        rank_intervals: network -> 95 % bootstrap interval of the mean rank.
    """

    names: tuple[str, ...]
    images: tuple[str, ...]
    reference: str
    chosen: bool
    deciding: str
    scores: Mapping[str, Floats]
    differences: Mapping[str, Mapping[str, Difference]]
    ranks: Floats
    rank_intervals: Mapping[str, tuple[float, float]]

    def mean_rank(self, name: str) -> float:
        """A network's mean rank over the images."""
        return _mean(self.ranks[self.names.index(name)])

    def rank_spread(self, name: str) -> float:
        """Standard deviation (n - 1) of a network's rank over the images; NaN for one image."""
        values = self.ranks[self.names.index(name)]
        values = values[np.isfinite(values)]
        return float(values.std(ddof=1)) if values.size > 1 else math.nan

    def of(self, name: str, score: str) -> Floats:
        """A network's score of every image."""
        row: Floats = self.scores[score][self.names.index(name)]
        return row


def pair_networks(
    networks: Sequence[Network], *, reference: str | None = None, deciding: str = DECIDING, seed: int = SEED
) -> Pairing | None:
    """Compare networks image by image with a reference; None if fewer than two of them know their images' scores.

    Args:
        networks: what to compare; those without per-image scores are left out.
        reference: name of the network to compare with; None takes the best in the deciding score.
        deciding: one of :data:`~somanet.comparison.networks.SCORES`.
        seed: of the resampling.

    Raises:
        SomaNetError: an unknown reference or score, or networks that were not scored on the same images.
    """
    if deciding not in SCORES:
        raise SomaNetError(f"There is no score {deciding!r} to compare by; there are {', '.join(SCORES)}.")
    check_names(networks)
    tables = {n.name: image_scores(n.per_image, n.name) for n in networks if n.per_image is not None}
    _check_reference(reference, [n.name for n in networks], list(tables))
    if len(tables) < 2:
        return None
    _check_same_images(tables)
    _check_same_thresholds([n for n in networks if n.per_image is not None])
    names, images = tuple(tables), tuple(next(iter(tables.values())).index)
    scores = {score: np.array([table[score].to_numpy() for table in tables.values()]) for score in SCORES}
    counts = bootstrap_counts(len(images), seed=seed)
    best = reference or names[_best(scores[deciding])]
    ranked = ranks(scores[deciding])
    rank_low, rank_high = mean_intervals(ranked, counts)
    return Pairing(
        names=names,
        images=images,
        reference=best,
        chosen=reference is None,
        deciding=deciding,
        scores=scores,
        differences=_differences(names, scores, best, counts, seed),
        ranks=ranked,
        rank_intervals={n: (float(a), float(b)) for n, a, b in zip(names, rank_low, rank_high, strict=True)},
    )


def _differences(
    names: tuple[str, ...], scores: Mapping[str, Floats], reference: str, counts: Floats, seed: int
) -> dict[str, dict[str, Difference]]:
    others = [place for place, name in enumerate(names) if name != reference]
    found: dict[str, dict[str, Difference]] = {names[place]: {} for place in others}
    for score, values in scores.items():
        difference = values[others] - values[names.index(reference)]
        low, high = mean_intervals(difference, counts)
        p = sign_flip_p(difference, seed=seed)
        corrected = holm(p)
        for row, place in enumerate(others):
            found[names[place]][score] = Difference(
                value=_mean(difference[row]),
                low=float(low[row]),
                high=float(high[row]),
                p=float(p[row]),
                p_holm=float(corrected[row]),
                n_images=int(np.isfinite(difference[row]).sum()),
            )
    return found


def _mean(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else math.nan


def _best(values_VN: Floats) -> int:
    """The row of the highest mean; the first of equals, and of rows that are all undefined."""
    means = [_mean(row) for row in values_VN]
    return max(range(len(means)), key=lambda row: -math.inf if math.isnan(means[row]) else means[row])


def _check_reference(reference: str | None, names: Sequence[str], scored: Sequence[str]) -> None:
    if reference is None or reference in scored:
        return
    if reference in names:
        raise SomaNetError(
            f"The reference {reference!r} has no per-image scores, so nothing can be paired with it. "
            "`somanet evaluate --per-image` writes them."
        )
    raise SomaNetError(f"There is no network {reference!r} to compare with; there are {_some(names)}.")


def _check_same_images(tables: Mapping[str, pd.DataFrame]) -> None:
    """Pairs need the same images with the same truth; the message names what differs."""
    (first, expected), *others = tables.items()
    for name, table in others:
        only_first, only_here = expected.index.difference(table.index), table.index.difference(expected.index)
        if len(only_first) or len(only_here):
            parts = [
                f"only {who} has {_some(list(only))}"
                for who, only in ((first, only_first), (name, only_here))
                if len(only)
            ]
            raise SomaNetError(
                f"{first} and {name} were scored on different images ({len(expected)} and {len(table)}): "
                f"{'; '.join(parts)}. Differences are taken on the same images: score both on one data set."
            )
        other_truth = expected.index[expected["n_true"] != table["n_true"]]
        if len(other_truth):
            image = str(other_truth[0])
            raise SomaNetError(
                f"{first} and {name} were scored against different truths: image {image} has "
                f"{expected['n_true'][image]:g} true somas in the one and {table['n_true'][image]:g} in the "
                "other. Score both on one data set."
            )


def _check_same_thresholds(networks: Sequence[Network]) -> None:
    levels = {n.name: thresholds(n.per_image) for n in networks if n.per_image is not None}
    first, expected = next(iter(levels.items()))
    for name, found in levels.items():
        if found != expected:
            raise SomaNetError(
                f"{first} was scored at the IoU thresholds {', '.join(expected)}, {name} at {', '.join(found)}: their "
                "mean AP and object scores are different measures. Score both in one way."
            )


def _some(names: Sequence[object], n: int = 5) -> str:
    return ", ".join(map(str, names[:n])) + (f" and {len(names) - n} more" if len(names) > n else "")
