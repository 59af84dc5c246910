"""Training and evaluation as recorded experiments: files for DVC and people, the same facts for MLflow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.data.layouts import LabelledImage
from somanet.files import make_folder, remove_leftovers, write_json, write_text
from somanet.io.tables import write_table
from somanet.mlops import (
    TRAINING,
    DatasetRef,
    ServedModel,
    TrackedRun,
    interrupted_run,
    run_id_from,
    track_run,
    write_run_file,
)
from somanet.provenance import project_root
from somanet.segmentation.settings import ModelSpec, TrainSettings

if TYPE_CHECKING:
    from torch import nn

    from somanet.evaluation.scores import Scores
    from somanet.segmentation.training import Epoch, TrainingResult

SERVING_CODE = Path(__file__).with_name("serving.py")
EVALUATION_SEED = 0  # of the bootstrap, so that equal predictions give equal intervals


@dataclass(frozen=True)
class Recording:
    """Where an experiment is recorded.

    Attributes:
        root: the project, whose `mlruns/` holds the store and the state of unfinished trainings.
        experiment: MLflow's experiment, e.g. `pretrain`.
        name: the run's name, e.g. the variant and its seed.
        datasets: the data used.
        tags: further tags.
    """

    root: Path
    experiment: str
    name: str
    datasets: Sequence[DatasetRef] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, experiment: str, name: str, datasets: Sequence[DatasetRef], **tags: str) -> Recording:
        """In the project that the working folder lies in."""
        return cls(project_root(), experiment, name, datasets, tags)


def is_main_process() -> bool:
    """Whether this process writes files: the first of those that `torchrun` starts, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def start_network(
    spec: ModelSpec,
    *,
    seed: int,
    checkpoint: Path | None = None,
    weights: Literal["pretrained", "initial", "random"] = "initial",
) -> tuple[nn.Module, ModelSpec, str | None]:
    """The network a training begins with, its spec and the SHA-256 of the weights it came from.

    Args:
        spec: the network, where there is no checkpoint.
        seed: of the random weights.
        checkpoint: its architecture is taken.
        weights: `pretrained`: the checkpoint's; `initial`: those its own training began with (an ImageNet encoder,
            say); `random`: none of either.
    """
    import torch

    from somanet.segmentation.checkpoint import load_checkpoint
    from somanet.segmentation.models import build_model

    torch.manual_seed(seed)
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint)
        if weights == "pretrained":
            return loaded.model, loaded.spec, loaded.sha256
        spec = loaded.spec
    torch.manual_seed(seed)
    return build_model(spec, load_encoder_weights=weights != "random"), spec, None


