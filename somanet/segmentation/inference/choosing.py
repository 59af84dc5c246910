"""Choose post-processing settings by how well the resulting labels agree with the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import Labels
from somanet.evaluation.scores import score_dataset
from somanet.segmentation.inference.instances import probabilities_to_labels, refined
from somanet.segmentation.network.settings import ModelSpec, RefineSettings

Setting = Literal["threshold", "peak_height", "refine"]
"""Fields of :class:`somanet.segmentation.network.settings.InstanceSettings`: the size of masks, what separates two that
touch, and how outlines are refined by the image."""
Value = float | RefineSettings | None
CANDIDATES: dict[Setting, tuple[Value, ...]] = {
    "threshold": tuple(round(0.2 + 0.05 * number, 2) for number in range(13)),
    "peak_height": (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "refine": (
        None,
        *(
            RefineSettings(weight=weight, iterations=iterations, smoothing=smoothing)
            for iterations, smoothing, weight in product((3, 5, 10), (1, 2), (0.25, 0.4, 0.6, 1.0))
        ),
    ),
}


class Image(NamedTuple):
    """A labelled image and what a network makes of it.

    Attributes:
        image: YX or YXC.
        labels_YX: ground truth.
        maps_CYX: the network's probability maps.
        ignored_YX: pixels that are neither soma nor background; None if there are none.
    """

    image: NDArray[Any]
    labels_YX: Labels
    maps_CYX: NDArray[np.float32]
    ignored_YX: NDArray[np.bool_] | None = None


class Agreement(NamedTuple):
    """How labels made with one value of a setting agree with the ground truth.

    Attributes:
        value: value of the setting.
        accuracy: TP / (TP + FP + FN) over all objects, mean over IoU 0.5 to 0.9.
        size_bias: median ratio of predicted to true area; NaN where nothing matches.
        splits, merges: true somas split into several labels, and labels that cover several somas, per image.
    """

    value: Value
    accuracy: float
    size_bias: float
    splits: float
    merges: float


def agreements(
    setting: Setting, images: Sequence[Image], spec: ModelSpec, values: Sequence[Value] | None = None
) -> list[Agreement]:
    """Scores of a network's labels for each value of a setting, in order; None: :data:`CANDIDATES`."""
    found = []
    soma = spec.outputs.index("soma")
    by_name = {str(number): one.ignored_YX for number, one in enumerate(images) if one.ignored_YX is not None}
    for value in CANDIDATES[setting] if values is None else values:
        settings = spec.instances.model_copy(update={setting: value})
        labels = (
            refined(
                probabilities_to_labels(one.maps_CYX, spec.outputs, settings), one.image, one.maps_CYX[soma], settings
            )
            for one in images
        )
        pairs = ((str(n), one.labels_YX, found) for n, (one, found) in enumerate(zip(images, labels, strict=True)))
        scores = score_dataset(pairs, ignored=by_name, intervals=False).values
        shown = (scores[name] for name in ("mean_ap", "size_bias", "splits_per_image", "merges_per_image"))
        found.append(Agreement(value, *shown))
    return found


def choose(setting: Setting, images: Sequence[Image], spec: ModelSpec) -> tuple[Agreement, Agreement]:
    """The network's own value of a setting, and the most accurate one; among equals, the nearest to its own.

    Among equal refinements it is the network's own, then none, then that of the fewest iterations.

    Args:
        setting: the setting to choose; the others stay as they are.
        images: labelled images and the network's maps of them.
        spec: the network's specification.

    Raises:
        SomaNetError: nothing is detected correctly with any value, or the network does not use the setting.
    """
    if setting == "peak_height" and "distance" not in spec.outputs:
        raise SomaNetError(
            f"peak_height needs a network with the output 'distance'; this one has {', '.join(spec.outputs)}. Choose "
            "other settings."
        )
    own: Value = getattr(spec.instances, setting)
    others = [value for value in CANDIDATES[setting] if value != own]
    scored = agreements(setting, images, spec, [own, *sorted(others, key=lambda value: _distance(value, own))])
    best = max(scored, key=lambda one: one.accuracy)
    if not best.accuracy > 0:
        raise SomaNetError(
            f"No {setting} suits this network: it detects none of the somas in these images at IoU 0.5. Expected "
            "images of the kind it was trained on."
        )
    return scored[0], best


def _distance(value: Value, own: Value) -> float:
    """Of a value of a setting from the network's own; refinements have none, and keep their order."""
    return abs(value - own) if isinstance(value, float) and isinstance(own, float) else 0.0


def in_words(value: Value) -> str:
    """A value of a setting on one line."""
    if isinstance(value, RefineSettings):
        return f"weight {value.weight:g}, {value.iterations} iterations, smoothing {value.smoothing}"
    return "none" if value is None else f"{value:g}"
