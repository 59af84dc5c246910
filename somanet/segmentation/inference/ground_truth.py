"""Pairs of ground-truth and predicted label images, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.images import read_labels

LABEL_SUFFIXES = (".tif", ".tiff", ".png")


def read_ground_truth(path: Path) -> dict[str, NDArray[np.int32]]:
    """Ground-truth label images by name: from a data set with labels, or from a folder of label images.

    Raises:
        SomaNetError: the path is missing or empty, or one of its files cannot be used.
    """
    dataset = open_dataset(path)
    if dataset.broken:
        name, why = next(iter(dataset.broken.items()))
        raise SomaNetError(f"{path}: {len(dataset.broken)} images cannot be scored, such as {name!r}: {why}.")
    if dataset.has_labels():
        return {item.name: item.labels for item in dataset}
    return {name: read_labels(path / dataset.image_file(name)) for name in dataset.names}


def pair_predictions(
    predictions: Path, ground_truth: dict[str, NDArray[np.int32]]
) -> Iterator[tuple[str, NDArray[np.int32], NDArray[np.int32]]]:
    """(name, ground-truth labels, predicted labels) of every ground-truth image.

    Raises:
        SomaNetError: the folder is missing, or a ground-truth image has no prediction of its size.
    """
    if not predictions.is_dir():
        raise SomaNetError(f"{predictions} is not a folder. `somanet predict … --output {predictions}` writes it.")
    files = {file.stem: file for file in sorted(predictions.iterdir()) if file.suffix.lower() in LABEL_SUFFIXES}
    missing = sorted(set(ground_truth) - set(files))
    if missing:
        raise SomaNetError(
            f"{predictions} lacks {len(missing)} of {len(ground_truth)} label images, such as {missing[0]}.tif. "
            "Are these predictions of the same images?"
        )
    for name, labels in ground_truth.items():
        predicted = read_labels(files[name])
        if predicted.shape != labels.shape:
            raise SomaNetError(
                f"{files[name]} has {predicted.shape[0]} × {predicted.shape[1]} px, the ground truth of {name!r} "
                f"{labels.shape[0]} × {labels.shape[1]}. Was one of them cropped or resized?"
            )
        yield name, labels, predicted
