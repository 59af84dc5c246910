"""Calibrated probabilities: one number that divides a network's soma logits, fitted on labelled images.

Temperature scaling, Guo et al. 2017, "On Calibration of Modern Neural Networks", for the soma output of every pixel.
It changes a network's confidence, never which pixels or objects it detects: labels are made from the uncalibrated
probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.probabilities import sigmoid
from somanet.segmentation.network.temperature import TemperatureScaling

LOWEST, HIGHEST = 0.05, 20.0
"""Limits of a temperature. A fit that ends at one of them has failed."""
LEAST_PROBABILITY = 1e-7
"""A float32 probability cannot be resolved more closely to 0 or 1."""
ECE_BINS = 15

Float32 = NDArray[np.float32]


def to_logits(probabilities: Float32) -> Float32:
    """The logits of probabilities, which are clipped to 1e-7 from 0 and 1."""
    inside = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY).astype(np.float64)
    logits: Float32 = np.log(inside / (1 - inside)).astype(np.float32)
    return logits


def apply_temperature(soma_probability: Float32, temperature: float) -> Float32:
    """Calibrated soma probabilities of a network; a temperature of 1 changes nothing."""
    if temperature == 1:
        return soma_probability
    return sigmoid(to_logits(soma_probability) / np.float32(temperature))


def fit_temperature(
    soma_probabilities: Sequence[Float32], ground_truths: Sequence[NDArray[np.bool_]]
) -> TemperatureScaling:
    """Fit the temperature to labelled images by minimal cross entropy; every pixel counts alike.

    Args:
        soma_probabilities: the network's predictions, one YX per image.
        ground_truths: ground truth: whether each pixel belongs to a soma, in the same order and sizes.

    Raises:
        SomaNetError: there are no images, or no temperature from 0.05 to 20 is best: the network is right about every
            pixel (the colder the better), or no better than chance (the hotter the better).
    """
    from scipy.optimize import minimize_scalar

    if not soma_probabilities:
        raise SomaNetError("No images to calibrate with; expected labelled images that the network was not trained on.")
    logits = to_logits(np.concatenate([p.ravel() for p in soma_probabilities]))
    ground_truth = np.concatenate([t.ravel() for t in ground_truths])

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / np.float32(math.exp(log_temperature)), ground_truth)

    # the slope of the loss where all probabilities are a half
    by_chance = float(np.where(ground_truth, logits, -logits).sum(dtype=np.float64)) <= 0
    if by_chance or np.array_equal(logits > 0, ground_truth):
        raise SomaNetError(_no_temperature(len(ground_truths), "no better than chance" if by_chance else _RIGHT))
    low, high = math.log(LOWEST), math.log(HIGHEST)
    # the loss is convex in the inverse temperature, so it has one minimum in the logarithm too
    best = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4}).x)
    if min(best - low, high - best) < 1e-2:
        raise SomaNetError(
            _no_temperature(len(ground_truths), f"almost {_RIGHT}" if best < 0 else "hardly better than chance")
        )
    temperature = round(math.exp(best), 4)
    after = logits / np.float32(temperature)
    return TemperatureScaling(
        temperature=temperature,
        images=len(soma_probabilities),
        nll_before=cross_entropy(logits, ground_truth),
        nll_after=cross_entropy(after, ground_truth),
        ece_before=expected_calibration_error(sigmoid(logits), ground_truth),
        ece_after=expected_calibration_error(sigmoid(after), ground_truth),
    )


_RIGHT = "right about every pixel"


def _no_temperature(n_images: int, network_is: str) -> str:
    return (
        f"No temperature from {LOWEST:g} to {HIGHEST:g} fits these images ({n_images}): the network is {network_is}. "
        "Calibrate with more images that it was not trained on, or look at its scores first."
    )


def cross_entropy(logits: Float32, ground_truth: NDArray[np.bool_]) -> float:
    """Mean cross entropy of logits against the ground truth, in nats."""
    # log(1 + exp(-z)) where true, log(1 + exp(z)) where not
    return float(np.logaddexp(0, np.where(ground_truth, -logits, logits)).mean(dtype=np.float64))


def expected_calibration_error(probability: Float32, ground_truth: NDArray[np.bool_]) -> float:
    """How far probabilities deviate from observed frequencies.

    Over 15 equal bins of the probability: the distance of its mean from the share of true soma pixels, averaged with
    each bin weighted by its pixels (Guo et al. 2017, equation 3, for the probability of a soma).
    """
    bins = np.minimum((probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    predicted = np.bincount(bins.ravel(), probability.ravel().astype(np.float64), ECE_BINS)
    observed = np.bincount(bins.ravel(), ground_truth.ravel().astype(np.float64), ECE_BINS)
    return float(np.abs(predicted - observed).sum() / probability.size)
