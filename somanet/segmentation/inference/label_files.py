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
from somanet.core.result_records import Kind, hashes_of
from somanet.core.results import result_folder
from somanet.core.schema import OBJECTS
from somanet.core.unchanged import unchanged
from somanet.io.frame_store import keeping
from somanet.io.images import write_labels
from somanet.io.movie_files import movie_files
from somanet.io.movies import sha256_movie
from somanet.io.tables import write_table
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.movie_labels import label_movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.appearance import Appearance
    from somanet.segmentation.inference.clipping import Clipping
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.inference.soma_size import SizeEstimate

OBJECTS_FILE, PICTURES = "objects.csv", "pictures"
LABELS = Kind(record="predictions.json", what="label images of SomaNet")


class Labelled(NamedTuple):
    """An input whose label image has been written.

    Attributes:
        item: the input.
        path: the label image, in a folder that moves to its destination when all are done, together with its subfolder
            :data:`PICTURES`.
        diameters_px: diameters of its somas, in its own pixels; in a movie, of all frames.
        rescale: the factor by which it was rescaled.
        size: the estimate of the somas' size; None if the factor was given or cannot be estimated.
        n_haze: objects that were left out as haze.
        blank_frames: blank frames of a movie, which get no labels.
        inverted: taken for dark objects on a bright background.
        burnt_in: where a scale bar or a time stamp is burnt into a movie, in words; None if nowhere.
        clipping: pixels at the ceiling; None where dark objects are looked for.
        appearance: how the objects look; None for a network of which it is not known how they should.
    """

    item: Input
    path: Path
    diameters_px: NDArray[np.float64]
    rescale: float = 1.0
    size: SizeEstimate | None = None
    n_haze: int = 0
    blank_frames: tuple[int, ...] = ()
    inverted: bool = False
    burnt_in: str | None = None
    clipping: Clipping | None = None
    appearance: Appearance | None = None

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
    from somanet.segmentation.inference.modality import ModalityInput, check_modality
    from somanet.segmentation.inference.record import record_of

    paths = list(dict.fromkeys(item.path for item in inputs))
    writes = (*(_file_of(item) for item in inputs), OBJECTS_FILE, PICTURES)
    files_read = [file for path in paths for file in movie_files(path)]
    with (
        reading(*paths),
        result_folder(output, LABELS, writes=writes) as folder,
        unchanged(*files_read),
    ):
        if not any_modality:
            check_modality([ModalityInput(_named(item), item.images) for item in inputs], segmenter.intended_use)
        sources = {path.name: sha256_movie(path) for path in paths}
        written, tables = [], [OBJECTS.frame([])]
        for item in inputs:
            label = _label_movie if item.read is None else _label_image
            found = label(segmenter, item, folder / _file_of(item))
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
                    "rescale": found.rescale,
                    "size": None if found.size is None else found.size.model_dump(mode="json"),
                    "n_haze": found.n_haze,
                    "clipping": None if found.clipping is None else found.clipping.model_dump(mode="json"),
                    "appearance": None if found.appearance is None else found.appearance.model_dump(mode="json"),
                }
            )
            yield Labelled(
                item,
                folder / _file_of(item),
                diameters,
                rescale=found.rescale,
                size=found.size,
                n_haze=found.n_haze,
                blank_frames=found.blank_frames,
                inverted=found.inverted,
                burnt_in=found.burnt_in,
                clipping=found.clipping,
                appearance=found.appearance,
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
    rescale: float
    size: SizeEstimate | None
    n_haze: int
    blank_frames: tuple[int, ...]
    inverted: bool
    burnt_in: str | None = None
    clipping: Clipping | None = None
    appearance: Appearance | None = None


def _label_image(segmenter: Segmenter, item: Input, path: Path) -> _Found:
    from somanet.segmentation.inference.appearance import appearance_of
    from somanet.segmentation.inference.objects import measure_objects
    from somanet.segmentation.inference.soma_size import decide

    assert item.read is not None
    image = item.read()
    segmenter, size = decide(segmenter, [image])
    found = segmenter.segment(image)
    write_labels(path, found.labels_YX)
    objects = measure_objects(found).assign(frame=np.nan)
    return _Found(
        objects,
        segmenter.factor,
        size,
        found.n_haze,
        (),
        bool(segmenter.inverted),
        clipping=found.clipping,
        appearance=appearance_of(segmenter, found.contrast, found.confidence),
    )


def _label_movie(segmenter: Segmenter, item: Input, path: Path) -> _Found:
    with keeping(item.choice.open(item.path), path.parent) as movie:
        found = label_movie(segmenter, movie, path, calibration=movie.file_calibration)
    burnt_in = None if found.burnt_in is None else found.burnt_in.in_words
    return _Found(
        found.somas,
        found.rescale,
        found.size,
        found.n_haze,
        found.blank_frames,
        found.inverted,
        burnt_in,
        found.clipping,
        found.appearance,
    )


def _named(item: Input) -> str:
    """An input in a message: its path, and its name within a data set."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
