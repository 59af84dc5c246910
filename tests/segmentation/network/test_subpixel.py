"""The U-Net with a sub-pixel head."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.blocks import blocks_from_output
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec

SPEC = ModelSpec(
    architecture="Unet",
    encoder="tu-mobilenetv3_small_100",
    decoder_channels=(32, 24, 16, 8),
    head="subpixel",
    outputs=("soma", "distance"),
)


def test_every_pixel_gets_a_value_of_every_output() -> None:
    model = build_model(SPEC).eval()
    with torch.inference_mode():
        assert model(torch.zeros(3, 3, 64, 96)).shape == (3, 2, 64, 96)


def test_the_head_lays_four_logits_out_as_two_by_two_pixels() -> None:
    """With zero weights only the bias counts: output c at pixel (2i + a, 2j + b) is bias 4 c + 2 a + b."""
    model = build_model(SPEC).eval()
    head = model.get_submodule("segmentation_head.0")
    assert isinstance(head, nn.Conv2d)
    with torch.inference_mode():
        head.weight.zero_()
        assert head.bias is not None
        head.bias.copy_(torch.arange(8.0))
        answer = model(torch.zeros(1, 3, 32, 64))[0]
    for output in (0, 1):
        for a in (0, 1):
            for b in (0, 1):
                assert (answer[output, a::2, b::2] == 4 * output + 2 * a + b).all()


def test_it_has_the_weights_of_the_unet_without_its_last_level() -> None:
    full = SPEC.model_copy(update={"head": "full", "decoder_channels": (32, 24, 16, 8, 8)})
    sub, whole = build_model(SPEC).state_dict(), build_model(full).state_dict()
    shared = {name: value.shape for name, value in whole.items() if not name.startswith("segmentation_head")}
    without_last = {name: shape for name, shape in shared.items() if not name.startswith("decoder.blocks.4")}
    assert {n: v.shape for n, v in sub.items() if not n.startswith("segmentation_head")} == without_last


def test_its_last_blocks_can_be_retrained_alone() -> None:
    names = [block.name for block in blocks_from_output(build_model(SPEC))]
    assert names[:3] == ["segmentation_head", "decoder.blocks.3", "decoder.blocks.2"]


def test_wrong_widths_and_architectures_are_refused() -> None:
    with pytest.raises(SomaNetError, match="needs 4 decoder widths, deepest first, found 5"):
        build_model(SPEC.model_copy(update={"decoder_channels": (32, 24, 16, 8, 8)}))
    with pytest.raises(ValidationError, match="head 'subpixel' is for architecture Unet, not 'FPN'"):
        ModelSpec(architecture="FPN", encoder="resnet18", head="subpixel")
