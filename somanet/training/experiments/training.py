"""A training with its checkpoint and its MLflow run; a killed training resumes where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from somanet.provenance.mlflow import (
    DECIDING_SCORES,
    SCORED_ON,
    TRAINING,
    TrackedRun,
    interrupted_run,
    score_name,
    track_run,
    write_run_file,
)
from somanet.training.experiments.objects import ValidationObjects
from somanet.training.experiments.recording import NETWORK, Recording, is_main_process
from somanet.training.experiments.reports import history_table
from somanet.training.experiments.running import echo
from somanet.training.experiments.state import SavedTraining, Trainings
from somanet.training.experiments.trained_on import SECTION
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.together import ending_together

if TYPE_CHECKING:
    from somanet.training.loop.task import TrainingTask
    from somanet.training.loop.training import Epoch, TrainingResult

SERVING_CODE = Path(__file__).parents[2] / "segmentation" / "serving.py"


@ending_together
def run_training(
    task: TrainingTask,
    *,
    checkpoint: Path,
    run_file: Path | None,
    recording: Recording,
    trainings: Trainings,
    start_sha256: str | None = None,
    trained_on: Sequence[Mapping[str, Any]] = (),
    score_training_images: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    run_id: str | None = None,
    sections: Callable[[TrainingResult], Mapping[str, Any]] | None = None,
) -> TrainingResult:
    """Train, write the checkpoint, and record everything in one MLflow run.

    A killed training resumes where it stopped, in the same run. One that is already finished, in a command that
    was killed later, is only written out again.

    Args:
        task: the network, the images and the settings.
        checkpoint: folder to write.
        run_file: JSON file to write the run id to; None where the weights alone lead to the run, as in the pipeline.
        recording: where to record.
        trainings: from :func:`several_trainings`, which removes the saved states once everything is written.
        start_sha256: of the weights the training starts from, if not random.
        trained_on: the data sets that the checkpoint's configuration lists, those of its start among them; none in the
            pipeline, whose lock has them.
        score_training_images: whether to compute the IoU of the training images, without augmentation.
        on_epoch: called after every recorded epoch; :class:`somanet.provenance.mlflow.StoppedEarly` raised in it ends
            the run normally.
        run_id: the run to continue where no saved state names one: this training was killed in its first epoch.
        sections: further sections of the checkpoint's configuration, from the trained network.

    Raises:
        SomaNetError: another process is running this training, or see
            :func:`somanet.training.loop.training.train`, :func:`somanet.provenance.mlflow.track_run`.
    """
    from somanet.segmentation.network.models import check_sizes
    from somanet.training.loop.mean_teacher import check_unlabelled
    from somanet.training.loop.task import name_of
    from somanet.training.loop.training import train

    settings = task.settings
    check_unlabelled(settings, task.unlabelled)
    _refuse_infinite(task)
    images = [(item.labels.shape[0], item.labels.shape[1]) for item in task.val_items]
    check_sizes(task.model, task.spec, patch_px=settings.size_px, images=images)
    params = task.parameters()
    key = name_of(params)
    saved = SavedTraining.of(recording.root, key)
    go_on = partial(train, task, state_file=saved.state, score_objects=partial(ValidationObjects, task.spec))
    if not is_main_process():
        return go_on(progress=False)
    trainings.claim(saved, name=recording.name)
    about = {**recording.parameters(), "start_weights": start_sha256 or "none"}
    tags = {
        **recording.tags,
        "start_weights_sha256": start_sha256 or "random",
        TRAINING: key,
        SCORED_ON: recording.validated_on,
        NETWORK: f"{recording.network} {name_of(_without_seed(params, about))[:6]}",
    }

    def finish(result: TrainingResult) -> tuple[TrainingResult, str]:
        """The result, with training scores if requested, and the SHA-256 of the checkpoint written."""
        if score_training_images:
            result = _with_training_images(result, task)
        further = {} if sections is None else sections(result)
        return result, _save_result(result, task, checkpoint, start_sha256, trained_on, further)

    if saved.is_done():
        result, _ = finish(go_on())
        echo(f"{recording.name}: already trained, before another training was interrupted")
        if run_file is not None:
            write_text(run_file, saved.done.read_text(encoding="utf-8"))
        return result
    resuming = None if saved.note.exists() and saved.state.exists() else run_id
    resuming = resuming or interrupted_run(
        key,
        note=saved.note,
        has_state=saved.state.exists(),
        experiment=recording.experiment,
        name=recording.name,
        root=recording.root,
    )
    with track_run(
        recording.name,
        experiment=recording.experiment,
        root=recording.root,
        params=params,
        about=about,
        tags=tags,
        datasets=recording.datasets,
        run_id=resuming,
        parent_run_id=recording.parent_run_id,
    ) as run:
        write_run_file(saved.note, run)
        if saved.state.exists():
            _report_saved_epochs(saved.state, run, lambda epoch: _report(epoch, settings, run, on_epoch))
        without = f", {len(task.unlabelled)} unlabelled" if task.unlabelled else ""
        echo(
            f"{recording.name}: {len(task.train_items)} training{without} and {len(task.val_items)} validation images, "
            f"seed {task.seed}"
        )
        result = go_on(on_epoch=lambda epoch: _report(epoch, settings, run, on_epoch))
        echo(
            f"{recording.name}: best epoch {result.best_epoch}, validation IoU {result.best_val_iou:.3f}; trained "
            f"{result.trainable_parameters:,} parameters in {', '.join(result.trainable_blocks[:4])}"
            f"{', …' if len(result.trainable_blocks) > 4 else ''}"
        )
        result, digest = finish(result)
        run.log_epochs(map(_numbers, result.history))  # those that a kill or a full disk kept from being recorded
        run.set_tags({"weights_sha256": digest, "trainable_blocks": ", ".join(result.trainable_blocks)})
        best = next(epoch for epoch in result.history if epoch.epoch == result.best_epoch).as_dict()
        run.log_metrics(
            {
                **{score_name(score): best[score] for score in DECIDING_SCORES if score in best},
                "best_val_iou": result.best_val_iou,
                "best_epoch": result.best_epoch,
                "trainable_parameters": result.trainable_parameters,
                "parameters": sum(p.numel() for p in result.model.parameters()),
                "train_seconds": result.seconds,
                **({"train_images_iou": result.train_images_iou} if score_training_images else {}),
            }
        )
        history = history_table(result)
        run.log_table(pd.DataFrame([epoch.as_dict() for epoch in result.history]), "history.csv")
        from somanet.core import plots

        run.log_figure(plots.curves(history), "curves.png")
        run.log_model(checkpoint, SERVING_CODE, name=recording.model)
        if run_file is not None:
            write_run_file(run_file, run)
    write_text(saved.done, saved.note.read_text(encoding="utf-8"))
    return result


def _refuse_infinite(task: TrainingTask) -> None:
    """Refuse to train a network that has numbers which are not finite: its averaged weights would become NaN."""
    if wrong := [name for name, value in task.model.state_dict().items() if not bool(value.isfinite().all())]:
        raise SomaNetError(
            f"The network to start from has infinite numbers in {wrong[0]}; expected finite ones. Was it exported with "
            "16 bits by an older SomaNet, which made large variances infinite? Start from the network as it was before."
        )


def _without_seed(params: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """What the trainings of one network with different seeds have in common: settings, start and data.

    A seed decides the random weights and may draw the training images; data sets that DVC tracks are then compared
    as a whole.
    """
    data = {use: dict(one) for use, one in params["data"].items()}
    if "untracked" not in (whole := str(about["data"].get("training", {}).get("dvc", "untracked"))):
        data["training"]["sha256"] = whole
    kept = {name: value for name, value in params.items() if name not in ("seed", "initial_weights", "data")}
    start = {name: about.get(name) for name in ("start", "weights", "start_weights")}
    return {**kept, **start, "data": data}


def _with_training_images(result: TrainingResult, task: TrainingTask) -> TrainingResult:
    from somanet.training.loop.losses import make_loss
    from somanet.training.loop.validation import validate

    loss = make_loss(task.settings.loss, task.spec.outputs, ignoring=task.ignores)
    _, iou = validate(result.model, task.spec, task.train_items, loss)
    return replace(result, train_images_iou=iou)


def _save_result(
    result: TrainingResult,
    task: TrainingTask,
    checkpoint: Path,
    start_sha256: str | None,
    trained_on: Sequence[Mapping[str, Any]],
    sections: Mapping[str, Any],
) -> str:
    """Write the checkpoint; return its weights' SHA-256."""
    from somanet.segmentation.network.checkpoint import save_checkpoint

    metadata = {
        "training": {**task.settings.model_dump(mode="json"), "seed": task.seed},
        "start_weights_sha256": start_sha256,
        "trainable_blocks": list(result.trainable_blocks),
        "trainable_parameters": result.trainable_parameters,
        "best_epoch": result.best_epoch,
        "best_val_iou": round(result.best_val_iou, 6),
        **({SECTION: list(trained_on)} if trained_on else {}),
        **sections,
    }
    return save_checkpoint(checkpoint, result.model, task.spec, metadata)


