"""Kinds of output that separate objects: star-convex polygons against geometry, and every kind on a true output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.draw import polygon

from benchmarks.instances.__main__ import KINDS, Predicted, StarSettings, choose, postprocess
from benchmarks.instances.flows import flow_targets
from benchmarks.instances.polygons import Polygons, candidates, render, suppress, with_outline
from benchmarks.instances.star_bound import best_iou, objects, whole_neurons
from benchmarks.instances.stars import GRID_PX, RAYS, UNIT_PX, directions, rays_to_rim, star_loss, star_targets
from benchmarks.instances.training import MAPS, SPEC, STAR, Network
from somanet.evaluation.masks import overlap
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.forward import predict_logits
from somanet.segmentation.network.inputs import make_targets
from somanet.segmentation.network.settings import InstanceSettings

Y, X = 61, 90
SETTINGS = InstanceSettings(threshold=0.5, min_area_px=15)
STARS = StarSettings(probability=0.5, overlap=0.3)
UNIT_Y, UNIT_X = directions(RAYS)


def ellipse(y: float, x: float, radius_y: float, radius_x: float) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:Y, :X]
    inside: NDArray[np.bool_] = ((rows - y) / radius_y) ** 2 + ((columns - x) / radius_x) ** 2 <= 1
    return inside


def rectangle() -> NDArray[np.bool_]:
    """Rows 10 to 40, columns 20 to 70, both ends included."""
    mask = np.zeros((Y, X), bool)
    mask[10:41, 20:71] = True
    return mask


def touching() -> NDArray[np.int32]:
    """Two discs of radius 12 with centres 22 px apart: their common chord belongs to the second."""
    return np.where(ellipse(30, 47, 12, 12), 2, ellipse(30, 25, 12, 12)).astype(np.int32)


def rays_from(mask: NDArray[np.bool_], y: int, x: int) -> NDArray[np.float32]:
    return rays_to_rim(mask.astype(np.int32), (np.array([y]), np.array([x])))[0]


def discs(*places: tuple[int, int, float]) -> Polygons:
    """Round polygons (y, x, radius), the first the most probable."""
    return Polygons(
        np.array([place[:2] for place in places]),
        np.repeat(np.array([[place[2]] for place in places], np.float32), RAYS, axis=1),
        np.linspace(0.9, 0.6, len(places), dtype=np.float32),
    )


def true_output(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """What a network without error puts out."""
    maps = make_targets(labels, MAPS).clip(1e-4, 1 - 1e-4)
    rays = star_targets(labels).repeat(GRID_PX, axis=1).repeat(GRID_PX, axis=2)[:, : labels.shape[0], : labels.shape[1]]
    return np.concatenate([np.log(maps / (1 - maps)), flow_targets(labels), rays])


def ious(true: NDArray[np.int32], found: NDArray[np.int32]) -> list[float]:
    """The best IoU of each true object."""
    best: list[float] = overlap(true, found).iou.max(axis=1, initial=0).tolist()
    return best


# Rays


@pytest.mark.parametrize(("off_y", "off_x"), [(0, 0), (5, -7), (-9, 3)])
def test_rays_of_a_disc(off_y: int, off_x: int) -> None:
    """From a point p to a circle of radius R along u: −p·u + √(R² − |p|² + (p·u)²)."""
    along = off_y * UNIT_Y + off_x * UNIT_X
    expected = -along + np.sqrt(20.3**2 - off_y**2 - off_x**2 + along**2)
    error = rays_from(ellipse(30, 44, 20.3, 20.3), 30 + off_y, 44 + off_x) - expected
    assert np.abs(error).max() < 1
    assert abs(error.mean()) < 0.25


def test_rays_of_an_ellipse() -> None:
    """From its centre: 1 / √((sin / a)² + (cos / b)²)."""
    error = rays_from(ellipse(30, 44, 14.5, 30.5), 30, 44) - 1 / np.hypot(UNIT_Y / 14.5, UNIT_X / 30.5)
    assert np.abs(error).max() < 1
    assert abs(error.mean()) < 0.25


def test_rays_of_a_rectangle() -> None:
    """From (20, 30) to the pixels' edges at y 9.5 and 40.5, x 19.5 and 70.5: exact along the axes."""
    rays = rays_from(rectangle(), 20, 30)
    with np.errstate(divide="ignore"):
        to_rows = np.where(UNIT_Y > 0, 20.5, 10.5) / np.abs(UNIT_Y)
        to_columns = np.where(UNIT_X > 0, 40.5, 10.5) / np.abs(UNIT_X)
    np.testing.assert_allclose(rays[[0, 8, 16, 24]], [40.5, 20.5, 10.5, 10.5])
    assert np.abs(rays - np.minimum(to_rows, to_columns)).max() < 1


