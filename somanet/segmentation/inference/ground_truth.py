"""Ground-truth and predicted label images, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.names import spelling
from somanet.core.problems import FileProblem
from somanet.core.typed import typed
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.recognise import label_images
from somanet.io.datasets.sources import open_source
from somanet.io.images import read_labels
from somanet.io.label_checks import Checked, check_labels
from somanet.io.label_names import bare_name

LABEL_SUFFIXES = (".tif", ".tiff", ".png")
OWN_RECORD = "predictions.json"
"""Beside label images that SomaNet wrote: their ids are objects."""


def read_ground_truth(path: Path, *, binary: bool | None = None, only_class: str | None = None) -> dict[str, Checked]:
    """Ground-truth label images by name: from a data set with labels, or from a folder of label images.

    Args:
        path: the data set or folder.
        binary: what a label image with a single value shows (see :func:`somanet.io.label_checks.check_labels`).
        only_class: of outlines of several classes, the one whose objects are the labels.

    Raises:
        SomaNetError: the path is missing or empty, or one of its files cannot be used.
    """
    if only_class is None and (alone := label_images(open_source(path))):
        return {name: _checked(path / file, binary) for name, file in alone.items()}
    dataset = open_dataset(path, binary=binary, only_class=only_class)
    if dataset.broken:
        name, why = next(iter(dataset.broken.items()))
        raise SomaNetError(
            f"{path}: {counted(len(dataset.broken), 'image')} cannot be scored, such as {name!r}: {why}."
        )
    if dataset.has_labels():
        return {item.name: Checked(item.labels, item.doubts, item.ignored) for item in dataset}
    if dataset.hint:
        raise SomaNetError(f"{path}: expected labels, found images alone. {dataset.hint}.")
    return {name: _checked(path / dataset.image_file(name), binary) for name in dataset.names}


def _checked(file: Path, binary: bool | None) -> Checked:
    return check_labels(read_labels(file), str(file), binary=binary)


def read_predictions(
    folder: Path, ground_truth: Mapping[str, Checked], *, binary: bool | None = None
) -> dict[str, Checked]:
    """The predicted label image of every ground-truth image, by name.

    Args:
        folder: files named after the images, with or without an ending such as `_cp_masks`.
        ground_truth: of :func:`read_ground_truth`.
        binary: as there.

    Raises:
        SomaNetError: the folder is missing, a ground-truth image has no prediction of its size, or one is a mask.
    """
    if not folder.is_dir():
        raise SomaNetError(f"{folder} is not a folder. `{typed('predict', 'IMAGES', '--output', folder)}` writes it.")
    stored = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in LABEL_SUFFIXES]
    spelt = spelling(ground_truth)
    files = {spelt(bare_name(file.stem)): file for file in stored} | {spelt(file.stem): file for file in stored}
    missing = sorted(set(ground_truth) - set(files))
    if missing:
        raise SomaNetError(
            f"{folder} lacks {len(missing)} of {len(ground_truth)} label images, such as {missing[0]}.tif. "
            "Are these predictions of the same images?"
        )
    ours = (folder / OWN_RECORD).is_file()
    found = {}
    for name, truth in ground_truth.items():
        predicted = Checked(read_labels(files[name])) if ours else _prediction(files[name], binary)
        if predicted.labels.shape != truth.labels.shape:
            raise SomaNetError(
                f"{files[name]} has {predicted.labels.shape[0]} × {predicted.labels.shape[1]} px, the ground truth of "
                f"{name!r} {truth.labels.shape[0]} × {truth.labels.shape[1]}. Was one of them cropped or resized?"
            )
        found[name] = predicted
    return found


def _prediction(file: Path, binary: bool | None) -> Checked:
    """As ground truth, but that a prediction may be so wrong as to cover the background."""
    labels = read_labels(file)
    try:
        return check_labels(labels, str(file), binary=binary)
    except FileProblem as problem:
        if problem.kind != "inverted":
            raise
        return Checked(labels, (str(problem).removesuffix("."),))
