"""`somanet train` and `somanet finetune`."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.cli.options import PARAMETER_FILE, Binary, OnlyClass, ParameterFile, set_option, with_options
from somanet.core.errors import SomaNetError
from somanet.core.guard import check_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from somanet.io.datasets.layouts import LabelledImage

    LabelledSet = tuple[Path, list[LabelledImage]]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options shared by `train` and `finetune`."""

    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Labelled images, one or more sets: Kaggle layout (folder or zip) or image and label pairs.",
        ),
    ]
    output: Annotated[Path, typer.Option(help="Checkpoint folder to write.")]
    val: Annotated[
        Path | None, typer.Option(help="Validation images; default: --split, or a random fifth of DATA.")
    ] = None
    split: Annotated[Path | None, typer.Option(help="CSV image_id,split with train and val.")] = None
    params: ParameterFile = PARAMETER_FILE
    assignments: Annotated[list[str] | None, set_option("training.epochs=3, model.encoder=resnet18")] = None
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Unlabelled images to train on as well: a movie, or a folder of images."),
    ] = None
    unlabelled_frames: Annotated[int, typer.Option(min=1, help="Number of frames of that movie, evenly spaced.")] = 32
    unlabelled_columns: Annotated[
        str | None,
        typer.Option(metavar="FIRST:END", help="Use only columns (px) in this range, such as 0:440."),
    ] = None
    unlabelled_channel: Annotated[str | None, typer.Option(help="Channel of that movie, if it has several.")] = None
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weights on a CPU.")] = 0
    binary: Binary = None
    only_class: OnlyClass = None
    experiment: Annotated[str | None, typer.Option(help="MLflow experiment; default: the command's name.")] = None

    def labelled(self) -> tuple[list[LabelledSet], list[LabelledSet]]:
        """The training and the validation images."""
        binary, only_class = self.binary, self.only_class
        return _sets(self.data, self.val, self.split, self.seed, binary=binary, only_class=only_class)

    def reading(self) -> dict[str, Any]:
        """How labels were read, as parameters of the run: of --binary and --class those that were given."""
        given = {"binary": self.binary, "class": self.only_class}
        return {name: value for name, value in given.items() if value is not None}

    def without_labels(self) -> _Unlabelled:
        """The unlabelled images."""
        return _Unlabelled(self.unlabelled, self.unlabelled_frames, self.unlabelled_columns, self.unlabelled_channel)


@with_options(TrainingOptions)
def train(
    options: TrainingOptions,
    *,
    network: Annotated[str | None, typer.Option(help="A network in params.yaml's `pretrain` section.")] = None,
) -> None:
    """Train a network on labelled images. Without --network: the paper's U-Net and default settings."""
    from somanet.core.settings import override, parse
    from somanet.training.loop.start import start_network
    from somanet.training.settings import PretrainParams

    others = options.without_labels()
    values = _section(options.params, "pretrain", network) if network else {"model": {}, "training": {}}
    values = others.in_settings(override(values, options.assignments or ()))
    chosen = parse(PretrainParams, values, source="settings")
    model, spec, _ = start_network(chosen.model, seed=options.seed)
    check_write(options.output)
    images = _Images(*options.labelled(), others)
    _run(model, spec, chosen.training, images, options, (options.experiment or "train", network or spec.architecture))


@with_options(TrainingOptions)
def finetune(
    options: TrainingOptions,
    *,
    start: Annotated[str, typer.Option(help="Network to start from: folder, run id, alias (champion) or URI.")],
    variant: Annotated[str | None, typer.Option(help="A variant in params.yaml's `finetune` section.")] = None,
    blocks: Annotated[
        str | None, typer.Option(help="Number of blocks to train, counted from the output, or 'all'.")
    ] = None,
) -> None:
    """Fine-tune a network's last blocks, or all of it, on other labelled images."""
    from somanet.core.settings import override, parse
    from somanet.training.loop.selection import choose_images
    from somanet.training.loop.start import start_network
    from somanet.training.settings import FinetuneParams

    others = options.without_labels()
    defaults: dict[str, Any] = {"start": "checkpoint", "weights": "pretrained", "training": {"trainable_blocks": 3}}
    values = _section(options.params, "finetune", variant) if variant else defaults
    extra = [f"training.trainable_blocks={blocks}"] if blocks is not None else []
    values = others.in_settings(override(values, [*(options.assignments or ()), *extra]))
    chosen = parse(FinetuneParams, values, source="settings")
    from somanet.analysis.network import network_folder
    from somanet.segmentation.network.settings import ModelSpec
    from somanet.training.experiments import origin_of

    seed = options.seed
    checkpoint = network_folder(start)
    model, spec, sha256 = start_network(ModelSpec(), seed=seed, checkpoint=checkpoint, weights=chosen.weights)
    check_write(options.output)
    training, validation = options.labelled()
    if chosen.images is not None:
        if len(training) > 1:
            raise SomaNetError(
                f"`images` limits the images of one training set, found {len(training)} sets. Leave it out."
            )
        [(path, items)] = training
        training = [(path, choose_images(items, chosen.images, drawn=chosen.images_drawn, seed=seed))]
    images = _Images(training, validation, others)
    named = (options.experiment or "finetune", variant or options.output.name)
    about = {**origin_of(chosen), "start": Path(start).name}
    from somanet.segmentation.network.checkpoint import read_config

    known = read_config(checkpoint).get("trained_on", ()) if sha256 is not None else ()
    _run(
        model,
        chosen.adapt(spec),
        chosen.training,
        images,
        options,
        named,
        start_sha256=sha256,
        about=about,
        trained_before=known,
    )