def test_rays_end_at_the_image_and_at_the_neighbour() -> None:
    labels = np.zeros((Y, X), np.int32)
    labels[:30, :40], labels[:30, 40:60] = 3, 7
    rays = rays_to_rim(labels, (np.array([4, 10]), np.array([9, 41])))
    np.testing.assert_allclose(rays[:, [0, 8, 16, 24]], [[30.5, 25.5, 9.5, 4.5], [18.5, 19.5, 1.5, 10.5]])


def test_targets_are_the_rays_at_every_second_pixel() -> None:
    labels = touching()
    targets = star_targets(labels)
    assert targets.shape == (RAYS, 31, 45)
    assert not targets[:, labels[::2, ::2] == 0].any()
    np.testing.assert_allclose(targets[:, 15, 12] * UNIT_PX, rays_from(labels == 1, 30, 24), rtol=1e-6)


def test_an_image_without_objects() -> None:
    empty = np.zeros((Y, X), np.int32)
    assert not star_targets(empty).any()
    for kind in KINDS:
        found = postprocess(kind, true_output(empty), SETTINGS, STARS if kind.startswith("star") else None)
        assert found.shape == (Y, X)
        assert not found.any()


def test_the_loss_is_the_error_weighted_by_the_probability() -> None:
    """Errors 1, 3 and 5 at grid pixels of probability 1, 0.5 and 0: (1 + 1.5) / (1 + 0.5 + 1)."""
    target = torch.zeros(1, RAYS, 1, 3)
    put_out = torch.tensor([1.0, -3.0, 5.0]).expand(1, RAYS, 1, 3)
    probability = torch.tensor([1.0, 0.5, 0.0]).view(1, 1, 1, 3).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert star_loss(put_out, target, probability).item() == pytest.approx(1.0)


# Polygons


@pytest.mark.parametrize("mask", [ellipse(30, 44, 20, 20), ellipse(30, 44, 9, 30), rectangle(), ellipse(4, 2, 12, 14)])
def test_a_polygon_covers_its_object(mask: NDArray[np.bool_]) -> None:
    """Also one of which the image shows a part; the area from the rays is the object's."""
    y, x = np.argwhere(mask).mean(axis=0).round().astype(int)
    polygons = Polygons(np.array([[y, x]]), rays_from(mask, y, x)[None], np.ones(1, np.float32))
    drawn = render(polygons, (Y, X)) > 0
    assert (drawn & mask).sum() / (drawn | mask).sum() >= 0.9
    assert polygons.areas()[0] == pytest.approx(mask.sum(), rel=0.06)


