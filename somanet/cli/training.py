"""`somanet train` and `somanet finetune`."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.cli.options import PARAMETER_FILE, Binary, OnlyClass, ParameterFile, set_option, with_options
from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from somanet.io.datasets.layouts import LabelledImage
    from somanet.provenance.mlflow import DatasetRef
    from somanet.training.finetuning import Parts
    from somanet.training.settings import FinetuneParams

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
    from somanet.core.files import check_outputs
    from somanet.core.settings import override, parse
    from somanet.training.loop.start import start_network
    from somanet.training.settings import PretrainParams

    others = options.without_labels()
    values = _section(options.params, "pretrain", network) if network else {"model": {}, "training": {}}
    values = others.in_settings(override(values, options.assignments or ()))
    chosen = parse(PretrainParams, values, source="settings")
    model, spec, _ = start_network(chosen.model, seed=options.seed)
    check_outputs(options.output, _report_of(options.output))
    _keep_earlier(options.output)
    images = _Images(*options.labelled(), others)
    _run(model, spec, chosen.training, images, options, (options.experiment or "train", network or spec.architecture))


@with_options(TrainingOptions)
def finetune(
    options: TrainingOptions,
    *,
    start: Annotated[
        str, typer.Option(help="Network to start from: bundled, a folder, run id, alias (champion) or URI.")
    ],
    variant: Annotated[str | None, typer.Option(help="A variant in params.yaml's `finetune` section.")] = None,
    blocks: Annotated[
        str | None, typer.Option(help="Number of blocks to train, counted from the output, or 'all'.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Labelled images to compare with the start on, never trained on; default: --test-share."),
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share of DATA held out for that, by movie; 0: none. Default: a quarter."),
    ] = None,
) -> None:
    """Fine-tune a network's last blocks, or all of it, on other labelled images, and compare it with its start.

    The bundled network is trained as a whole, by a recipe for some crops of your own; others by default in their last
    three blocks.

    The comparison is on images that are never trained on, of other movies where these are known, and ends in one
    sentence: better, not better, worse, or too few to tell.
    """
    from somanet.analysis.network import BUNDLED_NAME, network_folder
    from somanet.core.files import check_outputs
    from somanet.core.settings import override, parse
    from somanet.segmentation.network.checkpoint import read_config
    from somanet.training.experiments import origin_of
    from somanet.training.finetuning import OWN_CROPS, Start, finetune_network
    from somanet.training.settings import FinetuneParams

    others = options.without_labels()
    defaults: dict[str, Any] = {"start": "checkpoint", "weights": "pretrained", "training": {"trainable_blocks": 3}}
    defaults = OWN_CROPS if start == BUNDLED_NAME else defaults
    values = _section(options.params, "finetune", variant) if variant else defaults
    extra = [f"training.trainable_blocks={blocks}"] if blocks is not None else []
    values = others.in_settings(override(values, [*(options.assignments or ()), *extra]))
    chosen = parse(FinetuneParams, values, source="settings")
    checkpoint = network_folder(start)
    check_outputs(options.output, _report_of(options.output))
    _keep_earlier(options.output)
    before = read_config(checkpoint).get("crops") if chosen.weights == "pretrained" else None
    parts = _limited(_parts(options, test, test_share, before), chosen, options)
    without_labels = others.read()
    done = finetune_network(
        Start(checkpoint, Path(start).name),
        parts,
        chosen,
        output=options.output,
        seed=options.seed,
        name=variant,
        experiment=options.experiment or "finetune",
        unlabelled=without_labels,
        further_data=others.references(len(without_labels)),
        about={**origin_of(chosen), **options.reading()},
    )
    if done is None:
        return
    for section, said in done.sections.items():
        typer.echo(f"{section}: {said}")
    if done.verdict is not None:
        for note in done.notes:
            typer.echo(f"note: {note}", err=True)
        typer.echo(f"Compared with {Path(start).name}: {done.verdict.sentence}")
    elif chosen.weights == "pretrained":
        typer.echo("note: not compared with its start, as no images were held out: name some with --test", err=True)
    held_out = "" if done.verdict is None else "comparison.json, before_after.png, "
    typer.echo(
        f"Written: {done.checkpoint} (network), {done.report}/ ({held_out}curves, history, MLflow run)\n"
        f"Next: {typed('predict', 'IMAGES', '--model', done.checkpoint, '--output', 'labels')}"
    )


def _parts(options: TrainingOptions, test: Path | None, test_share: float | None, before: Any) -> Parts:
    """The crops by part: as the user made them, or drawn by movie."""
    from somanet.io.datasets.layouts import notes_on_labels
    from somanet.io.datasets.splits import describe_left_out, read_split
    from somanet.training.finetuning import TEST_SHARE, Parts, divide, read_crops

    given = {"--val": options.val, "--split": options.split}
    if (made := [name for name, path in given.items() if path is not None]) and test_share:
        raise SomaNetError(f"With {made[0]} the parts are yours: give --test PATH instead of --test-share.")
    if test is not None and test_share:
        raise SomaNetError("Give --test or --test-share, not both: each defines the images to compare on.")
    if len(made) > 1:
        raise SomaNetError("Give --val or --split, not both: each defines the validation images.")
    if options.split is not None and len(options.data) > 1:
        raise SomaNetError(f"--split applies to one data set, found {len(options.data)}. Give --val, or neither.")
    reading: dict[str, Any] = {"binary": options.binary, "only_class": options.only_class}
    crops = read_crops(options.data, **reading)
    held_out = () if test is None else tuple(read_crops([test], **reading))
    if options.val is not None:
        parts = Parts(tuple(crops), tuple(read_crops([options.val], **reading)), held_out)
    elif options.split is not None:
        names = tuple(crop.item.name for crop in crops)
        split = read_split(options.split, names=names)
        for note in describe_left_out(options.split, split, names):
            typer.echo(f"note: {note}", err=True)
        train, val, own = (
            tuple(crop for crop in crops if crop.item.name in split.get(part, ())) for part in ("train", "val", "test")
        )
        parts = Parts(train, val, held_out or own)
    else:
        share = 0.0 if test is not None else TEST_SHARE if test_share is None else test_share
        parts = divide(crops, seed=options.seed, test_share=share, before=before)
        parts = parts if test is None else Parts(parts.train, parts.val, held_out, parts.notes)
    for note in notes_on_labels([crop.item for crop in (*parts.train, *parts.val, *parts.test)]):
        typer.echo(f"note: {note}", err=True)
    return parts


def _limited(parts: Parts, chosen: FinetuneParams, options: TrainingOptions) -> Parts:
    """The parts with as many training images as the settings name."""
    from somanet.training.loop.selection import choose_images

    if chosen.images is None:
        return parts
    if len(options.data) > 1:
        raise SomaNetError(
            f"`images` limits the images of one training set, found {len(options.data)} sets. Leave it out."
        )
    train = choose_images(parts.train, chosen.images, drawn=chosen.images_drawn, seed=options.seed)
    return replace(parts, train=tuple(train))


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

    def references(self, n_images: int) -> list[DatasetRef]:
        """Where they come from, for the run's record."""
        from somanet.provenance.mlflow import DatasetRef

        if self.path is None:
            return []
        return [DatasetRef(self.path.name, self.path.resolve(), context="unlabelled", n_images=n_images)]


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
) -> None:
    from somanet.core.files import atomic_path
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
    unlabelled = images.unlabelled.read()
    references += images.unlabelled.references(len(unlabelled))
    output, seed = options.output, options.seed
    place = _report_of(output)
    with several_trainings(at_exit=True) as trainings, contextlib.ExitStack() as stack:
        report = stack.enter_context(atomic_path(place)) if is_main_process() else place
        result = run_training(
            TrainingTask(model, spec, train_items, val_items, settings, seed=seed, unlabelled=unlabelled),
            checkpoint=output,
            run_file=report / "mlflow_run.json",
            recording=Recording.here(*experiment_and_name, references, about=options.reading()),
            trained_on=combined(describe_set(path.name, items) for path, items in images.training),
            trainings=trainings,
        )
        if not is_main_process():
            return
        write_training(report, {seed: result}, {seed: output})
    typer.echo(
        f"Written: {output} (network), {output}_report/ (curves, history, MLflow run)\n"
        f"Next: {typed('predict', 'IMAGES', '--model', output, '--output', 'labels')}"
    )


def _keep_earlier(output: Path) -> None:
    """Of hours of training nothing is lost where another network takes its place."""
    from somanet.provenance.code import project_root
    from somanet.training.experiments import is_main_process
    from somanet.training.experiments.earlier import keep_earlier

    if is_main_process() and (note := keep_earlier(output, root=project_root())):
        typer.echo(f"note: {note}", err=True)


def _report_of(output: Path) -> Path:
    """The folder beside a network for what tells of its training."""
    return output.parent / f"{output.name}_report"


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
