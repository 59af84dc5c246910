"""A folder of crops: a data set of one mask per soma, ImageJ's selections, a table, a picture and a record."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet import __version__
from somanet.analysis.labelling.crops import Crop, crops_table
from somanet.analysis.labelling.sheet import Picture, contact_sheet
from somanet.core.files import json_object, write_json
from somanet.core.plots import save_figure
from somanet.core.result_records import Kind, hashes_of
from somanet.core.results import others_go_aside, result_folder
from somanet.core.schema import CROPS
from somanet.io.datasets import writers
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.origins import ORIGINS_FILE
from somanet.io.datasets.writers import write_kaggle_files
from somanet.io.rois.selections import label_selections, write_selections
from somanet.io.rois.sets import ROI_SET
from somanet.io.tables import write_table

LABELLING = Kind(record=writers.PROPOSED, what="crops that SomaNet proposed")
SHEET = "crops.png"
_MOST_SHOWN = 48


@dataclass(frozen=True)
class Proposed:
    """A crop with its proposal.

    Attributes:
        crop: where it lies.
        image: YX or YXC, as stored.
        labels_YX: the proposed somas.
        background_too: the threshold was too low for the image, see
            :class:`somanet.analysis.labelling.proposals.Proposal`.
    """

    crop: Crop
    image: NDArray[Any]
    labels_YX: NDArray[np.int32]
    background_too: bool = False

    @property
    def n_somas(self) -> int:
        """Number of masks."""
        return int(np.count_nonzero(np.unique(self.labels_YX)))


def goes_aside(output: Path, inputs_sha256: Collection[str]) -> bool:
    """Whether a folder holds crops of other inputs, and is to be kept as a whole.

    Raises:
        SomaNetError: it does, and files may not be replaced.
    """
    before = json_object(output / LABELLING.record).get("inputs")
    there = before if isinstance(before, dict) else {}
    return others_go_aside(output, [name for name in there if there[name]["sha256"] not in inputs_sha256], "crops")


def write_labelling(
    output: Path,
    proposed: Iterable[Proposed],
    *,
    by: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, Any]],
) -> list[Proposed]:
    """Write crops; the folder appears when all are done, or not at all.

    Selections that a person has changed since are never lost: without `--replace` they are an error, with it they stay
    under another name.

    Args:
        output: the folder.
        proposed: the crops with their proposals.
        by: who proposed: a threshold, or a network with its hash.
        inputs: by name, the files that they are of, with their hashes.

    Returns:
        The crops.

    Raises:
        SomaNetError: the folder contains other files or changed ones, or crops of other inputs, or cannot be written.
    """
    done: list[Proposed] = []
    aside = goes_aside(output, [one["sha256"] for one in inputs.values()])
    with result_folder(output, LABELLING, writes=(ORIGINS_FILE, SHEET), aside=aside) as folder:

        def items() -> Iterable[LabelledImage]:
            for one in proposed:
                done.append(one)
                yield LabelledImage(one.crop.name, _storable(one.image), one.labels_YX)

        write_kaggle_files(folder, items(), output)
        for one in done:
            if one.n_somas:
                write_selections(folder / one.crop.name / f"{ROI_SET}.zip", label_selections(one.labels_YX))
        write_table(folder / ORIGINS_FILE, crops_table((one.crop, one.n_somas) for one in done), CROPS)
        save_figure(contact_sheet([_picture(one) for one in done[:_MOST_SHOWN]]), folder / SHEET)
        write_json(
            folder / LABELLING.record,
            {
                "somanet": __version__,
                "proposed": dict(by),
                "inputs": dict(inputs),
                "crops": [
                    {
                        "crop": one.crop.name,
                        "input": one.crop.source,
                        "frame": one.crop.frame,
                        "y_px": one.crop.y_px,
                        "x_px": one.crop.x_px,
                        "n_somas": one.n_somas,
                    }
                    for one in done
                ],
                "files": hashes_of(folder, LABELLING),
            },
        )
    return done


def _picture(one: Proposed) -> Picture:
    reasons = one.crop.reasons.split("; ") if one.crop.reasons else []
    more = f" (+ {len(reasons) - 2})" if len(reasons) > 2 else ""
    title = [one.crop.name, *reasons[:1], *(f"{reason}{more}" for reason in reasons[1:2])]
    return Picture(title, one.image, one.labels_YX, one.crop.marks_YX)


def _storable(image: NDArray[Any]) -> NDArray[Any]:
    """An image as PNG can hold it: floating-point numbers on the 16 bits of the crop's own range."""
    if image.dtype.kind != "f":
        return image
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    scale = 65535 / (high - low) if high > low and math.isfinite(high - low) else 0.0
    return np.nan_to_num((image - low) * scale).round().astype(np.uint16)
