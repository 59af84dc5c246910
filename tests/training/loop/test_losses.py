"""Losses against their formulas, on four pixels.

Logits 0, ln 3, -ln 3, ln 9 are probabilities 0.5, 0.75, 0.25, 0.9; the ground truth is 1, 1, 0, 0.
"""

from __future__ import annotations

import math

import pytest
import torch

from somanet.training.loop.losses import make_loss

LOGITS = torch.tensor([0, math.log(3), -math.log(3), math.log(9)]).reshape(1, 1, 1, 4)
GROUND_TRUTH = torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 1, 4)
RIGHT = (0.5, 0.75, 0.75, 0.1)  # probability of the true class
BCE = -sum(math.log(p) for p in RIGHT) / 4
DICE = 1 - 2 * (0.5 + 0.75) / (0.5 + 0.75 + 0.25 + 0.9 + 2)  # 1 - 2 |P·T| / (|P| + |T|)
FOCAL = -sum(a * (1 - p) ** 2 * math.log(p) for a, p in zip((0.25, 0.25, 0.75, 0.75), RIGHT, strict=True)) / 4
TVERSKY = 1 - 1.25 / (1.25 + 0.3 * (0.25 + 0.9) + 0.7 * (0.5 + 0.25))  # 1 - TP / (TP + 0.3 FP + 0.7 FN)


@pytest.mark.parametrize(
    ("name", "expected"), [("bce", BCE), ("bce+dice", BCE + DICE), ("focal", FOCAL), ("tversky", TVERSKY)]
)
def test_each_loss_is_its_formula(name: str, expected: float) -> None:
    assert float(make_loss(name)(LOGITS, GROUND_TRUTH)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "bce+dice", "focal", "tversky"])
def test_outputs_weigh_alike(name: str) -> None:
    """Two channels: the mean of each alone."""
    loss = make_loss(name)
    other = torch.tensor([-1.0, 2, 0.5, 1]).reshape(1, 1, 1, 4)
    both = loss(torch.cat([LOGITS, other], 1), torch.cat([GROUND_TRUTH, 1 - GROUND_TRUTH], 1))
    alone = (loss(LOGITS, GROUND_TRUTH) + loss(other, 1 - GROUND_TRUTH)) / 2
    torch.testing.assert_close(both, alone)


@pytest.mark.parametrize("name", ["bce", "bce+dice", "focal", "tversky"])
def test_certainty_costs_nothing_when_right_and_stays_finite_when_wrong(name: str) -> None:
    loss = make_loss(name)
    certain = 80 * (2 * GROUND_TRUTH - 1)
    assert float(loss(certain, GROUND_TRUTH)) == pytest.approx(0, abs=1e-5)
    wrong = (-certain).requires_grad_()
    value = loss(wrong, GROUND_TRUTH)
    value.backward()
    assert math.isfinite(value.item())
    assert value.item() > 0.5
    assert wrong.grad is not None
    assert torch.isfinite(wrong.grad).all()


def test_tversky_punishes_missing_more_than_inventing() -> None:
    loss = make_loss("tversky")
    missing, inventing = (torch.tensor(v).reshape(1, 1, 1, 4) for v in ([9.0, -9, -9, -9], [9.0, 9, 9, -9]))
    assert float(loss(missing, GROUND_TRUTH)) > float(loss(inventing, GROUND_TRUTH))


def test_an_image_without_somas_has_a_finite_loss() -> None:
    for name in ("bce", "bce+dice", "focal", "tversky"):
        assert math.isfinite(float(make_loss(name)(LOGITS, torch.zeros_like(GROUND_TRUTH))))


def test_an_unknown_loss() -> None:
    with pytest.raises(ValueError, match="unknown loss 'hinge'"):
        make_loss("hinge")


def test_a_distance_map_adds_its_own_loss_to_that_of_the_areas() -> None:
    """Smooth L1 with beta 0.1: an error of 0.5 counts 0.5 - 0.05, an error of 0.05 counts 0.05^2 / 0.2; twice."""
    areas, areas_target = torch.randn(2, 1, 6, 8), (torch.rand(2, 1, 6, 8) > 0.5).float()
    logits = torch.zeros(2, 1, 6, 8)  # a distance of 0.5
    far, near = torch.ones(2, 1, 6, 8), torch.full((2, 1, 6, 8), 0.55)
    alone = float(make_loss("bce")(areas, areas_target))
    both = make_loss("bce", ("soma", "distance"))
    for target, expected in ((far, 0.45), (near, 0.0125)):
        found = float(both(torch.cat([areas, logits], 1), torch.cat([areas_target, target], 1)))
        assert found == pytest.approx(alone + 2 * expected, rel=1e-5)
