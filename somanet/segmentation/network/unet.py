"""The paper's U-Net (Schaepe & Agrawal 2019), widths 16-32-64-128-256."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice 3x3 convolution, batch norm, ReLU; size unchanged."""
    layers: list[nn.Module] = []
    for width in (in_channels, out_channels):
        layers += [
            nn.Conv2d(width, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _upsample(in_channels: int, out_channels: int) -> nn.Sequential:
    """2x2 transposed convolution, batch norm, ReLU; twice the size.

    The paper does not mention this batch norm, but its parameter count implies it: without it 480 parameters are
    missing.
    """
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class PaperUNet(nn.Module):
    """Four levels down by 2x2 max pooling, four up by 2x2 transposed convolution, skips by concatenation.

    1,944,529 parameters for three input channels and one class, as the paper's.

    Height and width of the input must be multiples of 16. Output: logits (the paper's sigmoid is in the loss).
    """

    def __init__(self, in_channels: int = 3, classes: int = 1, *, init: Literal["torch", "kaiming"] = "torch") -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.pool = nn.MaxPool2d(2)
        self.down1 = _double_conv(in_channels, 16)
        self.down2 = _double_conv(16, 32)
        self.down3 = _double_conv(32, 64)
        self.down4 = _double_conv(64, 128)
        self.bottom = _double_conv(128, 256)
        for level, width in reversed(list(enumerate(widths, start=1))):
            self.add_module(f"upsample{level}", _upsample(2 * width, width))
            self.add_module(f"up{level}", _double_conv(2 * width, width))
        self.head = nn.Conv2d(16, classes, 1)
        if init == "kaiming":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):  # transposed convolutions are none, and keep torch's
                    nn.init.kaiming_normal_(module.weight, mode="fan_out")
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Logits of the same height and width."""
        skips = []
        x = x_NCHW
        for level in (1, 2, 3, 4):
            x = self.get_submodule(f"down{level}")(x)
            skips.append(x)  # N, 16·2^(level-1), H/2^(level-1), W/2^(level-1)
            x = self.pool(x)
        x = self.bottom(x)  # N, 256, H/16, W/16
        for level in (4, 3, 2, 1):
            x = self.get_submodule(f"upsample{level}")(x)
            x = self.get_submodule(f"up{level}")(torch.cat([skips[level - 1], x], dim=1))
        logits: Tensor = self.head(x)
        return logits
