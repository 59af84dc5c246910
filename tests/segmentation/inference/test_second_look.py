"""Objects that much brighter ones hide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.io.movies import open_movie, write_movie
from somanet.segmentation.inference.movie_labels import label_movie
from somanet.segmentation.inference.second_look import AROUND_PX, Look, _same, looked_again
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network

Image = NDArray[np.float64]
SHAPE_YX = (210, 270)
PLACES = [(35 + 70 * row, 33 + 68 * column) for row in range(3) for column in range(4)]
BRIGHT = (1, 6)


def blurred_disks(heights: list[float], *, radius_px: float = 9.0, seed: int = 0) -> Image:
    """Disks with soft edges on even ground, with Gaussian noise of standard deviation 1."""
    yy, xx = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    image = np.random.default_rng(seed).normal(100, 1, SHAPE_YX)
    for (y, x), height in zip(PLACES, heights, strict=True):
        image += height / (1 + np.exp(np.hypot(yy - y, xx - x) - radius_px))
    return image


def dim_beside_bright(times: float, *, dim: float = 25.0, seed: int = 0) -> Image:
    """Twelve cells, two of them brighter by a factor."""
    return blurred_disks([dim * times if n in BRIGHT else dim for n in range(12)], seed=seed)


@pytest.fixture(scope="module")
def bundled() -> Segmenter:
    return open_networks(None).segmenter.at(1.0)


def test_cells_beside_others_hundreds_of_times_brighter_are_found(bundled: Segmenter) -> None:
    """By geometry: one label per disk, with about the disk's area, π·9² = 254 px."""
    image = dim_beside_bright(400)
    once = replace(bundled, second_look=False).segment(image)
    assert len(once.confidence) <= 4
    twice = bundled.segment(image)
    assert [int(twice.labels_YX[y, x]) for y, x in PLACES].count(0) == 0
    assert len({int(twice.labels_YX[y, x]) for y, x in PLACES}) == 12
    areas = np.bincount(twice.labels_YX.ravel())[1:]
    assert len(areas) == len(twice.confidence) == len(twice.contrast) == 12
    assert (np.abs(areas / (np.pi * 81) - 1) < 0.35).all()
    # what was found first, the bright ones, stays as it was
    assert twice.n_hidden == 12 - len(once.confidence)
    np.testing.assert_array_equal(np.where(twice.labels_YX <= len(once.confidence), twice.labels_YX, 0), once.labels_YX)
    assert (twice.confidence[len(once.confidence) :] > 0.88).all()
    assert (twice.contrast[len(once.confidence) :] > 6).all()


@pytest.mark.parametrize("times", [200, 250])
def test_dim_cells_that_are_just_seen_are_outlined_as_wide_as_they_are(bundled: Segmenter, times: float) -> None:
    """At the bright cells' exposure only their middles are: π·9² = 254 px."""
    image = dim_beside_bright(times)
    dim = [place for n, place in enumerate(PLACES) if n not in BRIGHT]

    def area(segmenter: Segmenter) -> float:
        labels_YX = segmenter.segment(image).labels_YX
        areas = np.bincount(labels_YX.ravel())
        return float(np.median([areas[labels_YX[place]] for place in dim if labels_YX[place]]))

    assert area(replace(bundled, second_look=False)) < 0.87 * np.pi * 81
    assert area(bundled) == pytest.approx(np.pi * 81, rel=0.15)


@pytest.mark.parametrize("scale_px", [3, 6])
def test_texture_beside_bright_cells_stays_texture(bundled: Segmenter, scale_px: float) -> None:
    """Of which the network would draw dozens of objects if it were exposed for it."""
    rng = np.random.default_rng(1)
    field = ndimage.gaussian_filter(rng.standard_normal(SHAPE_YX), scale_px)
    image = blurred_disks([25_000.0 if n in BRIGHT else 0.0 for n in range(12)]) + 30 * np.exp(field / field.std())
    image = rng.poisson(image).astype(float)
    assert bundled.segment(image).n_hidden <= 1


@pytest.mark.parametrize("seed", range(4))
def test_beside_bright_cells_noise_stays_noise(bundled: Segmenter, seed: int) -> None:
    image = blurred_disks([2500.0 if n in BRIGHT else 0.0 for n in range(12)], seed=seed)
    found = bundled.segment(image)
    assert len(found.confidence) == 2
    assert found.n_hidden == 0


def test_a_movie_is_looked_at_twice_only_where_it_helps(bundled: Segmenter) -> None:
    even = [dim_beside_bright(1, seed=seed) for seed in range(3)]
    uneven = dim_beside_bright(400, seed=3)
    assert not bundled.looking(even).second_look
    assert bundled.looking([*even, uneven]).second_look
    assert not replace(bundled, second_look=False).looking([uneven]).second_look