def run_training(
    model: nn.Module,
    spec: ModelSpec,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    settings: TrainSettings,
    *,
    seed: int,
    checkpoint: Path,
    run_file: Path,
    recording: Recording,
    start_sha256: str | None = None,
    score_training_images: bool = False,
    finished: list[Path] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    run_id: str | None = None,
) -> TrainingResult:
    """Train, write the checkpoint, and record everything in one MLflow run.

    A training that was killed goes on where it stopped, in the same run; one that is done already, among several of
    which a later one was killed, is only written out again.

    Args:
        model, spec, train_items, val_items, settings, seed: see :func:`somanet.segmentation.training.train`.
        checkpoint: folder to write.
        run_file: JSON to write with the run's id.
        recording: where to record.
        start_sha256: weights the training began with, if not random.
        score_training_images: whether the result has the IoU of the training images as they are.
        finished: of :func:`several_trainings`, which keeps what is done until all is.
        on_epoch: called after every recorded epoch; :class:`somanet.mlops.StoppedEarly` from it ends the run well.
        run_id: the run to go on in where no saved state names one: this training was cut in its first epoch.
    """
    from somanet.segmentation.training import train, training_key

    key = training_key(model, spec, train_items, val_items, settings, seed=seed)
    state_file = make_folder(recording.root / "mlruns" / "resume") / f"{key}.pt"
    if not is_main_process():
        return train(model, spec, train_items, val_items, settings, seed=seed, state_file=state_file, progress=False)
    resumed_run = state_file.with_suffix(".json")
    params = {
        "model": spec.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
        "seed": seed,
    }
    tags = {**recording.tags, "start_weights_sha256": start_sha256 or "random", TRAINING: key}
    done_run = state_file.with_suffix(".done.json")

    def finish(result: TrainingResult) -> tuple[TrainingResult, str]:
        """The result with what was asked for, and the SHA-256 of the checkpoint that is written."""
        if score_training_images:
            result = _with_training_images(result, spec, train_items, settings)
        return result, _save_result(result, spec, settings, seed, checkpoint, start_sha256)

    if done_run.exists() and state_file.exists():
        result, _ = finish(train(model, spec, train_items, val_items, settings, seed=seed, state_file=state_file))
        say(f"{recording.name}: trained already, before another training was interrupted")
        write_text(run_file, done_run.read_text(encoding="utf-8"))
        if finished is not None:
            finished.append(state_file)
        return result
    if not state_file.exists():  # deleted, or the end of a process that was killed while it cleared up
        done_run.unlink(missing_ok=True)
    resuming = None if resumed_run.exists() and state_file.exists() else run_id
    resuming = resuming or interrupted_run(
        key,
        note=resumed_run,
        has_state=state_file.exists(),
        experiment=recording.experiment,
        name=recording.name,
        root=recording.root,
    )
    with track_run(
        recording.name,
        experiment=recording.experiment,
        root=recording.root,
        params=params,
        tags=tags,
        datasets=recording.datasets,
        run_id=resuming,
    ) as run:
        write_run_file(resumed_run, run)
        for path in (state_file, checkpoint):  # only now is it certain that no other process writes them
            remove_leftovers(path)
        if state_file.exists():
            _report_saved_epochs(state_file, run, lambda epoch: _report(epoch, settings, run, on_epoch))
        say(f"{recording.name}: {len(train_items)} training and {len(val_items)} validation images, seed {seed}")
        result = train(
            model,
            spec,
            train_items,
            val_items,
            settings,
            seed=seed,
            state_file=state_file,
            on_epoch=lambda epoch: _report(epoch, settings, run, on_epoch),
        )
        say(
            f"{recording.name}: best epoch {result.best_epoch}, validation IoU {result.best_val_iou:.3f}; trained "
            f"{result.trainable_parameters:,} parameters in {', '.join(result.trainable_blocks[:4])}"
            f"{', …' if len(result.trainable_blocks) > 4 else ''}"
        )
        result, digest = finish(result)
        run.log_epochs(map(_numbers, result.history))  # those that a kill, or a full disk, kept from being recorded
        run.set_tags({"weights_sha256": digest, "trainable_blocks": ", ".join(result.trainable_blocks)})
        run.log_metrics(
            {
                "best_val_iou": result.best_val_iou,
                "best_epoch": result.best_epoch,
                "trainable_parameters": result.trainable_parameters,
                "parameters": sum(p.numel() for p in result.model.parameters()),
                "train_seconds": result.seconds,
                **({"train_images_iou": result.train_images_iou} if score_training_images else {}),
            }
        )
        history = history_table(result)
        run.log_table(history, "history.csv")
        from somanet import plots

        run.log_figure(plots.curves(history), "curves.png")
        run.log_model(ServedModel(checkpoint, SERVING_CODE, spec.in_channels, len(spec.outputs)))
        write_run_file(run_file, run)
    if finished is None:
        _forget(state_file)
    else:
        write_text(done_run, run_file.read_text(encoding="utf-8"))
        finished.append(state_file)
    return result


@contextmanager
def several_trainings() -> Iterator[list[Path]]:
    """Give to each :func:`run_training` of a stage: if one is killed, those before it need not run again.

    DVC deletes a stage's outputs before it runs, so a finished training's state is kept until the block ends well.
    """
    finished: list[Path] = []
    yield finished
    for state_file in finished:
        _forget(state_file)


def _forget(state_file: Path) -> None:
    # In this order: what says that a training is done must not outlive its state, nor the state the note of its run.
    for path in (state_file.with_suffix(".done.json"), state_file, state_file.with_suffix(".json")):
        path.unlink(missing_ok=True)


def _with_training_images(
    result: TrainingResult, spec: ModelSpec, items: Sequence[LabelledImage], settings: TrainSettings
) -> TrainingResult:
    from somanet.segmentation.losses import make_loss
    from somanet.segmentation.training import validate

    _, iou = validate(result.model, spec, items, make_loss(settings.loss))
    return replace(result, train_images_iou=iou)


def _save_result(
    result: TrainingResult,
    spec: ModelSpec,
    settings: TrainSettings,
    seed: int,
    checkpoint: Path,
    start_sha256: str | None,
) -> str:
    """Write the checkpoint; gives its weights' SHA-256."""
    from somanet.segmentation.checkpoint import save_checkpoint

    metadata = {
        "training": {**settings.model_dump(mode="json"), "seed": seed},
        "start_weights_sha256": start_sha256,
        "trainable_blocks": list(result.trainable_blocks),
        "trainable_parameters": result.trainable_parameters,
        "best_epoch": result.best_epoch,
        "best_val_iou": round(result.best_val_iou, 6),
    }
    return save_checkpoint(checkpoint, result.model, spec, metadata)


