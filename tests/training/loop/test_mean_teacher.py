"""Unlabelled images: the teacher's loss, its weight, and that a training with it is reproducible and resumes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.mean_teacher import MeanTeacher, check_unlabelled
from somanet.training.loop.settings import TrainSettings, UnlabelledSettings
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import Epoch, TrainingResult, train

SPEC = ModelSpec(outputs=("soma", "boundary", "distance"), architecture="Unet", encoder="any")


class Fixed(nn.Module):
    """Outputs the same probabilities at every pixel, whatever the input."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.logit(torch.tensor(probabilities)))

    def forward(self, inputs_NCHW: torch.Tensor) -> torch.Tensor:
        n, _, height, width = inputs_NCHW.shape
        return self.logits[None, :, None, None].expand(n, -1, height, width)


def computes(*probabilities: float, **settings: Any) -> MeanTeacher:
    return MeanTeacher(Fixed(*probabilities), UnlabelledSettings(**settings), total_steps=40)


def logits(probability: float, outputs: int = 3) -> torch.Tensor:
    return torch.full((2, outputs, 5, 7), math.log(probability / (1 - probability)), requires_grad=True)


PLAIN = torch.zeros(2, 3, 5, 7)


# The loss


def test_the_loss_is_the_mean_squared_difference_of_probabilities() -> None:
    """Teacher 0.9, 0.5 and 0.2, student 0.6 everywhere: (0.09 + 0.01 + 0.16) / 3."""
    loss = computes(0.9, 0.5, 0.2).loss(logits(0.6), PLAIN)
    assert float(loss.detach()) == pytest.approx(0.26 / 3, rel=1e-5)


def test_only_the_student_learns() -> None:
    teacher, student = computes(0.9, 0.5, 0.2), logits(0.6)
    teacher.loss(student, PLAIN).backward()
    assert student.grad is not None
    assert float(student.grad.abs().max()) > 0
    assert [p.grad for p in teacher._teacher.parameters()] == [None]


@pytest.mark.parametrize(("soma", "counts"), [(0.9, True), (0.8, True), (0.7, False), (0.3, False), (0.1, True)])
def test_pixels_without_confidence_of_the_teacher_count_nothing(soma: float, counts: bool) -> None:
    """Probabilities of soma or background from 0.8 on; the other outputs use the soma's confidence."""
    loss = computes(soma, 0.5, 0.2, confidence=0.8 - 1e-6).loss(logits(0.6), PLAIN)
    expected = ((soma - 0.6) ** 2 + 0.01 + 0.16) / 3 if counts else 0.0
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_pixels_without_confidence_do_not_make_the_others_weigh_more() -> None:
    """Half of the pixels confident: half of the loss."""
    teacher = computes(0.9, confidence=0.8)
    teacher._teacher = nn.Identity()
    answer = torch.logit(torch.tensor([0.9, 0.6])).view(1, 1, 1, 2)
    loss = teacher.loss(torch.zeros(1, 1, 1, 2), answer)
    assert float(loss) == pytest.approx(0.4**2 / 2, rel=1e-5)


# Its weight


def test_the_weight_rises_as_laine_and_aila_have_it() -> None:
    """40 steps, half of them ramp: at step 0 e^-5, at 10 exp(-5/4), from 20 on the whole."""
    teacher = computes(0.5, weight=3.0, ramp_fraction=0.5)
    weights = [teacher.weight(step) for step in range(40)]
    assert weights[0] == pytest.approx(3 * math.exp(-5))
    assert weights[10] == pytest.approx(3 * math.exp(-1.25))
    assert weights[20:] == [3.0] * 20
    assert sorted(weights) == weights


def test_without_a_ramp_the_weight_is_whole_from_the_first_step() -> None:
    assert computes(0.5, weight=3.0, ramp_fraction=0).weight(0) == 3.0


# What is refused


def test_there_is_no_teacher_without_a_moving_average() -> None:
    with pytest.raises(ValidationError, match="needs a moving average of the weights as its teacher: set ema_decay"):
        TrainSettings(unlabelled=UnlabelledSettings())
    assert TrainSettings(unlabelled=UnlabelledSettings(), ema_decay=0.9).unlabelled is not None


def test_images_and_settings_come_together() -> None:
    asked = TrainSettings(unlabelled=UnlabelledSettings(), ema_decay=0.9)
    with pytest.raises(SomaNetError, match="section `unlabelled`, but there are no images without labels"):
        check_unlabelled(asked, [])
    with pytest.raises(SomaNetError, match="2 images without labels, but the settings have no section"):
        check_unlabelled(TrainSettings(), [np.zeros((4, 5))] * 2)


# A training


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout2d(0.2), nn.Conv2d(6, 3, 1)
    )


def settings(**changes: Any) -> TrainSettings:
    fixed = {"size_px": 32, "batch_size": 2, "epochs": 4, "device": "cpu", "ema_decay": 0.6, "samples_per_epoch": 6}
    return TrainSettings.model_validate({**fixed, "unlabelled": {"batch_size": 3, "ramp_fraction": 0.5}, **changes})


