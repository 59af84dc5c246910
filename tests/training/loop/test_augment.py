"""Augmentation: it moves pixels, moves image and labels alike, keeps colours and ids, and follows its seed."""

from __future__ import annotations

import numpy as np
import pytest

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import (
    Augmenter,
    authors_expansion,
    elastic,
    online_augmentation,
    paper_expansion,
)
from somanet.training.loop.samples import TrainingSamples
from somanet.training.loop.settings import AugmentSettings, TrainSettings

PAPER = AugmentSettings(mode="paper")
EVERYTHING = AugmentSettings(
    mode="online",
    elastic_probability=1,
    intensity_probability=1,
    noise_probability=1,
    blur_probability=1,
)
NOTHING_BUT_FLIPS = AugmentSettings(
    mode="online",
    elastic_probability=0,
    scale_range=(1, 1),
    intensity_probability=0,
    noise_probability=0,
    blur_probability=0,
)


def displacement_px(*, alpha: float, sigma: float, seed: int) -> np.ndarray:
    """How far an elastic transform fetches each pixel from, away from the edges: (y, x) x Y x X.

    The image is its own coordinates, so that a pixel's value is where it came from.
    """
    coordinates = np.stack([*np.mgrid[:128, :160], np.zeros((128, 160))], axis=-1).astype(np.float32)
    warped, _ = Augmenter([elastic(alpha=alpha, sigma=sigma)])(
        coordinates / 160, np.zeros((128, 160), np.int32), seed=seed
    )
    return (160 * warped - coordinates)[20:-20, 20:-20, :2].transpose(2, 0, 1)


def blobs(name: str = "blobs", shape_YX: tuple[int, int] = (128, 160)) -> LabelledImage:
    """Discs, numbered from 3 on with a gap of 2, as bright as can be on black."""
    y, x = np.mgrid[: shape_YX[0], : shape_YX[1]]
    labels = np.zeros(shape_YX, np.int32)
    for number, (cy, cx) in enumerate([(20, 30), (24, 100), (70, 60), (95, 130), (100, 20)]):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= 10**2] = 3 + 2 * number
    return LabelledImage(name, np.repeat(255 * (labels > 0)[..., None], 3, axis=-1).astype(np.uint8), labels)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


# The elastic transform


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_elastic_transform_moves_pixels(seed: int) -> None:
    """About a pixel each way, several at most; the authors' call moved 0.0004 px."""
    moved = displacement_px(alpha=34, sigma=4, seed=seed)
    for axis in moved:
        assert 0.4 < np.sqrt(np.mean(axis**2)) < 2.5
        assert abs(axis.mean()) < 0.4
    length = np.hypot(*moved)
    assert length.max() > 2
    # the two axes move apart: a diagonal shift would show as correlation
    assert abs(np.corrcoef(moved.reshape(2, -1))[0, 1]) < 0.3


def test_the_displacements_statistics_are_those_of_the_formula() -> None:
    """Simard 2003: noise, uniform in -1 to 1, smoothed by a Gaussian of sigma 4 px, times alpha 34 px.

    Uniform noise has the variance 1/3. Smoothing multiplies it by the sum of the squared kernel, 1 / (4 pi sigma^2), so
    that each axis has the standard deviation alpha / (2 sigma sqrt(3 pi)) = 1.384 px. The sum of many is Gaussian, thus
    the length of both axes Rayleigh: 99 % lie below sd sqrt(2 ln 100) = 4.20 px. The correlation of pixels r apart is
    the kernel's with itself, exp(-r^2 / (4 sigma^2)): 0.984, 0.779 and 0.368 at 1, 4 and 8 px.
    """
    alpha, sigma = 34.0, 4.0
    fields = np.stack([displacement_px(alpha=alpha, sigma=sigma, seed=seed) for seed in range(16)])
    sd = alpha / (2 * sigma * np.sqrt(3 * np.pi))
    assert fields.std() == pytest.approx(sd, rel=0.05)
    assert np.percentile(np.hypot(fields[:, 0], fields[:, 1]), 99) == pytest.approx(
        sd * np.sqrt(2 * np.log(100)), rel=0.05
    )
    for r in (1, 4, 8):
        expected = np.exp(-(r**2) / (4 * sigma**2))
        for axis in (2, 3):
            near, far = np.moveaxis(fields, axis, 0)[:-r], np.moveaxis(fields, axis, 0)[r:]
            assert np.mean(near * far) / fields.var() == pytest.approx(expected, abs=0.04), (r, axis)


