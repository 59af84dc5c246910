"""The forward pass: logits of an input of any size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Float32 = NDArray[np.float32]

STRIDE = 32  # every network here halves its input up to five times


def predict_logits(model: nn.Module, input_CYX: Float32) -> Float32:
    """Logits CYX of one network input CYX, padded to the network's stride by mirroring and cropped afterwards."""
    _, height, width = input_CYX.shape
    pad_y, pad_x = -height % STRIDE, -width % STRIDE
    padded = np.pad(input_CYX, ((0, 0), (0, pad_y), (0, pad_x)), mode="symmetric")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        batch = torch.from_numpy(padded)[None].to(device).contiguous(memory_format=torch.channels_last)
        logits: Float32 = model(batch)[0, :, :height, :width].float().cpu().numpy()
    model.train(was_training)
    return logits