def forget_trainings(root: Path, run_ids: Collection[str]) -> None:
    """Remove the saved state of these runs' trainings: they will not go on."""
    from somanet.errors import SomaNetError

    for file in (root / "mlruns" / "resume").glob("*.json"):
        try:
            run_id = run_id_from(file)
        except SomaNetError:  # another training, beside this process, has just cleared its own up
            continue
        if run_id in run_ids:
            _forget(file.with_name(f"{file.name.partition('.')[0]}.pt"))


def _report_saved_epochs(state_file: Path, run: TrackedRun, report: Callable[[Epoch], None]) -> None:
    """A kill between saving an epoch and recording it must not lose the record; a second one changes nothing."""
    import torch

    from somanet.segmentation.training import Epoch

    try:
        rows = torch.load(state_file, map_location="cpu", weights_only=True)["history"]
    except Exception:  # the training that reads the state next says what is wrong with it
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
    val = f", validation loss {row['val_loss']:.4f}, IoU {row['val_iou']:.3f}" if "val_iou" in row else ""
    say(f"  epoch {number}/{settings.epochs}: loss {row['train_loss']:.4f}, IoU {row['train_iou']:.3f}{val}")
    if then is not None:
        then(epoch)


def say(line: str) -> None:
    """A line of progress that does not tear a progress bar."""
    from tqdm import tqdm

    tqdm.write(line)


def history_table(result: TrainingResult) -> pd.DataFrame:
    """One row per epoch."""
    return pd.DataFrame([epoch.as_dict() for epoch in result.history])


@dataclass(frozen=True)
class Evaluation:
    """Scores of one checkpoint on one data set, with every object and without those the image's edge cuts.

    ``mpx_per_s``: megapixels labelled per second on this machine, beside the work that it happened to have.
    """

    everything: Scores
    interior: Scores
    figure: Any
    mpx_per_s: float


def evaluate_checkpoint(
    checkpoint: Path, items: Sequence[LabelledImage], *, thresholds: Sequence[float], panel_images: int
) -> Evaluation:
    """Predict every image with a checkpoint and score the labels; the figure shows the first images."""
    import time

    from tqdm import tqdm

    from somanet import plots
    from somanet.evaluation.scores import score_dataset
    from somanet.segmentation.checkpoint import load_checkpoint
    from somanet.segmentation.prediction import predict_labels

    loaded = load_checkpoint(checkpoint)
    predict_labels(loaded.model, items[0].image, loaded.spec)  # the first call prepares kernels: not timed
    began = time.perf_counter()
    predicted = [
        predict_labels(loaded.model, item.image, loaded.spec)
        for item in tqdm(items, desc="predicting", unit="image", disable=None)
    ]
    mpx_per_s = sum(item.labels.size for item in items) / 1e6 / (time.perf_counter() - began)
    pairs = [(item.name, item.labels, labels) for item, labels in zip(items, predicted, strict=True)]
    examples = [
        (item.name, item.image, item.labels, labels)
        for item, labels in list(zip(items, predicted, strict=True))[:panel_images]
    ]
    return Evaluation(
        everything=score_dataset(pairs, thresholds=thresholds, seed=EVALUATION_SEED),
        interior=score_dataset(pairs, thresholds=thresholds, ignore_edge=True, seed=EVALUATION_SEED),
        figure=plots.panels(examples),
        mpx_per_s=mpx_per_s,
    )


def predict_all(checkpoint: Path, items: Sequence[LabelledImage]) -> list[NDArray[np.int32]]:
    """The label image of every item by one checkpoint."""
    from somanet.segmentation.checkpoint import load_checkpoint
    from somanet.segmentation.prediction import predict_labels

    loaded = load_checkpoint(checkpoint)
    return [predict_labels(loaded.model, item.image, loaded.spec) for item in items]


def write_evaluation(evaluations: Mapping[int, Evaluation], output: Path, *, title: str) -> dict[str, Any]:
    """Write `metrics.json`, `per_image.csv` and `panels.png` of one network's seeds on one data set.

    Returns:
        What `metrics.json` holds: means over seeds, spread and intervals, for all objects and (`interior`) without
        those the edge cuts; `seeds` has every seed's main scores.
    """
    from somanet.evaluation.scores import MAIN_SCORES, average_seeds

    make_folder(output)
    metrics = {
        **average_seeds([e.everything for e in evaluations.values()], seed=EVALUATION_SEED).as_dict(),
        "interior": average_seeds([e.interior for e in evaluations.values()], seed=EVALUATION_SEED).as_dict(),
        "seeds": {
            str(seed): {name: evaluation.everything.values[name] for name in MAIN_SCORES}
            for seed, evaluation in evaluations.items()
        },
        "inference_mpx_per_s": round(sum(e.mpx_per_s for e in evaluations.values()) / len(evaluations), 2),
    }
    tables = [evaluation.everything.per_image.assign(seed=seed) for seed, evaluation in evaluations.items()]
    write_json(output / "metrics.json", metrics)
    write_table(output / "per_image.csv", pd.concat(tables, ignore_index=True))
    figure = next(iter(evaluations.values())).figure
    figure.suptitle(f"{title}, seed {next(iter(evaluations))}")
    save_figure(figure, output / "panels.png")
    return metrics


