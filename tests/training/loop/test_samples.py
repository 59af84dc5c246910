"""Training samples: the same for the same (seed, epoch, index); every image is drawn; labels follow the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.inputs import Exposure, measure_exposure, to_unit, unit_to_input
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import strong_view
from somanet.training.loop.samples import EpochBatches, TrainingSamples, UnlabelledSamples, fit_patch, widened
from somanet.training.loop.settings import AugmentSettings, TrainSettings

SPEC = ModelSpec(outputs=("soma", "boundary"))


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"size_px": 32, **changes})


def marked(name: str = "a", shape_YX: tuple[int, int] = (48, 72)) -> LabelledImage:
    """Every pixel has its own label, and its own colour: y in red, x in green."""
    y, x = np.mgrid[: shape_YX[0], : shape_YX[1]]
    image = np.stack([y, x, np.zeros_like(y)], axis=-1).astype(np.uint8)
    return LabelledImage(name, image, (1 + y * shape_YX[1] + x).astype(np.int32))


def noisy(number: int, shape_YX: tuple[int, int] = (40, 56)) -> LabelledImage:
    rng = np.random.default_rng(number)
    labels = np.zeros(shape_YX, np.int32)
    labels[8:20, 10:30] = 1
    return LabelledImage(f"image{number}", rng.integers(0, 255, (*shape_YX, 3), np.uint8), labels)


def epoch_of(samples: TrainingSamples, epoch: int) -> list[torch.Tensor]:
    samples.epoch = epoch
    return [torch.cat(samples[position]) for [position] in EpochBatches(samples, 1)]


@pytest.mark.parametrize("mode", ["none", "paper", "online"])
def test_a_sample_follows_from_seed_epoch_and_index_alone(mode: str) -> None:
    """Read in another order, from another object, after other epochs: the same."""
    items = [noisy(n) for n in range(3)]
    choice = settings(augment={"mode": mode})
    first = TrainingSamples(items, SPEC, choice, seed=5)
    expected = epoch_of(first, 2)
    other = TrainingSamples(items, SPEC, choice, seed=5)
    epoch_of(other, 7)
    other.epoch = 2
    for position in reversed(range(len(other))):
        torch.testing.assert_close(torch.cat(other[position]), expected[position], rtol=0, atol=0)
    assert not all(map(torch.equal, expected, epoch_of(other, 3)))
    assert not all(map(torch.equal, expected, epoch_of(TrainingSamples(items, SPEC, choice, seed=6), 2)))


@given(n=st.integers(1, 9), wanted=st.none() | st.integers(1, 30), epoch=st.integers(0, 50), seed=st.integers(0, 99))
def test_every_image_has_its_turn(n: int, wanted: int | None, epoch: int, seed: int) -> None:
    """No image comes twice more often than another."""
    samples = TrainingSamples([noisy(0)] * n, SPEC, settings(samples_per_epoch=wanted), seed=seed)
    samples.epoch = epoch
    order = samples.order()
    assert len(order) == len(samples) == (wanted or n)
    counts = np.bincount(order, minlength=n)
    assert counts.max() - counts.min() <= 1
    assert order == samples.order()


def test_the_order_changes_from_epoch_to_epoch() -> None:
    samples = TrainingSamples([noisy(0)] * 8, SPEC, settings(), seed=0)
    orders = []
    for epoch in range(4):
        samples.epoch = epoch
        orders.append(tuple(samples.order()))
    assert len(set(orders)) == 4


def test_equal_sampling_is_permutations_one_after_another() -> None:
    """Two whole permutations of three images and one of a third, from (seed, epoch) alone."""
    samples = TrainingSamples([noisy(n) for n in range(3)], SPEC, settings(samples_per_epoch=7), seed=4)
    samples.epoch = 6
    rng = np.random.default_rng([4, 6])
    assert samples.order() == np.concatenate([rng.permutation(3) for _ in range(3)])[:7].tolist()


def test_sampling_by_area_draws_large_images_more_often() -> None:
    """Sides of 1, 2 and 4 training patches: 1 : 2 : 4 by the root of the area; half a patch counts as a whole one.

    Of 8000 draws an image of share p has 8000 p, give or take 4 standard deviations sqrt(8000 p (1 - p)).
    """
    items = [noisy(n, (side, side)) for n, side in enumerate((32, 64, 128, 22))]
    samples = TrainingSamples(items, SPEC, settings(sampling="area", samples_per_epoch=8000), seed=0)
    shares = np.array([1, 2, 4, 1]) / 8
    counts = np.bincount(samples.order(), minlength=4)
    assert (abs(counts - 8000 * shares) < 4 * np.sqrt(8000 * shares * (1 - shares))).all()


def test_sampling_by_area_follows_from_seed_and_epoch() -> None:
    items = [noisy(n, (32 * (1 + n), 48)) for n in range(4)]

    def order(seed: int, epoch: int) -> list[int]:
        samples = TrainingSamples(items, SPEC, settings(sampling="area", samples_per_epoch=20), seed=seed)
        samples.epoch = epoch
        return samples.order()

    assert order(3, 2) == order(3, 2)
    assert len({tuple(order(seed, epoch)) for seed in (3, 4) for epoch in (1, 2)}) == 4


def test_samples_are_network_inputs_and_targets() -> None:
    image, targets = TrainingSamples([noisy(0)], SPEC, settings(), seed=0)[0]
    assert image.shape == (3, 32, 32)
    assert targets.shape == (2, 32, 32)
    assert image.dtype == targets.dtype == torch.float32
    assert set(targets.unique().tolist()) <= {0, 1}


def test_the_papers_expansion_triples_an_epoch() -> None:
    samples = TrainingSamples([noisy(n) for n in range(2)], SPEC, settings(augment={"mode": "paper"}), seed=0)
    assert len(samples) == 6
    assert [item.name for item in samples.items[2:4]] == ["image0_mirrored", "image1_mirrored"]


def test_the_range_is_that_of_the_whole_image_not_of_a_crop() -> None:
    """A uint16 image, dark but for a corner: crops without the corner stay dark."""
    image = np.full((96, 128), 100, np.uint16)
    image[:8, :8] = 5000
    item = LabelledImage("a", image, np.zeros((96, 128), np.int32))
    samples = TrainingSamples([item] * 6, SPEC, settings(), seed=1)
    assert min(float(samples[position][0].max()) for position in range(6)) == 0


@given(seed=st.integers(0, 2**31), low=st.floats(-1, 0.5), span=st.floats(0.01, 1), factor=st.floats(1, 8))
def test_a_larger_images_range_holds_the_crops(seed: int, low: float, span: float, factor: float) -> None:
    crop = Exposure(inverted=low < 0, low=low, high=low + span, background=low + span / 3)
    larger = widened(crop, factor, np.random.default_rng(seed))
    assert crop.high - 1e-9 <= larger.high <= low + factor * span + 1e-9
    assert low - 0.1 * span - 1e-9 <= larger.low <= low
    assert (larger.background, larger.inverted) == (crop.background, crop.inverted)
    if factor == 1:
        assert larger == crop


@pytest.mark.parametrize("kind", ["contrasts", "background"])
def test_a_crop_is_scaled_as_part_of_a_frame_with_a_brighter_soma(kind: Any) -> None:
    """A frame's crop without its brightest soma enters the network darker than the crop alone: training has both."""
    rng = np.random.default_rng(3)
    crop = np.full((32, 32), 0.2) + rng.normal(0, 0.01, (32, 32))
    crop[8:20, 10:24] += 0.1
    frame = np.hstack([crop, np.full((32, 40), 0.2)])
    frame[6:26, 44:66] = 0.6
    frame, crop = (np.repeat((255 * image).astype(np.uint8)[..., None], 3, axis=-1) for image in (frame, crop))
    spec = ModelSpec(input=kind)
    in_frame = unit_to_input(crop, spec, measure_exposure(to_unit(frame)))[:, 10:18, 12:22].mean(axis=(1, 2))
    item = LabelledImage("crop", crop, np.zeros((32, 32), np.int32))

    def seen(factor: float) -> np.ndarray[Any, Any]:
        samples = TrainingSamples(
            [item], spec, settings(samples_per_epoch=60, augment={"brighter_elsewhere": factor}), seed=1
        )
        return np.stack([s[:3, 10:18, 12:22].mean(dim=(1, 2)).numpy() for s in epoch_of(samples, 1)])

    assert (seen(1.0) > in_frame + 0.05).all()
    several = seen(4.0)
    assert (several.min(axis=0) < in_frame).all()
    assert (several.max(axis=0) > in_frame + 0.05).all()
    np.testing.assert_array_equal(several, seen(4.0))


