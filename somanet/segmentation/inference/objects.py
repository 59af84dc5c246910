"""The objects of a label image as rows of a table: position, size, confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.core.schema import OBJECT
from somanet.segmentation.inference.segmenter import Segmented


def measure_objects(found: Segmented) -> pd.DataFrame:
    """One row per object of an image, by label, with the columns of :data:`somanet.core.schema.OBJECT`."""
    flat = found.labels_YX.ravel()
    areas = np.bincount(flat)[1:]
    y, x = (np.bincount(flat, of.ravel().astype(np.float64))[1:] for of in np.indices(found.labels_YX.shape, np.int32))
    values = (
        np.arange(1, len(areas) + 1),
        areas,
        2 * np.sqrt(areas / np.pi),
        y / areas,
        x / areas,
        found.confidence,
        found.contrast,
    )
    return pd.DataFrame({column.name: value for column, value in zip(OBJECT, values, strict=True)})
