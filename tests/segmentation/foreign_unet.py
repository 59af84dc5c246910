"""UNet-pytorch's UNet2, restated from the description of its layers: only the names of its tensors are its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ForeignUNet(nn.Module):
    """Levels of two convolutions each; what comes from below stands before what comes from the side."""

    def __init__(self, first: int = 16, in_channels: int = 3, classes: int = 1) -> None:
        super().__init__()
        widths = [first * 2**level for level in range(5)]
        for number, (before, after) in enumerate(zip([in_channels, *widths], widths, strict=False), start=1):
            self.add_module(f"conv{number}", _stage(nn.Conv2d(before, after, 3, padding=1), 2))
        for number, width in zip((6, 7, 8, 9), widths[-2::-1], strict=True):
            self.add_module(f"up_pool{number}", _stage(nn.ConvTranspose2d(2 * width, width, 2, stride=2), 1))
            self.add_module(f"conv{number}", _stage(nn.Conv2d(2 * width, width, 3, padding=1), 2))
        self.add_module("conv10", nn.Conv2d(first, classes, 1))

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Probabilities of an image from 0 to 255."""
        stage = dict(self.named_children())
        seen = [image_NCHW / 255]
        for number in range(1, 6):
            below = seen[-1] if number == 1 else functional.max_pool2d(seen[-1], 2)
            seen.append(stage[f"conv{number}"](below))
        found = seen[5]
        for number in range(6, 10):
            found = stage[f"conv{number}"](torch.cat((stage[f"up_pool{number}"](found), seen[10 - number]), 1))
        return torch.sigmoid(stage["conv10"](found))


def _stage(first: nn.Module, count: int) -> nn.Sequential:
    width = int(first.out_channels)  # type: ignore[arg-type]
    layers = [first, nn.BatchNorm2d(width), nn.ReLU()]
    if count == 2:
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


def foreign_unet(first: int = 16, in_channels: int = 3, classes: int = 1) -> ForeignUNet:
    """Such a network with random weights and statistics, so that no channel is like another."""
    torch.manual_seed(8)
    network = ForeignUNet(first, in_channels, classes)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)  # torch's usual ones would hardly let the image through
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network.eval()