def test_a_bright_cell_between_the_frames_that_are_seen_first_hides_nothing(bundled: Segmenter, tmp_path: Path) -> None:
    """In frames 3 and 4 of 9; once it has left, dim cells are no blank frames."""
    frames = np.stack([dim_beside_bright(400 if t in (3, 4) else 1, seed=t) for t in range(9)]).astype(np.uint16)
    write_movie(tmp_path / "movie.tif", frames, Calibration(1.28, 12.0))
    with open_movie(tmp_path / "movie.tif") as movie:
        found = label_movie(bundled, movie, tmp_path / "labels.tif", calibration=Calibration(1.28, 12.0))
    assert found.second_look
    assert found.blank_frames == ()
    assert found.counts == [12] * 9


def test_other_networks_look_once() -> None:
    """Of a network that is not for fluorescence it is not known that brightness means anything."""
    network = Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64)
    image = np.full(SHAPE_YX, 50, np.uint8)
    for (y, x), value in zip(PLACES, [255 if n in BRIGHT else 70 for n in range(12)], strict=True):
        image[y - 9 : y + 9, x - 9 : x + 9] = value
    assert Segmenter((network,)).segment(image).n_hidden == 0


# What is added, with a given second look: disks of 9 px, at 100 above the noise, one of them 10,000.

FIRST = [(40, 60)]


def looks(
    places: list[tuple[int, int]], *, probability: float = 0.95, radius_px: int = 9
) -> tuple[NDArray[np.int32], Look]:
    """Labels of disks, and a look that finds these."""
    yy, xx = np.mgrid[:120, :200]
    labels_YX = np.zeros((120, 200), np.int32)
    for number, (y, x) in enumerate(places, 1):
        labels_YX[np.hypot(yy - y, xx - x) <= radius_px] = number
    n = len(places)
    return labels_YX, Look(labels_YX, np.full(n, probability), np.full(n, 50.0), np.full(n, probability))


def scene(heights: dict[tuple[int, int], float]) -> Image:
    image = np.random.default_rng(3).normal(100, 1, (120, 200))
    for place, height in heights.items():
        image[looks([place])[0] > 0] += height
    return image


def again(image: Image, second: Look, third: Look | None = None, **more: Any) -> tuple[Look, list[float]]:
    """What two looks find, and the brightest intensity that each look after the first was shown."""
    shown: list[float] = []
    nothing = looks([])[1]
    rest = iter([second, *([] if third is None else [third])])

    def look(picture: NDArray[Any]) -> Look:
        shown.append(float(picture.max()))
        return next(rest, nothing)

    return looked_again(looks(FIRST)[1], image, look, **more), shown


