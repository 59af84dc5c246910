"""The size of the detected somas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from somanet.segmentation.inference.diameters import diameter_when_downscaled, diameters_px, median_or_nan, size_warning
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.intended_use import IntendedUse
from tests.worlds import TWO_SOMAS, draw


def test_the_diameter_is_that_of_the_circle_of_the_same_area() -> None:
    """Squares of 3 × 3 and 2 × 4 cells of 8 px: 576 and 512 px²; an id that is not there counts for nothing."""
    labels = draw(TWO_SOMAS)
    expected = [2 * (576 / np.pi) ** 0.5, 2 * (512 / np.pi) ** 0.5]
    np.testing.assert_allclose(diameters_px(labels), expected)
    np.testing.assert_allclose(diameters_px(labels * 3), expected)
    y, x = np.mgrid[:81, :95]
    [diameter] = diameters_px(((y - 40) ** 2 + (x - 47) ** 2 <= 30**2).astype(np.int32))
    assert diameter == pytest.approx(60, rel=0.01)


def test_nothing_has_no_size() -> None:
    assert diameters_px(np.zeros((3, 4), np.int32)).size == 0
    assert np.isnan(median_or_nan(np.zeros(0)))


def squares(*sides: int) -> NDArray[np.int32]:
    """Squares of these sides side by side from the left edge on, in 100 × 300 px, so that small lie in large ones."""
    labels = np.zeros((100, 300), np.int32)
    for number, side in enumerate(sides):
        x = sum(sides[:number])
        labels[5 : 5 + side, x : x + side] = number + 1
    return labels


IMAGE = np.zeros((100, 300), np.uint8)
INTENDED_USE = IntendedUse(diameter_px=(8, 50))  # typically 20 px


@dataclass(frozen=True)
class Told:
    """A segmenter with predefined labels for each rescaling factor."""

    answers: dict[float, NDArray[np.int32]]
    rescale: float
    intended_use: IntendedUse

    def at(self, rescale: float) -> Told:
        return replace(self, rescale=rescale)

    def labels(self, image: NDArray[Any]) -> NDArray[np.int32]:
        return self.answers[self.rescale]


def segmenter(
    answers: dict[float, NDArray[np.int32]], *, rescale: float = 1.0, intended_use: IntendedUse = INTENDED_USE
) -> Segmenter:
    return cast("Segmenter", Told(answers, rescale, intended_use))


@pytest.mark.parametrize(
    ("whole", "half", "quarter", "expected"),
    [
        ((10, 10, 10), (40,), (40,), 40),  # fragments of one that is detected whole in the downscaled image
        ((10, 10, 10), (20,), (40, 40), 40),  # at half size still one fragment too many
        ((), (), (50,), 50),  # nothing, except at quarter size
        ((10, 10, 10), (17,), (50,), None),  # 289 of 300 px²: not better, so quarter size is not tried
        ((10, 10), (20,), (10,), 20),  # at quarter size things are lost
        ((10, 10), (10, 10), (), 10),  # the same again: as good
        ((10, 10), (), (), None),
    ],
)
def test_somas_too_large_are_found_whole_when_downscaled(
    whole: tuple[int, ...], half: tuple[int, ...], quarter: tuple[int, ...], expected: int | None
) -> None:
    """Sides of the squares that a network detects at each size; the result is the side, as a diameter."""
    answers = {1.0: squares(*half), 0.5: squares(*quarter)}
    found = diameter_when_downscaled(segmenter(answers, rescale=2.0), [(IMAGE, squares(*whole))])
    if expected is None:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(2 * expected / np.pi**0.5)


def test_what_is_found_elsewhere_is_not_the_whole_of_the_pieces() -> None:
    """A large dim spot that a network takes for a soma in the downscaled image, beside well-segmented somas."""
    spot = np.roll(squares(60), 150, axis=1)
    assert np.isnan(diameter_when_downscaled(segmenter({0.5: spot, 0.25: spot}), [(IMAGE, squares(20, 20))]))
    both = np.where(spot > 0, 9, squares(20, 20))
    assert diameter_when_downscaled(segmenter({0.5: both, 0.25: spot}), [(IMAGE, squares(20, 20))]) == pytest.approx(
        40 / np.pi**0.5
    )


def test_without_images_there_is_nothing_to_run_again() -> None:
    assert np.isnan(diameter_when_downscaled(segmenter({0.5: squares(5), 0.25: squares(5)}), []))


def test_a_network_without_a_size_range_is_not_run_again() -> None:
    """It has no outputs, and would fail if it were run."""
    assert np.isnan(diameter_when_downscaled(segmenter({}, intended_use=IntendedUse()), [(IMAGE, squares(10))]))
    with pytest.raises(KeyError):
        diameter_when_downscaled(segmenter({}), [(IMAGE, squares(10))])


def test_a_downscaled_run_warns_only_of_sizes_beyond_the_networks_range() -> None:
    """25 px detected, 60 px in the downscaled image: 20 / 60 = 0.33; within the range the first result counts."""
    note = size_warning(25, INTENDED_USE, factor=1, downscaled_px=60)
    assert note is not None
    assert note.startswith("In downscaled images the network detects more: somas of 60 px, beyond the 8 to 50 px")
    assert "--rescale 0.33 (or --diameter 60)" in note
    assert size_warning(25, INTENDED_USE, factor=1, downscaled_px=45) is None
    assert size_warning(25, INTENDED_USE, factor=0.5, downscaled_px=60) is None
    assert size_warning(25, IntendedUse(), factor=1, downscaled_px=60) is None
    assert "No soma was detected" in (size_warning(float("nan"), INTENDED_USE, factor=1, downscaled_px=45) or "")
