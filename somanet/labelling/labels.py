"""Label images of files, one by one, and a table of their objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.files import sha256_tree, write_json
from somanet.io.images import write_labels
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.tables import write_table
from somanet.labelling.inputs import Input
from somanet.schema import OBJECTS

if TYPE_CHECKING:
    from somanet.segmentation.segmenter import Segmenter

Seen = tuple[NDArray[Any], NDArray[Any]]
"""An image and its labels."""

OBJECTS_FILE, RECORD_FILE = "objects.csv", "predictions.json"


class Labelled(NamedTuple):
    """An input whose label image is written.

    Attributes:
        item: the input.
        diameters_px: of its somas, in its own pixels; of a movie, of all frames.
        again_px: of somas that are found when it is seen smaller, see
            :func:`somanet.segmentation.diameters.look_again`; NaN if there are none or this was not asked.
    """

    item: Input
    diameters_px: NDArray[np.float64]
    again_px: float = float("nan")

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
    """Label inputs one by one as `<output>/<name>.tif`.

    Afterwards `<output>/objects.csv` has a row per soma of every image and frame, and `<output>/predictions.json` says
    which networks and inputs the labels came from.

    Args:
        segmenter: the network or networks.
        inputs: what to label.
        output: folder to write into.
        any_modality: label also what the network was not made for.

    Raises:
        SomaNetError: the network was not made for some input (nothing is written then), an input cannot be read, or
            the output cannot be written. Labels written before stay.
    """
    from somanet.segmentation.diameters import look_again, median_or_nan
    from somanet.segmentation.modality import Shown, check_modality, sampled

    if not any_modality:
        check_modality([Shown(_named(item), item.images) for item in inputs], segmenter.serves)
    written, tables = [], [OBJECTS.frame([])]
    looked_at = sampled(len(inputs))
    for number, item in enumerate(inputs):
        label = _label_movie if item.read is None else _label_image
        objects, seen = label(segmenter, item, output / f"{item.name}.tif")
        diameters = objects["diameter_px"].to_numpy(float)
        tables.append(objects.assign(image=item.name).astype({"frame": "Int64"}))
        again = look_again(segmenter, seen) if number in looked_at else float("nan")
        written.append(
            {
                "file": f"{item.name}.tif",
                "input": item.path.name,
                "channel": item.choice.channel,
                "z": item.choice.z,
                "n_objects": len(diameters),
                "median_diameter_px": round(median_or_nan(diameters), 2),
            }
        )
        yield Labelled(item, diameters, again)
    sources = {path.name: sha256_tree(path) for path in dict.fromkeys(item.path for item in inputs)}
    from somanet import __version__
    from somanet.engines import record_of

    write_table(output / OBJECTS_FILE, pd.concat(tables, ignore_index=True), OBJECTS)
    write_json(
        output / RECORD_FILE,
        {
            "somanet": __version__,
            **record_of(segmenter),
            "any_modality": any_modality,
            "inputs_sha256": sources,
            "labels": written,
        },
    )


def _label_image(segmenter: Segmenter, item: Input, path: Path) -> tuple[pd.DataFrame, list[Seen]]:
    """Write an image's labels; gives its objects, and the image with its labels."""
    from somanet.segmentation.objects import measure_objects

    assert item.read is not None
    image = item.read()
    found = segmenter.segment(image)
    write_labels(path, found.labels_YX)
    return measure_objects(found).assign(frame=np.nan), [(image, found.labels_YX)]


def _label_movie(segmenter: Segmenter, item: Input, path: Path) -> tuple[pd.DataFrame, list[Seen]]:
    """Write a movie's labels, one frame in memory at a time; gives its objects, and a few frames with their labels."""
    from somanet.segmentation.modality import sampled
    from somanet.segmentation.objects import measure_objects

    rows: list[pd.DataFrame] = []
    seen: list[Seen] = []
    with item.choice.open(item.path) as movie:
        looked_at = sampled(movie.n_frames)

        def labelled() -> Iterator[NDArray[np.int32]]:
            for t, frame in enumerate(movie):
                found = segmenter.segment(frame)
                rows.append(measure_objects(found).assign(frame=t))
                if t in looked_at:
                    seen.append((frame, found.labels_YX))
                yield found.labels_YX

        write_label_movie(
            path,
            labelled(),
            n_frames=movie.n_frames,
            shape_YX=movie.shape_YX,
            largest_id=LARGEST_UINT16,
            calibration=movie.file_calibration,
        )
    return pd.concat(rows, ignore_index=True), seen


def _named(item: Input) -> str:
    """An input in a message: its path, and which image of a data set it is."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
