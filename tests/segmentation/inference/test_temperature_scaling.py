"""A network's confidence against how often it is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.temperature_scaling import (
    apply_temperature,
    cross_entropy,
    expected_calibration_error,
    fit_temperature,
    to_logits,
)
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from somanet.segmentation.network.probabilities import sigmoid
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network


def drawn(factor: float, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three images whose pixels are soma as often as their logits predict, with logits `factor` times too large."""
    rng = np.random.default_rng(seed)
    logits = [rng.normal(-1, 2, shape).astype(np.float32) for shape in ((90, 120), (64, 200), (130, 77))]
    ground_truths = [rng.random(z.shape) < sigmoid(z) for z in logits]
    return [sigmoid(np.float32(factor) * z) for z in logits], ground_truths


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_the_factor_that_was_put_in_is_found(factor: float) -> None:
    """33,000 pixels determine it to about 2 %."""
    predicted, ground_truths = drawn(factor)
    found = fit_temperature(predicted, ground_truths)
    assert found.temperature == pytest.approx(factor, rel=0.05)
    assert found.images == 3
    assert found.nll_after <= found.nll_before
    assert found.ece_after < 0.01
    if factor != 1:
        assert found.ece_before > 5 * found.ece_after
    # the least cross entropy: no neighbour is better
    logits, ground_truth = (
        to_logits(np.concatenate([p.ravel() for p in predicted])),
        np.concatenate([t.ravel() for t in ground_truths]),
    )
    for other in (0.98, 1.02):
        assert cross_entropy(logits / np.float32(found.temperature * other), ground_truth) > found.nll_after


def test_calibration_keeps_the_order_and_a_half() -> None:
    predicted = np.linspace(0, 1, 41, dtype=np.float32)
    found = apply_temperature(predicted, 3.0)
    assert (np.diff(found) > 0).all()
    assert found[20] == pytest.approx(0.5)
    assert found[30] == pytest.approx(3 ** (1 / 3) / (1 + 3 ** (1 / 3)), abs=1e-5)  # odds of 3 become their cube root
    assert apply_temperature(predicted, 1.0) is predicted


def test_the_calibration_error_is_the_distance_from_what_came() -> None:
    """Half of the pixels have 0.9 and 7 of 10 are somas, half have 0.2 and 2 of 10 are: 0.2 and 0, 0.1 on average."""
    predicted = np.repeat(np.array([0.9, 0.2], np.float32), 10)
    came = np.array([True] * 7 + [False] * 3 + [True] * 2 + [False] * 8)
    assert expected_calibration_error(predicted, came) == pytest.approx(0.1, abs=1e-6)
    assert expected_calibration_error(np.array([0, 1], np.float32), np.array([False, True])) == 0


def test_cross_entropy_is_minus_the_mean_log_probability() -> None:
    logits, ground_truth = np.array([0.5, -2, 60], np.float32), np.array([True, True, True])
    expected = -np.mean([np.log(1 / (1 + np.exp(-z))) for z in (0.5, -2.0, 60.0)])
    assert cross_entropy(logits, ground_truth) == pytest.approx(expected, rel=1e-5)


def test_a_network_that_is_always_right_or_knows_nothing_has_no_temperature() -> None:
    ground_truth = np.arange(600).reshape(20, 30) % 3 == 0
    with pytest.raises(SomaNetError, match="network is right about every pixel"):
        fit_temperature([np.where(ground_truth, 0.8, 0.2).astype(np.float32)], [ground_truth])
    nearly, hardly = (np.where(ground_truth, 0.5 + d, 0.5 - d).astype(np.float32) for d in (1e-3, 0.4))
    nearly[0, 0] = 0.4999  # one pixel in 600
    with pytest.raises(SomaNetError, match="almost right"):
        fit_temperature([nearly], [ground_truth])
    hardly[7:] = 1 - hardly[7:]  # 7 of 20 rows right, 13 wrong
    hardly[7:10] = 0.5
    hardly[10:14] = 1 - hardly[10:14]  # 11 right, 6 wrong, all equally confident: log(11 / 6) would be a logit
    assert fit_temperature([hardly], [ground_truth]).temperature == pytest.approx(np.log(9) / np.log(11 / 6), rel=1e-3)
    with pytest.raises(SomaNetError, match="no better than chance"):
        fit_temperature([np.where(ground_truth, 0.2, 0.8).astype(np.float32)], [ground_truth])
    with pytest.raises(SomaNetError, match="No images"):
        fit_temperature([], [])


@pytest.mark.parametrize(
    ("section", "predicted"),
    [({"temperature": 0}, "calibration.temperature"), (None, "calibration"), ({"t": 2}, "calibration.temperature")],
)
def test_a_damaged_section_is_refused(tmp_path: Path, section: object, predicted: str) -> None:
    save_checkpoint(tmp_path / "model", bright_network(), ModelSpec(), {"calibration": section})
    with pytest.raises(SomaNetError, match=f"expected what `somanet calibrate` writes in {predicted}") as error:
        load_checkpoint(tmp_path / "model")
    assert "\n" not in str(error.value)
