"""Data sets and label movies ↔ ImageJ's selections: one zip for each image, or one for all frames of a movie."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet import __version__
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, json_object
from somanet.core.hashing import sha256_file
from somanet.core.limits import FRAMES
from somanet.core.names import check_file_name, spelling
from somanet.core.problems import FileProblem
from somanet.io.datasets.layouts import Dataset, LabelledImage, open_dataset
from somanet.io.datasets.movie_or_set import are_movies
from somanet.io.datasets.origins import read_origins
from somanet.io.datasets.sources import FolderSource
from somanet.io.datasets.writers import LABELLED, PROPOSED, write_kaggle, write_pairs
from somanet.io.images import IMAGE_SUFFIXES, read_image, read_labels
from somanet.io.label_checks import CheckedFrames, check_labels, describe_doubts
from somanet.io.label_movies import open_label_movie, write_label_movie
from somanet.io.movie_layout import Wanted
from somanet.io.movies import IMAGE_TIFF_SUFFIXES, MOVIE_SUFFIXES, Movie, open_movie
from somanet.io.rois.drawing import Defects, Labels, draw, leave_out, numbered
from somanet.io.rois.selections import (
    ROI_SUFFIX,
    Selection,
    is_roi_zip,
    label_selections,
    read_selections,
    write_selections,
)

ROI_SET = "RoiSet"
"""ImageJ's own name for a zip of selections."""
_AROUND_NAME = re.compile(r"(?i)[ _.-]*roi[ _-]*sets?[ _.-]*|[ _.-]+rois?$")
_MOVIES = (".tif", ".tiff", ".zarr")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        n_objects: objects, or selections.
        n_images: images, or frames of a movie.
        notes: what the user has to know, a line each.
    """

    n_objects: int
    n_images: int
    notes: tuple[str, ...] = field(default=())


def holds_rois(path: Path) -> bool:
    """Whether a file is a selection or a zip of selections alone."""
    return path.suffix.lower() == ROI_SUFFIX or is_roi_zip(path)


def check_selections(path: Path, images: Path) -> None:
    """Refuse an image in place of selections.

    Raises:
        SomaNetError: naming the way from labels to selections.
    """
    if path.suffix.lower() in (*IMAGE_SUFFIXES, *MOVIE_SUFFIXES) and not holds_rois(path):
        raise SomaNetError(
            f"{path}: expected ImageJ's selections (.zip, .roi, or a folder of them) that were drawn on {images}, "
            "found an image. Labels become selections without --images."
        )


def open_if_movie(path: Path, wanted: Wanted) -> Movie | None:
    """The movie at a path, which the caller closes; None for images.

    Raises:
        SomaNetError: a channel, plane or position was chosen that the file lacks, or it is no movie that can be read.
    """
    if not are_movies(path) or (path.is_file() and path.suffix.lower() not in MOVIE_SUFFIXES):
        return None
    try:
        movie = open_movie(path, channel=wanted.channel, z=wanted.z, axes=wanted.axes, position=wanted.position)
    except FileProblem:
        if wanted != Wanted() or path.suffix.lower() not in IMAGE_TIFF_SUFFIXES:
            raise
        return None  # colours, which the image reader takes
    if movie.n_frames > 1:
        return movie
    movie.close()
    return None


def labels_to_rois(path: Path, output: Path, *, binary: bool | None = None) -> Written:
    """Write the objects of a data set, a label image or a label movie as selections.

    Args:
        path: what is labelled.
        output: of a data set a folder, which gets `<name>.zip` for every image with objects; else a `.zip`.
        binary: as for :func:`somanet.io.label_checks.check_labels`.

    Raises:
        SomaNetError: no labels, or an output of the other kind.
    """
    if (path.is_dir() and path.suffix != ".zarr") or path.suffix.lower() == ".zip":
        return _dataset_to_rois(open_dataset(path, binary=binary), output)
    if output.suffix.lower() != ".zip":
        raise SomaNetError(
            f"{output}: expected the name of a .zip for the selections of {path.name}, found "
            f"{output.suffix or 'none'}. Name it {output.with_suffix('.zip').name}."
        )
    if path.suffix.lower() in _MOVIES:
        with open_label_movie(path) as movie:
            if movie.n_frames > 1:
                return _movie_to_rois(movie, path, output)
    checked = check_labels(read_labels(path), str(path), binary=binary)
    count = write_selections(output, label_selections(checked.labels))
    return Written(count, 1, checked.doubts)


def _dataset_to_rois(dataset: Dataset, output: Path) -> Written:
    if output.suffix:
        raise SomaNetError(
            f"{output}: expected a folder for the selections of the {len(dataset.names)} images of {dataset.path}, "
            f"found {output.suffix}. Name a folder."
        )
    if dataset.broken:
        name, why = next(iter(dataset.broken.items()))
        raise SomaNetError(f"{dataset.path}: {len(dataset.broken)} images cannot be used, such as {name!r}: {why}.")
    total, empty, doubts = 0, [], {}
    with atomic_path(output) as folder:
        folder.mkdir()
        for item in dataset:
            check_file_name(item.name, str(dataset.path))
            doubts[item.name] = item.doubts
            if item.labels.any():
                total += write_selections(folder / f"{item.name}.zip", label_selections(item.labels))
            else:
                empty.append(item.name)
    notes = list(describe_doubts(doubts))
    if empty:
        notes.append(f"no zip for {counted(len(empty), 'image')} without objects, such as {empty[0]!r}")
    return Written(total, len(dataset.names), tuple(notes))


def _movie_to_rois(movie: Movie, path: Path, output: Path) -> Written:
    frames = CheckedFrames(movie, str(path))
    count = write_selections(
        output, (one for t, labels in enumerate(frames) for one in label_selections(labels, position=t))
    )
    return Written(count, movie.n_frames, describe_doubts(frames.doubts))


def rois_to_movie(path: Path, movie: Movie, output: Path) -> Written:
    """Write the selections of a movie's frames as a label movie.

    Ids in names that SomaNet gave (`t0012_id0034`) are kept; any other selection becomes an object of its own.

    Args:
        path: the zip.
        movie: the movie that they were drawn on.
        output: `.tif` or `.zarr`.

    Raises:
        SomaNetError: a selection without a frame, of a frame that the movie lacks, or outside of its frames.
    """
    if output.suffix.lower() not in _MOVIES:
        raise SomaNetError(
            f"{output}: expected the name of a label movie (.tif or .zarr), as {movie.path} has {movie.n_frames} "
            f"frames, found {output.suffix or 'a folder'}. Name it labels.tif."
        )
    if path.is_dir():
        raise SomaNetError(
            f"{path}: expected one zip with the selections of all {movie.n_frames} frames of {movie.path}, found a "
            "folder. Name the zip."
        )
    selections = read_selections(path)
    defects = Defects()
    leave_out(selections, str(path), defects)
    by_frame: dict[int, list[tuple[int, Selection]]] = defaultdict(list)
    found = numbered(selections, in_movie=True)
    for number, one in found:
        if one.position is None:
            raise FileProblem(
                f"{path}: expected the frame of every selection, but {one.name!r} has none. In Fiji, tick ROI Manager "
                "> More > Options > Associate with slices, then Update it on its frame.",
                "wrong shape",
            )
        if one.position >= movie.n_frames:
            raise FileProblem(
                f"{path}: expected selections on the {movie.n_frames} frames of {movie.path}, found {one.name!r} on "
                f"frame {one.position + 1}. Does it belong to another movie?",
                "wrong shape",
            )
        by_frame[one.position].append((number, one))
    nameless = [one.name for _, one in found if one.own_id is None]
    frames = (draw(by_frame[t], movie.shape_YX, str(path), defects) for t in range(movie.n_frames))
    write_label_movie(
        output,
        frames,
        n_frames=movie.n_frames,
        shape_YX=movie.shape_YX,
        largest_id=max(number for number, _ in found),
        calibration=movie.file_calibration,
    )
    notes = defects.notes()
    if nameless:
        notes.append(
            f"{counted(len(nameless), 'selection')} without an id in the name (such as t0012_id0034), each an object "
            f"of its own: {nameless[0]!r}, …"
        )
    return Written(len(found), movie.n_frames, tuple(notes))


def rois_to_dataset(path: Path, images: Path, output: Path) -> Written:
    """Write images and the selections on them as a data set, one mask per object.

    The data set keeps what the images' `crops.csv` says of where they were cut out.

    Args:
        path: a zip or `.roi` for a single image, or a folder that has a zip for each: `<name>.zip`,
            `<name>_RoiSet.zip`, or `<name>/RoiSet.zip`.
        images: the image, or any data set or folder of images; labels that it has are not used.
        output: a folder, or a `.zip` in the Kaggle layout.

    Raises:
        SomaNetError: selections without an image, of another image's size, or without an area.
    """
    single = images.is_file() and images.suffix.lower() != ".zip"
    dataset = None if single else open_dataset(images)
    names = [images.stem] if dataset is None else list(dataset.image_names)
    files = {names[0]: path} if path.is_file() and len(names) == 1 else _files_of(path, names, images)
    defects: dict[str, Defects] = {}

    def read(name: str) -> NDArray[np.generic]:
        return read_image(images) if dataset is None else dataset.load_image(name)

    origins = {name: origin for name, origin in read_origins(images).items() if name in files}
    total = 0

    def items() -> Iterator[LabelledImage]:
        nonlocal total
        for name in sorted(files):
            image = read(name)
            defects[name] = Defects()
            labels = _labels_of(files[name], (image.shape[0], image.shape[1]), defects[name])
            total += int(np.count_nonzero(np.unique(labels)))
            yield LabelledImage(name, image, labels)

    if any(read(name).dtype.kind == "f" for name in files):
        write_pairs(output, items(), origins=origins)
    else:
        write_kaggle(output, items(), labelling=_labelling(images, files), origins=origins)
    notes = [f"{name}: {note}" for name, one in defects.items() for note in one.notes()]
    lacking = sorted(set(names) - set(files))
    if lacking:
        notes.append(f"{len(lacking)} of {len(names)} images have no selections and were left out: {lacking[0]!r}, …")
    return Written(total, len(files), tuple(notes))


def _labelling(images: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """How the labels were made: what proposed them, as the record beside the images says, and the selections."""
    about = json_object(images / PROPOSED) or json_object(images / LABELLED) if images.is_dir() else {}
    proposed: dict[str, Any] = {key: about[key] for key in ("proposed", "inputs", "crops") if key in about}
    selections = {name: sha256_file(file) for name, file in sorted(files.items())}
    return {"somanet": __version__, **proposed, "selections_sha256": selections}


def _labels_of(file: Path, shape_YX: tuple[int, int], defects: Defects) -> Labels:
    """The label image of one zip, with ids from 1 in the order of the selections."""
    selections = read_selections(file)
    leave_out(selections, str(file), defects)
    found = [(number, one) for number, (_, one) in enumerate(numbered(selections, in_movie=False), start=1)]
    return draw(found, shape_YX, str(file), defects)


def _files_of(path: Path, names: Sequence[str], images: Path) -> Mapping[str, Path]:
    """The zip of each image by its name.

    Raises:
        SomaNetError: one zip for several images, a zip that belongs to none, or two for one image.
    """
    if path.is_file():
        raise SomaNetError(
            f"{path}: expected a folder with selections for each of the {len(names)} images of {images}, found one "
            "file. Name the folder, or with --images the image that it belongs to."
        )
    spelt, known = spelling(names), set(names)
    found: dict[str, Path] = {}
    for name in FolderSource(path).files:
        file = PurePosixPath(name)
        if file.suffix.lower() not in (".zip", ROI_SUFFIX):
            continue
        candidates = (file.stem, _AROUND_NAME.sub("", file.stem), *reversed(file.parent.parts))
        image = next((spelt(one) for one in candidates if spelt(one) in known), None)
        if image is None:
            raise SomaNetError(
                f"{path / name}: expected the selections of one of the {len(names)} images of {images}, such as "
                f"{names[0]}.zip. Rename it after its image."
            )
        if image in found:
            raise SomaNetError(
                f"{path}: both {found[image].relative_to(path)} and {name} have selections for {image!r}. Which one is "
                "right? Move the other away."
            )
        found[image] = path / name
    if not found:
        raise SomaNetError(f"{path}: expected a zip of selections for each image, such as {names[0]}.zip, found none.")
    FRAMES.check(len(found), path)
    return found
