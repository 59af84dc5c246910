"""Prediction: the output has the image's size, whatever it is, and tiles leave no seams."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference import prediction
from somanet.segmentation.inference.prediction import predict_probabilities
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.forward import predict_logits
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from somanet.segmentation.network.unet import PaperUNet

SPEC = ModelSpec()


def convolution(side: int, seed: int = 0) -> nn.Module:
    """One convolution with a receptive field of ``side`` pixels."""
    torch.manual_seed(seed)
    return nn.Conv2d(3, 1, side, padding=side // 2)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_is_predicted_at_its_size(height: int, width: int) -> None:
    """A network with a receptive field of one pixel shows that nothing is shifted."""
    model = convolution(1)
    image = picture(height, width)
    with torch.no_grad():
        scaled = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        expected = torch.sigmoid(model(scaled[None]))[0].numpy()
    np.testing.assert_allclose(predict_probabilities(model, image, SPEC), expected, atol=1e-6)


def test_a_deep_network_takes_any_size() -> None:
    torch.manual_seed(0)
    model = PaperUNet(classes=2)
    spec = ModelSpec(outputs=("soma", "boundary"))
    for shape in ((1, 1), (33, 47), (64, 96)):
        probabilities = predict_probabilities(model, picture(*shape), spec)
        assert probabilities.shape == (2, *shape)
        assert probabilities.dtype == np.float32
        assert np.isfinite(probabilities).all()


@given(height=st.integers(20, 150), width=st.integers(20, 150))
def test_tiles_cover_every_pixel(height: int, width: int) -> None:
    """Receptive field of one pixel: blended tiles equal the prediction for the whole image everywhere."""
    model = convolution(1)
    image = picture(height, width)
    whole = predict_probabilities(model, image, SPEC)
    np.testing.assert_allclose(predict_probabilities(model, image, SPEC, tile_px=64), whole, atol=1e-5)


@pytest.mark.parametrize("shape_YX", [(130, 100), (97, 161), (64, 150)])
def test_tiles_differ_only_where_one_ends(shape_YX: tuple[int, int]) -> None:
    """Receptive field of 5 px: more than 2 px from a tile's end, the output is that for the whole image."""
    model = convolution(5)
    image = picture(*shape_YX)
    whole = predict_probabilities(model, image, SPEC, tile_px=1024)[0]
    tiled = predict_probabilities(model, image, SPEC, tile_px=64)[0]
    seam = np.zeros(shape_YX, bool)
    for axis, length in enumerate(shape_YX):
        for start in prediction._starts(length, 64):
            for edge in (start, start + 64):
                index = [slice(None), slice(None)]
                index[axis] = slice(max(edge - 2, 0), edge + 2)
                if edge > 0:
                    seam[tuple(index)] = True
    assert 0 < seam.mean() < 0.5
    np.testing.assert_allclose(tiled[~seam], whole[~seam], atol=1e-5)
    inside = seam.copy()
    inside[-2:], inside[:, -2:] = False, False
    # on inner seams the tile that ends there counts at most 2 parts against the other's 31
    assert abs(tiled - whole)[inside].max() < 0.05


@given(length=st.integers(1, 3000), tile=st.sampled_from([64, 256, 1024]))
def test_tiles_lie_inside_and_overlap(length: int, tile: int) -> None:
    starts = prediction._starts(length, tile)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if length > tile:
        assert starts[-1] + tile == length
        assert all(b - a <= tile - min(128, tile // 2) for a, b in itertools.pairwise(starts))
    else:
        assert starts == [0]


def test_no_tile_is_larger_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the image."""
    seen: list[tuple[int, ...]] = []
    original = prediction.predict_logits

    def watch(model: nn.Module, input_CYX: np.ndarray) -> np.ndarray:
        seen.append(input_CYX.shape)
        return original(model, input_CYX)

    monkeypatch.setattr(prediction, "predict_logits", watch)
    predict_probabilities(convolution(3), picture(150, 200), SPEC, tile_px=64)
    assert set(seen) == {(3, 64, 64)}
    assert len(seen) == 4 * 6  # steps of 32: 0, 32, 64, 86 down and 0…128, 136 across


def test_predicting_leaves_the_network_as_it_was() -> None:
    model = PaperUNet().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = predict_logits(model, np.zeros((3, 33, 47), np.float32))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    np.testing.assert_array_equal(predict_logits(model.eval(), np.zeros((3, 33, 47), np.float32)), first)


def test_labels_from_an_image() -> None:
    """A network that outputs its pixel's intensity: two bright areas and a speck that is too small."""
    model = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        model.weight.fill_(20 / 3)
        model.bias.fill_(-10)
    image = np.zeros((40, 56, 3), np.uint8)
    image[5:12, 6:20], image[20:31, 30:44], image[36, 50] = 255, 200, 255
    labels = Segmenter.of(model, ModelSpec(instances=InstanceSettings(min_area_px=2))).labels(image)
    expected = np.zeros((40, 56), np.int32)
    expected[5:12, 6:20], expected[20:31, 30:44] = 1, 2
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("tile_px", [64, 16])
def test_weights_that_overflow_are_refused_and_not_taken_for_an_empty_image(tile_px: int) -> None:
    """Finite weights: inf − inf is NaN, and NaN lies above no threshold."""
    first, second = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 1, 1)
    model = nn.Sequential(first, second)
    with torch.no_grad():
        first.weight.fill_(3e38)
        second.weight.copy_(torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1))
    image = picture(32, 40) | 1
    with pytest.raises(SomaNetError, match=r"NaN, [0-9]+% of them.*overflow"):
        predict_probabilities(model, image, SPEC, tile_px=tile_px)
    with pytest.raises(SomaNetError, match="overflow"):
        Segmenter.of(model, SPEC).segment(image)