def test_a_polygon_has_the_pixels_of_scikit_image() -> None:
    """Also where it is ragged or the image cuts it."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        centre, rays = rng.integers(0, (Y, X)), rng.uniform(1, 40, RAYS).astype(np.float32)
        expected = np.zeros((Y, X), bool)
        expected[polygon(centre[0] + rays * UNIT_Y, centre[1] + rays * UNIT_X, (Y, X))] = True
        drawn = render(Polygons(centre[None], rays[None], np.ones(1, np.float32)), (Y, X))
        np.testing.assert_array_equal(drawn > 0, expected)


def test_overlap_is_the_common_area_as_a_share_of_the_smaller() -> None:
    """Two circles of radius 10 px at distance 10: the lens is 2 R² acos(½) − ½ d √(4 R² − d²), 0.391 of each."""
    share = (2 * np.arccos(0.5) - np.sqrt(3) / 2) / np.pi
    pair = discs((30, 30, 10), (30, 40, 10))
    assert len(suppress(pair, (Y, X), share + 0.03)) == 2
    assert len(suppress(pair, (Y, X), share - 0.03)) == 1
    assert len(suppress(discs((30, 40, 20), (30, 50, 4)), (Y, X), 0.9)) == 1


def test_what_is_suppressed_suppresses_nothing() -> None:
    """Of three circles in a row the second overlaps both others, which do not overlap each other."""
    row = discs((30, 20, 10), (30, 32, 10), (30, 44, 10))
    kept = suppress(row, (Y, X), 0.2)
    assert kept.centres[:, 1].tolist() == [20, 44]


def test_the_more_probable_is_on_top() -> None:
    drawn = render(discs((30, 30, 10), (30, 40, 10)), (Y, X))
    assert drawn[30, 39] == 1
    assert drawn[30, 41] == 2


def test_candidates_come_in_order_from_the_grid() -> None:
    labels = touching()
    output = true_output(labels)
    found = candidates(make_targets(labels, ("distance",))[0], output[STAR], 0.8)
    assert (np.diff(found.probability) <= 0).all()
    assert found.probability.min() >= 0.8
    assert not (found.centres % GRID_PX).any()
    y, x = found.centres[-1]
    np.testing.assert_allclose(found.rays[-1], rays_from(labels == labels[y, x], y, x), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_touching_objects_are_separated(kind: str) -> None:
    """By every kind but the mask alone, from an output without error."""
    labels = touching()
    found = postprocess(kind, true_output(labels), SETTINGS, STARS if kind.startswith("star") else None)
    if kind == "soma":
        assert found.max() == 1
    else:
        assert found.max() == 2
        assert min(ious(labels, found)) >= 0.9


def test_an_outline_is_that_of_the_mask() -> None:
    """A polygon's pixels outside the mask are dropped; a part of the mask without a polygon is one object."""
    mask = rectangle()
    mask[50:58, 75:85] = True
    labels = with_outline(render(discs((25, 20, 9), (25, 60, 9)), (Y, X)), mask, np.zeros((Y, X), np.float32))
    np.testing.assert_array_equal(labels > 0, mask)
    assert len(np.unique(labels[10:41, 20:71])) == 2
    assert len(np.unique(labels[50:58, 75:85])) == 1
    assert len(np.unique(labels)) == 4


# Network, choice, bound


def test_the_network_repeats_rays_over_the_grid() -> None:
    torch.manual_seed(0)
    output = predict_logits(Network(imagenet=False), np.random.default_rng(0).random((3, 49, 70), np.float32))
    rays = output[STAR]
    assert rays.shape == (RAYS, 49, 70)
    assert np.ptp(rays) > 0
    np.testing.assert_array_equal(rays[:, 1:48:2, 1::2], rays[:, :48:2, ::2])
    assert len(output) == len(SPEC.outputs) + 2 + RAYS


def test_thresholds_are_chosen_by_accuracy() -> None:
    """The right disc's probabilities are below 0.4, noise is below 0.3: only 0.3 finds both discs and nothing else."""
    labels = touching()
    output = true_output(labels)
    distance = make_targets(labels, ("distance",))[0] * np.where(labels == 2, 0.39, 1)
    distance = np.where(labels == 0, 0.25, distance).astype(np.float32).clip(1e-4, 1 - 1e-4)
    output[MAPS.index("distance")] = np.log(distance / (1 - distance))
    output[STAR][:, labels == 0] = 0.3
    image = Predicted(LabelledImage("a", np.zeros((Y, X), np.uint8), labels), output)
    assert choose("star", [image], SETTINGS).probability == 0.3


def test_a_neuron_with_its_process_is_no_star() -> None:
    """A disc is; a disc with a line of the same area around a corner is hardly more than the disc: about half."""
    disc = ellipse(20, 20, 10, 10)
    neuron = disc.copy()
    neuron[19:22, 20:80] = True
    neuron[19:55, 78:81] = True
    assert best_iou(disc) > 0.95
    assert disc.sum() / neuron.sum() - 0.05 < best_iou(neuron) < 0.8


def test_objects_are_cut_out_one_by_one() -> None:
    first, second = objects(touching())
    assert (first.sum(), second.sum()) == ((touching() == 1).sum(), (touching() == 2).sum())


@pytest.mark.slow
def test_simulated_neurons_are_whole() -> None:
    """Each is in one piece and most are much longer than a soma of 17 px."""
    masks = list(whole_neurons())
    assert np.median([max(mask.shape) for mask in masks]) > 35
