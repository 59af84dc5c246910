"""Choose post-processing settings by how well the resulting labels agree with the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import Labels
from somanet.evaluation.scores import score_dataset
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.settings import ModelSpec

Setting = Literal["threshold", "peak_height"]
"""Fields of :class:`somanet.segmentation.network.settings.InstanceSettings`: the size of masks, and what separates two
that touch."""
CANDIDATES: dict[Setting, tuple[float, ...]] = {
    "threshold": tuple(round(0.2 + 0.05 * number, 2) for number in range(13)),
    "peak_height": (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
}


class Agreement(NamedTuple):
    """How labels made with one value of a setting agree with the ground truth.

    Attributes:
        value: value of the setting.
        accuracy: TP / (TP + FP + FN) over all objects, mean over IoU 0.5 to 0.9.
        size_bias: median ratio of predicted to true area; NaN where nothing matches.
        splits, merges: true somas split into several labels, and labels that cover several somas, per image.
    """

    value: float
    accuracy: float
    size_bias: float
    splits: float
    merges: float


def agreements(
    setting: Setting,
    maps: Sequence[NDArray[np.float32]],
    ground_truths: Sequence[Labels],
    spec: ModelSpec,
    values: Sequence[float] | None = None,
    *,
    ignored: Sequence[NDArray[np.bool_] | None] = (),
) -> list[Agreement]:
    """Scores of a network's probability maps CYX for each value of a setting, in order; None: :data:`CANDIDATES`.

    ``ignored``: of each image, pixels that are neither soma nor background; None if there are none.
    """
    found = []
    by_name = {str(number): mask for number, mask in enumerate(ignored) if mask is not None}
    for value in CANDIDATES[setting] if values is None else values:
        settings = spec.instances.model_copy(update={setting: value})
        labels = (probabilities_to_labels(map_CYX, spec.outputs, settings) for map_CYX in maps)
        pairs = ((str(number), *pair) for number, pair in enumerate(zip(ground_truths, labels, strict=True)))
        scores = score_dataset(pairs, ignored=by_name, intervals=False).values
        shown = (scores[name] for name in ("mean_ap", "size_bias", "splits_per_image", "merges_per_image"))
        found.append(Agreement(value, *shown))
    return found


def choose(
    setting: Setting,
    maps: Sequence[NDArray[np.float32]],
    ground_truths: Sequence[Labels],
    spec: ModelSpec,
    *,
    ignored: Sequence[NDArray[np.bool_] | None] = (),
) -> tuple[Agreement, Agreement]:
    """The network's own value of a setting, and the most accurate one; among equals, the nearest to its own.

    Args:
        setting: the setting to choose; the others stay as they are.
        maps: the network's probability maps CYX.
        ground_truths: ground-truth labels YX of the same images.
        spec: the network's specification.
        ignored: as in :func:`agreements`.

    Raises:
        SomaNetError: nothing is detected correctly with any value, or the network does not use the setting.
    """
    if setting == "peak_height" and "distance" not in spec.outputs:
        raise SomaNetError(
            f"peak_height needs a network with the output 'distance'; this one has {', '.join(spec.outputs)}. Choose "
            "other settings."
        )
    own: float = getattr(spec.instances, setting)
    nearest_first = sorted({own, *CANDIDATES[setting]}, key=lambda value: abs(value - own))
    scored = agreements(setting, maps, ground_truths, spec, nearest_first, ignored=ignored)
    best = max(scored, key=lambda one: one.accuracy)
    if not best.accuracy > 0:
        raise SomaNetError(
            f"No {setting} suits this network: it detects none of the somas in these images at IoU 0.5. Expected "
            "images of the kind it was trained on."
        )
    return scored[0], best
