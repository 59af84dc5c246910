"""One training loop for every network, device and number of processes; a resumed training gives the same weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.models import set_evaluation
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.batch_norm import shared_batch_norm
from somanet.training.loop.losses import make_loss
from somanet.training.loop.mean_teacher import MeanTeacher, check_unlabelled
from somanet.training.loop.optimisation import (
    begin_epoch,
    freeze,
    make_accelerator,
    make_average,
    make_optimizer,
    make_scheduler,
)
from somanet.training.loop.samples import EpochBatches, TrainingSamples, UnlabelledSamples
from somanet.training.loop.saved_state import State, restore_state, save_state
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.step_values import StepValues
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.together import ending_together
from somanet.training.loop.validation import ObjectScores, batch_iou, validate

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training samples. Validation values are NaN in epochs without validation."""

    epoch: int
    train_loss: float
    train_iou: float
    val_loss: float
    val_iou: float
    learning_rate: float
    consistency: float = math.nan
    """Mean squared difference from the teacher; NaN without unlabelled images."""
    iou: float = math.nan
    """IoU of the validation images' labels: unlike `val_iou` after post-processing, as in an evaluation."""
    precision: float = math.nan
    """Of the objects in those labels, at IoU 0.5."""
    accuracy: float = math.nan
    """Likewise."""

    def as_dict(self) -> dict[str, float]:
        """As a table row; what may be missing only if defined."""
        return {name: value for name, value in asdict(self).items() if name not in OPTIONAL or value == value}

    @classmethod
    def from_dict(cls, row: Mapping[str, float]) -> Epoch:
        """From a table row."""
        return cls(int(row["epoch"]), **{str(name): value for name, value in row.items() if name != "epoch"})


OBJECT_SCORES = ("iou", "precision", "accuracy")
"""The values of an epoch for which :func:`train` needs ``score_objects``."""
OPTIONAL = ("consistency", *OBJECT_SCORES)


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
    """Wall time of all epochs, including those run before an interruption."""
    train_images_iou: float = math.nan
    """Mean foreground IoU of the whole training images without augmentation, if requested."""


