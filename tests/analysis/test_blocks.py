"""Blocks of one movie's frames on workers: the bytes of one process, each frame decoded by one worker, once."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import KilledWorker
from tifffile import TiffWriter

from somanet.analysis import blocks
from somanet.analysis.asked import networks_to_open
from somanet.analysis.block_task import Block, BlockDone, digest_of, run_block
from somanet.analysis.blocks import OnBlocks, blocks_of, frames_per_block
from somanet.analysis.movie import AnalysisNetworks, Options
from somanet.analysis.network import OpenedNetworks, open_networks
from somanet.analysis.single import analyze_single
from somanet.analysis.source import MovieSource
from somanet.analysis.workers import Workers
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_tree
from somanet.io.frame_store import keeping
from somanet.io.label_movies import open_label_movie
from somanet.io.movie_selection import MovieSelection
from somanet.io.movie_tiff import TiffMovie
from somanet.io.movies import open_movie
from tests.analysis import test_workers
from tests.analysis.test_workers import Future, use
from tests.analysis.worlds import N_FRAMES, frames_TYX, save_movie
from tests.worlds import save_bright_network, somanet


class Cluster(test_workers.Cluster):
    """Two workers, which are this process, and the blocks that they were given."""

    def __init__(self, problem: BaseException | None = None, **seen: Any) -> None:
        super().__init__(**seen)
        self.blocks: list[Block] = []
        self.problem = problem

    def submit(self, function: Callable[[Any], Any], task: Any, *, key: str, retries: int) -> Future:
        assert retries > 0
        self.blocks.append(task)
        self.tell((0.0, {"name": task.name, "words": "", "done": 1, "mark": "0-0-0"}))
        return Future(None if self.problem else function(task), self.problem)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noisy movie that stores each frame twice, and a network."""
    root = tmp_path_factory.mktemp("blocks")
    frames = frames_TYX() + np.random.default_rng(0).integers(0, 20, (N_FRAMES, 64, 96), np.uint16)
    save_movie(root / "movie.tif", np.repeat(frames, 2, axis=0))
    save_bright_network(root / "model")
    return root


@pytest.fixture(scope="module")
def opened(made: Path) -> OpenedNetworks:
    return open_networks([made / "model"])


@pytest.fixture
def lab(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The movie; movies of any size go by blocks."""
    monkeypatch.setattr(blocks, "LEAST_PX", 0)
    monkeypatch.setattr(blocks, "BLOCKS_EACH", 2)
    shutil.copy(made / "movie.tif", tmp_path)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Counts every decoding of a frame of the movie."""
    counts: Counter[int] = Counter()
    read = TiffMovie._read

    def counted(movie: TiffMovie, t: int) -> np.ndarray:
        counts[t] += movie.path.name == "movie.tif"
        return read(movie, t)

    monkeypatch.setattr(TiffMovie, "_read", counted)
    return counts


def left(lab: Path) -> list[str]:
    return sorted(path.name for path in lab.iterdir() if path.name != "movie.tif")


def test_blocks_have_the_bytes_of_one_process_and_workers_decode_each_frame_once(
    made: Path, lab: Path, monkeypatch: pytest.MonkeyPatch, decoded: Counter[int]
) -> None:
    """14 frames for two workers are four blocks of three and one of two; the copies are nobody's to read.

    This process decodes all 28 stored frames once, and three of them before, to see which microscopy it is.
    """
    command = ("analyze", "movie.tif", "--model", made / "model", "--no-report", "--no-overlay", "--output")
    assert somanet(*command, "alone", cwd=lab) is None
    decoded.clear()
    there: Counter[int] = Counter()
    cluster = Cluster()
    use(monkeypatch, cluster)

    def elsewhere(block: Block) -> BlockDone:
        before = Counter(decoded)
        try:
            return run_block(block)
        finally:
            there.update(decoded - before)

    monkeypatch.setattr(blocks, "run_block", elsewhere)
    assert somanet(*command, "out", "--workers", 2, cwd=lab) is None
    assert sha256_tree(lab / "out") == sha256_tree(lab / "alone")
    assert left(lab) == ["alone", "out"]
    assert [(b.frames.start, b.frames.stop) for b in cluster.blocks] == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 14)]
    assert there == Counter({2 * t: 1 for t in range(N_FRAMES)})
    assert max((decoded - there).values()) <= 2
    assert sum((decoded - there).values()) <= 2 * N_FRAMES + 3
    assert cluster.topics == 0


