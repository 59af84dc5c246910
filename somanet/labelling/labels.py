"""Label images of files, one by one, and a table of their objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.files import make_folder, sha256_tree, write_json
from somanet.io.images import write_labels
from somanet.io.tables import write_table
from somanet.labelling.inputs import Input
from somanet.schema import OBJECTS

if TYPE_CHECKING:
    from somanet.segmentation.segmenter import Segmenter

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
    from somanet.segmentation.objects import measure_objects

    if not any_modality:
        check_modality([Shown(_named(item), item.images) for item in inputs], segmenter.serves)
    written, tables = [], [OBJECTS.frame([])]
    seen: list[tuple[NDArray[Any], NDArray[Any]]]
    looked_at = sampled(len(inputs))
    for number, item in enumerate(inputs):
        if item.read is not None:
            image = item.read()
            found = segmenter.segment(image)
            labels = found.labels_YX
            objects = measure_objects(found).assign(frame=np.nan)
            seen = [(image, labels)]
        else:
            with item.choice.open(item.path) as movie:
                frames, rows = [], []
                for t, found in enumerate(map(segmenter.segment, movie)):
                    frames.append(found.labels_YX.astype(np.uint16))
                    rows.append(measure_objects(found).assign(frame=t))
                seen = [(movie[t], frames[t]) for t in sampled(len(frames))]
            labels = np.stack(frames).astype(np.int32)
            objects = pd.concat(rows, ignore_index=True)
        diameters = objects["diameter_px"].to_numpy(float)
        tables.append(objects.assign(image=item.name).astype({"frame": "Int64"}))
        again = look_again(segmenter, seen) if number in looked_at else float("nan")
        make_folder(output)  # not before there is something to write
        write_labels(output / f"{item.name}.tif", labels)
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


def _named(item: Input) -> str:
    """An input in a message: its path, and which image of a data set it is."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
