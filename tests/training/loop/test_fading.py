"""Faded objects: the light that is left, noise as around, and nothing changes elsewhere or when switched off."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from somanet.training.loop.fading import fade_objects
from somanet.training.loop.settings import AugmentSettings

Y, X = 70, 110


def world(noise: float, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Two touching squares of light 0.6 on a background of 0.2."""
    labels = np.zeros((Y, X), np.int32)
    labels[20:40, 30:50], labels[20:40, 50:70] = 4, 9
    grey = 0.2 + 0.6 * (labels > 0) + noise * np.random.default_rng(0).standard_normal((Y, X))
    image = np.repeat(grey[..., None], 3, axis=-1)
    return (image * 255).round().astype(np.uint8) if dtype is np.uint8 else image.astype(np.float32), labels


def settings(share: float, probability: float = 1.0) -> AugmentSettings:
    return AugmentSettings(mode="online", fade_probability=probability, fade_range=(share, share))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_given_share_of_the_light_is_left(dtype: type) -> None:
    image, labels = world(0, dtype)
    scale = 255 if dtype is np.uint8 else 1
    faded = fade_objects(image, labels, settings(0.25), np.random.default_rng(1))
    assert faded.dtype == image.dtype
    np.testing.assert_allclose(faded[25:35, 33:47] / scale, 0.2 + 0.25 * 0.6, atol=0.01)
    np.testing.assert_allclose(faded[25:35, 53:67] / scale, 0.2 + 0.25 * 0.6, atol=0.01)
    np.testing.assert_array_equal(faded[:12], image[:12])


def test_a_faded_object_is_as_noisy_as_its_surroundings() -> None:
    image, labels = world(0.02)
    faded = fade_objects(image, labels, settings(0.1), np.random.default_rng(1))
    inside, outside = faded[24:36, 34:46, 0], image[50:, :, 0]
    assert inside.std() == pytest.approx(outside.std(), rel=0.3)


def test_each_object_is_drawn_for_itself() -> None:
    """Of 60 times two objects, with probability 0.5: each about half of the time, and often only one of them."""
    image, labels = world(0)
    rng = np.random.default_rng(2)
    faded = [fade_objects(image, labels, settings(0.2, 0.5), rng) for _ in range(60)]
    first, second = (np.array([one[30, x, 0] < 0.5 for one in faded]) for x in (40, 60))
    assert 15 < first.sum() < 45
    assert 15 < second.sum() < 45
    assert 15 < (first != second).sum() < 45


def test_switched_off_nothing_is_drawn() -> None:
    image, labels = world(0.02)
    rng = np.random.default_rng(3)
    assert fade_objects(image, labels, AugmentSettings(mode="online"), rng) is image
    assert rng.random() == np.random.default_rng(3).random()


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="fade_range must be"):
        AugmentSettings(mode="online", fade_range=(0.5, 0.2))
    with pytest.raises(ValidationError, match="mode online"):
        AugmentSettings(mode="none", fade_probability=0.2)
