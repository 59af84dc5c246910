"""Files in, label images out; and label images against the truth: what `predict` and `evaluate` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.data.layouts import open_dataset
from somanet.errors import SomaNetError
from somanet.files import make_folder, sha256_tree, write_json
from somanet.io.images import IMAGE_SUFFIXES, read_image, read_labels, write_labels
from somanet.io.movies import MOVIE_SUFFIXES, VIDEO_SUFFIXES, open_movie
from somanet.io.problems import FileProblem

if TYPE_CHECKING:
    from somanet.segmentation.checkpoint import Checkpoint

LABEL_SUFFIXES = (".tif", ".tiff", ".png")


@dataclass(frozen=True)
class Input:
    """One image or movie to label.

    Attributes:
        name: of the label file, without suffix.
        path: where it comes from.
        read: gives the image YX or YXC; none for a movie, which is read by frames.
    """

    name: str
    path: Path
    read: Callable[[], NDArray[Any]] | None


def find_inputs(paths: Sequence[Path]) -> list[Input]:
    """Images and movies behind paths: files, folders, and data sets in the Kaggle or pairs layout (folder or zip).

    Raises:
        SomaNetError: a path is missing or holds no images, or two inputs would share a name.
    """
    inputs: list[Input] = []
    for path in paths:
        if not path.exists():
            raise SomaNetError(f"{path} not found. Check the path.")
        if path.is_dir() and path.suffix != ".zarr":
            inputs += _in_folder(path)
        elif path.suffix.lower() == ".zip":
            inputs += _in_dataset(path)
        else:
            inputs.append(_file(path))
    by_name: dict[str, Input] = {}
    for item in inputs:
        if item.name in by_name:
            raise SomaNetError(
                f"Two inputs are called {item.name!r}: {by_name[item.name].path} and {item.path}. Their labels would "
                "overwrite each other; label them into two folders."
            )
        by_name[item.name] = item
    return inputs


def _file(path: Path) -> Input:
    if path.suffix.lower() in VIDEO_SUFFIXES or path.is_dir():
        return Input(path.stem, path, None)
    if path.suffix.lower() in MOVIE_SUFFIXES and _n_frames(path) > 1:
        return Input(path.stem, path, None)
    return Input(path.stem, path, lambda: read_image(path))


def _n_frames(path: Path) -> int:
    """Frames of a TIFF; 1 for what only the image reader understands, such as an RGB picture."""
    try:
        with open_movie(path) as movie:
            return movie.n_frames
    except FileProblem as problem:
        if problem.kind in ("truncated", "unreadable"):
            raise
        return 1


def _in_folder(folder: Path) -> list[Input]:
    files = [f for f in sorted(folder.iterdir()) if not f.name.startswith(".")]
    movies = [f for f in files if f.suffix.lower() in MOVIE_SUFFIXES and (f.is_file() or f.suffix == ".zarr")]
    if any(f.suffix.lower() not in LABEL_SUFFIXES or _n_frames(f) > 1 for f in movies):
        images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES]  # perhaps among the movies
        return [_file(f) for f in sorted({*movies, *images})]
    return _in_dataset(folder)


def _in_dataset(path: Path) -> list[Input]:
    dataset = open_dataset(path)
    return [Input(name, path, lambda name=name: dataset.load_image(name)) for name in dataset.names]  # type: ignore[misc]


def predict_files(checkpoint: Checkpoint, inputs: Sequence[Input], output: Path) -> Iterator[tuple[Input, int]]:
    """Label inputs one by one as `<output>/<name>.tif` and give each with its number of somas (a movie: all frames').

    Afterwards `<output>/predictions.json` says which network and inputs the labels came from.

    Raises:
        SomaNetError: an input cannot be read, or the output cannot be written. Labels written before stay.
    """
    from somanet.segmentation.prediction import predict_labels

    def label(image: NDArray[Any]) -> NDArray[np.int32]:
        return predict_labels(checkpoint.model, image, checkpoint.spec)

    make_folder(output)
    written = []
    for item in inputs:
        if item.read is not None:
            labels = label(item.read())
            n_objects = int(labels.max(initial=0))
        else:
            with open_movie(item.path) as movie:
                frames = [label(frame).astype(np.uint16) for frame in movie]
            labels = np.stack(frames).astype(np.int32)
            n_objects = sum(int(frame.max(initial=0)) for frame in frames)
        write_labels(output / f"{item.name}.tif", labels)
        written.append({"file": f"{item.name}.tif", "input": item.path.name, "n_objects": n_objects})
        yield item, n_objects
    sources = {path.name: sha256_tree(path) for path in dict.fromkeys(item.path for item in inputs)}
    from somanet import __version__
    from somanet.engines import engine_of

    write_json(
        output / "predictions.json",
        {
            "somanet": __version__,
            "model_sha256": checkpoint.sha256,
            "model": checkpoint.spec.model_dump(mode="json"),
            "engine": engine_of(checkpoint.model),
            "inputs_sha256": sources,
            "labels": written,
        },
    )


def read_truth(path: Path) -> dict[str, NDArray[np.int32]]:
    """True label images by name: from a data set with labels, or from a folder of label images.

    Raises:
        SomaNetError: the path is missing, empty, or a file of it cannot be used.
    """
    dataset = open_dataset(path)
    if dataset.broken:
        name, why = next(iter(dataset.broken.items()))
        raise SomaNetError(f"{path}: {len(dataset.broken)} images cannot be scored, such as {name!r}: {why}.")
    if dataset.has_labels():
        return {item.name: item.labels for item in dataset}
    return {name: read_labels(path / dataset.image_file(name)) for name in dataset.names}


def pair_predictions(
    predictions: Path, truth: dict[str, NDArray[np.int32]]
) -> Iterator[tuple[str, NDArray[np.int32], NDArray[np.int32]]]:
    """(name, true labels, predicted labels) of every true image.

    Raises:
        SomaNetError: the folder is missing, or a true image has no prediction of its size.
    """
    if not predictions.is_dir():
        raise SomaNetError(f"No folder {predictions}. `somanet predict … --output {predictions}` writes it.")
    files = {file.stem: file for file in sorted(predictions.iterdir()) if file.suffix.lower() in LABEL_SUFFIXES}
    missing = sorted(set(truth) - set(files))
    if missing:
        raise SomaNetError(
            f"{predictions} lacks {len(missing)} of {len(truth)} label images, such as {missing[0]}.tif. Are these "
            "predictions of the same images?"
        )
    for name, labels in truth.items():
        predicted = read_labels(files[name])
        if predicted.shape != labels.shape:
            raise SomaNetError(
                f"{files[name]} has {predicted.shape[0]} × {predicted.shape[1]} px, the truth of {name!r} "
                f"{labels.shape[0]} × {labels.shape[1]}. Was one of them cropped or resized?"
            )
        yield name, labels, predicted
