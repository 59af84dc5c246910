"""Predict label images of files, one by one, and a table of their objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.files import write_json
from somanet.core.guard import reading
from somanet.core.results import Kind, hashes_of, result_folder
from somanet.core.schema import OBJECTS
from somanet.io.images import write_labels
from somanet.io.movies import sha256_movie
from somanet.io.tables import write_table
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.movie_labels import label_movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

OBJECTS_FILE, PICTURES = "objects.csv", "pictures"
LABELS = Kind(record="predictions.json", what="label images of SomaNet")


class Labelled(NamedTuple):
    """An input whose label image has been written.

    Attributes:
        item: the input.
        path: the label image, in a folder that moves to its destination when all are done, together with its subfolder
            :data:`PICTURES`.
        diameters_px: diameters of its somas, in its own pixels; in a movie, of all frames.
        downscaled_px: diameter of somas that are detected in the downscaled image, see
            :func:`somanet.segmentation.inference.diameters.diameter_when_downscaled`; NaN if there are none or
            this was not tested.
        blank_frames: blank frames of a movie, which get no labels.
        inverted: taken for dark objects on a bright background.
        burnt_in: where a scale bar or a time stamp is burnt into a movie, in words; None if nowhere.
    """

    item: Input
    path: Path
    diameters_px: NDArray[np.float64]
    downscaled_px: float = float("nan")
    blank_frames: tuple[int, ...] = ()
    inverted: bool = False
    burnt_in: str | None = None

    @property
    def n_objects(self) -> int:
        """Number of somas in all frames."""
        return len(self.diameters_px)


def predict_files(
    segmenter: Segmenter,
    inputs: Sequence[Input],
    output: Path,
    *,
    any_modality: bool = False,
) -> Iterator[Labelled]:
    """Segment inputs one by one into `<output>/<name>.tif`; the folder appears when all are done, or not at all.

    `<output>/objects.csv` has a row per soma of every image and frame, and `<output>/predictions.json` records the
    networks and the inputs, hashed before the work.

    Args:
        segmenter: the network or networks.
        inputs: what to segment.
        output: folder to write; labels of an earlier prediction are replaced, and a person's own files are kept.
        any_modality: also segment images outside the network's intended use.

    Raises:
        SomaNetError: an input is outside the network's intended use or cannot be read, or the output contains other
            files or inputs, or cannot be written. Nothing is changed then.
    """
    from somanet import __version__
    from somanet.segmentation.inference.diameters import median_or_nan
    from somanet.segmentation.inference.modality import ModalityInput, check_modality, sample_indices
    from somanet.segmentation.inference.record import record_of

    paths = list(dict.fromkeys(item.path for item in inputs))
    writes = (*(_file_of(item) for item in inputs), OBJECTS_FILE, PICTURES)
    with reading(*paths), result_folder(output, LABELS, writes=writes) as folder:
        if not any_modality:
            check_modality([ModalityInput(_named(item), item.images) for item in inputs], segmenter.intended_use)
        sources = {path.name: sha256_movie(path) for path in paths}
        written, tables = [], [OBJECTS.frame([])]
        sampled = sample_indices(len(inputs))
        for number, item in enumerate(inputs):
            label = _label_movie if item.read is None else _label_image
            found = label(segmenter, item, folder / _file_of(item), try_smaller=number in sampled)
            diameters = found.objects["diameter_px"].to_numpy(float)
            tables.append(found.objects.assign(image=item.name).astype({"frame": "Int64"}))
            written.append(
                {
                    "file": _file_of(item),
                    "input": item.path.name,
                    "channel": item.choice.channel,
                    "z": item.choice.z,
                    "axes": item.choice.axes,
                    "position": item.choice.position,
                    "n_objects": len(diameters),
                    "median_diameter_px": round(median_or_nan(diameters), 2),
                    "blank_frames": list(found.blank_frames),
                    "inverted": found.inverted,
                    "burnt_in": found.burnt_in,
                }
            )
            yield Labelled(
                item,
                folder / _file_of(item),
                diameters,
                found.downscaled_px,
                found.blank_frames,
                found.inverted,
                found.burnt_in,
            )
        write_table(folder / OBJECTS_FILE, pd.concat(tables, ignore_index=True), OBJECTS)
        write_json(
            folder / LABELS.record,
            {
                "somanet": __version__,
                **record_of(segmenter),
                "any_modality": any_modality,
                "inputs_sha256": sources,
                "labels": written,
                "files": hashes_of(folder, LABELS),
            },
        )


def _file_of(item: Input) -> str:
    return f"{item.name}.tif"


class _Found(NamedTuple):
    """The objects of an input, with their frame number, and values for :class:`Labelled`."""

    objects: pd.DataFrame
    downscaled_px: float
    blank_frames: tuple[int, ...] = ()
    inverted: bool = False
    burnt_in: str | None = None


def _label_image(segmenter: Segmenter, item: Input, path: Path, *, try_smaller: bool) -> _Found:
    from somanet.segmentation.inference.diameters import diameter_when_downscaled
    from somanet.segmentation.inference.objects import measure_objects

    assert item.read is not None
    image = item.read()
    found = segmenter.segment(image)
    write_labels(path, found.labels_YX)
    downscaled_px = diameter_when_downscaled(segmenter, [(image, found.labels_YX)]) if try_smaller else float("nan")
    objects = measure_objects(found).assign(frame=np.nan)
    return _Found(objects, downscaled_px, inverted=segmenter.inverts(image))


def _label_movie(segmenter: Segmenter, item: Input, path: Path, *, try_smaller: bool) -> _Found:
    with item.choice.open(item.path) as movie:
        found = label_movie(segmenter, movie, path, calibration=movie.file_calibration)
    downscaled_px = found.downscaled_px if try_smaller else float("nan")
    burnt_in = None if found.burnt_in is None else found.burnt_in.in_words
    return _Found(found.somas, downscaled_px, found.blank_frames, found.inverted, burnt_in)


def _named(item: Input) -> str:
    """An input in a message: its path, and its name within a data set."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