def test_colours_as_stored_have_no_range_to_widen() -> None:
    with pytest.raises(SomaNetError, match=r"brighter_elsewhere is 2.*rgb.*contrasts or background"):
        TrainingSamples([noisy(1)], ModelSpec(), settings(augment={"brighter_elsewhere": 2}), seed=0)


def test_no_images() -> None:
    with pytest.raises(SomaNetError, match="no training images"):
        TrainingSamples([], SPEC, settings(), seed=0)


# Without labels


def frames(n: int = 3, shape_YX: tuple[int, int] = (48, 72)) -> list[np.ndarray]:
    """16-bit frames with a few bright spots."""
    images = []
    for number in range(n):
        image = np.random.default_rng(number).integers(100, 160, shape_YX).astype(np.uint16)
        image[10 + number : 30, 20:44] += 900
        images.append(image)
    return images


def pairs_of(images: list[np.ndarray], epoch: int = 1, *, seed: int = 5, **changes: Any) -> list[torch.Tensor]:
    samples = UnlabelledSamples(images, changes.pop("spec", SPEC), settings(**changes), seed=seed, n_samples=8)
    samples.epoch = epoch
    return [torch.stack(samples[position]) for [position] in EpochBatches(samples, 1)]


@pytest.mark.parametrize("fit", ["crop", "resize"])
def test_a_pair_without_labels_is_two_inputs_of_one_patch(fit: str) -> None:
    for pair in pairs_of(frames(), fit=fit):
        assert pair.shape == (2, 3, 32, 32)
        assert pair.dtype == torch.float32
        assert float(pair.min()) >= 0
        assert float(pair.max()) <= 1


