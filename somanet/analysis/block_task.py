"""What a worker does with a block of one movie's frames: read them, segment them, write their labels.

All that looks at the whole movie is decided by the process that asks; a worker decodes the frames of its block, once
each, and makes sure that they are those that this process decoded.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.asked import Asked, NoLongerWanted, Refused, ready_for
from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.progress import counted, told_to
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import Movie
from somanet.segmentation.inference.movie_labels import LabelledFrame, labelled_frames

if TYPE_CHECKING:
    from somanet.segmentation.inference.burnt_in import BurntIn
    from somanet.segmentation.inference.clipping import Clipping
    from somanet.segmentation.inference.segmenter import Segmenter


NOTHING = np.empty((0, 0), np.int32)


@dataclass(frozen=True, kw_only=True)
class Block(Asked):
    """A block of frames for a worker.

    Attributes:
        frames: their numbers, among the frames that are analysed.
        empty: those that get no labels, which are not read.
        digests: of each frame, by :func:`digest_of`.
        rescale, inverted, burnt_in, second_look: what was decided for the whole movie, see
            :class:`somanet.segmentation.inference.segmenter.Segmenter`.
        path: the label movie to write.
    """

    frames: range
    empty: frozenset[int]
    digests: tuple[bytes, ...]
    rescale: float | None
    inverted: bool | None
    burnt_in: BurntIn | None
    second_look: bool
    path: Path

    @property
    def words(self) -> str:
        """`frames 20 to 29`."""
        return f"frames {self.frames[0]} to {self.frames[-1]}"

    def decided(self, segmenter: Segmenter) -> Segmenter:
        """This process's segmenter with what was decided."""
        return replace(
            segmenter,
            rescale=self.rescale,
            inverted=self.inverted,
            burnt_in=self.burnt_in,
            second_look=self.second_look,
        )


@dataclass(frozen=True)
class BlockDone:
    """What a worker says of its block; nothing, if it was stopped.

    Attributes:
        objects: the somas of all frames, a row each, in the order of the frames.
        counts: of each frame, the number of somas, that of objects left out as haze, and pixels at the ceiling.
        problem: why the block cannot be segmented, here or anywhere.
        refusal: why this worker cannot segment any block.
    """

    objects: pd.DataFrame | None = None
    counts: tuple[tuple[int, int, Clipping | None], ...] = ()
    problem: str | None = None
    refusal: str | None = None


def digest_of(frame_YX: NDArray[Any]) -> bytes:
    """By which two processes know that they have decoded the same pixels."""
    return hashlib.sha256(np.ascontiguousarray(frame_YX).data).digest()


def run_block(block: Block) -> BlockDone:
    """Write the labels of a block of frames, once it is sure that this is what the asking process would do."""
    try:
        with ready_for(block) as (networks, report), told_to(report), block.source.open() as movie:
            found: list[LabelledFrame] = []
            write_label_movie(
                block.path,
                _noting(_labelled(block, block.decided(networks.segmenter), movie), found),
                n_frames=len(block.frames),
                shape_YX=movie.shape_YX,
                largest_id=LARGEST_UINT16,
                calibration=FileCalibration(None, None),
            )
    except Refused as refusal:
        return BlockDone(refusal=str(refusal))
    except SomaNetError as error:
        where = f"On {socket.gethostname()}, {block.words}"
        return BlockDone(problem=f"{where}: {block.as_shown(str(error))}")
    except NoLongerWanted:
        return BlockDone()
    counts = tuple((len(frame.objects), frame.n_haze, frame.clipping) for frame in found)
    return BlockDone(pd.concat([frame.objects for frame in found], ignore_index=True), counts)


def _labelled(block: Block, segmenter: Segmenter, movie: Movie) -> Iterator[LabelledFrame]:
    frames = counted(_frames(block, movie), len(block.frames), doing="segmenting", unit="frame")
    return labelled_frames(segmenter, frames, empty={t - block.frames.start for t in block.empty})


def _frames(block: Block, movie: Movie) -> Iterator[NDArray[Any]]:
    """The block's frames, nothing in those that are empty.

    Raises:
        SomaNetError: a frame cannot be read, or is not what the asking process decoded.
    """
    nothing = np.zeros(movie.shape_YX, movie.dtype)
    for t, digest in zip(block.frames, block.digests, strict=True):
        if t in block.empty:
            yield nothing
            continue
        frame = movie.frame(t) if t < movie.n_frames else nothing
        if digest_of(frame) != digest:
            raise SomaNetError(
                f"{block.source.path} is another movie there: frame {t} has other pixels. Is it still being copied, or "
                "has that computer another disk at this place?"
            )
        yield frame


def _noting(frames: Iterator[LabelledFrame], found: list[LabelledFrame]) -> Iterator[NDArray[np.integer]]:
    """Pass the labels on, and keep the rest."""
    for frame in frames:
        found.append(frame._replace(labels_YX=NOTHING))
        yield frame.labels_YX
