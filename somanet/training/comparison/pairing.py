"""Networks compared on the same images: the reference, differences from it, ranks.

Differences are defined in :mod:`somanet.evaluation.paired`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.paired import SEED, Difference, dataset_scores, paired_differences, same_images
from somanet.evaluation.resampling import Floats, bootstrap_counts, mean_intervals
from somanet.training.comparison.networks import ComparedNetwork, check_names

DECIDING = "iou"


@dataclass(frozen=True)
class Pairing:
    """Networks scored on the same images.

    Attributes:
        names: the networks, in the order given.
        images: the images, in the order of their names.
        reference: the network that the others are compared with.
        chosen: whether it was picked as the best on these images, rather than named beforehand.
        deciding: the score that decides which network is best, and that ranks are based on.
        differences: network -> score -> difference from the reference, without the reference itself.
        image_scores: networks × images, the deciding score per image, averaged over seeds.
        ranks: networks × images, 1 = best in the deciding score.
        rank_intervals: network -> 95 % bootstrap interval of the mean rank.
    """

    names: tuple[str, ...]
    images: tuple[str, ...]
    reference: str
    chosen: bool
    deciding: str
    differences: Mapping[str, Mapping[str, Difference]]
    image_scores: Floats
    ranks: Floats
    rank_intervals: Mapping[str, tuple[float, float]]

    def mean_rank(self, name: str) -> float:
        """A network's mean rank over the images."""
        values = self._ranks_of(name)
        return float(values.mean()) if values.size else math.nan

    def rank_spread(self, name: str) -> float:
        """Standard deviation (n - 1) of a network's rank over the images; NaN for one image."""
        values = self._ranks_of(name)
        return float(values.std(ddof=1)) if values.size > 1 else math.nan

    def of(self, name: str) -> Floats:
        """A network's deciding score per image."""
        row: Floats = self.image_scores[self.names.index(name)]
        return row

    def _ranks_of(self, name: str) -> Floats:
        row: Floats = self.ranks[self.names.index(name)]
        ranked: Floats = row[np.isfinite(row)]
        return ranked


def pair_networks(
    networks: Sequence[ComparedNetwork], *, reference: str | None = None, deciding: str = DECIDING, seed: int = SEED
) -> Pairing | None:
    """Compare networks with a reference on the same images; None if fewer than two of them have per-image scores.

    Args:
        networks: what to compare; those without per-image scores are left out.
        reference: name of the network to compare with; None takes the best by the deciding score.
        deciding: one of :data:`~somanet.evaluation.image_tables.SCORES`.
        seed: of the resampling.

    Raises:
        SomaNetError: an unknown reference or score, or networks that were not scored on the same images.
    """
    if deciding not in SCORES:
        raise SomaNetError(f"There is no score {deciding!r} to compare by. Use one of {', '.join(SCORES)}.")
    check_names(networks)
    tables = {n.name: n.per_image for n in networks if n.per_image is not None}
    _check_reference(reference, [n.name for n in networks], list(tables))
    if len(tables) < 2:
        return None
    values = same_images(tables)
    names, images = tuple(values), next(iter(values.values())).images
    best = reference or names[_best([float(dataset_scores(one, [deciding])[0]) for one in values.values()])]
    image_scores = np.array([one.of_images(deciding) for one in values.values()])
    ranked = ranks(image_scores)
    rank_low, rank_high = mean_intervals(ranked, bootstrap_counts(len(images), seed=seed))
    return Pairing(
        names=names,
        images=images,
        reference=best,
        chosen=reference is None,
        deciding=deciding,
        differences=paired_differences(values, best, seed=seed),
        image_scores=image_scores,
        ranks=ranked,
        rank_intervals={n: (float(a), float(b)) for n, a, b in zip(names, rank_low, rank_high, strict=True)},
    )


def _best(scores: Sequence[float]) -> int:
    """Index of the highest score; the first of ties, and the first where all are undefined."""
    return max(range(len(scores)), key=lambda place: -math.inf if math.isnan(scores[place]) else scores[place])


def _check_reference(reference: str | None, names: Sequence[str], scored: Sequence[str]) -> None:
    if reference is None or reference in scored:
        return
    if reference in names:
        raise SomaNetError(
            f"The reference {reference!r} has no per-image scores, so nothing can be paired with it. "
            "`somanet evaluate --per-image` writes them."
        )
    raise SomaNetError(f"There is no network {reference!r} to compare with. Use one of {_some(names)}.")


def _some(names: Sequence[object], n: int = 5) -> str:
    return ", ".join(map(str, names[:n])) + (f" and {len(names) - n} more" if len(names) > n else "")


def ranks(scores_VN: Floats) -> Floats:
    """Rank of each network per image, 1 = highest score; ties share the mean rank, NaN has none."""
    ranked: Floats = pd.DataFrame(scores_VN).rank(axis=0, ascending=False, method="average").to_numpy(float)
    return ranked
