"""From a movie to its label movie: the one implementation for `predict`, `analyze` and the pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.problems import FileProblem
from somanet.core.progress import counted
from somanet.core.schema import SOMAS
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import Movie

if TYPE_CHECKING:
    from somanet.segmentation.inference.burnt_in import BurntIn
    from somanet.segmentation.inference.clipping import Clipping
    from somanet.segmentation.inference.looks import Appearance
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.inference.soma_size import SizeEstimate


MOST_TABLES = 256
"""Of single frames in memory: a table takes 8 kB, however few rows it has."""


class LabelledFrame(NamedTuple):
    """A frame's somas.

    Attributes:
        labels_YX: 0 = background, 1…n without gaps.
        objects: a row per soma, :data:`somanet.core.schema.OBJECT`.
        n_haze: objects that were left out as haze.
        clipping: pixels at the ceiling; None where dark objects are looked for.
    """

    labels_YX: NDArray[np.integer]
    objects: pd.DataFrame
    n_haze: int
    clipping: Clipping | None = None


class SegmentsElsewhere(Protocol):
    """Segments the frames of a movie in other processes, once all that looks at the whole movie is decided."""

    def seen(self, frames: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Pass all frames through, as this process decodes them: other processes must find the same."""
        ...

    def __call__(self, segmenter: Segmenter, movie: Movie, *, empty: Collection[int]) -> Iterator[LabelledFrame]:
        """Label every frame, as :func:`labelled_frames` does with the decided segmenter."""
        ...


@dataclass(frozen=True)
class LabelledMovie:
    """Results gathered while a movie's labels were written.

    Attributes:
        somas: a row per soma and frame, :data:`somanet.core.schema.SOMAS`.
        counts: number of somas in every frame.
        blank_frames: blank frames, which get no labels.
        rescale: the factor by which frames were rescaled.
        size: the estimate of the somas' size from a few frames; None if the factor was given or cannot be estimated.
        n_haze: objects in all frames that were left out as haze.
        inverted: the movie is taken for dark objects on a bright background.
        burnt_in: scale bars and time stamps, which got no labels; None if there are none.
        clipping: pixels at the ceiling in all frames; None where dark objects are looked for.
        appearance: how the objects look; None for a network of which it is not known how they should.
        second_look: bright objects hid others in frames seen before, so all frames were looked at twice.
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
    second_look: bool = False


LEAST_SIDE_PX = 2
"""A line is no image, and writers of TIFF take its axis for none."""


def label_movie(
    segmenter: Segmenter,
    movie: Movie,
    path: Path,
    *,
    calibration: Calibration | FileCalibration,
    skipped: Collection[int] = (),
    elsewhere: SegmentsElsewhere | None = None,
) -> LabelledMovie:
    """Write the labels of every frame, a few frames in memory at a time.

    Args:
        segmenter: the network or networks.
        movie: its frames.
        path: the label movie to write, 0 = background; ids have no meaning between frames.
        calibration: the scale to store with it.
        skipped: frames that get no labels, besides blank ones.
        elsewhere: segments the frames; by default this process does.

    Raises:
        SomaNetError: frames are lines, a frame cannot be read, or the labels cannot be written.
    """
    from somanet.segmentation.inference.appearance import appearance_of
    from somanet.segmentation.inference.burnt_in import find_burnt_in, sampled
    from somanet.segmentation.inference.modality import sample_indices
    from somanet.segmentation.inference.soma_size import MORE_IMAGES, decide
    from somanet.segmentation.inference.video import glance_at

    if min(movie.shape_YX) < LEAST_SIDE_PX:
        raise FileProblem(
            f"{movie.path}: expected frames of at least {LEAST_SIDE_PX} × {LEAST_SIDE_PX} px, found "
            f"{movie.shape_YX[0]} × {movie.shape_YX[1]}. Is it a line scan, or are its axes others (--axes)?",
            "wrong shape",
        )
    looked_at = counted(movie, movie.n_frames, doing="checking", unit="frame")
    glances = glance_at(looked_at if elsewhere is None else elsewhere.seen(looked_at))
    blank = glances.blank
    empty = {*blank, *skipped}
    shown = [t for t in range(movie.n_frames) if t not in empty]
    burnt_in = find_burnt_in([movie[shown[n]] for n in sampled(len(shown))])

    def clean(numbers: Iterable[int]) -> list[NDArray[Any]]:
        frames = (movie[shown[n]] for n in numbers)
        return [frame if burnt_in is None else burnt_in.removed_from(frame) for frame in frames]

    seen = clean(sample_indices(len(shown)))
    segmenter, size = decide(
        segmenter,
        seen,
        more=lambda: clean(np.unique(np.linspace(0, len(shown) - 1, MORE_IMAGES).round().astype(int)).tolist()),
    )
    strongest = [n for n, t in enumerate(shown) if t == glances.strongest]
    segmenter = segmenter.looking([*seen, *clean(strongest)]).without(burnt_in)
    if elsewhere is None:
        frames = counted(movie, movie.n_frames, doing="segmenting", unit="frame")
        labelled = labelled_frames(segmenter, frames, empty=empty)
    else:
        labelled = elsewhere(segmenter, movie, empty=empty)
    watch = _Watch()
    write_label_movie(
        path,
        watch.labels_of(labelled),
        n_frames=movie.n_frames,
        shape_YX=movie.shape_YX,
        largest_id=LARGEST_UINT16,
        calibration=calibration,
    )
    somas = watch.somas()
    return LabelledMovie(
        somas=somas,
        counts=watch.counts,
        blank_frames=blank,
        rescale=segmenter.factor,
        size=size,
        n_haze=watch.n_haze,
        inverted=bool(segmenter.inverted),
        burnt_in=burnt_in,
        clipping=watch.clipping,
        appearance=appearance_of(segmenter, somas),
        second_look=segmenter.second_look,
    )


def labelled_frames(
    segmenter: Segmenter, frames: Iterable[NDArray[Any]], *, empty: Collection[int] = ()
) -> Iterator[LabelledFrame]:
    """Segment frames in this process, those with the numbers ``empty`` as frames without somas."""
    from somanet.segmentation.inference.objects import measure_objects
    from somanet.segmentation.inference.video import segmented_frames

    for found in segmented_frames(segmenter, frames, blank_frames=empty):
        yield LabelledFrame(found.labels_YX, measure_objects(found), found.n_haze, found.clipping)


def listed(frames: Sequence[int]) -> str:
    """The numbers of the first few frames, for a message."""
    return ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")


class _Watch:
    """Keeps the somas of frames whose labels are on their way to the file."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.n_haze = 0
        self.clipping: Clipping | None = None
        self._tables = [SOMAS.frame([])]

    def somas(self) -> pd.DataFrame:
        """Of all frames so far, in one table."""
        self._tables = [pd.concat(self._tables, ignore_index=True)]
        return self._tables[0]

    def labels_of(self, frames: Iterable[LabelledFrame]) -> Iterator[NDArray[np.integer]]:
        """Pass the labels through."""
        from somanet.segmentation.inference.clipping import together

        for t, found in enumerate(frames):
            self.counts.append(len(found.objects))
            self._tables.append(found.objects.assign(frame=t))
            if len(self._tables) > MOST_TABLES:
                self.somas()
            self.n_haze += found.n_haze
            self.clipping = together(self.clipping, found.clipping)
            yield found.labels_YX