def analyze(lab: Path, opened: OpenedNetworks, cluster: Cluster) -> list[str]:
    """The movie by blocks, into `out`; what is said."""
    said: list[str] = []
    client: Any = nullcontext(cluster)
    analyze_single(
        MovieSource(lab / "movie.tif", "movie"),
        lab / "out",
        network=lambda: AnalysisNetworks(opened.segmenter),
        options=Options(report=False, overlay=False),
        say=said.append,
        elsewhere=OnBlocks(Workers(lambda *_: client, 2, lambda _: 1, True), lambda: networks_to_open(opened, {})),
    )
    return said


def test_a_small_movie_is_for_one_process(lab: Path, opened: OpenedNetworks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST_PX", 2 * N_FRAMES * 64 * 96 + 1)
    cluster = Cluster()
    [said] = analyze(lab, opened, cluster)
    assert said.startswith("movie.tif has 0 megapixels in all its frames, and workers spare time from 0 on")
    assert cluster.blocks == []
    assert (lab / "out" / "tracks.csv").exists()


def full(path: Path, **options: Any) -> TiffWriter:
    """The disk has no room for what a worker writes."""
    if ".block" in path.name:
        raise OSError(errno.ENOSPC, "No space left on device")
    return TiffWriter(path, **options)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (Cluster(**{"tcp://two": {"version": "0.0.1"}}), "has SomaNet 0.0.1, here it is"),
        (Cluster(**{"tcp://two": {"sees": False}}), "/out: the movies, the networks and the output must lie on a disk"),
        (Cluster(KilledWorker("task", None, 3)), ": its worker process kept dying: out of memory? Give fewer"),  # type: ignore[arg-type]
        (Cluster(ValueError("pickle")), "A worker failed: ValueError: pickle."),
        (Cluster(), ": Cannot write their labels: the disk is full."),
    ],
    ids=["version", "disk", "dying", "error", "full"],
)
def test_what_is_wrong_with_workers_is_one_line_and_nothing_is_left(
    lab: Path, opened: OpenedNetworks, monkeypatch: pytest.MonkeyPatch, cluster: Cluster, words: str
) -> None:
    use(monkeypatch, cluster)
    monkeypatch.setattr("somanet.io.label_movies.tifffile.TiffWriter", full)
    with pytest.raises(SomaNetError) as caught:
        analyze(lab, opened, cluster)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(lab) == []


def test_tracks_need_no_workers(lab: Path) -> None:
    (lab / "tracks.csv").touch()
    message = somanet("analyze", "movie.tif", "--tracks", "tracks.csv", "--workers", 2, "--output", "out", cwd=lab)
    assert message is not None
    assert "share the segmentation, which --tracks replaces" in message


@pytest.fixture
def block(lab: Path, opened: OpenedNetworks) -> Block:
    """The second to the fourth of the frames that are analysed, which are every other one of the file."""
    (lab / "token").touch()
    with open_movie(lab / "movie.tif") as movie:
        digests = tuple(digest_of(movie.frame(t)) for t in (2, 4, 6))
    return Block(
        source=MovieSource(lab / "movie.tif", "movie", stored_frames=tuple(range(0, 2 * N_FRAMES, 2))),
        networks=networks_to_open(opened, {}),
        token=lab / "token",
        frames=range(1, 4),
        empty=frozenset({2}),
        digests=digests,
        rescale=1.0,
        inverted=False,
        burnt_in=None,
        second_look=False,
        path=lab / "block1.tif",
    )


