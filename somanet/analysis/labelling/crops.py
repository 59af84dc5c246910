"""Crops: where they are cut, chosen so that they are spread over time and place and show something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.schema import CROPS
from somanet.io.datasets.origins import ORIGINS_FILE
from somanet.io.tables import read_table

SIZE_PX = 256
"""The paper's crops: 256 × 256."""
_STEPS = 4
"""Windows that are compared overlap by all but this part of their side."""
_BRIGHT_SD = 5.0
"""A pixel shows something if it is that far above the background."""
_SHOWS_SOMETHING = 0.5
"""Of what windows with anything bright in them usually show; emptier ones are not chosen."""


@dataclass(frozen=True)
class Crop:
    """Part of an image or of a frame.

    Attributes:
        source: name of the image or movie.
        frame: of a movie, from 0.
        y_px, x_px: its first row and column in the image.
        height_px, width_px: its size.
        whole: it is the whole image, and has its name.
        score, reasons: why it was chosen, if by doubt.
        marks_YX: places of doubt in it, in its own pixels.
    """

    source: str
    frame: int | None
    y_px: int
    x_px: int
    height_px: int
    width_px: int
    whole: bool = False
    score: float = float("nan")
    reasons: str = ""
    marks_YX: tuple[tuple[float, float], ...] = ()

    @property
    def name(self) -> str:
        """Such as `movie_t03_y006_x133`; of a whole image its own name."""
        if self.whole and self.frame is None:
            return self.source
        time = "" if self.frame is None else f"_t{self.frame:02d}"
        return f"{self.source}{time}_y{self.y_px:03d}_x{self.x_px:03d}"

    @property
    def place(self) -> tuple[slice, slice]:
        """Where it lies in its image."""
        return (
            slice(self.y_px, self.y_px + self.height_px),
            slice(self.x_px, self.x_px + self.width_px),
        )


def whole_image(source: str, shape_YX: tuple[int, int]) -> Crop:
    """An image that is no larger than a crop."""
    return Crop(source, None, 0, 0, *shape_YX, whole=True)


def around(
    source: str, frame: int | None, centre_YX: tuple[float, float], shape_YX: tuple[int, int], size_px: int
) -> Crop:
    """The crop around a place, moved into the image where it would reach beyond."""
    height, width = min(size_px, shape_YX[0]), min(size_px, shape_YX[1])
    y = int(np.clip(round(centre_YX[0] - height / 2), 0, shape_YX[0] - height))
    x = int(np.clip(round(centre_YX[1] - width / 2), 0, shape_YX[1] - width))
    return Crop(source, frame, y, x, height, width, whole=frame is None and (height, width) == tuple(shape_YX))


def overlap_share(one: Crop, other: Crop) -> float:
    """Area that two crops of one image share, as a part of a crop's."""
    if one.source != other.source:
        return 0.0
    rows = min(one.y_px + one.height_px, other.y_px + other.height_px) - max(one.y_px, other.y_px)
    columns = min(one.x_px + one.width_px, other.x_px + other.width_px) - max(one.x_px, other.x_px)
    return max(0, rows) * max(0, columns) / (one.height_px * one.width_px)


def spread_frames(n_frames: int, count: int) -> list[int]:
    """Frames at even distances, the middle of each part of the movie."""
    count = min(count, n_frames)
    return [int((2 * n + 1) * n_frames / (2 * count)) for n in range(count)]


def choose_window(
    image: NDArray[np.generic], source: str, frame: int | None, earlier: Sequence[Crop], *, size_px: int
) -> Crop:
    """The crop of an image that shows something and overlaps least with the crops chosen before.

    The choice rests on the image alone, not on a proposal, so that two labellings can have the same crops.

    Args:
        image: YX or YXC.
        source, frame: of the crop.
        earlier: crops of the same movie that are chosen already.
        size_px: side of the crop.
    """
    grey_YX = (image if image.ndim == 2 else image[..., :3].max(axis=2)).astype(np.float64)
    low, middle = np.percentile(grey_YX, (15.87, 50))
    bright = grey_YX > middle + _BRIGHT_SD * max(middle - low, 1e-9)
    total = np.pad(np.cumsum(np.cumsum(bright, axis=0), axis=1), ((1, 0), (1, 0)))
    height, width = min(size_px, grey_YX.shape[0]), min(size_px, grey_YX.shape[1])
    ys, xs = (_starts(side, window) for side, window in zip(grey_YX.shape, (height, width), strict=True))
    crops, shown = [], []
    for y in ys:
        for x in xs:
            crops.append(Crop(source, frame, y, x, height, width))
            shown.append(total[y + height, x + width] - total[y, x + width] - total[y + height, x] + total[y, x])
    content = np.array(shown, float)
    usual = float(np.median(content[content > 0])) if (content > 0).any() else 0.0
    overlap = np.array([sum(overlap_share(crop, one) for one in earlier) for crop in crops], float)
    overlap[content < _SHOWS_SOMETHING * usual] = np.inf
    return crops[int(np.lexsort((-content, overlap.round(6)))[0])]


def _starts(side: int, window: int) -> list[int]:
    """First rows (or columns) of windows that are compared."""
    n = max(1, int(np.ceil((side - window) / max(1, window // _STEPS))) + 1)
    return sorted({int(start) for start in np.linspace(0, side - window, n).round()})


def crops_table(crops: Iterable[tuple[Crop, int]]) -> pd.DataFrame:
    """Crops with their numbers of masks as rows of :data:`somanet.core.schema.CROPS`."""
    return CROPS.frame(
        [
            {
                "crop": one.name,
                "input": one.source,
                "frame": one.frame,
                "y_px": one.y_px,
                "x_px": one.x_px,
                "height_px": one.height_px,
                "width_px": one.width_px,
                "n_somas": count,
                "score": one.score,
                "reasons": one.reasons,
            }
            for one, count in crops
        ]
    )


def read_crops(path: Path) -> list[Crop]:
    """The crops of an earlier labelling: its folder, or its `crops.csv`.

    Raises:
        SomaNetError: no such table, or an impossible crop in it.
    """
    file = path / ORIGINS_FILE if path.is_dir() else path
    table = read_table(file, CROPS)
    crops = []
    for n, row in enumerate(table.to_dict("records"), start=2):
        try:
            numbers = [int(row[name]) for name in ("y_px", "x_px", "height_px", "width_px")]
            frame = None if pd.isna(row["frame"]) else int(row["frame"])
        except (TypeError, ValueError) as error:
            raise SomaNetError(
                f"{file}, line {n}: expected whole numbers for the crop's place, found something else. Was it edited?"
            ) from error
        if min(numbers[:2]) < 0 or min(numbers[2:]) < 1 or (frame or 0) < 0:
            raise SomaNetError(f"{file}, line {n}: expected a crop inside an image, found {numbers}. Was it edited?")
        source = str(row["input"])
        y, x, height, width = numbers
        crops.append(Crop(source, frame, y, x, height, width, whole=frame is None and str(row["crop"]) == source))
    if not crops:
        raise SomaNetError(f"{file}: expected crops, found a table without rows.")
    return crops
