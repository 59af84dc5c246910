"""Registration of two frames: interpolation against the Fourier transform, tiles, and shifts among noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from somanet.tracking.background import Background, background_of
from somanet.tracking.registration import register
from somanet.tracking.scene_path import follow
from somanet.tracking.tile_fit import _median, _solved
from somanet.tracking.tiles import tile_means

HEIGHT, WIDTH = 160, 200


def texture(seed: int, smooth_px: float) -> np.ndarray:
    """An image of random structures that continues at its borders, of standard deviation 1."""
    smooth = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH)), smooth_px, mode="wrap"
    )
    return np.asarray(smooth / smooth.std(), np.float32)


def moved(image: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """out(y, x) = image(y − dy, x − dx), by the phase of the Fourier transform."""
    spectrum = ndimage.fourier_shift(np.fft.rfft2(image), shift, image.shape[1])
    return np.fft.irfft2(spectrum, image.shape)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, -0.5), (3.7, -12.9), (-0.03, 5.0)])
def test_a_moved_image_is_seen_as_it_was(shift: tuple[float, float]) -> None:
    """Away from the borders, where zeros come in; the turned image agrees with it for a turn that is none."""
    image = texture(0, 1.5)
    later = Background(moved(image, shift).astype(np.float32), np.ones_like(image), 1)
    inside = (slice(20, -20), slice(20, -20))
    seen = later.image_at(np.array(shift), 0.0)
    np.testing.assert_allclose(seen[inside], image[inside], atol=0.02)
    np.testing.assert_allclose(later.image_at(np.array(shift), 1e-9)[inside], seen[inside], atol=0.1)


def test_tiles_are_means_of_whole_tiles_and_of_products() -> None:
    one, other = texture(1, 1.0), texture(2, 1.0)
    by_hand = [[(one * other)[y : y + 21, x : x + 21].mean() for x in range(0, 180, 21)] for y in range(0, 140, 21)]
    np.testing.assert_allclose(tile_means(one, 21, other), by_hand, atol=1e-6)
    assert tile_means(one, 21).shape == (7, 9)
    np.testing.assert_allclose(tile_means(np.ones_like(one), 21), 1, rtol=1e-6)


def test_without_anchors_the_way_is_the_same() -> None:
    """A scene that moves by (0.7, -1.3) px per frame, seen with noise."""
    rng = np.random.default_rng(5)
    shifts = [(0.7 * t, -1.3 * t) for t in range(6)]
    scene = 100 + 20 * texture(6, 1.5)
    backgrounds = [background_of(moved(scene, shift) + rng.normal(0, 5, scene.shape)) for shift in shifts]
    full, brief = follow(backgrounds), follow(backgrounds, anchored=False)
    for one, other, shift in zip(full.places, brief.places, shifts, strict=True):
        np.testing.assert_array_equal(one.shift_yx_px, other.shift_yx_px)
        np.testing.assert_allclose(other.shift_yx_px, shift, atol=0.05)
        assert (one.measured, one.rotation_deg) == (other.measured, other.rotation_deg)


@pytest.mark.parametrize("n", [1, 2, 7, 200, 201])
def test_medians_and_equations_are_numpys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert _median(values) == pytest.approx(np.median(values), rel=1e-12)
    matrix = np.random.default_rng(n).normal(size=(3, 3))
    np.testing.assert_allclose(matrix @ _solved(matrix, matrix[0]), matrix[0], atol=1e-9)
    open_one = np.diag([2.0, 4.0, 0.0])  # nothing tells the angle: no turn
    np.testing.assert_allclose(_solved(open_one, np.array([2.0, 2.0, 0.0])), [1.0, 0.5, 0.0], atol=1e-12)


def test_noise_does_not_shorten_a_shift() -> None:
    """Noise four times as strong as the structures counts as structure in the usual least squares.

    Without the answer of the two frames to each other, steps are half as long as they should be. The mean of twelve
    shifts of one sign, 0.4 px, is right to three times its standard error of 0.03 px.
    """
    rng = np.random.default_rng(3)
    scene = 100 + 20 * texture(4, 1.5)
    found = []
    for _ in range(12):
        frames = [image + rng.normal(0, 80, image.shape) for image in (scene, moved(scene, (0.4, -0.4)))]
        first, later = (background_of(frame) for frame in frames)
        assert first is not None
        assert later is not None
        step = register(first, later)
        assert step.significant
        found.append(step.shift_yx_px)
    assert np.mean(found, axis=0) == pytest.approx((0.4, -0.4), abs=0.1)
