"""Retraining the last blocks: the order from the output, and frozen means that nothing changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.blocks import (
    blocks_from_output,
    freeze_all_but_last,
    freeze_all_but_last_tensors,
    set_training_mode,
)
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.unet import PaperUNet

SMALL = "tu-mobilenetv3_small_050"


def paper_unet() -> PaperUNet:
    torch.manual_seed(0)
    return PaperUNet()


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(before: dict[str, torch.Tensor], model: nn.Module) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def take_steps(model: nn.Module, n: int = 3) -> None:
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=1e-2)
    for step in range(n):
        torch.manual_seed(step)
        optimizer.zero_grad()
        (model(torch.rand(2, 3, 32, 48)) - 1).square().mean().backward()
        optimizer.step()


def test_the_papers_unet_from_its_output() -> None:
    names = [block.name for block in blocks_from_output(PaperUNet())]
    up = [name for level in (1, 2, 3, 4) for name in (f"up{level}", f"upsample{level}")]
    assert names == ["head", *up, "bottom", "down4", "down3", "down2", "down1"]


def test_blocks_hold_every_parameter_once() -> None:
    model = PaperUNet()
    blocks = blocks_from_output(model)
    held = [id(p) for block in blocks for p in block.module.parameters()]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    # The head is a 1 × 1 convolution of 16 channels, with a bias.
    assert sum(p.numel() for p in blocks[0].module.parameters()) == 17


@pytest.mark.parametrize("architecture", ["Unet", "UnetPlusPlus", "Linknet", "FPN", "DeepLabV3Plus", "Segformer"])
def test_other_networks_go_from_head_through_decoder_to_encoder(architecture: str) -> None:
    model = build_model(ModelSpec(architecture=architecture, encoder=SMALL))
    blocks = blocks_from_output(model)
    parts = [block.name.partition(".")[0] for block in blocks]
    assert parts[0] == "segmentation_head"
    assert parts == sorted(parts, key=["segmentation_head", "decoder", "encoder"].index)
    held = [id(p) for block in blocks for p in block.module.parameters()]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_looking_at_the_blocks_changes_nothing() -> None:
    model = paper_unet().train()
    before = tensors(model)
    blocks_from_output(model)
    assert moved(before, model) == set()
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_three_blocks_reach_the_deconvolution() -> None:
    """What the authors' "last three layers" missed: the transposed convolution's own kernel."""
    model = paper_unet()
    assert freeze_all_but_last(model, 3) == ["head", "up1", "upsample1"]
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert isinstance(model.get_submodule("upsample1.0"), nn.ConvTranspose2d)
    assert "upsample1.0.weight" in trainable
    assert {name.partition(".")[0] for name in trainable} == {"head", "up1", "upsample1"}


def test_frozen_tensors_and_statistics_stay_and_the_others_move() -> None:
    model = paper_unet()
    freeze_all_but_last(model, 3)
    before = tensors(model)
    set_training_mode(model)
    take_steps(model)
    changed = moved(before, model)
    expected = {name for name in before if name.partition(".")[0] in ("head", "up1", "upsample1")}
    assert changed == expected
    assert "up1.1.running_mean" in changed


def test_plain_training_mode_would_let_frozen_statistics_drift() -> None:
    """The authors' bug; shows that the test above can fail."""
    model = paper_unet()
    freeze_all_but_last(model, 3)
    before = tensors(model)
    model.train()
    take_steps(model)
    assert {"down1.1.running_mean", "down1.1.running_var"} <= moved(before, model)


def test_the_authors_twelve_tensors_leave_the_deconvolutions_kernel_frozen() -> None:
    model = paper_unet()
    names = freeze_all_but_last_tensors(model, 12)
    assert len(names) == 12
    last_three = {n for n, _ in model.named_parameters() if n.partition(".")[0] in ("head", "up1", "upsample1")}
    assert last_three - set(names) == {"upsample1.0.weight", "upsample1.0.bias"}
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(names)


def test_more_tensors_than_there_are() -> None:
    with pytest.raises(SomaNetError, match="trainable_tensors is 999, but the network has 90"):
        freeze_all_but_last_tensors(PaperUNet(), 999)


def test_a_pretrained_encoder_stays_frozen_too() -> None:
    torch.manual_seed(0)
    model = build_model(ModelSpec(architecture="Unet", encoder=SMALL, decoder_channels=(16, 12, 10, 8, 6)))
    names = freeze_all_but_last(model, 2)
    assert names == ["segmentation_head", "decoder.blocks.4"]
    before = tensors(model)
    set_training_mode(model)
    take_steps(model)
    changed = moved(before, model)
    assert changed
    assert {name for name in changed if not name.startswith(tuple(names))} == set()


def test_all_trains_all_and_undoes_a_freeze() -> None:
    model = paper_unet()
    freeze_all_but_last(model, 1)
    names = freeze_all_but_last(model, "all")
    assert len(names) == 14
    assert all(p.requires_grad for p in model.parameters())
    before = tensors(copy.deepcopy(model))
    set_training_mode(model)
    take_steps(model, 1)
    assert moved(before, model) == set(before)


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(SomaNetError, match="trainable_blocks is 15, but the network has 14 blocks: head, up1"):
        freeze_all_but_last(PaperUNet(), 15)


class Loose(nn.Module):
    """A parameter of its own beside its only layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return self.gain * self.layer(x_NCHW)


def test_a_network_that_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(SomaNetError, match="gain belongs to none"):
        blocks_from_output(Loose())