def _report_saved_epochs(state_file: Path, run: TrackedRun, report: Callable[[Epoch], None]) -> None:
    """Record the saved epochs: a kill between saving and recording must lose none, and recording twice is harmless."""
    import torch

    from somanet.training.loop.training import Epoch

    try:
        rows = torch.load(state_file, map_location="cpu", weights_only=True)["history"]
    except Exception:  # the training that reads the state next reports what is wrong with it
        return
    epochs = [Epoch.from_dict(row) for row in rows]
    run.log_epochs(map(_numbers, epochs[:-1]))  # missing ones only where the run is new or the disk was full
    for last in epochs[-1:]:
        report(last)


def _numbers(epoch: Epoch) -> tuple[int, dict[str, float]]:
    """An epoch's number and its defined values."""
    row = {name: value for name, value in epoch.as_dict().items() if value == value}
    return int(row.pop("epoch")), row


def _report(
    epoch: Epoch, settings: TrainSettings, run: TrackedRun, then: Callable[[Epoch], None] | None = None
) -> None:
    number, row = _numbers(epoch)
    run.log_epoch(number, row)
    val = f", validation loss {epoch.val_loss:.4f}, IoU {epoch.val_iou:.3f}" if "val_iou" in row else ""
    echo(f"  epoch {number}/{settings.epochs}: loss {row['train_loss']:.4f}, IoU {row['train_iou']:.3f}{val}")
    if then is not None:
        then(epoch)