def test_alpha_and_sigma_are_not_swapped() -> None:
    """Swapped, as in the authors' call, no visible displacement would remain."""
    intended, swapped = (displacement_px(alpha=a, sigma=s, seed=0) for a, s in ((34, 4), (4, 34)))
    assert np.sqrt(np.mean(intended**2)) > 15 * np.sqrt(np.mean(swapped**2))


def test_twice_alpha_moves_twice_as_far() -> None:
    once, twice = (displacement_px(alpha=a, sigma=4, seed=5) for a in (17, 34))
    np.testing.assert_allclose(twice, 2 * once, atol=0.1)  # OpenCV fetches from 1/32 px


def test_the_displacement_is_smooth() -> None:
    """Smoothed with sigma 4: neighbours move nearly alike, pixels 16 px = 4 sigma apart independently."""
    moved = displacement_px(alpha=34, sigma=4, seed=2)[0]
    near = np.corrcoef(moved[:, :-1].ravel(), moved[:, 1:].ravel())[0, 1]
    far = np.corrcoef(moved[:, :-16].ravel(), moved[:, 16:].ravel())[0, 1]
    assert near > 0.95
    assert abs(far) < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_image_and_labels_are_deformed_alike(seed: int) -> None:
    item = blobs()
    # stronger than the paper's, so that staying behind would show
    image, labels = Augmenter([elastic(alpha=300)])(item.image, item.labels, seed=seed)
    assert iou(image[..., 0] > 127, labels > 0) > 0.95
    assert iou(image[..., 0] > 127, item.labels > 0) < 0.85
    assert set(np.unique(labels)) == {0, 3, 5, 7, 9, 11}


# The paper's expansion


def test_thirty_two_become_ninety_six() -> None:
    """Here 2 become 6: as they are, mirrored, elastic, each with its own name."""
    items = [blobs("a"), blobs("b")]
    expanded = paper_expansion(items, PAPER, seed=3)
    assert [item.name for item in expanded] == ["a", "b", "a_mirrored", "b_mirrored", "a_elastic", "b_elastic"]
    assert expanded[:2] == items
    for item in expanded:
        assert item.image.shape == (128, 160, 3)
        assert item.labels.dtype == np.int32
        assert iou(item.image[..., 0] > 127, item.labels > 0) > 0.95


def test_the_mirror_is_left_to_right_and_leaves_the_channels() -> None:
    rng = np.random.default_rng(0)
    item = LabelledImage("a", rng.integers(0, 255, (64, 96, 3), np.uint8), rng.integers(0, 9, (64, 96), np.int32))
    mirrored = paper_expansion([item], PAPER, seed=0)[1]
    np.testing.assert_array_equal(mirrored.image, item.image[:, ::-1])
    np.testing.assert_array_equal(mirrored.labels, item.labels[:, ::-1])


def test_the_authors_mirror_turns_the_image_round_and_reverses_its_colours() -> None:
    rng = np.random.default_rng(0)
    item = LabelledImage("a", rng.integers(0, 255, (64, 96, 3), np.uint8), rng.integers(0, 9, (64, 96), np.int32))
    mirrored = paper_expansion([item], AugmentSettings(mode="paper", mirror="every-axis"), seed=0)[1]
    np.testing.assert_array_equal(mirrored.image, item.image[::-1, ::-1, ::-1])
    np.testing.assert_array_equal(mirrored.labels, item.labels[::-1, ::-1])


