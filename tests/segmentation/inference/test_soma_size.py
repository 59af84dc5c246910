"""The estimate of the somas' size, with a made network whose knowledge of sizes is exact, and with the bundled one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.evaluation.masks import overlap
from somanet.segmentation.engines.devices import PROCESSOR, Device
from somanet.segmentation.inference.haze import HazeRule
from somanet.segmentation.inference.known_maps import KnownMaps
from somanet.segmentation.inference.rescaling import resize
from somanet.segmentation.inference.scales import STEP
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from somanet.segmentation.inference.soma_size import SizeEstimate, decide, estimate_size
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.simulation import simulate_movie

INTENDED_USE = IntendedUse(diameter_px=(10, 40))  # typically 20 px


@dataclass(frozen=True)
class Knows:
    """A network that outlines bright objects of 8 to 45 px exactly, misses smaller ones and cuts larger ones to pieces.

    Attributes:
        threshold_downscaled: at less than half an image's size, objects are brighter than this, else than 125.
        cuts: larger objects are cut along a grid of 11 px; else they are outlined as they are.
        vanishing: in rescaled images, objects are brighter than 200.
        margin_px: of rescaled images by which outlines are too wide.
    """

    rescale: float | None = None
    haze: HazeRule | None = None
    as_outlined: bool = False
    known: KnownMaps | None = None
    intended_use: IntendedUse = INTENDED_USE
    threshold_downscaled: int = 125
    cuts: bool = True
    vanishing: bool = False
    margin_px: int = 0
    inverted: bool | None = None
    device: Device = PROCESSOR

    def at(self, factor: float) -> Knows:
        return replace(self, rescale=factor)

    def deciding(self, _images: object) -> Knows:
        return self

    def segment(self, image: NDArray[Any]) -> Segmented:
        factor = self.rescale or 1.0
        shape = (max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))
        threshold = self.threshold_downscaled if factor < 0.5 else 200 if self.vanishing and factor != 1 else 125
        bright = resize(image, shape) > threshold
        objects, n = ndimage.label(bright)
        diameters = 2 * np.sqrt(np.bincount(objects.ravel(), minlength=n + 1) / np.pi)
        y, x = np.indices(shape) // 11
        pieces = np.where(self.cuts & (diameters > 45)[objects], n + 1 + 1000 * y + x, objects)
        objects = np.where(bright & (diameters >= 8)[objects], pieces, 0)
        if self.margin_px:
            objects = ndimage.grey_dilation(objects, footprint=np.ones((2 * self.margin_px + 1,) * 2))
        rows = np.minimum((np.arange(image.shape[0]) + 0.5) * shape[0] / image.shape[0], shape[0] - 1).astype(int)
        columns = np.minimum((np.arange(image.shape[1]) + 0.5) * shape[1] / image.shape[1], shape[1] - 1).astype(int)
        found = objects[np.ix_(rows, columns)]
        ids = np.unique(found[found > 0])
        labels = np.where(found > 0, np.searchsorted(ids, found) + 1, 0).astype(np.int32)
        return Segmented(labels, np.full(len(ids), 0.9), np.full(len(ids), 20.0))


def estimate(images: list[NDArray[Any]], **knows: Any) -> SizeEstimate:
    found = estimate_size(cast("Segmenter", Knows(**knows)), images)
    assert found is not None
    return found


def disks(diameter: float, *, rows: int = 3, columns: int = 4, value: int = 230) -> NDArray[np.uint8]:
    """A grid of bright disks, two diameters apart."""
    apart = round(2 * diameter) + 4
    image = np.full((rows * apart, columns * apart), 20, np.uint8)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    inside = ((y % apart) - apart // 2) ** 2 + ((x % apart) - apart // 2) ** 2 <= (diameter / 2) ** 2
    return np.where(inside, value, image).astype(np.uint8)


def beside(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two images one above the other, on the same background."""
    image = np.full((one.shape[0] + other.shape[0], max(one.shape[1], other.shape[1])), 20, np.uint8)
    image[: one.shape[0], : one.shape[1]] = one
    image[one.shape[0] :, : other.shape[1]] = other
    return image


@pytest.mark.parametrize("diameter", [4, 7, 60, 90])
def test_somas_of_any_size_are_brought_to_the_typical_one(diameter: int) -> None:
    """12 disks of one size: their diameter, and 20 / diameter, at most 4."""
    found = estimate([disks(diameter)])
    assert found.doubt == ""
    assert found.diameter_px == pytest.approx(diameter, rel=0.1, abs=0.6)
    assert found.rescale == pytest.approx(min(4, 20 / diameter), rel=0.1)
    assert found.n_objects == 12
    assert found.agreement > 0.7
    best = [one.rescale for one in found.scales if one.agreement == 1]
    assert best
    assert all(8 <= diameter * factor <= 45 for factor in best)