def test_a_pair_follows_from_seed_epoch_and_index_alone() -> None:
    samples = UnlabelledSamples(frames(), SPEC, settings(), seed=5, n_samples=8)
    samples.epoch = 1
    for position, expected in reversed(list(enumerate(pairs_of(frames())))):
        torch.testing.assert_close(torch.stack(samples[position]), expected, rtol=0, atol=0)
    for other in (pairs_of(frames(), epoch=2), pairs_of(frames(), seed=6)):
        assert not all(map(torch.equal, pairs_of(frames()), other))


def test_the_strong_view_is_hardly_ever_the_plain_one() -> None:
    """Nothing acts with probability 0.2 x 0.2 x 0.5 x 0.5 = 1 %; more than 12 times in 300 with less than 1e-4."""
    image, labels = np.full((32, 32, 3), 0.5, np.float32), np.zeros((32, 32), np.int32)
    image[:, 16:] = 0.8
    view = strong_view(AugmentSettings())
    changed = [view(image, labels, seed=seed)[0] for seed in range(300)]
    assert sum(np.array_equal(one, image) for one in changed) <= 12


@pytest.mark.parametrize("seed", range(12))
def test_the_strong_view_moves_no_pixel(seed: int) -> None:
    """Of all shifts by up to 2 px of a cloudy image, and its turns, none fits the augmented one as well as itself."""
    rng = np.random.default_rng(seed)
    clouds = ndimage.gaussian_filter(rng.normal(size=(48, 48)), 2)
    unit = ((clouds - clouds.min()) / np.ptp(clouds)).astype(np.float32)
    labels = np.arange(48 * 48, dtype=np.int32).reshape(48, 48)
    strong, same = strong_view(AugmentSettings())(np.repeat(unit[..., None], 3, axis=-1), labels, seed=seed)
    np.testing.assert_array_equal(same, labels)
    moved = {(y, x): np.roll(unit, (y, x), axis=(0, 1)) for y in range(-2, 3) for x in range(-2, 3)}
    moved |= {("turn", k): np.rot90(unit, k) for k in (1, 2, 3)} | {("mirror", 0): unit[:, ::-1]}
    fits = {name: np.corrcoef(strong[..., 1].ravel(), other.ravel())[0, 1] for name, other in moved.items()}
    assert max(fits, key=lambda name: fits[name]) == (0, 0)