def test_the_authors_expansion_is_theirs() -> None:
    """2 images become 6, three times: mirrored by every axis, colours too; elastic copies unmoved, without a soma."""
    items = [blobs("a"), blobs("b")]
    items[0].image[..., 1:] //= 2
    settings = AugmentSettings(mode="authors")
    expanded = authors_expansion(items, settings, seed=3)
    assert [item.name for item in expanded] == 3 * ["a", "b", "a_mirrored", "b_mirrored", "a_elastic", "b_elastic"]
    np.testing.assert_array_equal(expanded[2].image, items[0].image[::-1, ::-1, ::-1])
    np.testing.assert_array_equal(expanded[2].labels, items[0].labels[::-1, ::-1])
    for item, elastic_copy, intended in zip(
        items, expanded[4:6], paper_expansion(items, PAPER, seed=3)[4:], strict=True
    ):
        changed, meant = (np.abs(one.image.astype(int) - item.image).mean() for one in (elastic_copy, intended))
        assert changed < meant / 5
        assert elastic_copy.labels.shape == item.labels.shape
        assert not elastic_copy.labels.any()
    samples = TrainingSamples(items, ModelSpec(), TrainSettings(size_px=32, augment=settings), seed=3)
    assert len(samples) == 9 * len(items)
    soma = np.mean([bool(samples.items[number].labels.any()) for number in samples.order()])
    assert soma == pytest.approx(2 / 3)


def test_the_expansions_elastic_transform_follows_its_settings() -> None:
    """As the authors called it, alpha and sigma exchanged, it leaves nearly every pixel as it is."""
    item = blobs()
    moved, unmoved = (
        paper_expansion([item], AugmentSettings(mode="paper", elastic_alpha=a, elastic_sigma=s), seed=0)[-1]
        for a, s in ((34, 4), (4, 34))
    )
    changed = [np.count_nonzero(e.labels != item.labels) for e in (unmoved, moved)]
    assert 10 * changed[0] < changed[1]


def test_every_image_is_deformed_in_its_own_way_by_the_seed() -> None:
    def elastic_images(seed: int) -> list[np.ndarray]:
        return [item.image for item in paper_expansion([blobs("a"), blobs("b")], PAPER, seed=seed)[-2:]]

    first, again, other = elastic_images(1), elastic_images(1), elastic_images(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], blobs().image)


def test_the_originals_are_left_alone() -> None:
    item = blobs()
    before = item.image.copy(), item.labels.copy()
    paper_expansion([item], PAPER, seed=0)
    online_augmentation(EVERYTHING)(item.image[:96, :96], item.labels[:96, :96], seed=0)
    np.testing.assert_array_equal(item.image, before[0])
    np.testing.assert_array_equal(item.labels, before[1])


# Random at every use


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_online_changes_follow_the_seed(kind: str) -> None:
    item = blobs()
    image = item.image[:96, :96] if kind == "uint8" else (item.image[:96, :96] / 255).astype(np.float32)
    labels = item.labels[:96, :96]
    augment = online_augmentation(EVERYTHING)
    first = augment(image, labels, seed=7)
    augment(image, labels, seed=8)  # other calls in between have no effect
    again = augment(image, labels, seed=7)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert first[0].dtype == image.dtype
    assert first[1].dtype == np.int32
    fresh = online_augmentation(EVERYTHING)(image, labels, seed=7)
    np.testing.assert_array_equal(first[0], fresh[0])
    assert len({augment(image, labels, seed=seed)[0].tobytes() for seed in range(6)}) == 6


@pytest.mark.parametrize("seed", range(4))
def test_online_changes_move_image_and_labels_alike(seed: int) -> None:
    item = blobs()
    image, labels = online_augmentation(EVERYTHING)(item.image[:96, :96], item.labels[:96, :96], seed=seed)
    assert image.shape == (96, 96, 3)
    assert set(np.unique(labels)) <= {0, 3, 5, 7, 9, 11}
    bright = image.mean(axis=-1) > (int(image.min()) + int(image.max())) / 2
    assert iou(bright, labels > 0) > 0.8


