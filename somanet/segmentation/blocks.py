"""Retraining only the last blocks of a network, the rest truly frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from somanet.errors import SomaNetError


@dataclass(frozen=True)
class Block:
    """A named part of a network with parameters of its own, e.g. a decoder level or its upsampling."""

    name: str
    module: nn.Module

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(p.numel() for p in self.module.parameters())


def blocks_from_output(model: nn.Module, *, in_channels: int = 3) -> list[Block]:
    """The network's blocks, the one nearest the output first.

    A block is a child of the network, its encoder or its decoder; lists of blocks count one by one. In the paper's
    U-Net: head, the last double convolution, its transposed convolution, the double convolution before, …
    The order is that in which the blocks finish in a forward pass.
    """
    candidates = _candidates(model)
    finished: dict[str, int] = {}
    clock = iter(range(10**9))
    hooks = [
        module.register_forward_hook(lambda *_, name=name: finished.__setitem__(name, next(clock)))
        for name, module in candidates
    ]
    was_training = model.training
    model.eval()  # so that this pass moves no batch-norm statistics
    try:
        with torch.no_grad():
            device = next(model.parameters()).device
            model(torch.zeros(1, in_channels, 64, 64, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    ran = [(name, module) for name, module in candidates if name in finished]
    covered = {id(p) for _, module in ran for p in module.parameters()}
    missed = [name for name, p in model.named_parameters() if id(p) not in covered]
    if missed:
        raise SomaNetError(f"Cannot order the blocks of this architecture: {missed[0]} belongs to none.")
    ran.sort(key=lambda item: finished[item[0]], reverse=True)
    return [Block(name, module) for name, module in ran]


def _candidates(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children with parameters; containers that never run as a whole, and encoder and decoder, are opened."""
    found: list[tuple[str, nn.Module]] = []

    def visit(module: nn.Module, prefix: str) -> None:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if not any(True for _ in child.parameters()):
                continue
            opened = isinstance(child, nn.ModuleList | nn.ModuleDict)
            if opened or path in (
                "encoder",
                "decoder",
                "encoder.model",
                "encoder.model.blocks",
                "decoder.blocks",
            ):
                visit(child, f"{path}.")
            else:
                found.append((path, child))

    visit(model, "")
    return found


def freeze_all_but_last(model: nn.Module, n_blocks: int | Literal["all"], *, in_channels: int = 3) -> list[str]:
    """Freeze every block but the last ``n_blocks`` before the output; give the trainable blocks' names.

    Frozen means no gradient and, with :func:`set_training_mode`, no moving batch-norm statistics.

    Raises:
        SomaNetError: the network has fewer blocks.
    """
    blocks = blocks_from_output(model, in_channels=in_channels)
    if n_blocks == "all":
        n_blocks = len(blocks)
    if n_blocks > len(blocks):
        raise SomaNetError(
            f"trainable_blocks is {n_blocks}, but the network has {len(blocks)} blocks: "
            f"{', '.join(b.name for b in blocks)}. Use 'all' or a smaller number."
        )
    model.requires_grad_(False)
    for block in blocks[:n_blocks]:
        block.module.requires_grad_(True)
    return [block.name for block in blocks[:n_blocks]]


def set_training_mode(model: nn.Module) -> None:
    """Put the network in training mode, but leave wholly frozen layers in evaluation mode.

    A frozen batch norm in training mode would still move its running statistics.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()
