"""The size of the detected somas."""

from __future__ import annotations

import json

import numpy as np
import pytest

from somanet.segmentation.inference.diameters import diameters_px, median_or_nan, size_note, size_warning
from somanet.segmentation.inference.soma_size import ScaleAgreement, SizeEstimate
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


INTENDED_USE = IntendedUse(diameter_px=(8, 50))  # typically 20 px


def test_a_rescaled_image_is_told_with_the_ways_back() -> None:
    found = SizeEstimate(rescale=20 / 57, diameter_px=57.2, agreement=0.81, n_objects=22)
    note = size_note(found, INTENDED_USE)
    assert note == (
        "Somas are 57 px across, as 22 objects that are alike at two scales show (agreement 0.81), so images were "
        "rescaled by 0.351 to the 20 px that this network knows. --rescale 1 leaves them as they are, --diameter PX "
        "sets another size."
    )


def test_a_doubt_is_told_with_its_reason() -> None:
    note = size_note(SizeEstimate(doubt="too few objects are alike"), INTENDED_USE)
    assert note is not None
    assert note.startswith(
        "The somas' size could not be estimated: too few objects are alike. So nothing was rescaled."
    )
    assert "8 to 50 px across" in note
    assert "--diameter PX" in note


def test_what_was_left_as_it_is_needs_no_note() -> None:
    assert size_note(None, INTENDED_USE) is None
    assert size_note(SizeEstimate(diameter_px=21, agreement=0.9, n_objects=9), INTENDED_USE) is None
    assert size_note(SizeEstimate(), INTENDED_USE) is None
    assert size_note(SizeEstimate(doubt="…"), IntendedUse()) is None


def test_an_estimate_comes_back_from_a_record() -> None:
    scales = (ScaleAgreement(rescale=1, n_objects=7, n_agreeing=5, agreement=0.6, diameter_px=None),)
    found = SizeEstimate(rescale=2, diameter_px=10, agreement=0.7, n_objects=9, scales=scales)
    assert SizeEstimate.model_validate(json.loads(json.dumps(found.model_dump(mode="json")))) == found


def test_objects_that_no_scale_shows_together_are_counted() -> None:
    told = SizeEstimate(diameter_px=20, agreement=0.9, n_objects=39, n_lost=25, lost_px=6.1)
    assert size_note(told, INTENDED_USE) == (
        "25 of 39 objects that other scales show, 6.1 px across (median), are not found in images as stored: somas "
        "have several sizes. --diameter 6.1 finds these, and may lose others."
    )
    rescaled = size_note(told.model_copy(update={"rescale": 2.5}), INTENDED_USE)
    assert rescaled is not None
    assert "are not found in images rescaled by 2.5:" in rescaled
    few = SizeEstimate(diameter_px=20, agreement=0.9, n_objects=39, n_lost=7, lost_px=6.1)
    assert size_note(few, INTENDED_USE) is None


@pytest.mark.parametrize(("median_px", "words"), [(72, None), (45, "under 45 px"), (125, "over 125 px"), (100, None)])
def test_a_size_that_was_told_is_compared_with_that_of_all_objects(median_px: float, words: str | None) -> None:
    """80 px as stored is more than the network names as its range, and was found to be as good as any other scale."""
    told = SizeEstimate(diameter_px=80, agreement=0.9, n_objects=20)
    warning = size_warning(median_px, INTENDED_USE, factor=1, estimate=told)
    assert (warning is None) if words is None else (warning is not None and words in warning)


def test_a_size_that_nobody_told_is_compared_with_what_the_network_knows() -> None:
    for estimate in (None, SizeEstimate(diameter_px=80, n_objects=2, doubt="too few")):
        warning = size_warning(72, INTENDED_USE, factor=1, estimate=estimate)
        assert warning is not None
        assert "outside the 8 to 50 px" in warning
        assert size_warning(72, INTENDED_USE, factor=0.5, estimate=estimate) is None


@pytest.mark.parametrize(("n_uncertain", "n_found", "noted"), [(5, 12, True), (4, 8, False), (7, 20, False)])
def test_objects_that_no_other_scale_shows_are_said(n_uncertain: int, n_found: int, noted: bool) -> None:
    told = SizeEstimate(diameter_px=20, agreement=0.9, n_objects=7, n_uncertain=n_uncertain, n_found=n_found)
    note = size_note(told, INTENDED_USE)
    assert (note is not None) == noted
    assert note is None or note.startswith(
        f"{n_uncertain} of {n_found} objects in the images that told the somas' size"
    )