def test_flips_and_quarter_turns_are_the_eight_of_a_square() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (32, 32, 3), np.uint8)
    labels = rng.integers(0, 2**24, (32, 32), np.int32)  # ids up to 2^24 pass exactly
    turned = {np.rot90(side, k).tobytes() for side in (labels, labels.T) for k in range(4)}
    augment = online_augmentation(NOTHING_BUT_FLIPS)
    seen = set()
    for seed in range(40):
        out, out_labels = augment(image, labels, seed=seed)
        seen.add(out_labels.tobytes())
        where = np.unravel_index(np.argmax(out_labels == labels[3, 5]), (32, 32))
        np.testing.assert_array_equal(out[where], image[3, 5])
    assert seen == turned


def test_recolouring_leaves_green_alone() -> None:
    settings = AugmentSettings(**{**NOTHING_BUT_FLIPS.model_dump(), "recolour_probability": 1})
    image = np.full((32, 32, 3), (10, 20, 90), np.uint8)
    out, _ = online_augmentation(settings)(image, np.zeros((32, 32), np.int32), seed=0)
    np.testing.assert_array_equal(out, np.broadcast_to(np.uint8([0, 90, 0]), (32, 32, 3)))


def test_the_zoom_keeps_to_its_range() -> None:
    """A square of 20 px zoomed by exactly 2, and turned, covers four times its area."""
    labels = np.zeros((96, 96), np.int32)
    labels[38:58, 38:58] = 1
    image = np.repeat(np.uint8(200 * labels)[..., None], 3, axis=-1)
    settings = AugmentSettings(**{**NOTHING_BUT_FLIPS.model_dump(), "scale_range": (1.99, 2.01)})
    areas = {
        round(np.count_nonzero(online_augmentation(settings)(image, labels, seed=seed)[1]) / 400) for seed in range(12)
    }
    assert areas == {1, 4}  # half the samples are left as they are


@pytest.mark.parametrize(("independent", "either", "both"), [(True, 150, 50), (False, 100, 100)])
def test_steps_act_whatever_the_others_do_only_where_they_share_their_numbers(
    independent: bool, either: int, both: int
) -> None:
    """Two mirrorings of 1/2 each in 200 images: both in 50, one in 100; or the same half of the images for both.

    Give or take 4 standard deviations, 4 x sqrt(200 p (1 - p)) < 29.
    """
    import albumentations as A

    augment = Augmenter([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], independent=independent)
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    image = np.zeros((3, 4, 3), np.uint8)
    results = [augment(image, labels, seed=seed)[1] for seed in range(200)]
    changed = sum(not np.array_equal(result, labels) for result in results)
    twice = sum(np.array_equal(result, labels[::-1, ::-1]) for result in results)
    assert abs(changed - either) < 29
    assert abs(twice - both) < 29
    assert independent or changed == twice


@pytest.mark.parametrize("independent", [True, False])
def test_online_changes_are_independent_where_that_is_asked_for(independent: bool) -> None:
    """Elastic and recolouring, each in half of the samples: together in all of these, or in about half of them."""
    settings = AugmentSettings(
        mode="online",
        independent=independent,
        elastic_probability=0.5,
        elastic_alpha=300,
        recolour_probability=0.5,
        intensity_probability=0,
        noise_probability=0,
        blur_probability=0,
        scale_range=(1, 1),
    )
    augment = online_augmentation(settings)
    item = blobs()
    turned = [np.rot90(labels, k) for labels in (item.labels, item.labels[:, ::-1]) for k in range(4)]
    recoloured, deformed = [], []
    for seed in range(60):
        image, labels = augment(item.image, item.labels, seed=seed)
        recoloured.append(not image[..., 0].any())
        deformed.append(not any(np.array_equal(labels, one) for one in turned))
    assert 12 < sum(recoloured) < 48
    assert 12 < sum(deformed) < 48
    assert (recoloured == deformed) == (not independent)
