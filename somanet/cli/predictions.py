"""`somanet predict`, `somanet evaluate` and `somanet compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.errors import SomaNetError

Model = Annotated[Path, typer.Option("--model", help="Checkpoint folder, as train and finetune write it.")]


def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="IMAGE_OR_FOLDER...", help="Images, movies, data sets.")],
    model: Model,
    output: Annotated[Path, typer.Option(help="Folder for the label images.")],
    pictures: Annotated[bool, typer.Option(help="Also write <name>.png with the outlines drawn.")] = False,
) -> None:
    """Label the somas of images: OUTPUT/<name>.tif, 0 = background, one number per soma."""
    from tqdm import tqdm

    from somanet import plots
    from somanet.experiments import save_figure
    from somanet.io.images import read_labels
    from somanet.labelling import find_inputs, predict_files
    from somanet.segmentation.checkpoint import load_checkpoint

    found = find_inputs(inputs)
    checkpoint = load_checkpoint(model)
    total = 0
    for item, n_objects in tqdm(predict_files(checkpoint, found, output), total=len(found), unit="image", disable=None):
        total += n_objects
        if pictures and item.read is not None:
            figure = plots.outlines(item.read(), read_labels(output / f"{item.name}.tif"))
            save_figure(figure, output / "pictures" / f"{item.name}.png")
    typer.echo(f"Written: {len(found)} label images with {total} somas to {output}, and predictions.json")
    typer.echo(f"Next: somanet evaluate --predictions {output} --truth FOLDER --output metrics.json")


def evaluate(
    truth: Annotated[Path, typer.Option(help="Labelled data set (Kaggle or pairs layout) or folder of label images.")],
    output: Annotated[Path, typer.Option(help="JSON file to write.")],
    predictions: Annotated[Path | None, typer.Option(help="Folder of label images.")] = None,
    model: Annotated[Path | None, typer.Option(help="Or a checkpoint folder, to predict TRUTH's images first.")] = None,
    per_image: Annotated[Path | None, typer.Option(help="Also write one row per image as CSV.")] = None,
    panels: Annotated[
        Path | None, typer.Option(help="With --model: also draw input, truth, prediction, errors.")
    ] = None,
    ignore_edge: Annotated[bool, typer.Option(help="Leave out objects that the image's edge cuts.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Score label images: IoU, precision, recall, F1, accuracy, AP, size bias, with 95 % intervals over images.

    The scores without edge-cut objects stand under `interior` in any case.
    """
    from somanet.evaluation.scores import score_dataset
    from somanet.experiments import evaluate_checkpoint, save_figure
    from somanet.files import write_json
    from somanet.io.tables import write_table
    from somanet.labelling import pair_predictions, read_truth

    if (predictions is None) == (model is None):
        raise SomaNetError("Give either --predictions FOLDER or --model FOLDER.")
    if panels is not None and model is None:
        raise SomaNetError("--panels needs the images, which --predictions does not have: give --model.")
    if model is not None:
        from somanet.data.layouts import open_dataset
        from somanet.evaluation.masks import THRESHOLDS

        evaluation = evaluate_checkpoint(model, list(open_dataset(truth)), thresholds=THRESHOLDS, panel_images=8)
        everything, interior = evaluation.everything, evaluation.interior
        if panels is not None:
            save_figure(evaluation.figure, panels)
            typer.echo(f"Written: {panels}")
    elif predictions is not None:
        pairs = list(pair_predictions(predictions, read_truth(truth)))
        everything = score_dataset(pairs, seed=seed)
        interior = score_dataset(pairs, ignore_edge=True, seed=seed)
    scores, other = (interior, everything) if ignore_edge else (everything, interior)
    write_json(output, {**scores.as_dict(), "everything" if ignore_edge else "interior": other.as_dict()})
    if per_image is not None:
        write_table(per_image, scores.per_image)
    for name in ("iou", "precision", "recall", "accuracy", "mean_ap", "size_bias"):
        low, high = scores.intervals[name]
        typer.echo(f"{name:>10}  {scores.values[name]:.3f}  [{low:.3f}, {high:.3f}]")
    typer.echo(f"Written: {output} ({len(scores.per_image)} images)")


def compare(
    metrics: Annotated[list[Path], typer.Argument(help="metrics.json files, or folders that hold one.")],
    output: Annotated[Path, typer.Option(help="Folder for comparison.json, .md and .png.")],
) -> None:
    """Put the scores of several networks side by side, as a table and a picture."""
    from somanet.experiments import read_json
    from somanet.reporting import Row, write_comparison

    rows = []
    for path in metrics:
        file = path / "metrics.json" if path.is_dir() else path
        name = file.parent.name if file.stem == "metrics" and file.parent.name else file.stem
        content = read_json(file)
        if not isinstance(content, dict) or "interval95" not in content:
            raise SomaNetError(f"{file} holds no scores. Expected a file that `somanet evaluate` wrote.")
        if "interior" not in content:
            raise SomaNetError(
                f"{file} was scored with --ignore-edge. Score it without, for both tables of a comparison."
            )
        rows.append(Row(name, "", content))
    names = [row.name for row in rows]
    if len(set(names)) != len(names):
        raise SomaNetError(f"Two files have one name ({', '.join(names)}): rename them, so that the table tells which.")
    write_comparison(rows, {}, output)
    typer.echo((output / "comparison.md").read_text(encoding="utf-8"))
    typer.echo(f"Written: {output}/comparison.md, comparison.json, comparison.png")
