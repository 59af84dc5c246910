"""Label images of files, one by one, and a table of their objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.files import write_json
from somanet.core.guard import reading
from somanet.core.hashing import sha256_tree
from somanet.core.results import Kind, hashes_of, result_folder
from somanet.core.schema import OBJECTS
from somanet.io.images import write_labels
from somanet.io.tables import write_table
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.movie_labels import label_movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

OBJECTS_FILE, PICTURES = "objects.csv", "pictures"
LABELS = Kind(record="predictions.json", what="label images of SomaNet")


class Labelled(NamedTuple):
    """An input whose label image is written.

    Attributes:
        item: the input.
        path: of the label image, in a folder that moves to its place when all are done; what is put into its
            :data:`PICTURES` moves along.
        diameters_px: of its somas, in its own pixels; of a movie, of all frames.
        again_px: of somas that are found when it is seen smaller, see
            :func:`somanet.segmentation.inference.diameters.look_again`; NaN if there are none or this was not asked.
        blank_frames: of a movie, frames that show nothing and were given no labels.
    """

    item: Input
    path: Path
    diameters_px: NDArray[np.float64]
    again_px: float = float("nan")
    blank_frames: tuple[int, ...] = ()

    @property
    def n_objects(self) -> int:
        """Somas, of all frames."""
        return len(self.diameters_px)


def predict_files(
    segmenter: Segmenter,
    inputs: Sequence[Input],
    output: Path,
    *,
    any_modality: bool = False,
) -> Iterator[Labelled]:
    """Label inputs one by one as `<output>/<name>.tif`; the folder appears when all are done, or not at all.

    `<output>/objects.csv` has a row per soma of every image and frame, and `<output>/predictions.json` says which
    networks and inputs, hashed before the work, the labels came from.

    Args:
        segmenter: the network or networks.
        inputs: what to label.
        output: folder to write; labels of a prediction before are replaced, and what a person keeps there stays.
        any_modality: label also what the network was not made for.

    Raises:
        SomaNetError: the network was not made for some input, an input cannot be read, the output holds other things
            or what is read here, or cannot be written. Nothing is changed then.
    """
    from somanet import __version__
    from somanet.segmentation.inference.diameters import median_or_nan
    from somanet.segmentation.inference.modality import Shown, check_modality, sampled
    from somanet.segmentation.inference.record import record_of

    paths = list(dict.fromkeys(item.path for item in inputs))
    writes = (*(_file_of(item) for item in inputs), OBJECTS_FILE, PICTURES)
    with reading(*paths), result_folder(output, LABELS, writes=writes) as folder:
        if not any_modality:
            check_modality([Shown(_named(item), item.images) for item in inputs], segmenter.serves)
        sources = {path.name: sha256_tree(path) for path in paths}
        written, tables = [], [OBJECTS.frame([])]
        looked_at = sampled(len(inputs))
        for number, item in enumerate(inputs):
            label = _label_movie if item.read is None else _label_image
            found = label(segmenter, item, folder / _file_of(item), again=number in looked_at)
            diameters = found.objects["diameter_px"].to_numpy(float)
            tables.append(found.objects.assign(image=item.name).astype({"frame": "Int64"}))
            written.append(
                {
                    "file": _file_of(item),
                    "input": item.path.name,
                    "channel": item.choice.channel,
                    "z": item.choice.z,
                    "n_objects": len(diameters),
                    "median_diameter_px": round(median_or_nan(diameters), 2),
                    "blank_frames": list(found.blank_frames),
                }
            )
            yield Labelled(item, folder / _file_of(item), diameters, found.again_px, found.blank_frames)
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
    """The objects of an input, with the number of their frame, and what :class:`Labelled` has of it."""

    objects: pd.DataFrame
    again_px: float
    blank_frames: tuple[int, ...] = ()


def _label_image(segmenter: Segmenter, item: Input, path: Path, *, again: bool) -> _Found:
    from somanet.segmentation.inference.diameters import look_again
    from somanet.segmentation.inference.objects import measure_objects

    assert item.read is not None
    image = item.read()
    found = segmenter.segment(image)
    write_labels(path, found.labels_YX)
    again_px = look_again(segmenter, [(image, found.labels_YX)]) if again else float("nan")
    return _Found(measure_objects(found).assign(frame=np.nan), again_px)


def _label_movie(segmenter: Segmenter, item: Input, path: Path, *, again: bool) -> _Found:
    with item.choice.open(item.path) as movie:
        found = label_movie(segmenter, movie, path, calibration=movie.file_calibration)
    return _Found(found.somas, found.again_px if again else float("nan"), found.blank_frames)


def _named(item: Input) -> str:
    """An input in a message: its path, and which image of a data set it is."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
