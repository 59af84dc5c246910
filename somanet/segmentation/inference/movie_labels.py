"""From a movie to its label movie: the one implementation for `predict`, `analyze` and the pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.progress import counted
from somanet.core.schema import SOMAS
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import Movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.burnt_in import BurntIn
    from somanet.segmentation.inference.segmenter import Segmented, Segmenter

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class LabelledMovie:
    """Results gathered while a movie's labels were written.

    Attributes:
        somas: a row per soma and frame, :data:`somanet.core.schema.SOMAS`.
        counts: number of somas in every frame.
        blank_frames: blank frames, which get no labels.
        downscaled_px: diameter of somas that are detected in three downscaled frames, see
            :func:`somanet.segmentation.inference.diameters.diameter_when_downscaled`; NaN if there are none.
        inverted: the movie is taken for dark objects on a bright background.
        burnt_in: scale bars and time stamps, which got no labels; None if there are none.
    """

    somas: pd.DataFrame
    counts: list[int]
    blank_frames: tuple[int, ...]
    downscaled_px: float
    inverted: bool = False
    burnt_in: BurntIn | None = None


def label_movie(
    segmenter: Segmenter,
    movie: Movie,
    path: Path,
    *,
    calibration: Calibration | FileCalibration,
    skipped: Collection[int] = (),
) -> LabelledMovie:
    """Write the labels of every frame, a few frames in memory at a time.

    Args:
        segmenter: the network or networks.
        movie: its frames.
        path: the label movie to write, 0 = background; ids have no meaning between frames.
        calibration: the scale to store with it.
        skipped: frames that get no labels, besides blank ones.

    Raises:
        SomaNetError: a frame cannot be read, or the labels cannot be written.
    """
    from somanet.segmentation.inference.burnt_in import find_burnt_in, sampled
    from somanet.segmentation.inference.diameters import diameter_when_downscaled
    from somanet.segmentation.inference.modality import sample_indices
    from somanet.segmentation.inference.video import find_blank_frames, segmented_frames

    blank = find_blank_frames(counted(movie, movie.n_frames, doing="checking", unit="frame"))
    empty = {*blank, *skipped}
    shown = [t for t in range(movie.n_frames) if t not in empty]
    burnt_in = find_burnt_in([movie[shown[n]] for n in sampled(len(shown))])
    looked_at = [movie[shown[n]] for n in sample_indices(len(shown))]
    if burnt_in is not None:
        looked_at = [burnt_in.removed_from(frame) for frame in looked_at]
    segmenter = segmenter.without(burnt_in).deciding(looked_at)
    frames = counted(movie, movie.n_frames, doing="segmenting", unit="frame")
    watch = _Watch(movie.n_frames, empty)
    write_label_movie(
        path,
        watch.labels_of(segmented_frames(segmenter, frames, blank_frames=empty)),
        n_frames=movie.n_frames,
        shape_YX=movie.shape_YX,
        largest_id=LARGEST_UINT16,
        calibration=calibration,
    )
    labelled = [(movie[t], labels) for t, labels in watch.kept.items() if labels is not None]
    somas = pd.concat([SOMAS.frame([]), *watch.frames], ignore_index=True)
    return LabelledMovie(
        somas=somas,
        counts=[len(found) for found in watch.frames],
        blank_frames=blank,
        downscaled_px=diameter_when_downscaled(segmenter, labelled),
        inverted=bool(segmenter.inverted),
        burnt_in=burnt_in,
    )


def listed(frames: Sequence[int]) -> str:
    """The numbers of the first few frames, for a message."""
    return ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")


class _Watch:
    """Measures the somas of frames on their way to the file; keeps the labels of three frames for the size check.

    Args:
        n_frames: length of the movie.
        empty_frames: frames without labels, which are not among the three.
    """

    def __init__(self, n_frames: int, empty_frames: Collection[int]) -> None:
        from somanet.segmentation.inference.modality import sample_indices

        shown = [t for t in range(n_frames) if t not in empty_frames]
        self.kept: dict[int, Labels | None] = {shown[n]: None for n in sample_indices(len(shown))}
        self.frames: list[pd.DataFrame] = []

    def labels_of(self, frames: Iterable[Segmented]) -> Iterator[Labels]:
        """Pass the labels through."""
        from somanet.segmentation.inference.objects import measure_objects

        for t, found in enumerate(frames):
            self.frames.append(measure_objects(found).assign(frame=t))
            if t in self.kept:
                self.kept[t] = found.labels_YX
            yield found.labels_YX
