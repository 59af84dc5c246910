"""One training loop for every network, device and number of processes; killed and resumed, it ends the same."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from somanet.data.layouts import LabelledImage
from somanet.errors import SomaNetError
from somanet.files import atomic_path
from somanet.segmentation.blocks import freeze_all_but_last, freeze_all_but_last_tensors, set_training_mode
from somanet.segmentation.inputs import make_targets, to_input
from somanet.segmentation.instances import foreground, sigmoid
from somanet.segmentation.losses import Loss, make_loss
from somanet.segmentation.prediction import predict_logits
from somanet.segmentation.samples import EpochSampler, TrainingSamples
from somanet.segmentation.settings import ModelSpec, TrainSettings

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training samples gave. Validation figures are NaN in epochs that were not validated."""

    epoch: int
    train_loss: float
    train_iou: float
    val_loss: float
    val_iou: float
    learning_rate: float

    def as_dict(self) -> dict[str, float]:
        """As a table row."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, float]) -> Epoch:
        """From a table row."""
        return cls(int(row["epoch"]), *(row[name] for name in list(cls.__dataclass_fields__)[1:]))


@dataclass(frozen=True)
class TrainingResult:
    """A finished training; ``model`` has the weights of the best epoch by validation IoU."""

    model: nn.Module
    history: tuple[Epoch, ...]
    best_epoch: int
    best_val_iou: float
    trainable_blocks: tuple[str, ...]
    trainable_parameters: int
    seconds: float
    """Wall time of all epochs, also of those that an interrupted process ran before."""
    train_images_iou: float = math.nan
    """Mean foreground IoU of the whole training images as they are, where it was asked for."""


@dataclass
class _State:
    """All that moves during training; saved after every epoch."""

    epoch: int = 0
    best_epoch: int = 0
    best_iou: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def training_key(
    model: nn.Module,
    spec: ModelSpec,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    settings: TrainSettings,
    *,
    seed: int,
) -> str:
    """Name of a training by all that determines it: network, initial weights, data, settings and seed."""
    digest = hashlib.sha256()
    digest.update(f"{spec.model_dump_json()}{settings.model_dump_json()}{seed}".encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    for item in (*train_items, *val_items):
        digest.update(item.name.encode() + item.image.tobytes() + item.labels.tobytes())
    return digest.hexdigest()[:20]


def train(
    model: nn.Module,
    spec: ModelSpec,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    settings: TrainSettings,
    *,
    seed: int,
    state_file: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a network and keep the weights of the epoch with the best validation IoU.

    Runs on CPU, CUDA or MPS, and on several GPUs when started by `torchrun`; `batch_size` is then shared
    between the processes. On a CPU the same seed gives the same weights.

    Args:
        model: changed in place.
        spec: how images enter it and what it answers.
        train_items, val_items: labelled images; validation uses them whole.
        settings: the hyperparameters.
        seed: decides sample order, crops and augmentation (the initial weights are already in ``model``).
        state_file: where progress is saved after every epoch. If it holds the state of an interrupted run of this
            very training, that run goes on; name it by :func:`training_key`. Removed by the caller when done.
        on_epoch: called after every epoch that this process ran.
        progress: show a progress bar on a terminal.

    Raises:
        SomaNetError: no images, a device or precision this machine lacks, or a loss that is no longer finite.
    """
    import cv2

    cv2.setNumThreads(0)  # its threads would fight torch's for the same cores
    if not val_items:
        raise SomaNetError("There are no validation images: the best epoch could not be chosen. Check the split.")
    trainable = _freeze(model, spec, settings)
    accelerator = _accelerator(settings)
    samples = TrainingSamples(train_items, spec, settings, seed=seed)
    loader: Any = DataLoader(
        samples, batch_size=settings.batch_size, sampler=EpochSampler(samples), num_workers=settings.workers
    )
    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: Any = _optimizer(model, settings)
    average = _average(model, settings)
    scored = model if average is None else average.module
    steps_per_epoch = math.ceil(len(samples) / settings.batch_size)
    scheduler = _scheduler(optimizer, settings, settings.epochs * steps_per_epoch)
    state = _State()
    if state_file is not None and state_file.exists():
        state = _restore(state_file, model, optimizer, scheduler, average)
    runner, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    loss_function = make_loss(settings.loss)
    epoch_began = time.perf_counter()
    main = accelerator.is_main_process
    bar = tqdm(
        total=settings.epochs * len(loader),
        initial=state.epoch * len(loader),
        unit="batch",
        desc="training",
        disable=None if progress and main else True,
    )
    with bar:
        while state.epoch < settings.epochs and not _stopped_early(state, settings):
            samples.epoch = state.epoch + 1
            torch.manual_seed((seed * 1_000_003 + samples.epoch) % 2**63)  # dropout; so that a resumed epoch repeats
            if settings.trainable_tensors is None:
                set_training_mode(model)
            else:
                model.train()  # the statistics of frozen layers move, as in the authors' code
            losses, ious = [], []
            for inputs_NCHW, targets_NCHW in loader:
                inputs_NCHW = inputs_NCHW.contiguous(memory_format=torch.channels_last)
                with accelerator.autocast():
                    logits_NCHW = runner(inputs_NCHW)
                loss = loss_function(logits_NCHW.float(), targets_NCHW)
                if not torch.isfinite(loss):
                    raise SomaNetError(
                        f"The training loss became {loss.item()} in epoch {samples.epoch}: the learning rate "
                        f"{settings.learning_rate:g} is probably too high. Lower it or set gradient_clip."
                    )
                optimizer.zero_grad()
                accelerator.backward(loss)
                if settings.gradient_clip is not None:
                    accelerator.clip_grad_norm_(model.parameters(), settings.gradient_clip)
                optimizer.step()
                scheduler.step()
                if average is not None:
                    average.update_parameters(model)
                losses.append(float(loss.detach()))
                ious.append(_batch_iou(logits_NCHW.detach(), targets_NCHW, spec))
                bar.update()
                bar.set_postfix(epoch=samples.epoch, loss=f"{losses[-1]:.3f}", val_iou=f"{state.best_iou:.3f}")
            state.epoch += 1
            val_loss = val_iou = math.nan
            if main and (state.epoch % settings.validate_every == 0 or state.epoch == settings.epochs):
                val_loss, val_iou = validate(scored, spec, val_items, loss_function)
            val_loss, val_iou, train_loss, train_iou = _agree(
                accelerator, [val_loss, val_iou, float(np.mean(losses)), float(np.mean(ious))]
            )
            if val_iou > state.best_iou:
                state.best_iou, state.best_epoch = val_iou, state.epoch
                state.best_weights = {name: v.detach().cpu().clone() for name, v in scored.state_dict().items()}
            record = Epoch(state.epoch, train_loss, train_iou, val_loss, val_iou, float(scheduler.get_last_lr()[0]))
            state.history.append(record.as_dict())
            epoch_began, previous = time.perf_counter(), epoch_began
            state.seconds += epoch_began - previous
            if main and state_file is not None:
                _save(state_file, state, model, optimizer, scheduler, average)
            if main and on_epoch is not None:
                on_epoch(record)
    model.load_state_dict(state.best_weights)
    model.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model.eval()
    return TrainingResult(
        model=model,
        history=tuple(Epoch.from_dict(row) for row in state.history),
        best_epoch=state.best_epoch,
        best_val_iou=state.best_iou,
        trainable_blocks=tuple(trainable),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        seconds=state.seconds,
    )


