"""One large movie segmented by workers, a block of frames each; all else is done by this process.

This process decides all that looks at the whole movie, and workers segment blocks of frames with that
(:mod:`somanet.analysis.block_task`), each into a label movie of its own. Then this process joins these, one frame in
memory at a time, into the file that it would have written alone, to the byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from somanet.analysis.asked import NetworksToOpen
from somanet.analysis.block_task import Block, BlockDone, digest_of, run_block
from somanet.analysis.source import MovieSource
from somanet.analysis.workers import Shared, Workers, check_workers, shared_folder, work_on
from somanet.core.cluster import Work, unique_key
from somanet.core.errors import SomaNetError
from somanet.core.progress import Progress
from somanet.io.label_movies import open_label_movie
from somanet.io.movies import Movie
from somanet.segmentation.inference.movie_labels import LabelledFrame

if TYPE_CHECKING:
    from distributed import Client

    from somanet.segmentation.inference.segmenter import Segmenter

LEAST_PX = 1 << 27
"""Pixels of all frames, a minute or two of one processor, below which workers take longer to start than they spare."""
BLOCK_PX = 1 << 26
"""Pixels of a block's frames at most, unless one frame has more: what a worker that dies has done in vain."""
BLOCKS_EACH = 4
"""Blocks per worker at least, so that none waits long for the others at the end."""


@dataclass(frozen=True)
class OnBlocks:
    """Segments a movie's frames on workers.

    Attributes:
        workers: where they are.
        networks: what they open; called once this process has opened the same.
    """

    workers: Workers
    networks: Callable[[], NetworksToOpen]

    def too_small(self, movie: Movie) -> str | None:
        """Why one process segments a movie as fast, for the user; None if blocks pay."""
        height, width = movie.shape_YX
        n_px = movie.n_frames * height * width
        if n_px >= LEAST_PX:
            return None
        return (
            f"{movie.path.name} has {n_px / 1e6:.0f} megapixels in all its frames, and workers spare time from "
            f"{LEAST_PX / 1e6:.0f} on: this process segments it alone."
        )

    @contextmanager
    def begun(self, source: MovieSource, folder: Path) -> Iterator[Callable[[MovieSource], Blocks]]:
        """Workers that are sure to do what this process would, for the time of the block.

        Args:
            source: the movie.
            folder: where results are written; workers must see it.

        Yields:
            what makes workers segment the frames of the movie that are analysed.

        Raises:
            SomaNetError: there are none, or a worker would do something else.
        """
        with source.open() as movie:
            most = movie.n_frames
        with (
            shared_folder(folder, {}, workers_end=self.workers.workers_end) as shared,
            self.workers.open(shared.folder, most) as client,
        ):
            check_workers(client, shared.token)
            networks, at_once, processors = self.networks(), self.workers.at_once, self.workers.processors(most)
            yield lambda analysed: Blocks(client, shared, analysed, networks, at_once, processors)


