"""Epochs that fit into some minutes: in the recipe's proportions, and one at least."""

from __future__ import annotations

from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from tools.budget import USED, Stage, epochs_that_fit, stages


def planned() -> list[Stage]:
    return [
        Stage("first", ModelSpec(), TrainSettings(epochs=10, samples_per_epoch=100)),
        Stage("second", ModelSpec(), TrainSettings(epochs=40, samples_per_epoch=50)),
    ]


def test_both_trainings_are_stretched_alike() -> None:
    """1000 patches of 0.3 s and 2000 of 0.15 s are 600 s; three times that fits into 30 min / USED."""
    found = epochs_that_fit(planned(), {"first": 0.3, "second": 0.15}, minutes=30.1 / USED)
    assert found == {"first": 30, "second": 120}


def test_at_least_one_epoch() -> None:
    assert epochs_that_fit(planned(), {"first": 9.0, "second": 9.0}, minutes=1) == {"first": 1, "second": 1}


def test_the_recipe_has_both_trainings() -> None:
    first, second = stages()
    assert (first.name, second.name) == ("many_domains", "neurons")
    assert second.spec.encoder == first.spec.encoder
    assert first.spec.input == second.spec.input == "background"
    assert first.settings.augment.fade_probability > 0
    assert (first.patches, second.patches) == (64 * 192, 28 * 160)