def record_evaluation(run_file: Path, evaluation: Evaluation, *, prefix: str, recording: Recording) -> None:
    """Add scores, the per-image table and the panels to the run that trained the checkpoint.

    Where this store does not have that run (the checkpoint came from a cache or a remote), a new run of the
    experiment `evaluate` refers to it by the tag `trained_by`.
    """
    from somanet.errors import SomaNetError
    from somanet.mlops import read_run

    trained_by = run_id_from(run_file)
    try:
        run_id: str | None = read_run(trained_by, root=recording.root).run_id
        experiment, tags = recording.experiment, dict(recording.tags)
    except SomaNetError:
        run_id, experiment, tags = None, "evaluate", {**recording.tags, "trained_by": trained_by}
    with track_run(
        recording.name,
        experiment=experiment,
        root=recording.root,
        tags=tags,
        datasets=recording.datasets,
        run_id=run_id,
        system_metrics=False,
    ) as run:
        values = evaluation.everything.values
        run.log_metrics({f"{prefix}_{name}": value for name, value in values.items() if value == value})
        run.log_metrics({"inference_mpx_per_s": evaluation.mpx_per_s})
        inside = evaluation.interior.values
        run.log_metrics(
            {f"{prefix}_interior_{k}": inside[k] for k in ("iou", "precision", "accuracy") if inside[k] == inside[k]}
        )
        run.log_table(evaluation.everything.per_image, f"{prefix}_per_image.csv")
        run.log_figure(evaluation.figure, f"{prefix}_panels.png")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG, atomically; equal figures give equal bytes."""
    from somanet.files import atomic_path

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def read_json(path: Path) -> Any:
    """A JSON file written by a stage before."""
    from somanet.errors import SomaNetError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SomaNetError(f"{path} not found. Has the stage that writes it run? `dvc repro` runs it.") from error
    except ValueError as error:
        raise SomaNetError(f"{path} is not JSON ({error}). `dvc repro` rebuilds it.") from error


def load_items(path: Path, *, split: Path | None = None, part: str = "train") -> list[LabelledImage]:
    """The images of a packed data set, or of one part of its split."""
    from somanet.data.layouts import open_dataset
    from somanet.data.splits import read_split

    dataset = open_dataset(path)
    names = dataset.names if split is None else read_split(split, names=dataset.names).get(part, ())
    return [dataset.load(name) for name in names]


def dataset_ref(path: Path, context: str, items: Sequence[LabelledImage]) -> DatasetRef:
    """A data set for MLflow, with the hash that DVC knows it by."""
    n_objects = int(sum(len(set(item.labels.flat)) - (0 in item.labels) for item in items))
    return DatasetRef(path.name, path.resolve(), context=context, n_images=len(items), profile={"n_objects": n_objects})


def write_training(folder: Path, results: Mapping[int, TrainingResult]) -> None:
    """Write `history.csv` (one row per seed and epoch), `training.json` and `curves.png` of a stage's trainings."""
    from somanet import plots

    tables = [history_table(result).assign(seed=seed) for seed, result in results.items()]
    history = pd.concat(tables, ignore_index=True)
    write_table(folder / "history.csv", history)
    first = next(iter(results.values()))
    train_ious = {str(seed): result.train_images_iou for seed, result in results.items()}
    write_json(
        folder / "training.json",
        {
            "trainable_blocks": list(first.trainable_blocks),
            "trainable_parameters": first.trainable_parameters,
            "best_epochs": {str(seed): result.best_epoch for seed, result in results.items()},
            "seconds_per_seed": round(sum(r.seconds for r in results.values()) / len(results), 1),
            **({"train_images_iou": train_ious} if all(iou == iou for iou in train_ious.values()) else {}),
        },
    )
    save_figure(plots.curves(history), folder / "curves.png")


def stage(main: Callable[..., None], *arguments: str) -> None:
    """Run a pipeline stage: a problem the user can mend is one line on stderr and exit status 1."""
    import sys

    from somanet.errors import SomaNetError

    try:
        main(*arguments)
    except SomaNetError as error:
        sys.exit(f"error: {error}")