def test_the_plain_view_keeps_the_brightness() -> None:
    """Without zoom, the plain view of a whole image is one of its eight turns."""
    image = frames(1, (32, 32))[0]
    low, high = np.percentile(image.astype(np.float32), (0.1, 99.95))
    unit = np.clip((image - low) / (high - low), 0, 1)
    for plain, _ in pairs_of([image], augment={"scale_range": (1, 1)}):
        turns = [np.rot90(side, k) for side in (unit, unit[:, ::-1]) for k in range(4)]
        assert min(abs(plain[0].numpy() - turn).max() for turn in turns) < 1e-5


def test_frames_without_labels_take_turns() -> None:
    samples = UnlabelledSamples(frames(3), SPEC, settings(), seed=0, n_samples=8)
    assert sorted(np.bincount(samples.order()).tolist()) == [2, 3, 3]


# The patch


@given(st.integers(0, 10**6))
def test_a_crop_is_a_piece_of_the_image_with_its_labels(seed: int) -> None:
    item = marked()
    image, labels = fit_patch(item.image, item.labels, settings(), np.random.default_rng(seed))
    assert image.shape == (32, 32, 3)
    y, x = int(image[0, 0, 0]), int(image[0, 0, 1])
    np.testing.assert_array_equal(image, item.image[y : y + 32, x : x + 32])
    np.testing.assert_array_equal(labels, item.labels[y : y + 32, x : x + 32])


def test_crops_reach_every_corner() -> None:
    """48 x 72 to 32: seventeen positions down, forty-one across."""
    item = marked()
    rng = np.random.default_rng(0)
    places = {tuple(fit_patch(item.image, item.labels, settings(), rng)[0][0, 0, :2]) for _ in range(6000)}
    assert len({y for y, _ in places}) == 17
    assert len({x for _, x in places}) == 41


def test_a_small_image_is_mirrored_at_its_edges() -> None:
    item = marked(shape_YX=(20, 40))
    image, labels = fit_patch(item.image, item.labels, settings(), np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    np.testing.assert_array_equal(labels[20:], labels[19:7:-1])
    np.testing.assert_array_equal(image[20:], image[19:7:-1])
    tiny = marked(shape_YX=(5, 7))  # mirrored more than once
    image, labels = fit_patch(tiny.image, tiny.labels, settings(), np.random.default_rng(0))
    assert labels.shape == (32, 32)
    np.testing.assert_array_equal(1 + image[..., 0].astype(int) * 7 + image[..., 1], labels)


@pytest.mark.parametrize("shape_YX", [(64, 96), (32, 48), (20, 24), (32, 32)])
def test_resizing_keeps_image_and_labels_together(shape_YX: tuple[int, int]) -> None:
    """The pixel that a label came from is within one pixel of that encoded by its colours."""
    item = marked(shape_YX=shape_YX)
    image, labels = fit_patch(item.image, item.labels, settings(fit="resize"), np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    assert labels.shape == (32, 32)
    assert labels.dtype == np.int32
    y, x = np.divmod(labels - 1, shape_YX[1])
    scale = max(max(shape_YX) / 32, 1)
    assert abs(y - image[..., 0].astype(int)).max() <= scale
    assert abs(x - image[..., 1].astype(int)).max() <= scale


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [
        (16, 8, [8, 8]),
        (19, 8, [8, 8, 3]),
        (17, 8, [8, 9]),
        (7, 2, [2, 2, 3]),
        (3, 1, [1, 1, 1]),
        (1, 8, [1]),
        (9, 16, [9]),
    ],
)
def test_no_sample_is_alone_in_the_last_batch(n: int, size: int, sizes: list[int]) -> None:
    batches = EpochBatches(range(n), size)
    assert [len(batch) for batch in batches] == sizes
    assert len(batches) == len(sizes)
    assert [position for batch in batches for position in batch] == list(range(n))


def test_for_several_processes_all_batches_but_the_last_are_full() -> None:
    assert [len(batch) for batch in EpochBatches(range(17), 8, n_processes=2)] == [8, 8, 1]
