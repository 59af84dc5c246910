"""Retraining only the last blocks of a network, the rest truly frozen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Literal

import torch
from torch import nn

from somanet.core.errors import SomaNetError

PROBE_PX = 128  # side of the blank image that shows the order; some decoders pool to a fixed size and need this much


@dataclass(frozen=True)
class Block:
    """A named part of a network with parameters of its own, e.g. a decoder level or its upsampling."""

    name: str
    module: nn.Module


def blocks_from_output(model: nn.Module, *, in_channels: int = 3) -> list[Block]:
    """The network's blocks, the one nearest the output first.

    A block is a child of the network, its encoder or its decoder; containers whose children run one by one count child
    by child. In the paper's U-Net: head, the last double convolution, its transposed convolution, the double
    convolution before, … The order is that in which the blocks finish in a forward pass; parts that do not take part
    in it (an encoder's classifier) come last.
    """
    finished = _finishing_order(model, in_channels)
    ran: list[tuple[int, Block]] = []
    unused: list[Block] = []

    def visit(module: nn.Module, prefix: str) -> None:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if not any(True for _ in child.parameters()):
                continue
            if path in finished and path not in _OPENED:
                ran.append((finished[path], Block(path, child)))
            elif any(other.startswith(f"{path}.") for other in finished):
                visit(child, f"{path}.")
            else:
                unused.append(Block(path, child))

    visit(model, "")
    covered = {id(p) for block in (*unused, *(block for _, block in ran)) for p in block.module.parameters()}
    loose = [name for name, parameter in model.named_parameters() if id(parameter) not in covered]
    if loose:
        raise SomaNetError(f"Cannot order the blocks of this network: {loose[0]} belongs to none.")
    ran.sort(key=lambda item: item[0], reverse=True)
    return [*(block for _, block in ran), *unused]


_OPENED = ("encoder", "decoder", "encoder.model", "encoder.features")


def _finishing_order(model: nn.Module, in_channels: int) -> dict[str, int]:
    """Which modules a forward pass runs as a whole, by name, and when each finishes last."""
    finished: dict[str, int] = {}
    clock = count()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: finished.__setitem__(name, next(clock)))
        for name, module in model.named_modules()
        if name
    ]
    was_training = {module: module.training for module in model.modules()}
    model.eval()  # so that this pass moves no batch-norm statistics
    try:
        with torch.no_grad():
            device = next(model.parameters()).device
            model(torch.zeros(1, in_channels, PROBE_PX, PROBE_PX, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    return finished


def freeze_all_but_last(model: nn.Module, n_blocks: int | Literal["all"], *, in_channels: int = 3) -> list[str]:
    """Freeze every block but the last ``n_blocks`` before the output; returns the trainable blocks' names.

    Frozen means no gradient and, with :func:`set_training_mode`, fixed batch-norm statistics.

    Raises:
        SomaNetError: the network has fewer blocks.
    """
    if n_blocks == "all":
        model.requires_grad_(True)
        return [name for name, child in model.named_children() if any(True for _ in child.parameters())]
    blocks = blocks_from_output(model, in_channels=in_channels)
    if n_blocks > len(blocks):
        raise SomaNetError(
            f"trainable_blocks is {n_blocks}, but the network has {len(blocks)} blocks: "
            f"{', '.join(b.name for b in blocks)}. Use 'all' or a smaller number."
        )
    model.requires_grad_(False)
    for block in blocks[:n_blocks]:
        block.module.requires_grad_(True)
    return [block.name for block in blocks[:n_blocks]]


def freeze_all_but_last_tensors(model: nn.Module, n_tensors: int) -> list[str]:
    """Freeze all parameter tensors but the last ``n_tensors`` in definition order; returns the trainable ones' names.

    This is how the authors' code retrained "the last three layers", with 12 tensors: it splits a layer, here the last
    transposed convolution, whose kernel stays frozen while its batch norm is trained.

    Raises:
        SomaNetError: the network has fewer tensors.
    """
    names = [name for name, _ in model.named_parameters()]
    if n_tensors > len(names):
        raise SomaNetError(f"trainable_tensors is {n_tensors}, but the network has {len(names)}. Use a smaller number.")
    for number, (_, parameter) in enumerate(model.named_parameters()):
        parameter.requires_grad_(number >= len(names) - n_tensors)
    return names[len(names) - n_tensors :]


def set_training_mode(model: nn.Module) -> None:
    """Put the network in training mode, but leave wholly frozen layers in evaluation mode.

    A frozen batch norm in training mode would still update its running statistics.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()
