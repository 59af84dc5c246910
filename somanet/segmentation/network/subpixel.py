"""A U-Net that predicts every pixel without computing at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from somanet.core.errors import SomaNetError

LEVELS = 4
DEFAULT_CHANNELS = (256, 128, 64, 32)  # smp's own, without the last


def subpixel_unet(
    encoder: str, in_channels: int, classes: int, decoder_channels: Sequence[int] | None = None
) -> nn.Module:
    """An smp U-Net without its last decoder level, with a sub-pixel convolution as its head.

    The last level of a U-Net convolves twice at full resolution, with no skip connection to gain detail from, and takes
    a third of the time. Here a 3x3 convolution at half the resolution gives four logits per class and position, which
    are rearranged into 2 x 2 pixels (Shi et al. 2016, https://arxiv.org/abs/1609.05158).

    Args:
        encoder: smp's name of it; weights are random.
        in_channels: channels of the image.
        classes: logits per pixel.
        decoder_channels: widths of the four levels, deepest first; None = smp's own.

    Returns:
        A network from images NCHW to logits N x classes x H x W.

    Raises:
        SomaNetError: there are not four decoder widths.
    """
    import segmentation_models_pytorch as smp
    from segmentation_models_pytorch.base.initialization import initialize_head

    widths = tuple(DEFAULT_CHANNELS if decoder_channels is None else decoder_channels)
    if len(widths) != LEVELS:
        raise SomaNetError(
            f"head 'subpixel' needs {LEVELS} decoder widths, deepest first, found {len(widths)}: {list(widths)}."
        )
    model: Any = smp.Unet(
        encoder, encoder_weights=None, in_channels=in_channels, classes=classes, decoder_channels=(*widths, widths[-1])
    )
    del model.decoder.blocks[-1]
    model.segmentation_head = nn.Sequential(nn.Conv2d(widths[-1], 4 * classes, 3, padding=1), nn.PixelShuffle(2))
    initialize_head(model.segmentation_head)
    network: nn.Module = model
    return network
