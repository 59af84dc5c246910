"""Batch norm over the whole batch of a training, not only over the part of it that one process has.

Four processes with two patches each would otherwise normalise by two patches where one process normalises by eight:
another training, and a worse one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from accelerate import Accelerator


class _CpuSyncBatchNorm(_BatchNorm):
    """:class:`torch.nn.SyncBatchNorm`, whose kernels are for graphics cards only, in differentiable operations."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """Normalise N x C x …, by the statistics of all processes in training, by the running ones otherwise."""
        if not self.training:
            unshared: Tensor = super().forward(input)
            return unshared
        from torch.distributed.nn.functional import all_reduce

        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        n_here = input.new_tensor([input.numel() / input.shape[1]])
        total = all_reduce(torch.cat([input.sum(axes), n_here]))
        n = total[-1].detach()
        mean = total[:-1] / n
        centred = input - mean.view(shape)
        variance = all_reduce(centred.square().sum(axes)) / n
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, share)
                self.running_var.lerp_(variance * n / (n - 1), share)
        normalised: Tensor = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised


@contextmanager
def shared_batch_norm(model: nn.Module, accelerator: Accelerator) -> Iterator[None]:
    """Within the block, batch norms of several processes share their statistics; afterwards they are as before.

    Only the class of each layer changes, so that its weights, statistics and name remain those that the optimiser and
    a saved state know.
    """
    layers: list[tuple[nn.Module, type]] = []
    if accelerator.num_processes > 1:
        kinds = _kinds(on_cpu=accelerator.device.type == "cpu")
        layers = [(layer, type(layer)) for layer in model.modules() if type(layer) in kinds]
        for layer, kind in layers:
            vars(layer)["process_group"] = None  # all processes
            layer.__class__ = kinds[kind]
    try:
        yield
    finally:
        for layer, kind in layers:
            layer.__class__ = kind
            del vars(layer)["process_group"]


def _kinds(*, on_cpu: bool) -> dict[type, Any]:
    """The class that takes the place of each kind of batch norm, torch's own and that of timm's encoders."""
    from timm.layers.norm_act import BatchNormAct2d, SyncBatchNormAct

    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if not on_cpu:
        return {**dict.fromkeys(plain, nn.SyncBatchNorm), BatchNormAct2d: SyncBatchNormAct}

    class CpuSyncBatchNormAct(_CpuSyncBatchNorm):
        """The same with timm's activation after it."""

        def forward(self, input: Tensor) -> Tensor:
            drop, activate = self.get_submodule("drop"), self.get_submodule("act")
            result: Tensor = activate(drop(super().forward(input)))
            return result

    return {**dict.fromkeys(plain, _CpuSyncBatchNorm), BatchNormAct2d: CpuSyncBatchNormAct}