def test_another_object_is_added_behind_those_that_were_found() -> None:
    other = (90, 150)
    image = scene({FIRST[0]: 10_000, other: 100})
    found, shown = again(image, looks([FIRST[0], other])[1])
    assert found.labels_YX[other] == 2
    assert found.labels_YX[FIRST[0]] == 1
    assert found.probability.tolist() == [0.95, 0.95]
    # exposed for what is outside: the dim disk, 100 above 100, give or take the noise
    assert shown[0] == pytest.approx(203, abs=2)
    # contrast: 100 over the noise's standard deviation of 1
    assert found.contrast[1] == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (looks([(40, 60 + 9 + 3 + 9)])[1], "touches what was found"),
        (looks([(90, 150)], probability=0.87)[1], "the network is not sure"),
        (looks([(90, 100)])[1], "does not stand out from the noise"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_object_for_sure_is_not_added(second: Look, why: str) -> None:
    image = scene({FIRST[0]: 10_000, (90, 150): 100})
    found, shown = again(image, second)
    assert len(shown) == 1, why
    assert len(found.confidence) == 1


def test_a_dim_object_that_was_found_gets_its_outline_at_its_own_exposure() -> None:
    dim = (90, 150)
    image = scene({FIRST[0]: 10_000, dim: 100})
    narrow = looks([FIRST[0]])[0] + 2 * looks([dim], radius_px=6)[0]
    first = Look(narrow, np.array([0.9, 0.6]), np.array([50.0, 50.0]), np.array([0.9, 0.6]))
    wide = looks([FIRST[0], dim])[1]
    found = looked_again(first, image, lambda _: wide)
    np.testing.assert_array_equal(found.labels_YX, wide.labels_YX)
    assert found.confidence.tolist() == [0.9, 0.95]
    # one that would join two stays out
    pair = narrow + 3 * looks([(90, 170)], radius_px=6)[0]
    three = Look(pair, np.full(3, 0.9), np.full(3, 50.0), np.full(3, 0.9))
    image[looks([(90, 170)], radius_px=6)[0] > 0] += 100
    joined = looks([(90, 160)], radius_px=22)[1]
    np.testing.assert_array_equal(looked_again(three, image, lambda _: joined).labels_YX, pair)
    # of a bright one the second look, in which it is saturated, says nothing
    wider = looks([FIRST[0], dim], radius_px=11)[1]
    found = looked_again(first, image, lambda _: wider)
    assert np.count_nonzero(found.labels_YX == 1) == np.count_nonzero(narrow == 1)


def test_each_look_shows_a_range_of_its_own() -> None:
    """Cells of three brightnesses, 10,000 : 1,000 : 100, the dimmest over noise of 1."""
    middle, dim = (90, 150), (90, 30)
    image = scene({FIRST[0]: 10_000, middle: 1000, dim: 100})
    found, shown = again(image, looks([middle])[1], looks([dim])[1])
    assert [int(found.labels_YX[place]) for place in (FIRST[0], middle, dim)] == [1, 2, 3]
    assert shown[:2] == [pytest.approx(1103, abs=2), pytest.approx(203, abs=2)]
    assert len(shown) == 3  # of the noise at last


def test_where_most_of_what_is_seen_then_looks_like_noise_nothing_is_added() -> None:
    places = [(90, 150), (90, 30), (20, 150)]
    image = scene({FIRST[0]: 10_000, **dict.fromkeys(places, 100.0)})
    second = looks(places)[1]
    assert len(again(image, second)[0].confidence) == 4
    unsure = second._replace(probability=np.array([0.89, 0.85, 0.95]), contrast=np.full(3, 7.0))
    assert len(again(image, unsure)[0].confidence) == 1


def test_what_was_saturated_is_outlined_anew() -> None:
    """Below a thousandth of the image, so that the second look shows noise: its outline is the third's or none."""
    speck = (90, 150)
    image = scene({FIRST[0]: 10_000})
    image[89:92, 149:152] += 300
    wide, narrow = looks([speck], radius_px=7)[1], looks([speck], radius_px=3)[1]
    found, shown = again(image, wide, narrow)
    assert shown[1] > shown[0] + 200
    assert np.count_nonzero(found.labels_YX == 2) == np.count_nonzero(narrow.labels_YX)
    assert len(again(image, wide, looks([])[1])[0].confidence) == 1


def test_an_image_that_is_exposed_for_its_objects_is_seen_once() -> None:
    image = scene({FIRST[0]: 400, (90, 150): 100})
    found, shown = again(image, looks([(90, 150)])[1])
    assert (len(found.confidence), shown) == (1, [])


@pytest.mark.parametrize("mostly", ["missing", "object"])
def test_where_hardly_anything_is_outside_nothing_is_hidden(mostly: str) -> None:
    image = scene({FIRST[0]: 10_000, (90, 150): 100})
    missing = np.ones(image.shape, bool)
    missing[:, :12] = False
    first = looks(FIRST)[1]
    if mostly == "object":
        labels_YX = np.ones(image.shape, np.int32)
        labels_YX[:, : AROUND_PX // 2] = 0
        first = first._replace(labels_YX=labels_YX)

    def look(_: NDArray[Any]) -> Look:
        raise AssertionError("looked again")

    call: Callable[[NDArray[Any]], Look] = look
    assert looked_again(first, image, call, missing if mostly == "missing" else None) is first
    assert looked_again(looks([])[1], image, call) is not None


def test_pixels_without_data_expose_nothing() -> None:
    """Filled with 0 or the largest value, they are neither bright cells nor the ground."""
    other = (90, 150)
    image = scene({FIRST[0]: 10_000, other: 100})
    missing = np.zeros(image.shape, bool)
    missing[:10] = True
    image[:10] = 60_000
    found, shown = again(image, looks([other])[1], missing=missing)
    assert len(found.confidence) == 2
    assert shown[0] == pytest.approx(203, abs=2)


def test_an_image_without_any_data_has_nothing_to_look_at(bundled: Segmenter) -> None:
    def look(_: NDArray[Any]) -> Look:
        raise AssertionError("looked again")

    nothing = looks([])[1]
    assert looked_again(nothing, np.zeros((120, 200)), look, np.ones((120, 200), bool)) is nothing
    assert bundled.segment(np.zeros((120, 200), np.uint16)).n_hidden == 0


def test_the_same_objects_are_found_among_tens_of_thousands() -> None:
    """Every pair together would take 20 GB, and its numbers would not fit 32 bits."""
    one = np.arange(1, 50_001, dtype=np.int32).reshape(250, 200)
    labels_YX = np.kron(one, np.ones((2, 2), np.int32))
    others_YX = np.where(labels_YX % 2, labels_YX[::-1, ::-1].max() + 1 - labels_YX, 0).astype(np.int32)
    own, other = _same(labels_YX, others_YX)
    assert own.tolist() == list(range(0, 50_000, 2))
    assert (own + other == 49_999).all()