def validate(
    model: nn.Module, spec: ModelSpec, items: Sequence[LabelledImage], loss_function: Loss
) -> tuple[float, float]:
    """Mean loss and mean foreground IoU over whole images (both empty counts 1)."""
    losses, ious = [], []
    for item in items:
        logits_CYX = predict_logits(model, to_input(item.image, spec))
        targets_CYX = make_targets(item.labels, spec.outputs)
        losses.append(float(loss_function(torch.from_numpy(logits_CYX)[None], torch.from_numpy(targets_CYX)[None])))
        predicted = foreground(sigmoid(logits_CYX[0]), spec.instances)
        truth = item.labels > 0
        union = np.count_nonzero(predicted | truth)
        ious.append(np.count_nonzero(predicted & truth) / union if union else 1.0)
    return float(np.mean(losses)), float(np.mean(ious))


def _batch_iou(logits_NCHW: Tensor, targets_NCHW: Tensor, spec: ModelSpec) -> float:
    """Mean foreground IoU of a training batch's images, augmentation and all."""
    predicted = torch.sigmoid(logits_NCHW[:, 0].float()) >= spec.instances.threshold
    truth = targets_NCHW[:, 0] > 0.5
    union = (predicted | truth).flatten(1).sum(1)
    overlap = (predicted & truth).flatten(1).sum(1)
    return float(torch.where(union > 0, overlap / union.clamp(min=1), 1.0).mean())


