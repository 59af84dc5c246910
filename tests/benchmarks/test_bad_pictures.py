"""The pictures of the two benchmarks of notes: stretched to a ceiling, and without any soma."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clipping import ids_without_gaps, stretched
from benchmarks.no_somas import KINDS, SHAPE_YX, Noise, shuffled


@pytest.mark.parametrize(("bits", "ceiling", "dtype"), [(8, 255, np.uint8), (12, 4095, np.uint16)])
def test_a_quarter_of_all_pixels_is_at_the_ceiling(bits: int, ceiling: int, dtype: type) -> None:
    """Of two images together: 1, 2, …, 1000 and 1001, …, 2000, of which 501 from 1500 on, all in the second one."""
    values = np.arange(1, 2001, dtype=np.uint16).reshape(2, 20, 50)
    dim, bright = stretched(values, 0.25, bits)
    assert (dim.dtype, bright.dtype) == (dtype, dtype)
    assert dim.max() < ceiling
    assert np.sum(bright == ceiling) == pytest.approx(500, abs=2000 / ceiling)


def test_ids_become_consecutive() -> None:
    assert ids_without_gaps(np.array([[0, 7, 7], [3, 0, 90]])).tolist() == [[0, 2, 2], [1, 0, 3]]


def test_shuffled_phases_keep_the_power_spectrum() -> None:
    """A square 3,000 above the rest has a standard deviation of 442 over the image, which is all that is left of it."""
    frame = np.full((48, 60), 6000, np.uint16)
    frame[20:28, 30:38] = 9000
    mixed = shuffled(frame, 0)
    assert mixed.max() < 8300
    assert mixed.std() == pytest.approx(frame.std(), rel=0.01)
    before, after = (np.abs(np.fft.fft2(one.astype(float))) for one in (frame, mixed))
    assert np.corrcoef(before.ravel()[1:], after.ravel()[1:])[0, 1] > 0.99
    assert mixed.mean() == pytest.approx(frame.mean(), abs=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_noise_is_seeded_and_varies(kind: Noise) -> None:
    first, again, other = (kind.draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == SHAPE_YX
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert first.std() > 0.1