def test_a_worker_segments_with_what_was_decided_for_the_whole_movie(block: Block, opened: OpenedNetworks) -> None:
    """Two squares in each frame but the empty one; their rows come in the order of the frames."""
    done = run_block(block)
    assert done.objects is not None
    assert done.objects["label"].tolist() == [1, 2, 1, 2]
    assert [counts[:2] for counts in done.counts] == [(2, 0), (0, 0), (2, 0)]
    assert [counts[2] is None or counts[2].n_px for counts in done.counts] == [64 * 96, True, 64 * 96]
    with open_label_movie(block.path) as labels:
        assert [int(frame.max()) for frame in labels] == [2, 0, 2]
    decided = block.decided(opened.segmenter.at(2.0))
    assert (decided.rescale, decided.inverted, decided.burnt_in, decided.second_look) == (1.0, False, None, False)


def test_another_movie_there_is_refused(block: Block) -> None:
    """Another pixel in one frame, or a movie that ends before."""
    done = run_block(replace(block, digests=(*block.digests[:2], b"")))
    assert str(done.problem).endswith(
        "/movie.tif is another movie there: frame 3 has other pixels. Is it still being copied, or has that computer "
        "another disk at this place?"
    )
    assert ", frames 1 to 3: " in str(done.problem)
    done = run_block(replace(block, frames=range(12, 15), empty=frozenset()))
    assert "frame 12 has other pixels" in str(done.problem)
    assert not block.path.exists()


def test_a_block_that_nobody_wants_any_more_ends_and_leaves_nothing(
    block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("somanet.analysis.asked.REPORT_S", 0.0)
    opened = MovieSource.open

    def stop(self: MovieSource) -> Any:
        block.token.unlink()
        return opened(self)

    monkeypatch.setattr(MovieSource, "open", stop)
    assert run_block(block) == BlockDone()
    assert not [path for path in block.path.parent.iterdir() if "block1" in path.name]


def test_no_chunk_is_shared_by_two_blocks(tmp_path: Path) -> None:
    """Three frames in each chunk of the file; of those that are analysed, the third frame and the eighth are no part.

    Frames 0 1 3 4 5 6 7 9 10 are in the chunks 0 0 1 1 1 2 2 3 3: with two frames or more in each, blocks begin where
    chunks do.
    """
    root = zarr.open_group(str(tmp_path / "movie.zarr"), mode="w", zarr_format=3)
    array = root.create_array("0", shape=(11, 6, 8), chunks=(3, 6, 4), dtype="uint16", dimension_names=["t", "y", "x"])
    array[:] = np.arange(11)[:, None, None] + np.eye(6, 8, dtype=int)
    with (
        keeping(open_movie(tmp_path / "movie.zarr" / "0"), tmp_path) as movie,
        MovieSelection(movie, (0, 1, 3, 4, 5, 6, 7, 9, 10)) as analysed,
    ):
        chunks = [analysed.chunk_of(t) for t in range(len(analysed))]
        assert chunks == [0, 0, 1, 1, 1, 2, 2, 3, 3]
        found = blocks_of(chunks, 1)
        assert [list(block) for block in found] == [[0, 1], [2, 3, 4], [5, 6], [7, 8]]
        assert [list(block) for block in blocks_of(chunks, 3)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert blocks_of([0, 1, 2, 3], 3) == [range(3), range(3, 4)]


def test_blocks_are_small_enough_to_lose_and_many_enough_to_share() -> None:
    """4,096 × 4,096 px: four frames; 520 × 696 px: 185; short movies in four blocks per worker, a frame at least."""
    assert frames_per_block(10_000, 4096 * 4096, 8) == 4
    assert frames_per_block(10_000, 520 * 696, 8) == 185
    assert frames_per_block(64, 520 * 696, 2) == 8
    assert frames_per_block(5, 4096 * 4096, 8) == 1
    assert frames_per_block(10_000, 1 << 27, 8) == 1
