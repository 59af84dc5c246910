"""Two drawn somas as images of a data set, and their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from somanet.io.images import write_image
from tests.worlds import TWO_SOMAS, draw, photograph

LABELS = draw(TWO_SOMAS)
"""64 × 96 px: rows 8 to 31 and columns 8 to 31 are object 1, rows 8 to 39 and columns 64 to 79 object 2."""


def image(brighter: int = 0) -> np.ndarray:
    return photograph(LABELS) + np.uint8(brighter)


def write_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, image(number))
