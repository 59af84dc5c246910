"""Corrected crops as a data set for training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.names import check_file_name
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.origins import Origin, read_origins
from somanet.io.datasets.writers import write_pairs
from somanet.tracking.detections import Labels

SIZE_PX = 256
"""Side of a crop, as in the paper."""


class Crop(NamedTuple):
    """A labelled crop, and where it was cut out."""

    item: LabelledImage
    origin: Origin


def crop_of(
    image: NDArray[Any], labels_YX: Labels, at_yx: tuple[float, float], *, movie: str, t: int, size_px: int = SIZE_PX
) -> Crop:
    """The crop around a place, moved inward where the picture ends; of a smaller picture all of it.

    Args:
        image: the frame, YX.
        labels_YX: its somas; in the crop they are numbered from 1.
        at_yx: the middle.
        movie, t: name the crop.
        size_px: its side.

    Raises:
        SomaNetError: there is no soma in it, or the movie's name cannot be part of a file's.
    """
    top, left = (
        max(0, min(round(centre) - size_px // 2, length - size_px))
        for centre, length in zip(at_yx, labels_YX.shape, strict=True)
    )
    part = np.s_[top : top + size_px, left : left + size_px]
    labels = np.asarray(labels_YX)[part]
    if not labels.any():
        raise SomaNetError("There is no soma in this crop. Select one, and add the crop around it.")
    name = f"{movie}_t{t:02d}_y{top:03d}_x{left:03d}"
    check_file_name(name, "Cannot add the crop")
    ids, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(labels.shape) + (0 if ids[0] == 0 else 1)
    item = LabelledImage(name, np.asarray(image)[part].copy(), numbers.astype(np.int32))
    return Crop(item, Origin(movie, top, left))


def add_crop(folder: Path, crop: Crop) -> int:
    """Add a crop to a data set in the pairs layout, or replace the one of its name there; all or nothing.

    Returns:
        the number of crops in the data set.

    Raises:
        SomaNetError: the folder has other files, or cannot be written.
    """
    there = open_dataset(folder) if folder.is_dir() and any(folder.iterdir()) else None
    known = {} if there is None else read_origins(folder)
    name = crop.item.name

    def items() -> Iterator[LabelledImage]:
        if there is not None:
            yield from (there.load(one) for one in there.names if one != name)
        yield crop.item

    return len(write_pairs(folder, items(), origins={**known, name: crop.origin}).names)
