"""Fine-tune a network on a lab's crops and compare it with its start on crops that neither was trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from somanet.core.files import atomic_path
from somanet.core.guard import check_write
from somanet.provenance.mlflow import DatasetRef, run_id_from, track_run, training_of
from somanet.training.experiments import (
    Recording,
    combined,
    dataset_ref,
    describe_set,
    is_main_process,
    run_training,
    several_trainings,
    write_training,
)
from somanet.training.finetuning.comparing import Compared, compare_with_start
from somanet.training.finetuning.crops import SECTION, Parts, check_apart, with_earlier
from somanet.training.finetuning.progress import Cancelled, Progress
from somanet.training.finetuning.report import PICTURE, write_comparison
from somanet.training.finetuning.sections import Sections, sections_after
from somanet.training.finetuning.verdict import SCORE, Verdict
from somanet.training.settings import FinetuneParams

if TYPE_CHECKING:
    from somanet.training.loop.training import Epoch, TrainingResult

STARTED_FROM = "started_from"
"""Section of a fine-tuned checkpoint's configuration: the network that it started from."""


@dataclass(frozen=True)
class Start:
    """The network to start from.

    Attributes:
        folder: its checkpoint.
        name: as the user named it, such as `bundled`.
    """

    folder: Path
    name: str


@dataclass(frozen=True)
class Finetuned:
    """A fine-tuned network.

    Attributes:
        checkpoint: its folder.
        report: folder with `comparison.json`, `before_after.png`, `test_per_image.csv`, curves, and the run's id.
        verdict: whether it is better than its start; None without a test part.
        sections: section of the starting network's configuration → what became of it, see
            :func:`somanet.training.finetuning.sections.sections_after`.
        run_id: its MLflow run.
        notes: what the comparison does not show, as lines for the user.
    """

    checkpoint: Path
    report: Path
    verdict: Verdict | None
    sections: Mapping[str, str]
    run_id: str
    notes: tuple[str, ...]


class _Stop(KeyboardInterrupt):
    """Raised in the training, whose run then counts as killed and can be resumed."""


