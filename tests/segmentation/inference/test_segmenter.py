"""Segmentation by one network or an ensemble, with test-time augmentation, and the confidence in each soma."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.objects import measure_objects
from somanet.segmentation.inference.prediction import TILE_PX, predict_probabilities
from somanet.segmentation.inference.rescaling import predict_rescaled
from somanet.segmentation.inference.segmenter import Segmented, Segmenter, mean_inside
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from somanet.segmentation.network.temperature import TemperatureScaling
from tests.worlds import TWO_SOMAS, bright_network, draw, photograph

LABELS = draw(TWO_SOMAS)
SHAPE = LABELS.shape  # 64 × 96
RNG_IMAGE = np.random.default_rng(3).integers(0, 255, (45, 70, 3)).astype(np.uint8)
MEASURED = {"images": 3, "nll_before": 0.2, "nll_after": 0.1, "ece_before": 0.02, "ece_after": 0.01}


class Sloping(nn.Module):
    """Logit = intensity of the first channel − 0.5, plus a slope along each side of its input."""

    def __init__(self, slope: float, outputs: int = 1) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.outputs = outputs

    def forward(self, images_NCHW: Tensor) -> Tensor:
        _, _, height, width = images_NCHW.shape
        y, x = torch.arange(height)[:, None], torch.arange(width)[None]
        logits = images_NCHW[:, :1] - 0.5 + self.slope * (y + 2 * x).float()
        return logits.repeat(1, self.outputs, 1, 1)


class Constant(nn.Module):
    """The same probability everywhere."""

    def __init__(self, probability: float, outputs: int = 1) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.logit(torch.tensor(probability, dtype=torch.float64)).float())
        self.outputs = outputs

    def forward(self, images_NCHW: Tensor) -> Tensor:
        n, _, height, width = images_NCHW.shape
        return self.logit.expand(n, self.outputs, height, width)


def network(model: nn.Module, temperature: float | None = None, **spec: object) -> Checkpoint:
    scaling = None if temperature is None else TemperatureScaling(temperature=temperature, **MEASURED)
    return Checkpoint(model.eval(), ModelSpec(**spec), "0" * 64, temperature_scaling=scaling)


def turned(array_YX: np.ndarray) -> list[np.ndarray]:
    """The eight symmetries of an array, written out."""
    a, t = array_YX, array_YX.swapaxes(0, 1)
    return [a, a[::-1], a[:, ::-1], a[::-1, ::-1], t, t[::-1], t[:, ::-1], t[::-1, ::-1]]


@pytest.mark.parametrize("tta", [4, 8])
@pytest.mark.parametrize("image", [photograph(LABELS), RNG_IMAGE], ids=["YX", "YXC"])
def test_a_network_that_turns_with_the_image_predicts_the_same(tta: int, image: np.ndarray) -> None:
    """The bright network has a receptive field of one pixel."""
    once = Segmenter.of(bright_network(), ModelSpec())
    often = dataclasses.replace(once, tta=tta)
    assert often.probabilities(image).shape == (1, *image.shape[:2])
    np.testing.assert_allclose(often.probabilities(image), once.probabilities(image), atol=1e-6)
    np.testing.assert_array_equal(often.labels(image), once.labels(image))


@pytest.mark.parametrize("tta", [4, 8])
def test_a_slope_of_the_networks_own_is_averaged_away(tta: int) -> None:
    """An even image, 32 × 64: the mean over flips has the same value at a pixel and at its mirror images."""
    image = np.full((32, 64), 40, np.uint8)
    segmenter = Segmenter.of(Sloping(0.02), ModelSpec())
    once = segmenter.probabilities(image)[0]
    mean = dataclasses.replace(segmenter, tta=tta).probabilities(image)[0]
    assert once[-1, -1] - once[0, 0] > 0.5  # sigmoid(-0.34) against sigmoid(-0.34 + 0.02 (31 + 126))
    for mirrored in turned(mean)[:4]:
        np.testing.assert_allclose(mirrored, mean, atol=1e-6)
    # by hand, at the first pixel: the network's output at the four corners of its input, upright and on its side
    corners = [once[0, 0], once[0, -1], once[-1, 0], once[-1, -1]]
    if tta == 8:
        y_x = [(0, 0), (0, 31), (63, 0), (63, 31)]
        level = 40 / 255 - 0.5
        corners += [1 / (1 + np.exp(-(level + 0.02 * (y + 2 * x)))) for y, x in y_x]
    assert mean[0, 0] == pytest.approx(np.mean(corners), abs=1e-5)


def test_tta_of_eight_takes_all_eight() -> None:
    """Whichever way the image is turned, the mean turns with it, though the network alone does not."""
    image = np.random.default_rng(0).integers(0, 255, (32, 64)).astype(np.uint8)
    segmenter = Segmenter.of(Sloping(0.02), ModelSpec())
    eight = dataclasses.replace(segmenter, tta=8)
    mean = eight.probabilities(image)[0]
    for seen, expected in zip(turned(image), turned(mean), strict=True):
        np.testing.assert_allclose(eight.probabilities(np.ascontiguousarray(seen))[0], expected, atol=1e-6)
    assert not np.allclose(segmenter.probabilities(image.T)[0], segmenter.probabilities(image)[0].T, atol=0.1)


def test_large_images_turn_in_tiles() -> None:
    """One side is longer than a tile: turned, it is the other one."""
    image = np.zeros((40, TILE_PX + 30), np.uint8)
    image[10:20, 1000:1020] = 255
    once = Segmenter.of(bright_network(), ModelSpec())
    eight = dataclasses.replace(once, tta=8)
    np.testing.assert_allclose(eight.probabilities(image), once.probabilities(image), atol=1e-5)


def test_one_network_without_tta_gives_its_plain_output() -> None:
    spec = ModelSpec(outputs=("soma", "boundary"))
    model = build_model(spec).eval()
    found = Segmenter.of(model, spec).probabilities(RNG_IMAGE)
    np.testing.assert_array_equal(found, predict_probabilities(model, RNG_IMAGE, spec))


def test_an_ensemble_gives_the_mean() -> None:
    """0.2, 0.4 and 0.9: 0.5 in every output."""
    networks = tuple(network(Constant(p, 2), outputs=("soma", "boundary")) for p in (0.2, 0.4, 0.9))
    found = Segmenter(networks).probabilities(photograph(LABELS))
    assert found.shape == (2, *SHAPE)
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


def test_the_first_networks_settings_make_the_labels() -> None:
    """The mean is 0.5 everywhere: one object for a threshold of 0.45, none for 0.55."""
    low, high = (InstanceSettings(threshold=threshold) for threshold in (0.45, 0.55))
    networks = (network(Constant(0.3), instances=low), network(Constant(0.7), instances=high))
    assert Segmenter(networks).labels(photograph(LABELS)).max() == 1
    assert Segmenter(networks[::-1]).labels(photograph(LABELS)).max() == 0


def test_images_enter_each_network_in_its_own_way() -> None:
    """Intensity 50 of 250: as stored 50 / 255; stretched to the image's own range, 0 at its darkest."""
    image = np.full((32, 64), 50, np.uint8)
    image[8:16, 8:24] = 250
    stored, stretched = network(Sloping(0.0)), network(Sloping(0.0), input="contrasts")
    each = [Segmenter((one,)).probabilities(image) for one in (stored, stretched)]
    assert each[0][0, 0, 0] == pytest.approx(1 / (1 + np.exp(0.5 - 50 / 255)), abs=1e-5)
    assert abs(each[0] - each[1]).max() > 0.02
    np.testing.assert_allclose(Segmenter((stored, stretched)).probabilities(image), np.mean(each, axis=0), atol=1e-6)


