"""The paper's U-Net: its size, its shapes, and what its authors' "last 12 tensors" were."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from somanet.segmentation.network.unet import PaperUNet


def conv(width_in: int, width_out: int, side: int) -> int:
    """Weights and biases of a convolution, and gain and shift of the batch norm after it."""
    return side * side * width_in * width_out + width_out + 2 * width_out


def test_it_has_the_papers_number_of_parameters() -> None:
    """Two 3x3 convolutions per level, a 2x2 one up to each level; a batch norm after every one but the 1x1 head."""
    down = [(3, 16), (16, 32), (32, 64), (64, 128), (128, 256)]
    expected = sum(conv(a, b, 3) + conv(b, b, 3) for a, b in down)
    expected += sum(conv(2 * w, w, 2) + conv(2 * w, w, 3) + conv(w, w, 3) for w in (128, 64, 32, 16))
    expected += 16 + 1
    assert sum(p.numel() for p in PaperUNet().parameters()) == expected == 1_944_529


def test_channels_in_and_out_change_only_the_ends() -> None:
    """Grey: 16 kernels of 3x3 lack two channels. Two outputs: another 16 weights and a bias."""
    changed = sum(p.numel() for p in PaperUNet(in_channels=1, classes=2).parameters())
    assert changed == 1_944_529 - 16 * 9 * 2 + 17


@pytest.mark.parametrize("shape_YX", [(16, 48), (64, 96)])
def test_the_output_is_as_large_as_the_image(shape_YX: tuple[int, int]) -> None:
    model = PaperUNet(in_channels=1, classes=2).eval()
    with torch.no_grad():
        assert model(torch.zeros(3, 1, *shape_YX)).shape == (3, 2, *shape_YX)


def test_the_last_twelve_tensors_leave_the_deconvolution_out() -> None:
    """Head 2, the double convolution with batch norms 8: the two left are the batch norm after the deconvolution."""
    model = PaperUNet()
    last = [name for name, _ in model.named_parameters()][-12:]
    assert last[:2] == ["upsample1.1.weight", "upsample1.1.bias"]
    assert {name.partition(".")[0] for name in last[2:]} == {"up1", "head"}
    assert isinstance(model.get_submodule("upsample1.0"), nn.ConvTranspose2d)
    assert isinstance(model.get_submodule("upsample1.1"), nn.BatchNorm2d)


def test_skips_and_levels_reach_the_output() -> None:
    """Every parameter has an effect: none is without a gradient."""
    torch.manual_seed(0)
    model = PaperUNet()
    model(torch.rand(2, 3, 32, 48)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_kaimings_weights_have_their_spread_and_no_bias() -> None:
    """Fan-out of a 3x3 convolution to 256 maps: 2304, so that the standard deviation is sqrt(2 / 2304)."""
    torch.manual_seed(1)
    model = PaperUNet(init="kaiming")
    weight = model.get_submodule("bottom.3").weight.detach()
    assert float(weight.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 19
    assert not any(module.bias.any() for module in convolutions)
    assert model.get_submodule("upsample1.0").bias.any()  # a transposed one keeps torch's