@pytest.mark.parametrize("diameter", [16, 20, 23])
def test_somas_of_about_the_typical_size_are_left_alone(diameter: int) -> None:
    """And no larger scale is tried, which would cost most."""
    found = estimate([disks(diameter)])
    assert (found.rescale, found.doubt) == (1.0, "")
    assert max(one.rescale for one in found.scales) == 1.0


def test_large_somas_that_are_found_whole_are_left_alone() -> None:
    """A network that outlines objects of any size: nothing is gained, though 60 px is not what it says it knows."""
    found = estimate([disks(60)], cuts=False)
    assert (found.rescale, found.doubt) == (1.0, "")
    assert found.diameter_px == pytest.approx(60, rel=0.1)


def test_small_somas_that_are_outlined_too_widely_are_rescaled() -> None:
    """Disks of 9 px, which the network finds, each with a pixel more all around.

    At their own size a mask has about (11 / 9)² = 1.5 times the area, at the typical size (22 / 20)² = 1.2 times: the
    same objects (IoU 0.67 and more), but not the same areas. Without a margin, nothing is gained.
    """
    found = estimate([disks(9)], margin_px=1)
    assert found.doubt == ""
    assert found.rescale == pytest.approx(20 / 11, rel=0.15)
    assert estimate([disks(9)]).rescale == 1


def test_dim_somas_that_are_found_as_stored_are_not_lost() -> None:
    """As above, and twelve dim disks of 9 px that vanish when the image is rescaled: tighter outlines cost them."""
    dim = disks(9, value=150)
    assert estimate([beside(disks(9), dim)], margin_px=1, vanishing=True).rescale == 1
    assert estimate([beside(disks(9), dim)], margin_px=1).rescale == pytest.approx(20 / 11, rel=0.15)


def test_several_frames_count_together() -> None:
    """Two disks in each of three frames: fewer than 5 in one, 6 in all."""
    frames = [np.roll(disks(60, rows=1, columns=2), shift, axis=1) for shift in (0, 15, 30)]
    alone, both = estimate(frames[:1]), estimate(frames)
    assert alone.rescale == 1
    assert alone.doubt
    assert both.rescale == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.parametrize(("rows", "n_used"), [(4, 1), (3, 3)])
def test_one_frame_of_a_movie_is_enough_if_it_is_clear(rows: int, n_used: int) -> None:
    """Three equal frames of 16 or 12 disks of the typical size: 15 in one frame speak for all."""
    found = estimate([disks(20, rows=rows, columns=4)] * 3)
    assert (found.rescale, found.doubt) == (1.0, "")
    assert found.n_objects == n_used * rows * 4
    assert found.diameter_px == pytest.approx(20, rel=0.1)


def test_the_other_frames_are_seen_where_the_middle_one_is_not_clear() -> None:
    """16 disks of 60 px in each frame, and 16 of 20 px in the last one only, which is not the middle."""
    large, small = disks(60, rows=4, columns=4), disks(20, rows=4, columns=4)
    padded = np.full_like(large, 20)
    padded[: small.shape[0], : small.shape[1]] = small
    assert estimate([padded, large, large]).n_objects == 48
    alone, told = estimate([padded]), estimate([large, padded, large])
    assert (alone.n_objects, alone.rescale) == (16, 1)
    assert told.n_objects == 48  # though the middle frame by itself leaves no doubt
    assert told.rescale == pytest.approx(1 / 3, rel=0.1)
    assert told.n_lost == 16
    assert told.lost_px == pytest.approx(20, rel=0.05)


def test_three_somas_in_one_image_do_if_they_agree_well() -> None:
    found = estimate([disks(60, rows=1, columns=3)])
    assert found.rescale == pytest.approx(1 / 3, rel=0.1)
    assert found.n_objects == 3


def test_one_speck_in_three_frames_is_no_size() -> None:
    assert estimate([disks(60, rows=1, columns=1)] * 3).rescale == 1


