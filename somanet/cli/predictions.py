"""`somanet predict` and `somanet evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from somanet.cli.networks import open_for_files
from somanet.cli.options import (
    AllowTruncated,
    AnyModality,
    Axes,
    Binary,
    Channel,
    Device,
    Diameter,
    Engine,
    KeepHaze,
    Models,
    OnlyClass,
    Plane,
    Position,
    Rescale,
    Tta,
)
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from somanet.evaluation.scores import Scores
    from somanet.io.datasets.layouts import LabelledImage
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.training.experiments import Evaluation


def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="IMAGE_OR_FOLDER...", help="Images, movies, data sets.")],
    output: Annotated[Path, typer.Option(help="Folder for the label images.")],
    channel: Channel = None,
    z: Plane = None,
    axes: Axes = None,
    position: Position = None,
    allow_truncated: AllowTruncated = False,
    model: Models = None,
    diameter: Diameter = None,
    rescale: Rescale = None,
    keep_haze: KeepHaze = False,
    tta: Tta = 1,
    any_modality: AnyModality = False,
    engine: Engine = "auto",
    device: Device = "auto",
    pictures: Annotated[bool, typer.Option(help="Also write <name>.png with outlines drawn in.")] = False,
) -> None:
    """Segment the somas in images: OUTPUT/<name>.tif, 0 = background, one number per soma.

    OUTPUT/objects.csv has a row for each soma: size, position, contrast, and the network's confidence.
    """
    from tqdm import tqdm

    from somanet.core import plots
    from somanet.core.one_of_many import some_left_out
    from somanet.core.plots import save_figure
    from somanet.core.results import check_results
    from somanet.io.images import read_labels
    from somanet.segmentation.inference.input_files import Choice, all_readable, find_inputs, not_searched
    from somanet.segmentation.inference.label_files import LABELS, PICTURES, Failed, Labelled, goes_aside, predict_files
    from somanet.segmentation.inference.size_warnings import warnings_for

    found = find_inputs(inputs, Choice(channel, z, axes, position, allow_truncated))
    check_results(output, LABELS, aside=goes_aside(found, output))
    for note in not_searched(inputs, found):
        typer.echo(f"note: {note}", err=True)
    segmenter = open_for_files(
        model,
        [item for item in found if item.problem is None] or all_readable(found),
        images_at_once=True,
        engine=engine,
        device=device,
        tta=tta,
        rescale=rescale,
        diameter_px=diameter,
        keep_haze=keep_haze,
    )
    written = predict_files(segmenter, found, output, any_modality=any_modality)
    labelled: list[Labelled] = []
    failed: list[Failed] = []
    for one in tqdm(written, total=len(found), unit="image", disable=None):
        if isinstance(one, Failed):
            failed.append(one)
            place = f"input {1 + found.index(one.item)} of {len(found)}: {one.item.name}"
            tqdm.write(f"{place}: {'left out' if one.before else 'failed'}: {one.problem}")
            continue
        labelled.append(one)
        if pictures and one.item.read is not None:
            figure = plots.outlines(one.item.read(), read_labels(one.path))
            save_figure(figure, one.path.parent / PICTURES / f"{one.item.name}.png")
    total = sum(one.found.n_objects for one in labelled)
    for note in warnings_for([(one.item, one.found) for one in labelled], segmenter.intended_use):
        typer.echo(f"note: {note}", err=True)
    images = f"{counted(len(labelled), 'label image')} with {counted(total, 'soma')}"
    typer.echo(f"Written: {images} to {output}, objects.csv and predictions.json")
    if failed:
        problems = {one.item.name: one.problem for one in failed}
        again = "mend these or leave them out, and run the same command again"
        raise some_left_out(problems, len(found), what="input", done="segmented", next_step=again)
    again = typed("evaluate", "--predictions", output, "--truth", "FOLDER", "--output", "metrics.json")
    typer.echo(f"Next: {again}")


def evaluate(
    truth: Annotated[
        Path, typer.Option(help="Ground truth: labelled data set (Kaggle or pairs layout) or folder of label images.")
    ],
    output: Annotated[Path, typer.Option(help="JSON file to write.")],
    predictions: Annotated[Path | None, typer.Option(help="Folder of label images.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Or a network, to segment TRUTH's images first: folder, run id, alias (champion) or URI. Repeat for "
            "an ensemble."
        ),
    ] = None,
    device: Device = "auto",
    tta: Tta = 1,
    per_image: Annotated[Path | None, typer.Option(help="Also write one row per image as CSV.")] = None,
    panels: Annotated[
        Path | None, typer.Option(help="With --model: also draw input, ground truth, prediction, errors.")
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --model: also add the scores to its MLflow run, as NAME.")
    ] = None,
    ignore_edge: Annotated[bool, typer.Option(help="Leave out objects cut by the image's edge.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    binary: Binary = None,
    only_class: OnlyClass = None,
) -> None:
    """Score label images: IoU, precision, recall, F1, accuracy, AP, size bias, with 95 % intervals over images.

    The scores without edge-cut objects are always given, under `interior`; where TRUTH has ignored pixels (folder
    `ignore`), those without them, under `ignoring`.
    """
    from somanet.core.files import atomic_paths, check_outputs, write_json
    from somanet.core.hashing import sha256_tree
    from somanet.core.plots import save_figure
    from somanet.io.datasets.layouts import notes_on_labels, open_dataset
    from somanet.io.label_checks import describe_doubts
    from somanet.io.tables import write_table
    from somanet.segmentation.inference.ground_truth import read_ground_truth, read_predictions
    from somanet.training.experiments import evaluate_segmenter, score_both

    if (predictions is None) == (not model):
        raise SomaNetError("Give either --predictions FOLDER or --model FOLDER.")
    if panels is not None and not model:
        raise SomaNetError("--panels needs the images, which --predictions lacks: give --model.")
    if tta != 1 and not model:
        raise SomaNetError("--tta is test-time augmentation of a network: give --model.")
    if record is not None and (not model or len(model) > 1 or tta != 1):
        raise SomaNetError(
            "--record adds a network's own scores to the run that trained it: give one --model, without --tta."
        )
    check_outputs(output, per_image, panels)
    truth_sha256 = sha256_tree(truth)
    figure = None
    if model:
        from somanet.analysis.network import open_networks
        from somanet.evaluation.masks import THRESHOLDS

        opened = open_networks(model, engine="torch", device=device, tta=tta, rescale=1, keep_haze=True)
        run_id = _run_of(opened.folders[0], record) if record is not None else ""
        items = list(open_dataset(truth, binary=binary, only_class=only_class))
        notes = notes_on_labels(items)
        evaluation = evaluate_segmenter(opened.segmenter, items, thresholds=THRESHOLDS, panel_images=8)
        everything, interior, ignoring = evaluation.everything, evaluation.interior, evaluation.ignoring
        figure = evaluation.figure
        if record is not None:
            _record(run_id, evaluation, record, truth, items)
        source = _networks_scored(opened.segmenter)
    elif predictions is not None:
        source = _labels_scored(predictions)
        true = read_ground_truth(truth, binary=binary, only_class=only_class)
        predicted = read_predictions(predictions, true, binary=binary)
        notes = tuple(
            f"{of}: {note}"
            for of, found in ((truth, true), (predictions, predicted))
            for note in describe_doubts({name: one.doubts for name, one in found.items()})
        )
        pairs = [(name, one.labels, predicted[name].labels) for name, one in true.items()]
        everything, interior = score_both(pairs, seed=seed)
        ignored = {name: one.ignored for name, one in true.items() if one.ignored is not None}
        ignoring = score_both(pairs, ignored=ignored, seed=seed) if ignored else None
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    name_of_other = "everything" if ignore_edge else "interior"

    def chosen(both: tuple[Scores, Scores]) -> tuple[Scores, dict[str, Any]]:
        """The scores that are shown, and both for JSON."""
        scores, other = reversed(both) if ignore_edge else both
        return scores, {**scores.as_dict(), name_of_other: other.as_dict()}

    scores, written = chosen((everything, interior))
    if ignoring is not None:
        written["ignoring"] = chosen(ignoring)[1]
    sources = {**source, "truth": {"name": truth.name, "sha256": truth_sha256}}
    wanted = [path for path in (output, per_image, panels) if path is not None]
    with atomic_paths(*wanted) as temporary:
        places = dict(zip(wanted, temporary, strict=True))
        write_json(places[output], {**written, "provenance": sources})
        if per_image is not None:
            write_table(places[per_image], scores.per_image)
        if panels is not None:
            save_figure(figure, places[panels])
    if panels is not None:
        typer.echo(f"Written: {panels}")
    for name in ("iou", "precision", "recall", "accuracy", "mean_ap", "size_bias"):
        low, high = scores.intervals[name]
        beside = "" if ignoring is None else f"  without ignored pixels {chosen(ignoring)[0].values[name]:.3f}"
        typer.echo(f"{name:>10}  {scores.values[name]:.3f}  [{low:.3f}, {high:.3f}]{beside}")
    typer.echo(f"Written: {output} ({counted(len(scores.per_image), 'image')})")


def _networks_scored(segmenter: Segmenter) -> dict[str, Any]:
    """Provenance of the scores of networks."""
    from somanet import __version__
    from somanet.segmentation.inference.record import record_of

    record = record_of(segmenter)
    kept = ("model_sha256", "symmetries", "ensemble")
    return {"somanet": __version__} | {name: record[name] for name in kept if name in record}


def _labels_scored(folder: Path) -> dict[str, Any]:
    """Provenance of the scores of label images: the images, and the network if SomaNet made them."""
    from somanet import __version__
    from somanet.core.files import json_object
    from somanet.core.hashing import sha256_tree

    model_sha256 = json_object(folder / "predictions.json").get("model_sha256")  # None for another program's labels
    labels = {"name": folder.name, "sha256": sha256_tree(folder)}
    return {"somanet": __version__, "model_sha256": model_sha256, "predictions": labels}


def _run_of(checkpoint: Path, name: str) -> str:
    """The run to add scores to; looked up before the work, not after."""
    from somanet.core.names import check_name
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import training_of
    from somanet.segmentation.network.checkpoint import read_config

    check_name(name, "--record")
    weights = read_config(checkpoint)["weights"]["sha256"]
    run_id = training_of(weights, root=project_root(), required=True)
    if run_id is None:
        raise SomaNetError(
            f"No finished run here trained the weights {weights[:12]}… of {checkpoint.name}: there is no run to add "
            "the scores to. Leave --record out, or run in the project that trained it."
        )
    return run_id


def _record(run_id: str, evaluation: Evaluation, name: str, truth: Path, items: list[LabelledImage]) -> None:
    from somanet.training.experiments import Recording, dataset_ref, record_evaluation

    recording = Recording.here("evaluate", name, [dataset_ref(truth, f"test on {name}", items)])
    record_evaluation(Path(run_id), evaluation, items, on=name, recording=recording)
    typer.echo(f"Recorded: scores on {name} in run {run_id}")