@ending_together
def train(
    task: TrainingTask,
    *,
    state_file: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    score_objects: Callable[[], ObjectScores] | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a network and keep the weights of the epoch with the best validation IoU.

    Runs on CPU, CUDA or MPS, and on several GPUs when started by `torchrun`; `batch_size` is then shared between the
    processes, batch norm sees the whole batch, and an error in one process ends all of them. On a CPU the same seed
    gives the same weights.

    Args:
        task: the network, the images and the settings; the network is changed in place.
        state_file: where progress is saved after every epoch. If it holds the state of an interrupted run of this
            training, that run is resumed; name it by :func:`somanet.training.loop.task.name_of`.
            The caller removes it when done.
        on_epoch: called after every epoch that this process runs.
        score_objects: begins the scores of the objects in the validation images, once per validated epoch.
        progress: show a progress bar on a terminal.

    Raises:
        SomaNetError: no images, a device or precision this machine lacks, a loss that is no longer finite, or another
            process of this training failed.
    """
    import cv2

    cv2.setNumThreads(0)  # its threads would compete with torch's for the same cores
    if not task.val_items:
        raise SomaNetError("There are no validation images, so the best epoch cannot be chosen. Check the split.")
    check_unlabelled(task.settings, task.unlabelled)
    set_evaluation(task.model, task.spec)  # a variant's may differ from its start's
    trainable = freeze(task.model, task.spec, task.settings)
    accelerator = make_accelerator(task.settings)
    with shared_batch_norm(task.model, accelerator):
        state = _epochs(task, accelerator, state_file, on_epoch, score_objects, progress=progress)
    model = task.model
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


def _epochs(
    task: TrainingTask,
    accelerator: Accelerator,
    state_file: Path | None,
    on_epoch: Callable[[Epoch], None] | None,
    score_objects: Callable[[], ObjectScores] | None,
    *,
    progress: bool,
) -> State:
    """Run all epochs, or those that the state file lacks; returns the state after the last."""
    model, spec, settings, seed = task.model, task.spec, task.settings, task.seed
    samples = TrainingSamples(task.train_items, spec, settings, seed=seed)
    loader: Any = _batches(samples, settings.batch_size, settings, accelerator)
    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: Any = make_optimizer(model, settings)
    average = make_average(model, settings)
    scored = model if average is None else average.module
    steps_per_epoch = len(loader)
    total_steps = settings.epochs * steps_per_epoch
    scheduler = make_scheduler(optimizer, settings, total_steps)
    state = State()
    if state_file is not None and state_file.exists():
        state = restore_state(state_file, model, optimizer, scheduler, average)
    runner, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    patches = teacher = pairs = None
    if settings.unlabelled is not None:
        n_patches = steps_per_epoch * settings.unlabelled.batch_size
        patches = UnlabelledSamples(task.unlabelled, spec, settings, seed=seed, n_samples=n_patches)
        pairs = accelerator.prepare(_batches(patches, settings.unlabelled.batch_size, settings, accelerator))
        teacher = MeanTeacher(scored, settings.unlabelled, total_steps=total_steps)
    loss_function = make_loss(settings.loss, spec.outputs, ignoring=task.ignores)
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
        while state.epoch < settings.epochs and not state.stopped_early(settings.early_stopping_epochs):
            samples.epoch = state.epoch + 1
            torch.manual_seed((seed * 1_000_003 + samples.epoch) % 2**63)  # dropout; so that a resumed epoch repeats
            begin_epoch(model, settings)
            values = StepValues(accelerator, settings, epoch=samples.epoch)
            if patches is not None:
                patches.epoch = samples.epoch
            # strict, so that both loaders run to their ends: accelerate keeps a reference to one that does not
            steps = zip(loader, repeat(None, len(loader)) if pairs is None else pairs, strict=True)
            for step, ((inputs_NCHW, targets_NCHW), views) in enumerate(steps, start=state.epoch * steps_per_epoch):
                n_labelled = len(inputs_NCHW)
                if views is not None:  # in one batch, so that batch norm sees both
                    inputs_NCHW = torch.cat([inputs_NCHW, views[1]])
                inputs_NCHW = inputs_NCHW.contiguous(memory_format=torch.channels_last)
                with accelerator.autocast():
                    logits_NCHW = _forward(runner, inputs_NCHW, spec)
                logits_NCHW, unlabelled_NCHW = logits_NCHW[:n_labelled], logits_NCHW[n_labelled:]
                loss = labelled_loss = loss_function(logits_NCHW.float(), targets_NCHW)
                differences = []
                if teacher is not None and views is not None:
                    with accelerator.autocast():
                        difference = teacher.loss(unlabelled_NCHW, views[0])
                    loss = labelled_loss + teacher.weight(step) * difference
                    differences.append(difference)
                optimizer.zero_grad()
                accelerator.backward(loss)
                if settings.gradient_clip is not None:
                    accelerator.clip_grad_norm_(model.parameters(), settings.gradient_clip)
                optimizer.step()
                scheduler.step()
                if average is not None:
                    average.update_parameters(model)
                values.add(loss, labelled_loss, batch_iou(logits_NCHW.detach(), targets_NCHW, spec), *differences)
                bar.update()
                bar.set_postfix(epoch=samples.epoch, loss=f"{values.last_loss:.3f}", val_iou=f"{state.best_iou:.3f}")
            means = values.means()
            state.epoch += 1
            val_loss = val_iou = math.nan
            found: Mapping[str, float] = {}
            if main and (state.epoch % settings.validate_every == 0 or state.epoch == settings.epochs):
                objects = None if score_objects is None else score_objects()
                val_loss, val_iou = validate(scored, spec, task.val_items, loss_function, objects=objects)
                found = {} if objects is None else objects.scores()
            val_loss, val_iou, *means = _agree(accelerator, [val_loss, val_iou, *means])
            if val_iou > state.best_iou:
                state.best_iou, state.best_epoch = val_iou, state.epoch
                state.best_weights = {name: v.detach().cpu().clone() for name, v in scored.state_dict().items()}
            rate = float(scheduler.get_last_lr()[0])
            record = Epoch(state.epoch, means[0], means[1], val_loss, val_iou, rate, consistency=means[2], **found)
            state.history.append(record.as_dict())
            epoch_began, previous = time.perf_counter(), epoch_began
            state.seconds += epoch_began - previous
            if main and state_file is not None:
                save_state(state_file, state, model, optimizer, scheduler, average)
            if main and on_epoch is not None:
                on_epoch(record)
    return state


def _batches(
    samples: TrainingSamples | UnlabelledSamples, batch_size: int, settings: TrainSettings, accelerator: Accelerator
) -> DataLoader[Any]:
    batches = EpochBatches(samples, batch_size, n_processes=accelerator.num_processes)
    on_gpu = accelerator.device.type == "cuda"
    return DataLoader(samples, batch_sampler=batches, num_workers=settings.workers, pin_memory=on_gpu)


def _forward(runner: nn.Module, inputs_NCHW: Tensor, spec: ModelSpec) -> Tensor:
    try:
        logits_NCHW: Tensor = runner(inputs_NCHW)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise SomaNetError(
            f"{spec.architecture} pools a patch to one value and normalises it over the batch, which one patch alone "
            "does not allow: found a batch of 1. Use training.batch_size of at least 2 for each process."
        ) from error
    return logits_NCHW


def _agree(accelerator: Accelerator, values: list[float]) -> list[float]:
    """Validation values of the main process for all; training values averaged over processes."""
    if accelerator.num_processes == 1:
        return values
    stacked: Tensor = accelerator.gather(torch.tensor([values], dtype=torch.float64, device=accelerator.device))
    return [*stacked[0, :2].tolist(), *stacked[:, 2:].mean(0).tolist()]