@dataclass(frozen=True)
class _Unlabelled:
    """The options for unlabelled images."""

    path: Path | None
    n_frames: int
    columns: str | None
    channel: str | None

    def __post_init__(self) -> None:
        if self.path is None and (self.columns or self.channel):
            raise SomaNetError("--unlabelled-columns and --unlabelled-channel need --unlabelled: give it as well.")
        if self.columns and not re.fullmatch(r"\d+:\d+", self.columns):
            raise SomaNetError(f"--unlabelled-columns {self.columns}: expected FIRST:END in pixels, such as 0:440.")

    def in_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings, with a default section `unlabelled` if such images are named and it is missing."""
        from somanet.core.settings import with_setting

        if self.path is None or (values.get("training") or {}).get("unlabelled"):
            return dict(values)
        return with_setting(values, "training.unlabelled", {})

    def read(self) -> list[NDArray[Any]]:
        """The images; none if none were named."""
        from somanet.training.loop.selection import unlabelled_images

        if self.path is None:
            return []
        first, _, end = (self.columns or "").partition(":")
        columns = (int(first), int(end)) if self.columns else None
        return unlabelled_images(self.path, n_frames=self.n_frames, columns=columns, channel=self.channel)


@dataclass(frozen=True)
class _Images:
    """The inputs of a training."""

    training: list[LabelledSet]
    validation: list[LabelledSet]
    unlabelled: _Unlabelled


def _run(
    model: Any,
    spec: Any,
    settings: Any,
    images: _Images,
    options: TrainingOptions,
    experiment_and_name: tuple[str, str],
    *,
    start_sha256: str | None = None,
    about: Mapping[str, Any] | None = None,
    trained_before: Iterable[Mapping[str, Any]] = (),
) -> None:
    from somanet.core.files import atomic_path
    from somanet.provenance.mlflow import DatasetRef
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
    from somanet.training.loop.task import TrainingTask

    references = [dataset_ref(path, "training", items) for path, items in images.training]
    references += [dataset_ref(path, "validation", items) for path, items in images.validation]
    train_items, val_items = ([i for _, items in sets for i in items] for sets in (images.training, images.validation))
    unlabelled, source = images.unlabelled.read(), images.unlabelled.path
    if source is not None:
        references.append(DatasetRef(source.name, source.resolve(), context="unlabelled", n_images=len(unlabelled)))
    output, seed = options.output, options.seed
    place = output.parent / f"{output.name}_report"
    with several_trainings(at_exit=True) as trainings, contextlib.ExitStack() as stack:
        report = stack.enter_context(atomic_path(place)) if is_main_process() else place
        result = run_training(
            TrainingTask(model, spec, train_items, val_items, settings, seed=seed, unlabelled=unlabelled),
            checkpoint=output,
            run_file=report / "mlflow_run.json",
            recording=Recording.here(*experiment_and_name, references, about={**(about or {}), **options.reading()}),
            start_sha256=start_sha256,
            trained_on=combined(trained_before, (describe_set(path.name, items) for path, items in images.training)),
            trainings=trainings,
        )
        if not is_main_process():
            return
        write_training(report, {seed: result}, {seed: output})
    typer.echo(
        f"Written: {output} (network), {output}_report/ (curves, history, MLflow run)\n"
        f"Next: somanet predict IMAGES --model {output} --output labels"
    )


def _section(params: Path, section: Literal["pretrain", "finetune"], name: str) -> dict[str, Any]:
    from somanet.core.settings import read_yaml

    named = read_yaml(params).get(section, {})
    if name not in named:
        raise SomaNetError(f"{params} has no {section}.{name}; it has {', '.join(sorted(named))}.")
    return dict(named[name])


def _sets(
    data: list[Path], val: Path | None, split: Path | None, seed: int, *, binary: bool | None, only_class: str | None
) -> tuple[list[LabelledSet], list[LabelledSet]]:
    """Training and validation images of each set: all of them and another set's, or a split of each."""
    from somanet.io.datasets.layouts import notes_on_labels, open_dataset
    from somanet.io.datasets.splits import describe_left_out, make_split, read_split

    if val is not None and split is not None:
        raise SomaNetError("Give --val or --split, not both: each defines the validation images.")
    if split is not None and len(data) > 1:
        raise SomaNetError(f"--split applies to one data set, found {len(data)}. Give --val, or neither.")
    sets = [(path, open_dataset(path, binary=binary, only_class=only_class)) for path in data]
    training: list[LabelledSet] = []
    validation: list[LabelledSet] = []
    if val is not None:
        training = [(path, list(dataset)) for path, dataset in sets]
        validation = [(val, list(open_dataset(val, binary=binary, only_class=only_class)))]
    else:
        for path, dataset in sets:
            names = dataset.names
            fractions = {"train": 0.8, "val": 0.2}
            parts = read_split(split, names=names) if split else make_split(names, fractions=fractions, seed=seed)
            for note in describe_left_out(split, parts, names) if split else ():
                typer.echo(f"note: {note}", err=True)
            training.append((path, [dataset.load(name) for name in parts.get("train", ())]))
            validation.append((path, [dataset.load(name) for name in parts.get("val", ())]))
    for note in notes_on_labels([item for _, items in (*training, *validation) for item in items]):
        typer.echo(f"note: {note}", err=True)
    return training, validation