def test_resizing_goes_with_tta_and_ensembles() -> None:
    networks = (network(bright_network()), network(Constant(0.2)))
    image = photograph(LABELS)
    found = Segmenter(networks, tta=8, rescale=0.5)
    alone = predict_rescaled(lambda seen: predict_probabilities(networks[0].model, seen, ModelSpec()), image, 0.5)
    np.testing.assert_allclose(found.probabilities(image), (alone + np.float32(0.2)) / 2, atol=1e-5)
    assert found.at(2.0) == dataclasses.replace(found, rescale=2.0)


def test_confidence_is_the_mean_over_the_objects_pixels() -> None:
    probability = np.where(LABELS == 1, 0.75, 0.1).astype(np.float32)
    probability[LABELS == 2] = np.tile([0.5, 1.0], np.count_nonzero(LABELS == 2) // 2)
    np.testing.assert_allclose(mean_inside(LABELS, probability), [0.75, 0.75])
    assert mean_inside(np.zeros(SHAPE, np.int32), probability).shape == (0,)


def test_confidence_is_calibrated_and_labels_are_not() -> None:
    """Logits of 8 inside and −8 outside, temperature 4: sigmoid(2) = 0.881 inside."""
    image = photograph(LABELS)  # intensity 0.9 (225 of 255 is 0.882) and 0.098
    plain, warm = (Segmenter((network(bright_network(), t),)).segment(image) for t in (None, 4.0))
    logit = 20 * (225 / 255 - 0.5)
    assert plain.confidence == pytest.approx([1 / (1 + np.exp(-logit))] * 2, abs=1e-5)
    assert warm.confidence == pytest.approx([1 / (1 + np.exp(-logit / 4))] * 2, abs=1e-4)
    np.testing.assert_array_equal(plain.labels_YX, warm.labels_YX)
    np.testing.assert_array_equal(warm.labels_YX > 0, LABELS > 0)


def test_each_network_has_its_own_temperature() -> None:
    """Logits 2 and 4, temperatures 1 and 2: both give sigmoid(2)."""
    sure = [float(torch.sigmoid(torch.tensor(logit))) for logit in (2.0, 4.0)]
    found = Segmenter((network(Constant(sure[0])), network(Constant(sure[1]), 2.0))).segment(photograph(LABELS))
    assert found.confidence == pytest.approx([sure[0]], abs=1e-5)


def test_objects_are_rows_with_place_size_and_confidence() -> None:
    """`a`: rows 1-3 and columns 1-3 of 8 px; `b`: rows 1-4 and columns 8-9."""
    table = measure_objects(Segmented(LABELS, np.array([0.9, 0.6]), np.array([7.5, np.nan])))
    assert table["label"].tolist() == [1, 2]
    assert table["area_px"].tolist() == [24 * 24, 32 * 16]
    assert table["diameter_px"].tolist() == pytest.approx([24 * 2 / np.sqrt(np.pi), np.sqrt(32 * 16 * 4 / np.pi)])
    assert table["y_px"].tolist() == [8 + 23 / 2, 8 + 31 / 2]
    assert table["x_px"].tolist() == [8 + 23 / 2, 64 + 15 / 2]
    assert table["confidence"].tolist() == [0.9, 0.6]
    assert table["contrast"].tolist() == pytest.approx([7.5, np.nan], nan_ok=True)
    assert len(measure_objects(Segmented.none((4, 7)))) == 0


def test_any_networks_microscopy_is_the_intended_use_of_an_ensemble() -> None:
    one = network(Constant(0.5))
    other = dataclasses.replace(one, intended_use=IntendedUse(modality="fluorescence", diameter_px=(5, 9)))
    sized = dataclasses.replace(one, intended_use=IntendedUse(diameter_px=(10, 40)))
    assert Segmenter((sized, other)).intended_use == IntendedUse(modality="fluorescence", diameter_px=(10, 40))
    assert Segmenter((sized, one)).intended_use == sized.intended_use


@pytest.mark.parametrize("tta", [0, 2, 16])
def test_other_numbers_of_tta_are_refused(tta: int) -> None:
    with pytest.raises(SomaNetError, match=f"Expected 1, 4 .* or 8 .* found {tta}"):
        Segmenter((network(Constant(0.5)),), tta=tta)


def test_networks_with_other_outputs_are_refused() -> None:
    networks = (network(Constant(0.5)), network(Constant(0.5, 2), outputs=("soma", "distance")))
    with pytest.raises(SomaNetError, match="must have the same outputs; one has soma, another soma, distance"):
        Segmenter(networks)
    with pytest.raises(SomaNetError, match="at least one network"):
        Segmenter(())


# Pixels without data, and inversion


class Bright(nn.Module):
    """Soma wherever the first channel is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(40.0))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.gain * (images_NCHW[:, :1] - 0.5)


def camera(shape: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Discs on a camera offset, 16-bit."""
    y, x = np.indices(shape)
    discs = [np.hypot(y - cy, x - cx) < 6 for cy, cx in ((20, 20), (40, 70), (5, 50))]
    noise = np.random.default_rng(4).normal(0, 5, shape)
    return np.asarray(300 + 900 * np.logical_or.reduce(discs) + noise, np.uint16)


@pytest.mark.parametrize("rescale", [1.0, 0.5])
def test_pixels_without_data_get_no_label_and_change_no_other(rescale: float) -> None:
    """The third disc is cut by the missing rows, the others are as before; numbers have no gaps."""
    whole, cut = camera(), camera()
    cut[:8] = 0
    segmenter = Segmenter((network(Bright(), input="contrasts"),), rescale=rescale)
    expected, found = segmenter.segment(whole), segmenter.segment(cut)
    assert expected.labels_YX.max() == 3
    assert not found.labels_YX[:8].any()
    np.testing.assert_array_equal(found.labels_YX[12:] > 0, expected.labels_YX[12:] > 0)
    np.testing.assert_array_equal(np.unique(found.labels_YX), np.arange(found.labels_YX.max() + 1))
    assert len(found.confidence) == found.labels_YX.max()
    np.testing.assert_array_equal(segmenter.labels(cut), found.labels_YX)


def test_an_object_that_lies_in_missing_pixels_is_gone() -> None:
    cut = camera()
    cut[:, 60:] = 0
    found = Segmenter((network(Bright(), input="contrasts"),)).segment(cut)
    assert found.labels_YX.max() == len(found.confidence) == 2


def faded() -> np.ndarray:
    """A vignetted background as bright as half of the range: judged by itself it looks inverted."""
    y, x = np.indices((64, 96))
    fall = 1 - 0.5 * ((y - 32) ** 2 + (x - 48) ** 2) / (32**2 + 48**2)
    discs = np.logical_or.reduce([np.hypot(y - cy, x - cx) < 4 for cy, cx in ((30, 40), (40, 60))])
    return np.asarray(10_000 * fall + 3_000 * discs, np.uint16)


def test_a_network_for_fluorescence_never_inverts() -> None:
    one = network(Bright(), input="contrasts")
    any_kind = Segmenter((one,))
    fluorescence = Segmenter((dataclasses.replace(one, intended_use=IntendedUse(modality="fluorescence")),))
    assert any_kind.inverts(faded())
    assert not fluorescence.inverts(faded())
    assert fluorescence.deciding([faded()]).inverted is False
    corner, middle = (0, 0), (30, 40)
    assert any_kind.labels(faded())[corner] > 0 == any_kind.labels(faded())[middle]
    assert fluorescence.labels(faded())[middle] > 0 == fluorescence.labels(faded())[corner]


def test_a_movie_is_inverted_as_a_whole_or_not_at_all() -> None:
    segmenter = Segmenter((network(Bright(), input="contrasts"),))
    assert segmenter.deciding([faded(), camera(), camera()]).inverted is False
    decided = segmenter.deciding([faded(), faded(), camera()])
    assert decided.inverted is True
    assert decided.inverts(camera())
    assert segmenter.deciding([]).inverted is False
