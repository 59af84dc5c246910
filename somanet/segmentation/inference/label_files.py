"""Predict label images of files, and a table of their objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import CannotWrite, SomaNetError
from somanet.core.files import json_object, write_json
from somanet.core.guard import reading
from somanet.core.one_of_many import none_left, problem_of
from somanet.core.result_records import Kind, hashes_of
from somanet.core.results import others_go_aside, result_folder
from somanet.core.schema import OBJECTS
from somanet.core.unchanged import unchanged
from somanet.io.frame_store import keeping
from somanet.io.images import write_labels
from somanet.io.movie_files import movie_files
from somanet.io.movies import sha256_movie
from somanet.io.tables import write_table
from somanet.segmentation.inference.at_once import at_once, usual_workers
from somanet.segmentation.inference.found import Found, segment_image
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.movie_labels import label_movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

T = TypeVar("T")

OBJECTS_FILE, PICTURES = "objects.csv", "pictures"
LABELS = Kind(record="predictions.json", what="label images of SomaNet")


class Labelled(NamedTuple):
    """An input whose label image has been written.

    Attributes:
        item: the input.
        path: the label image, in a folder that moves to its destination when all are done, together with its subfolder
            :data:`PICTURES`.
        found: its somas.
    """

    item: Input
    path: Path
    found: Found


class Failed(NamedTuple):
    """An input without a label image.

    Attributes:
        item: the input.
        problem: why, in one line.
        before: whether it was left out before anything was segmented.
    """

    item: Input
    problem: str
    before: bool


def goes_aside(inputs: Sequence[Input], output: Path) -> bool:
    """Whether a folder holds labels of images that are none of the inputs, and is to be kept as a whole.

    Images are told by their content: `day1/a.tif` and `day2/a.tif` are two, and so are two channels of one file.

    Raises:
        SomaNetError: it does, and files may not be replaced.
    """
    record = json_object(output / LABELS.record)
    before, new = record.get("labels"), {_file_of(item): item for item in inputs}
    others = []
    for one in before if isinstance(before, list) else ():
        name = one.get("file")
        if name and (output / name).exists() and not _is_again(one, new.get(name), record):
            others.append(name if name not in new else f"{name} of another {_other_part(one, new[name]) or 'image'}")
    return others_go_aside(output, others, "labels")


def _is_again(before: Mapping[str, Any], item: Input | None, record: Mapping[str, Any]) -> bool:
    """Whether an input is the one that labels are of; one that is damaged now passes, and is refused as such."""
    if item is None or _other_part(before, item):
        return False
    try:
        own = before.get("sha256")
        if own is None:  # of an earlier version
            sources = record.get("inputs_sha256")
            same = isinstance(sources, dict) and sources.get(before.get("input")) == sha256_movie(item.path)
        else:
            same = own == item.sha256()
        if not same:
            item.images()
    except Exception:  # whatever it is, it is told where the image is to be segmented
        return True
    return same


def _other_part(before: Mapping[str, Any], item: Input) -> str | None:
    """The kind of part of a file that labels are of another one of: where there are several, one has to be named."""
    if before.get("position") != item.choice.position:
        return "position"
    for name, asked, word in (("channel", item.choice.channel, "channel"), ("z", item.choice.z, "plane")):
        if None not in (before.get(name), asked) and before.get(name) != asked:
            return word
    return None


def predict_files(
    segmenter: Segmenter,
    inputs: Sequence[Input],
    output: Path,
    *,
    any_modality: bool = False,
) -> Iterator[Labelled | Failed]:
    """Segment inputs one by one into `<output>/<name>.tif`; the folder appears when all are done, or not at all.

    `<output>/objects.csv` has a row per soma of every image and frame, and `<output>/predictions.json` records the
    networks, the inputs, hashed before the work, and those that failed: the others do not depend on them.

    Args:
        segmenter: the network or networks.
        inputs: what to segment.
        output: folder to write; labels of an earlier prediction of the same images are replaced, and a person's own
            files are kept.
        any_modality: also segment images outside the network's intended use.

    Raises:
        SomaNetError: an input is outside the network's intended use, none can be segmented, one that cannot be has
            labels in the output, of an earlier prediction, or the output contains other files or inputs, labels of
            other images, or cannot be written. Nothing is changed then.
    """
    from somanet import __version__
    from somanet.segmentation.inference.record import record_of

    paths = list(dict.fromkeys(item.path for item in inputs))
    writes = (*(_file_of(item) for item in inputs), OBJECTS_FILE, PICTURES)
    files_read = [file for path in paths for file in movie_files(path)]
    aside = goes_aside(inputs, output)
    with (
        reading(*paths),
        result_folder(output, LABELS, writes=writes, aside=aside) as folder,
        unchanged(*files_read),
    ):
        failed = _unreadable(inputs, segmenter, any_modality=any_modality)
        if not aside:
            _check_none_is_lost(failed, output)
        yield from failed
        readable = [item for item in inputs if item not in [one.item for one in failed]]
        sources = {path.name: sha256_movie(path) for path in dict.fromkeys(item.path for item in readable)}
        hashes = {item.name: item.sha256() if item.data else sources[item.path.name] for item in readable}
        written: list[dict[str, Any]] = []
        tables = [OBJECTS.frame([])]
        for item, found in _found_in(segmenter, readable, folder):
            if isinstance(found, Exception):
                (folder / _file_of(item)).unlink(missing_ok=True)
                problem = problem_of(found, "input").replace(str(folder), str(output))
                failed.append(Failed(item, problem, before=False))
                if not aside:
                    _check_none_is_lost(failed, output)
                yield failed[-1]
                continue
            tables.append(found.objects.assign(image=item.name).astype({"frame": "Int64"}))
            written.append({"sha256": hashes[item.name], **_record_of(item, found)})
            yield Labelled(item, folder / _file_of(item), found)
        if not written:
            raise none_left({one.item.name: one.problem for one in failed})
        write_table(folder / OBJECTS_FILE, pd.concat(tables, ignore_index=True), OBJECTS)
        write_json(
            folder / LABELS.record,
            {
                "somanet": __version__,
                **record_of(segmenter),
                "any_modality": any_modality,
                "inputs_sha256": sources,
                "labels": written,
                "failed": [{**_about(one.item), "problem": one.problem} for one in failed],
                "files": hashes_of(folder, LABELS),
            },
        )


def _found_in(segmenter: Segmenter, items: Sequence[Input], folder: Path) -> Iterator[tuple[Input, Found | Exception]]:
    """Each input and its somas, whose labels are written to a folder, or why there are none: that costs no other.

    Images are processed several at once, as the frames of a movie are.

    Raises:
        CannotWrite: the disk is full, say.
    """

    def label_image(read: _Read) -> Found | Exception:
        image = read.image
        if isinstance(image, Exception):
            return image
        return _or_why(partial(_label_image, segmenter, image, folder / _file_of(read.item)))

    for are_images, run in groupby(items, lambda item: item.read is not None):
        if are_images and len(items) > 1:
            batch = list(run)
            workers = min(len(batch), usual_workers(segmenter))
            yield from zip(
                batch, at_once(label_image, map(_Read.of, batch), n_pixels=_Read.n_pixels, workers=workers), strict=True
            )
            continue
        for item in run:
            if are_images:
                yield item, label_image(_Read.of(item))
            else:
                yield item, _or_why(partial(_label_movie, segmenter, item, folder / _file_of(item)))


class _Read(NamedTuple):
    """An input that is an image, or why it cannot be read."""

    item: Input
    image: NDArray[Any] | Exception

    @classmethod
    def of(cls, item: Input) -> _Read:
        assert item.read is not None
        return cls(item, _or_why(item.read))

    def n_pixels(self) -> int:
        return 0 if isinstance(self.image, Exception) else self.image.size


def _or_why(compute: Callable[[], T]) -> T | Exception:
    """What a function returns, or the exception that it raises."""
    try:
        return compute()
    except CannotWrite:
        raise
    except Exception as error:
        return error


def _unreadable(inputs: Sequence[Input], segmenter: Segmenter, *, any_modality: bool) -> list[Failed]:
    """The inputs that cannot be read, as far as that is known before the work.

    Raises:
        SomaNetError: none can be, or a readable one is outside the network's intended use.
    """
    from somanet.segmentation.inference.modality import ModalityInput, check_modality

    problems = {item.name: str(item.problem) for item in inputs if item.problem is not None}

    def images_of(item: Input) -> Sequence[NDArray[Any]]:
        try:
            return item.images()
        except Exception as error:
            problems[item.name] = problem_of(error, "input")
            return []

    if not any_modality:
        opened = [item for item in inputs if item.name not in problems]
        check_modality([ModalityInput(_named(one), partial(images_of, one)) for one in opened], segmenter.intended_use)
    if len(problems) == len(inputs):
        raise none_left(problems)
    return [Failed(item, problems[item.name], before=True) for item in inputs if item.name in problems]


def _check_none_is_lost(failed: Sequence[Failed], output: Path) -> None:
    """Refuse to replace labels of an earlier prediction by none."""
    lost = {one.item.name: one.problem for one in failed if (output / _file_of(one.item)).exists()}
    if lost:
        raise SomaNetError(
            f"{none_left(lost)} Earlier labels of {', '.join(lost)} are in {output} and would be lost, so nothing was "
            "changed. Mend them, or choose another --output."
        )


def _about(item: Input) -> dict[str, Any]:
    """What a record says of every input."""
    return {
        "file": _file_of(item),
        "input": item.path.name,
        "channel": item.choice.channel,
        "z": item.choice.z,
        "axes": item.choice.axes,
        "position": item.choice.position,
    }


def _record_of(item: Input, found: Found) -> dict[str, Any]:
    """What a record says of an input with labels."""
    from somanet.segmentation.inference.diameters import median_or_nan

    return {
        **_about(item),
        "truncated": item.truncated,
        "n_objects": found.n_objects,
        "median_diameter_px": round(median_or_nan(found.diameters_px), 2),
        "blank_frames": list(found.blank_frames),
        "inverted": found.inverted,
        "burnt_in": found.burnt_in,
        "rescale": found.rescale,
        "size": None if found.size is None else found.size.model_dump(mode="json"),
        "n_haze": found.n_haze,
        "second_look": found.second_look,
        "clipping": None if found.clipping is None else found.clipping.model_dump(mode="json"),
        "appearance": None if found.appearance is None else found.appearance.model_dump(mode="json"),
    }


def _file_of(item: Input) -> str:
    return f"{item.name}.tif"


def _label_image(segmenter: Segmenter, image: NDArray[Any], path: Path) -> Found:
    labels_YX, found = segment_image(segmenter, image)
    write_labels(path, labels_YX)
    return replace(found, objects=found.objects.assign(frame=np.nan))


def _label_movie(segmenter: Segmenter, item: Input, path: Path) -> Found:
    with keeping(item.choice.open(item.path), path.parent) as movie:
        found = label_movie(segmenter, movie, path, calibration=movie.file_calibration)
    return Found(
        found.somas,
        found.rescale,
        found.size,
        found.n_haze,
        found.inverted,
        found.clipping,
        found.appearance,
        found.blank_frames,
        None if found.burnt_in is None else found.burnt_in.in_words,
        found.second_look,
    )


def _named(item: Input) -> str:
    """An input in a message: its path, and its name within a data set."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