@dataclass
class Blocks:
    """See :class:`somanet.segmentation.inference.movie_labels.SegmentsElsewhere`.

    Attributes:
        client: the cluster's.
        shared: what workers share with this process.
        source: the movie, with the frames that are analysed.
        networks: what workers open.
        at_once: blocks at once; None = one per worker.
        processors: that each worker may use; None = as many as it has threads.
        digests: of each frame that was seen.
    """

    client: Client
    shared: Shared
    source: MovieSource
    networks: NetworksToOpen
    at_once: int | None
    processors: int | None
    digests: list[bytes] = field(default_factory=list)

    def seen(self, frames: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Pass frames through and note their digests."""
        for frame in frames:
            self.digests.append(digest_of(frame))
            yield frame

    def __call__(self, segmenter: Segmenter, movie: Movie, *, empty: Collection[int]) -> Iterator[LabelledFrame]:
        """The labels of every frame, once workers have written those of all blocks.

        Raises:
            SomaNetError: a worker would do something else than this process, or cannot read or write; a block's
                workers died again and again; the cluster is lost.
        """
        cluster: Any = self.client
        height, width = movie.shape_YX
        size = frames_per_block(movie.n_frames, height * width, self.at_once or max(1, len(cluster.nthreads())))
        chunks = map(movie.chunk_of, range(movie.n_frames))
        blocks = [self._block(frames, segmenter, frozenset(empty)) for frames in blocks_of(chunks, size)]
        found = self._run(blocks, movie.n_frames)
        for block in blocks:
            with open_label_movie(block.path) as labels:
                objects, start = found[block.name].objects, 0
                for labels_YX, (n_objects, n_haze, clipping) in zip(labels, found[block.name].counts, strict=True):
                    yield LabelledFrame(labels_YX, objects.iloc[start : start + n_objects], n_haze, clipping)
                    start += n_objects
            block.path.unlink()

    def _block(self, frames: range, segmenter: Segmenter, empty: frozenset[int]) -> Block:
        path, times = self.source.path.absolute(), self.source.times
        source = replace(self.source, path=path, times=None if times is None else times.absolute(), kept=None)
        labels = self.shared.folder / f"block{frames.start}.tif"
        return Block(
            source=source,
            networks=self.networks,
            token=self.shared.token,
            name=str(frames.start),
            processors=self.processors,
            shown={str(labels): "their labels", str(path): str(self.source.path)},
            frames=frames,
            empty=empty & frozenset(frames),
            digests=tuple(self.digests[t] for t in frames),
            rescale=segmenter.rescale,
            inverted=segmenter.inverted,
            burnt_in=segmenter.burnt_in,
            second_look=segmenter.second_look,
            path=labels,
        )

    def _run(self, blocks: Sequence[Block], n_frames: int) -> dict[str, Any]:
        """Have all blocks segmented; gives what was found in each, by its name."""
        topic = unique_key("somanet-progress")
        waiting = list(reversed(blocks))
        found: dict[str, Any] = {}
        far = {block.name: 0 for block in blocks}
        lock = threading.Lock()  # reports come in a thread of the client
        with Progress(n_frames, doing="segmenting", unit="frame") as progress:

            def reach(name: str, done: int) -> None:
                with lock:
                    far[name] = max(far[name], done)
                    progress.reach(sum(far.values()))

            def next_task() -> Work | None:
                if not waiting:
                    return None
                block = waiting.pop()
                return Work(block, unique_key("somanet-block", block.name), (replace(block, topic=topic),))

            def take(block: Block, done: BlockDone | None, problem: str | None) -> None:
                if done is None:
                    raise SomaNetError(
                        f"{self.source.path}, {block.words}: {problem} Give fewer --workers: each then has more memory."
                    )
                if why := done.refusal or done.problem:
                    raise SomaNetError(why)
                if done.objects is None:
                    raise SomaNetError("The work was stopped from outside. The same command begins it again.")
                found[block.name] = done
                reach(block.name, len(block.frames))

            work_on(
                self.client,
                self.shared,
                run_block,
                at_once=self.at_once,
                next_task=next_task,
                ended=take,
                topic=topic,
                tell=lambda said: reach(said["name"], said["done"]),
                waits=progress.waits,
                next_step="Start it again; the same command begins the movie again.",
            )
        return found


def frames_per_block(n_frames: int, frame_px: int, n_workers: int) -> int:
    """Frames of a block: as many as :data:`BLOCK_PX` allows, and fewer in a movie that is short for so many workers."""
    return max(1, min(BLOCK_PX // frame_px, n_frames // (BLOCKS_EACH * n_workers)))


def blocks_of(chunks: Iterable[int], size: int) -> list[range]:
    """Frames in blocks of ``size`` or a little more, so that frames that are stored together are in one block.

    Args:
        chunks: of each frame, :meth:`somanet.io.movie_base.Movie.chunk_of`.
        size: frames of a block.
    """
    starts, before, t = [0], None, -1
    for t, chunk in enumerate(chunks):
        if t - starts[-1] >= size and chunk != before:
            starts.append(t)
        before = chunk
    return [range(start, end) for start, end in zip(starts, [*starts[1:], t + 1], strict=True)]
