"""The space in the settings' own types: no proposal would be refused by the training."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from somanet.core.errors import SomaNetError
from somanet.core.settings import parse
from somanet.training.settings import FinetuneParams
from somanet.training.sweep.settings import SweepParams
from somanet.training.sweep.space import Dimension, grid_points, read_space, setting_names, values_of, with_values

TRAINING = {"epochs": 4, "size_px": 64, "augment": {"mode": "paper"}}
BASE = {"start": "paper", "weights": "pretrained", "training": TRAINING}
SOURCE = "params.yaml: sweep.rates.space"


def space_of(space: dict[str, Any], **changes: Any) -> tuple[Dimension, ...]:
    sweep = SweepParams.model_validate({"base": "x", "trials": 1, "space": space, **changes})
    return read_space(sweep, BASE, source=SOURCE)


def refused(space: dict[str, Any]) -> str:
    with pytest.raises(SomaNetError) as error:
        space_of(space)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(SOURCE)
    return str(error.value).removeprefix(f"{SOURCE}: ")


def test_the_names_are_those_of_a_variant() -> None:
    names = setting_names()
    assert {"start", "weights", "input", "instances.threshold", "training.epochs", "training.augment.mode"} <= set(
        names
    )
    assert not {"instances", "training", "training.augment"} & set(names)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("training.learning_rat", "unknown parameter 'training.learning_rat'. Did you mean 'training.learning_rate'?"),
        ("learning_rate", "Did you mean 'training.learning_rate'?"),
        ("instances.min_area", "Did you mean 'instances.min_area_px'?"),
        ("sede", "Did you mean 'seed'?"),
        ("training.augment", "unknown parameter 'training.augment'"),
        ("zzzzzzzz", "Use names as in a finetune variant"),
    ],
)
def test_an_unknown_name_gets_its_nearest(name: str, words: str) -> None:
    assert words in refused({name: [1, 2]})


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"training.size_px": [64, 100]}, "training.size_px: Input should be a multiple of 32, found 100"),
        ({"training.size_px": {"low": 64, "high": 128, "step": 16}}, "multiple of 32, found 80"),
        ({"training.size_px": {"low": 64, "high": 128}}, "multiple of 32, found 65"),
        ({"training.learning_rate": {"low": -1, "high": 1}}, "training.learning_rate: Input should be greater than 0"),
        ({"instances.threshold": {"low": 0.5, "high": 1.5}}, "instances.threshold: Input should be less than"),
        ({"training.epochs": {"low": 2, "high": 8.5}}, "training.epochs: Input should be a valid integer"),
        ({"training.loss": ["bce", "dice"]}, "training.loss: Input should be 'bce'"),
        ({"seed": [0, -1]}, "seed must be a whole number from 0, found -1"),
        ({"seed": [0, 0.5]}, "seed must be a whole number from 0, found 0.5"),
        ({"training.learning_rate": [0.1, "1e-1"]}, "training.learning_rate lists a value twice"),
    ],
)
def test_a_value_that_the_training_would_refuse_is_refused_before(space: dict[str, Any], words: str) -> None:
    assert words in refused(space)


def test_dimensions_for_optuna() -> None:
    """The settings' types decide: epochs are whole numbers, a rate of 1 is 1.0, and 15 is not reached from 4 by 4s."""
    rate, epochs, fit, scale = space_of(
        {
            "training.learning_rate": {"low": "1e-3", "high": 1, "log": True},
            "training.epochs": {"low": 4, "high": 15, "step": 4},
            "training.fit": ["crop", "resize"],
            "training.augment.scale_range": [[0.8, 1.25], [0.5, 2]],
        }
    )
    assert rate.distribution() == FloatDistribution(0.001, 1.0, log=True)
    assert epochs.distribution() == IntDistribution(4, 12, step=4)
    assert fit.distribution() == CategoricalDistribution(("crop", "resize"))
    assert scale.distribution() == CategoricalDistribution(("[0.8, 1.25]", "[0.5, 2.0]"))
    assert scale.value_of("[0.5, 2.0]") == [0.5, 2.0]


def test_a_grid_is_every_combination() -> None:
    space = space_of({"seed": [0, 1], "training.epochs": {"low": 2, "high": 6, "step": 2}}, sampler="grid")
    points = [values_of(space, point) for point in grid_points(space)]
    assert points == [{"seed": seed, "training.epochs": epochs} for seed in (0, 1) for epochs in (2, 4, 6)]


def test_a_variant_with_values_is_a_variant_and_the_base_stays() -> None:
    changed = with_values(BASE, {"training.epochs": 9, "instances.min_area_px": 5, "weights": "random", "seed": 3})
    variant = parse(FinetuneParams, changed, source="test")
    assert (variant.training.epochs, variant.weights) == (9, "random")
    assert variant.training.augment.mode == "paper"
    assert variant.instances is not None
    assert variant.instances.min_area_px == 5
    assert TRAINING["epochs"] == 4