def _freeze(model: nn.Module, spec: ModelSpec, settings: TrainSettings) -> list[str]:
    """Names of what is trained: blocks, or tensors."""
    if settings.trainable_tensors is not None:
        return freeze_all_but_last_tensors(model, settings.trainable_tensors)
    return freeze_all_but_last(model, settings.trainable_blocks, in_channels=spec.in_channels)


def _accelerator(settings: TrainSettings) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(settings.device, True):
        raise SomaNetError(
            f"device is {settings.device!r}, which this machine or this build of torch lacks. Use device: auto."
        )
    on_cpu = settings.device == "cpu" or not any(available.values())
    if on_cpu and settings.precision != "float32":
        raise SomaNetError(
            f"precision {settings.precision} on a CPU is many times slower than float32. Use precision: float32."
        )
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if settings.precision == "float32" else settings.precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),  # batch_size means the same on 1 or 4 GPUs
    )
    if settings.batch_size % accelerator.num_processes:
        raise SomaNetError(
            f"batch_size {settings.batch_size} cannot be shared by {accelerator.num_processes} processes: "
            "choose a multiple of their number."
        )
    return accelerator


def _optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _scheduler(
    optimizer: torch.optim.Optimizer, settings: TrainSettings, total_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    warmup = round(settings.warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(step - warmup, total_steps) / max(total_steps - warmup, 1)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _average(model: nn.Module, settings: TrainSettings) -> AveragedModel | None:
    """A moving average of weights and batch-norm statistics."""
    if settings.ema_decay == 0:
        return None
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    return average.eval()


def _stopped_early(state: _State, settings: TrainSettings) -> bool:
    patience = settings.early_stopping_epochs
    if patience is None or not state.history or math.isnan(state.history[-1]["val_iou"]):
        return False  # only a validated epoch can show that nothing got better
    return state.best_epoch > 0 and state.epoch - state.best_epoch >= patience


def _agree(accelerator: Accelerator, values: list[float]) -> list[float]:
    """Validation figures of the main process for all; training figures averaged over processes."""
    if accelerator.num_processes == 1:
        return values
    stacked: Tensor = accelerator.gather(torch.tensor([values], dtype=torch.float64, device=accelerator.device))
    return [*stacked[0, :2].tolist(), *stacked[:, 2:].mean(0).tolist()]


def _save(path: Path, state: _State, model: nn.Module, optimizer: Any, scheduler: Any, average: Any) -> None:
    with atomic_path(path) as temporary:
        torch.save(
            {
                **vars(state),
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "average": None if average is None else average.state_dict(),
            },
            temporary,
        )


def _restore(path: Path, model: nn.Module, optimizer: Any, scheduler: Any, average: Any) -> _State:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(saved.pop("model"))
        optimizer.load_state_dict(saved.pop("optimizer"))
        scheduler.load_state_dict(saved.pop("scheduler"))
        weights = saved.pop("average")
        if average is not None:
            average.load_state_dict(weights)
        state = _State(**saved)
    except Exception as error:  # whatever is wrong with the file, the remedy is the same
        raise SomaNetError(
            f"Cannot resume from {path} ({str(error).splitlines()[0]}). Delete it to start this training afresh."
        ) from error
    return state