@pytest.mark.parametrize("diameter", [7, 60])
def test_a_movie_of_one_cell_is_measured_over_more_frames(diameter: int) -> None:
    """One disk a frame, which moves; more frames are read only for this."""
    cell = disks(diameter, rows=1, columns=5)
    cell[:, cell.shape[1] // 5 :] = 20
    frames = [np.roll(cell, 8 * t, axis=1) for t in range(9)]  # by whole pixels of the downscaled images
    asked: list[int] = []

    def more() -> list[NDArray[Any]]:
        asked.append(len(frames))
        return list(frames)

    network = cast("Segmenter", Knows())
    segmenter, found = decide(network, frames[::4], more=more)
    assert found is not None
    assert (found.n_objects, found.doubt) == (9, "")
    assert found.diameter_px == pytest.approx(diameter, rel=0.1, abs=0.6)
    assert segmenter.rescale == pytest.approx(20 / diameter, rel=0.1)
    assert decide(network, frames[::4])[0].rescale == 1
    decide(network, [disks(diameter)] * 3, more=more)
    assert asked == [9]


def test_what_few_of_many_frames_show_is_no_size() -> None:
    """A speck in five frames of nine: as many objects as would do in three."""
    speck = disks(60, rows=1, columns=1)
    assert estimate([speck] * 5 + [np.full_like(speck, 20)] * 4).rescale == 1
    assert estimate([speck] * 7 + [np.full_like(speck, 20)] * 2).rescale == pytest.approx(1 / 3, rel=0.1)


def test_a_few_somas_of_the_typical_size_are_no_cause_for_doubt() -> None:
    found = estimate([disks(19, rows=1, columns=2)])
    assert (found.rescale, found.doubt) == (1.0, "")
    assert found.diameter_px == pytest.approx(19, rel=0.1)


def test_objects_within_objects_are_a_doubt() -> None:
    """Nuclei of 30 px in cells of 90 px, which the network takes for the somas in downscaled images."""
    cells, nuclei = disks(90, value=100), disks(90)
    y, x = np.mgrid[: cells.shape[0], : cells.shape[1]]
    apart = 184
    core = ((y % apart) - apart // 2) ** 2 + ((x % apart) - apart // 2) ** 2 <= 18**2
    image = np.where(core & (nuclei > 125), 230, cells).astype(np.uint8)
    found = estimate([image], threshold_downscaled=60)
    assert found.rescale == 1
    assert found.doubt == "there are objects of 36 px within objects of 90 px"


def test_two_sizes_are_found_where_one_scale_shows_both() -> None:
    """60 disks of 9 px beside 2 of 36 px, all found as stored: the median, 9 px, would bring the large ones to 80."""
    found = estimate([beside(disks(9, rows=6, columns=10), disks(36, rows=1, columns=2))])
    assert (found.rescale, found.doubt, found.n_lost, found.n_objects) == (1.0, "", 0, 62)
    assert found.diameter_px == pytest.approx(9, abs=0.6)


def test_what_no_scale_shows_together_is_counted() -> None:
    """60 disks of 6 px, not found as stored, beside 2 of 40 px, which are cut to hundreds at the typical size."""
    found = estimate([beside(disks(6, rows=6, columns=10), disks(40, rows=1, columns=2))])
    assert found.n_objects == 62
    assert (found.doubt, found.rescale) == ("", 1.0)
    assert (found.n_lost, found.lost_px) == (60, pytest.approx(6, abs=0.6))


def test_pieces_that_look_like_somas_are_a_doubt() -> None:
    """Six squares of 72 px, each cut by grooves into nine of 27 px, which close in images of half the size."""
    square = np.full((120, 120), 25, np.uint8)
    square[24:96, 24:96] = 230
    for groove in (47, 71):
        square[groove, 24:96] = square[24:96, groove] = 60
    image = np.tile(square, (2, 3))
    found = estimate([image])
    assert estimate([image] * 3).doubt == found.doubt  # though 54 pieces agree in one of the frames
    assert found.rescale == 1
    told = re.fullmatch(r"there are objects of (\d+) px within objects of (\d+) px", found.doubt)
    assert told is not None
    assert [float(px) for px in told.groups()] == pytest.approx([2 * 23.3 / np.pi**0.5, 2 * 72 / np.pi**0.5], rel=0.05)


def test_what_has_no_size_of_its_own_is_a_doubt() -> None:
    """Other noise at every scale: blobs as large as the network likes them, which are elsewhere at the next scale."""

    class Restless(Knows):
        def segment(self, image: NDArray[Any]) -> Segmented:
            step = round(np.log(self.rescale or 1.0) / np.log(STEP))
            field = ndimage.gaussian_filter(
                np.random.default_rng(step + 50).standard_normal(image.shape), 4 / (self.rescale or 1.0)
            )
            labels, n = ndimage.label(field > np.percentile(field, 80))
            return Segmented(labels.astype(np.int32), np.full(n, 0.9), np.full(n, 20.0))

    found = estimate_size(cast("Segmenter", Restless()), [np.zeros((240, 300), np.uint8)])
    assert found is not None
    assert found.rescale == 1
    assert found.doubt


def test_what_only_one_scale_shows_is_uncertain() -> None:
    """Four disks of the typical size, found at every scale, and nine that vanish when the image is made smaller.

    Of 11 px they are unlike the four; of their size they may be dim somas.
    """
    for diameter, n_uncertain in ((11, 9), (20, 0)):
        dim = disks(diameter, rows=1, columns=9, value=150)
        found = estimate([beside(disks(20, rows=1, columns=4), dim)], vanishing=True)
        assert found.doubt == ""
        assert (found.n_objects, found.n_found, found.n_uncertain) == (4, 13, n_uncertain)


def test_nothing_is_a_doubt() -> None:
    found = estimate([np.zeros((80, 100), np.uint8)])
    assert (found.rescale, found.diameter_px) == (1.0, None)
    assert found.doubt == "too few objects are alike at two scales (0 of at least 3)"


def test_a_movie_of_nothing_is_not_searched_further() -> None:
    frames = [np.zeros((80, 100), np.uint8)] * 3
    segmenter, found = decide(cast("Segmenter", Knows()), frames, more=lambda: pytest.fail("nothing is to be found"))
    assert found is not None
    assert (segmenter.rescale, found.n_objects, bool(found.doubt)) == (1.0, 0, True)


def test_a_network_without_a_range_has_no_estimate() -> None:
    assert estimate_size(cast("Segmenter", Knows(intended_use=IntendedUse())), [disks(60)]) is None
    assert estimate_size(cast("Segmenter", Knows()), []) is None


def test_a_corner_of_a_large_image_is_enough() -> None:
    """Disks of 7 px in one corner of 1,400 × 1,500 px, of which a quarter of a thousand is segmented at four times."""
    image = np.full((1400, 1500), 20, np.uint8)
    few = disks(7, rows=5, columns=6)
    image[1400 - few.shape[0] :, : few.shape[1]] = few
    found = estimate([image])
    assert found.diameter_px == pytest.approx(7, abs=0.6)
    assert found.rescale == pytest.approx(20 / 7, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("diameter", [10, 33, 50])
def test_simulated_somas_are_found_whole_at_any_magnification(diameter: int) -> None:
    """33 px is within what the bundled network says it knows, but it is unsure of the size and outlines pieces."""
    side = max(220, 18 * diameter)
    movie = simulate_movie(
        seed=0, n_frames=2, shape_YX=(side, side + 40), calibration=Calibration(21.5 / diameter, 10.0)
    )
    segmenter, found = decide(open_networks(None).segmenter, list(movie.frames_TYX))
    truth = movie.labels_TYX[0]
    true_px = np.median(2 * np.sqrt(np.unique(truth[truth > 0], return_counts=True)[1] / np.pi))
    assert found is not None
    assert found.diameter_px == pytest.approx(true_px, rel=0.15)
    measured = overlap(truth, segmenter.segment(movie.frames_TYX[0]).labels_YX)
    pieces = (measured.shared_px > 0.5 * measured.pred_px).sum(axis=1)
    assert (pieces <= 1).all()
    assert (pieces == 1).mean() >= 0.75


@pytest.mark.slow
def test_small_blurred_somas_have_the_right_area() -> None:
    """16 ellipses of 8 px, blurred by σ = 1.5 px, by geometry: masks were 1.39 times as large."""
    ratios = []
    segmenter = open_networks(None).segmenter
    for seed in range(2):
        rng = np.random.default_rng(seed)
        y, x = np.indices((100, 100)) + 0.5
        truth = np.zeros((100, 100), np.int32)
        for n in range(16):
            cy, cx = 20 * np.array(divmod(n, 4)) + 20 + rng.uniform(-2, 2, 2)
            truth[((y - cy) / 3.6) ** 2 + ((x - cx) / 4.4) ** 2 <= 1] = n + 1
        light = ndimage.gaussian_filter(700.0 * (truth > 0), 1.5) + rng.normal(300, 30, truth.shape)
        image = light.astype(np.uint16)
        decided, size = decide(segmenter, [image])
        assert size is not None
        assert size.doubt == ""
        measured = overlap(truth, decided.segment(image).labels_YX)
        one, two = measured.matches(0.5)
        assert len(one) >= 15
        ratios.extend(measured.pred_px[two] / measured.true_px[one])
    assert np.median(ratios) < 1.25
