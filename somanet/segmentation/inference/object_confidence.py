"""Fit the confidence in objects: how often those of a given mean logit are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import counted, interior, overlap
from somanet.segmentation.inference.choosing import Image
from somanet.segmentation.inference.instances import probabilities_to_labels, refined
from somanet.segmentation.inference.segmenter import mean_inside
from somanet.segmentation.inference.temperature_scaling import to_logits
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import ModelSpec

RIGHT_IOU = 0.5
"""An object is right if it matches a soma at this IoU."""
_STEPS = 100


def fit_object_confidence(sets: Sequence[Sequence[Image]], spec: ModelSpec) -> ObjectConfidence:
    """Fit a logistic curve from the mean soma logit of an object's pixels to the probability that the object is right.

    Objects are those of the network's labels that no image border cuts; their logits are those inside the network's
    own outline, and refined outlines decide whether they are right. The curve is that of Platt 1999, "Probabilistic
    outputs for support vector machines": maximum likelihood with his targets, which keep it finite where right and
    wrong objects do not overlap. Every data set counts alike, whatever its number of objects.

    Args:
        sets: labelled images by data set, with the network's maps.
        spec: the network's specification.

    Raises:
        SomaNetError: all objects are right, or all are wrong, or right ones have no higher logits.
    """
    found = [(number, *_objects(one, spec)) for number, images in enumerate(sets) for one in images]
    logits = np.concatenate([values for _, values, _ in found])
    right = np.concatenate([are_right for _, _, are_right in found])
    set_of = np.repeat([number for number, _, _ in found], [len(values) for _, values, _ in found])
    n_right, n = int(right.sum()), len(right)
    if not 0 < n_right < n:
        raise SomaNetError(
            f"{'All' if n and n_right else 'None'} of the {n} objects in these images are right at IoU {RIGHT_IOU:g}; "
            "the confidence needs right and wrong ones. Give more images, of more kinds."
        )
    sizes = np.bincount(set_of)
    weights = n / (np.count_nonzero(sizes) * sizes[set_of])
    targets = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n - n_right + 2))
    intercept, slope = logistic_fit(logits, targets, weights)
    if not slope > 0:
        raise SomaNetError(
            f"Right objects have no higher probabilities than wrong ones in these images ({n} objects, {n_right} "
            "right): no confidence can be fitted. Look at the network's scores first."
        )
    return ObjectConfidence(
        intercept=round(intercept, 4),
        slope=round(slope, 4),
        images=sum(map(len, sets)),
        objects=n,
        right=n_right / n,
    )


def _objects(one: Image, spec: ModelSpec) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean logit of each object of an image that no border cuts and that is not ignored, and whether it is right."""
    soma_YX = one.maps_CYX[spec.outputs.index("soma")]
    outlined_YX = probabilities_to_labels(one.maps_CYX, spec.outputs, spec.instances)
    labels_YX = refined(outlined_YX, one.image, soma_YX, spec.instances)
    true_YX, counted_YX = counted(one.labels_YX, labels_YX, one.ignored_YX)
    ids = np.unique(counted_YX[counted_YX > 0])
    true_YX, kept_YX = interior(true_YX, counted_YX)
    kept = np.unique(kept_YX[kept_YX > 0])  # relabelled by `interior`, in the order of the ids
    matched = overlap(true_YX, kept_YX).matches(RIGHT_IOU)[1]
    return mean_inside(outlined_YX, to_logits(soma_YX))[ids[kept - 1] - 1], np.isin(np.arange(len(kept)), matched)


def logistic_fit(
    values: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Intercept and slope of the logistic curve with the least weighted cross entropy, by Newton's method."""
    design = np.stack([np.ones_like(values), values], axis=1)
    found = np.zeros(2)
    for _ in range(_STEPS):
        probability = 0.5 * (1 + np.tanh(0.5 * (design @ found)))
        gradient = design.T @ (weights * (probability - targets))
        curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-9 * np.trace(curvature) * np.eye(2), gradient)
        found = found - step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    return float(found[0]), float(found[1])