def finetune_network(
    start: Start,
    parts: Parts,
    settings: FinetuneParams,
    *,
    output: Path,
    seed: int = 0,
    name: str | None = None,
    experiment: str = "finetune",
    root: Path | None = None,
    unlabelled: Sequence[NDArray[Any]] = (),
    further_data: Sequence[DatasetRef] = (),
    about: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Finetuned | None:
    """Fine-tune a network, write it with a report, and record both in one MLflow run.

    It may run in a thread of a program with windows: it prints progress, but needs no terminal, and asks `cancelled`
    after every epoch and every compared crop. Nothing is written to `output` before the comparison is done. The network
    that it starts from is never changed.

    Args:
        start: the network to start from.
        parts: the crops, see :func:`somanet.training.finetuning.crops.divide`. Without a test part nothing is compared.
        settings: of the training.
        output: checkpoint folder to write; the report is `OUTPUT_report` beside it.
        seed: the same gives the same weights on a CPU.
        name: of the run; by default that of the output.
        experiment: the MLflow experiment.
        root: the project whose `mlruns/` records it; by default that around the working folder.
        unlabelled: further images for the training.
        further_data: data sets to record beside the crops.
        about: further parameters of the run.
        on_progress: called after every epoch and every compared crop, in this thread.
        cancelled: whether the user has cancelled.

    Returns:
        The network, its report and the verdict; None in all but the first of several processes (`torchrun`).

    Raises:
        Cancelled: the user has cancelled.
        SomaNetError: test images are among the others, the start cannot be read, the output cannot be written, or see
            :func:`somanet.training.experiments.run_training`.
    """
    from somanet.segmentation.network.checkpoint import load_checkpoint, read_config
    from somanet.segmentation.network.settings import ModelSpec
    from somanet.training.loop.start import start_network
    from somanet.training.loop.task import TrainingTask

    check_apart(parts)
    check_write(output)
    beginning = load_checkpoint(start.folder)
    model, spec, sha256 = start_network(ModelSpec(), seed=seed, checkpoint=start.folder, weights=settings.weights)
    adapted = settings.adapt(spec)
    before = read_config(start.folder) if sha256 is not None else {}
    train, val = ([crop.item for crop in part] for part in (parts.train, parts.val))
    fresh = [crop.item for crop in parts.val if crop.digest not in set(parts.digests()["train"])]
    recording = Recording.here(
        experiment, name or output.name, _references(parts, further_data), about={**(about or {}), "start": start.name}
    )
    recording = recording if root is None else replace(recording, root=root)
    run_of_start = None
    if sha256 is not None:
        run_of_start = training_of(sha256, root=recording.root) or before.get("mlflow_run")
        recording = replace(
            recording, tags={**recording.tags, "start": start.name, "start_run": run_of_start or "none"}
        )
    done: list[tuple[Sections, Compared | None]] = []

    def sections(result: TrainingResult) -> Mapping[str, Any]:
        """Of the trained network, before it is written; the comparison is among them."""
        if sha256 is None:
            done[:] = [(Sections({}, {}), None)]
            return {SECTION: parts.digests()}
        found = sections_after(beginning, result.model, adapted, train, fresh)
        tuned = found.checkpoint(result.model, adapted)
        compared = compare_with_start(tuned, beginning, parts, start_name=start.name, tell=tell) if parts.test else None
        done[:] = [(found, compared)]
        origin = {
            "network": start.name,
            "weights_sha256": sha256,
            "mlflow_run": run_of_start,
            "sections": dict(found.said),
            "comparison": None if compared is None else compared.verdict.as_dict(),
        }
        return {**found.config, STARTED_FROM: origin, SECTION: with_earlier(parts.digests(), before.get(SECTION))}

    def after(epoch: Epoch) -> None:
        iou = f": validation IoU {epoch.val_iou:.3f}" if epoch.val_iou == epoch.val_iou else ""
        n = settings.training.epochs
        tell(Progress("training", epoch.epoch, n, f"epoch {epoch.epoch} of {n}{iou}"))

    def tell(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(progress)
        if cancelled is not None and cancelled():
            raise _Stop

    place = output.parent / f"{output.name}_report"
    known = before.get("trained_on", ())
    try:
        with several_trainings(at_exit=on_progress is None) as trainings, contextlib.ExitStack() as stack:
            report = stack.enter_context(atomic_path(place)) if is_main_process() else place
            run_file = report / "mlflow_run.json"
            result = run_training(
                TrainingTask(model, adapted, train, val, settings.training, seed=seed, unlabelled=unlabelled),
                checkpoint=output,
                run_file=run_file,
                recording=recording,
                start_sha256=sha256,
                trained_on=combined(known, (describe_set(path.name, items) for path, items in parts.of("train"))),
                trainings=trainings,
                on_epoch=after,
                sections=sections,
            )
            if not is_main_process():
                return None
            write_training(report, {seed: result}, {seed: output})
            run_id = run_id_from(run_file)
            [(found, compared)] = done
            if compared is not None:
                write_comparison(report, compared, start.name)
                _record(compared, report, run_id, recording)
    except _Stop:
        raise Cancelled from None
    verdict, notes = None if compared is None else compared.verdict, parts.notes or parts.units.notes
    return Finetuned(output, place, verdict, found.said, run_id, notes)


def _references(parts: Parts, further: Sequence[DatasetRef]) -> list[DatasetRef]:
    uses: dict[Literal["train", "val", "test"], str] = {"train": "training", "val": "validation", "test": "test"}
    return [*(dataset_ref(path, use, items) for part, use in uses.items() for path, items in parts.of(part)), *further]


def _record(compared: Compared, report: Path, run_id: str, recording: Recording) -> None:
    """Add the comparison to the run of the training."""
    verdict = compared.verdict
    scores = {
        f"test_{name}{suffix}": value
        for name, one in verdict.differences.items()
        for suffix, value in (("", one.score), ("_of_start", one.reference_score), ("_difference", one.value))
    }
    bounds = {"low": verdict.difference.low, "high": verdict.difference.high, "p": verdict.difference.p}
    scores |= {f"test_{SCORE}_difference_{name}": value for name, value in bounds.items()}
    tags = {"compared_with_start": verdict.outcome, "compared_with_start_sentence": verdict.sentence}
    with track_run(
        recording.name,
        experiment=recording.experiment,
        root=recording.root,
        tags=tags,
        run_id=run_id,
        system_metrics=False,
    ) as run:
        run.log_metrics({name: value for name, value in scores.items() if value == value}, of_model=True)
        run.log_table(compared.per_image, "test_per_image.csv")
        run.log_figure(report / PICTURE, PICTURE)