@pytest.fixture(scope="module")
def items(draw_discs: Any) -> list[LabelledImage]:
    return [draw_discs("a", (40, 56), [(12, 14, 7)]), draw_discs("b", (48, 72), [(20, 30, 9), (8, 54, 5)])]


@pytest.fixture(scope="module")
def frames(draw_discs: Any) -> list[np.ndarray]:
    discs = [[(22, 24, 8)], [(14, 40, 6), (30, 12, 7)], [(25, 30, 10)]]
    return [draw_discs("frame", (44, 60), places).image[..., 0].astype(np.uint16) * 9 for places in discs]


def run(
    items: list[LabelledImage], frames: list[np.ndarray], choice: TrainSettings | None = None, **more: Any
) -> TrainingResult:
    choice = choice or settings()
    seed = more.pop("seed", 3)
    return train(TrainingTask(tiny(), SPEC, items, items, choice, seed=seed, unlabelled=frames), progress=False, **more)


def assert_same(one: TrainingResult, other: TrainingResult) -> None:
    assert one.history == other.history
    pairs = zip(one.model.state_dict().items(), other.model.state_dict().items(), strict=True)
    assert [name for (name, a), (_, b) in pairs if not torch.equal(a, b)] == []


def test_the_same_seed_gives_the_same_weights(items: list[LabelledImage], frames: list[np.ndarray]) -> None:
    first = run(items, frames)
    torch.rand(5)
    assert_same(run(items, frames), first)
    assert run(items, frames, seed=4).history != first.history


def test_what_takes_no_part_changes_nothing(items: list[LabelledImage], frames: list[np.ndarray]) -> None:
    """The images matter, and so does their weight; the labelled patches are those of a training without them."""
    first = run(items, frames)
    brighter = [frame + np.uint16(7) * (frame > frame.mean()) for frame in frames]
    assert run(items, brighter).history != first.history
    assert run(items, frames, settings(unlabelled={"batch_size": 3, "weight": 99})).history != first.history


def test_an_interrupted_training_ends_the_same(
    items: list[LabelledImage], frames: list[np.ndarray], tmp_path: Path
) -> None:
    """Ended by an error after the second epoch of four, in the middle of the ramp; the third has another weight."""
    state_file = tmp_path / "state.pt"

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    choice = settings(unlabelled={"batch_size": 3, "ramp_fraction": 0.8})
    with pytest.raises(KeyboardInterrupt):
        run(items, frames, choice, state_file=state_file, on_epoch=stop)
    epochs: list[int] = []
    resumed = run(items, frames, choice, state_file=state_file, on_epoch=lambda epoch: epochs.append(epoch.epoch))
    assert epochs == [3, 4]
    assert_same(resumed, run(items, frames, choice))


def test_the_weight_rises_over_the_whole_training_and_not_in_every_epoch(
    items: list[LabelledImage], frames: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six samples in batches of two, four epochs: steps 0 to 11; a training that resumes after two epochs, 6 to 11."""
    steps: list[int] = []
    weight = MeanTeacher.weight
    monkeypatch.setattr(MeanTeacher, "weight", lambda self, step: (steps.append(step), weight(self, step))[1])
    state_file = tmp_path / "state.pt"

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(items, frames, state_file=state_file, on_epoch=stop)
    run(items, frames, state_file=state_file)
    assert steps == list(range(12))


def test_the_history_has_the_difference_from_the_teacher(items: list[LabelledImage], frames: list[np.ndarray]) -> None:
    """A mean of squared differences of probabilities; a training without such images has no such column."""
    history = run(items, frames).history
    assert all(0 < epoch.consistency < 1 for epoch in history)
    assert "consistency" in history[0].as_dict()
    plain = train(TrainingTask(tiny(), SPEC, items, items, settings(unlabelled=None), seed=3), progress=False).history
    assert all(math.isnan(epoch.consistency) for epoch in plain)
    assert "consistency" not in plain[0].as_dict()
    assert Epoch.from_dict(history[1].as_dict()) == history[1]


def test_a_strong_pull_keeps_the_student_at_its_teacher(items: list[LabelledImage], frames: list[np.ndarray]) -> None:
    """The larger the weight of the difference, the smaller it ends."""
    ends = []
    for weight in (1e-6, 300.0):
        choice = settings(epochs=10, learning_rate=0.01, unlabelled={"batch_size": 3, "weight": weight})
        ends.append(run(items, frames, choice).history[-1].consistency)
    assert ends[1] < ends[0] / 2


def test_a_difference_that_runs_away_ends_the_training(items: list[LabelledImage], frames: list[np.ndarray]) -> None:
    with pytest.raises(SomaNetError, match=r"training loss became (nan|inf)"):
        run(items, frames, settings().model_copy(update={"learning_rate": 1e30}))
