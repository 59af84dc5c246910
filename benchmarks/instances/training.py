"""One network with soma, boundary, distance, flow and star outputs, which share everything else."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from benchmarks.instances.flows import flow_loss, flow_targets
from benchmarks.instances.stars import GRID_PX, star_head, star_loss, star_targets
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.inputs import make_targets, measure_exposure, to_unit, unit_to_input
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import online_augmentation
from somanet.training.loop.losses import make_loss
from somanet.training.loop.samples import fit_patch
from somanet.training.loop.settings import AugmentSettings, TrainSettings

MAPS = ("soma", "boundary", "distance")
FLOW = slice(len(MAPS), len(MAPS) + 2)
STAR = slice(FLOW.stop, None)
"""Channels of the flow and of the rays in the network's output, after the maps."""
SPEC = ModelSpec(
    architecture="Unet",
    encoder="tu-tf_efficientnet_lite0",
    encoder_weights="imagenet-package",
    head="subpixel",
    decoder_channels=(96, 48, 32, 16),
    outputs=MAPS,
    input="contrasts",
)
SETTINGS = TrainSettings(size_px=256, augment=AugmentSettings(mode="online", scale_range=(0.7, 1.4)))
BATCH, RATE, DECAY, AVERAGE = 8, 2e-3, 1e-4, 0.99


class Patches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Augmented patches with the targets of every output, the rays' apart; large images are drawn more often."""

    def __init__(self, items: Sequence[LabelledImage], n: int) -> None:
        self.images = [(to_unit(item.image), item.labels) for item in items]
        self.exposures = [measure_exposure(image) for image, _ in self.images]
        weights = np.sqrt([max(item.labels.size / SETTINGS.size_px**2, 1) for item in items])
        self.shares, self.n = weights / weights.sum(), n
        self.augment = online_augmentation(SETTINGS.augment)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([0, position])
        number = int(rng.choice(len(self.shares), p=self.shares))
        image, labels = fit_patch(*self.images[number], SETTINGS, rng)
        image, labels = self.augment(image, labels, seed=int(rng.integers(2**31)))
        targets = np.concatenate([make_targets(labels, MAPS), flow_targets(labels)])
        network_input = unit_to_input(image, SPEC, self.exposures[number])
        return torch.from_numpy(network_input), torch.from_numpy(targets), torch.from_numpy(star_targets(labels))


class Network(nn.Module):
    """The default network with outputs for the flow and the rays, too; all from the same features."""

    def __init__(self, *, imagenet: bool) -> None:
        super().__init__()
        n_features = SPEC.decoder_channels[-1] if SPEC.decoder_channels else 16
        self.features = build_model(SPEC, load_encoder_weights=imagenet)
        self.features.segmentation_head = nn.Identity()
        self.pixels = nn.Sequential(nn.Conv2d(n_features, 4 * FLOW.stop, 3, padding=1), nn.PixelShuffle(2))
        self.star = star_head(n_features)

    def parts(self, input_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Maps and flow N × channels × H × W, and rays N × rays × H/2 × W/2."""
        features = self.features(input_NCHW)
        return self.pixels(features), self.star(features)

    def forward(self, input_NCHW: Tensor) -> Tensor:
        """Maps, flow and rays N × channels × H × W; each ray of the grid is repeated over its pixels."""
        pixels, rays = self.parts(input_NCHW)
        return torch.cat([pixels, nn.functional.interpolate(rays, scale_factor=GRID_PX, mode="nearest")], dim=1)


def train(items: Sequence[LabelledImage], n_images: int, weights: Path) -> nn.Module:
    """Train on a number of patches and save the averaged weights as ``weights`` (safetensors)."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = Network(imagenet=True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = n_images // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    warmup = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, 1) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
    )
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    compare, began, n = make_loss("bce+dice", MAPS), time.perf_counter(), len(MAPS)
    for step, (inputs, targets, rays) in enumerate(DataLoader(Patches(items, n_images), batch_size=BATCH), start=1):
        pixels, found_rays = network.parts(inputs.contiguous(memory_format=torch.channels_last))
        inside, distance = targets[:, :1], targets[:, [MAPS.index("distance")]]
        loss = (
            compare(pixels[:, :n], targets[:, :n])
            + flow_loss(pixels[:, FLOW], targets[:, FLOW], inside)
            + star_loss(found_rays, rays, distance)
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if step % 50 == 0:
            rate = step * BATCH / (time.perf_counter() - began)
            print(f"step {step}/{steps}: loss {loss.item():.3f}, {rate:.1f} images/s", flush=True)
    trained = average.module.eval()
    weights.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in trained.state_dict().items()}, weights)
    return trained
