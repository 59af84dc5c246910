"""From a movie to its label movie: the one implementation for `predict`, `analyze` and the pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.progress import counted
from somanet.core.schema import SOMAS
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import Movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.appearance import Appearance
    from somanet.segmentation.inference.burnt_in import BurntIn
    from somanet.segmentation.inference.clipping import Clipping
    from somanet.segmentation.inference.segmenter import Segmented, Segmenter
    from somanet.segmentation.inference.soma_size import SizeEstimate


@dataclass(frozen=True)
class LabelledMovie:
    """Results gathered while a movie's labels were written.

    Attributes:
        somas: a row per soma and frame, :data:`somanet.core.schema.SOMAS`.
        counts: number of somas in every frame.
        blank_frames: blank frames, which get no labels.
        rescale: the factor by which frames were rescaled.
        size: the estimate of the somas' size from three frames; None if the factor was given or cannot be estimated.
        n_haze: objects in all frames that were left out as haze.
        inverted: the movie is taken for dark objects on a bright background.
        burnt_in: scale bars and time stamps, which got no labels; None if there are none.
        clipping: pixels at the ceiling in all frames; None where dark objects are looked for.
        appearance: how the objects look; None for a network of which it is not known how they should.
    """

    somas: pd.DataFrame
    counts: list[int]
    blank_frames: tuple[int, ...]
    rescale: float = 1.0
    size: SizeEstimate | None = None
    n_haze: int = 0
    inverted: bool = False
    burnt_in: BurntIn | None = None
    clipping: Clipping | None = None
    appearance: Appearance | None = None


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
    from somanet.segmentation.inference.appearance import appearance_of
    from somanet.segmentation.inference.burnt_in import find_burnt_in, sampled
    from somanet.segmentation.inference.clipping import Clipping
    from somanet.segmentation.inference.modality import sample_indices
    from somanet.segmentation.inference.soma_size import MORE_IMAGES, decide
    from somanet.segmentation.inference.video import find_blank_frames, segmented_frames

    blank = find_blank_frames(counted(movie, movie.n_frames, doing="checking", unit="frame"))
    empty = {*blank, *skipped}
    shown = [t for t in range(movie.n_frames) if t not in empty]
    burnt_in = find_burnt_in([movie[shown[n]] for n in sampled(len(shown))])

    def clean(numbers: Iterable[int]) -> list[NDArray[Any]]:
        frames = (movie[shown[n]] for n in numbers)
        return [frame if burnt_in is None else burnt_in.removed_from(frame) for frame in frames]

    segmenter, size = decide(
        segmenter,
        clean(sample_indices(len(shown))),
        more=lambda: clean(np.unique(np.linspace(0, len(shown) - 1, MORE_IMAGES).round().astype(int)).tolist()),
    )
    segmenter = segmenter.without(burnt_in)
    frames = counted(movie, movie.n_frames, doing="segmenting", unit="frame")
    watch = _Watch()
    write_label_movie(
        path,
        watch.labels_of(segmented_frames(segmenter, frames, blank_frames=empty)),
        n_frames=movie.n_frames,
        shape_YX=movie.shape_YX,
        largest_id=LARGEST_UINT16,
        calibration=calibration,
    )
    somas = pd.concat([SOMAS.frame([]), *watch.frames], ignore_index=True)
    return LabelledMovie(
        somas=somas,
        counts=[len(found) for found in watch.frames],
        blank_frames=blank,
        rescale=segmenter.factor,
        size=size,
        n_haze=watch.n_haze,
        inverted=bool(segmenter.inverted),
        burnt_in=burnt_in,
        clipping=Clipping.of_all(watch.clipping) if watch.clipping else None,
        appearance=appearance_of(segmenter, *(somas[name].to_numpy(float) for name in ("contrast", "confidence"))),
    )


def listed(frames: Sequence[int]) -> str:
    """The numbers of the first few frames, for a message."""
    return ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")


class _Watch:
    """Measures the somas of frames on their way to the file."""

    def __init__(self) -> None:
        self.frames: list[pd.DataFrame] = []
        self.n_haze = 0
        self.clipping: list[Clipping] = []

    def labels_of(self, frames: Iterable[Segmented]) -> Iterator[NDArray[np.int32]]:
        """Pass the labels through."""
        from somanet.segmentation.inference.objects import measure_objects

        for t, found in enumerate(frames):
            self.frames.append(measure_objects(found).assign(frame=t))
            self.n_haze += found.n_haze
            if found.clipping is not None:
                self.clipping.append(found.clipping)
            yield found.labels_YX
