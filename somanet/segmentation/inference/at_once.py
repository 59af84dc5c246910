"""Several images at once, each by one thread, in order."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from somanet.core.machine import available_processors
from somanet.segmentation.engines.devices import CPU

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS = 4
"""Each worker holds an image's activations, some 0.2 GB per megapixel up to a tile, and 60 bytes per pixel beyond."""
MOST_BESIDE_GRAPHICS = 16
"""Workers that prepare and label while a graphics processor computes batches of what waits."""
AT_ONCE_PX = 1 << 24
"""Pixels of all images that are segmented at once: of large ones fewer, so that memory is bounded."""


def usual_workers(segmenter: Segmenter | None = None) -> int:
    """Number of images prepared, segmented and labelled at once: one per processor, at most :data:`MOST_WORKERS`.

    For a network on a graphics processor, where images in work hold no activations here, at most
    :data:`MOST_BESIDE_GRAPHICS`.
    """
    beside = segmenter is not None and segmenter.device.kind != CPU
    return min(available_processors(), MOST_BESIDE_GRAPHICS if beside else MOST_WORKERS)


def at_once(
    function: Callable[[T], R], things: Iterable[T], *, n_pixels: Callable[[T], int], workers: int
) -> Iterator[R]:
    """What a function returns for each thing, in their order, computed for several at once by one thread each.

    On two cores that is as fast as two threads per image on an idle machine, and five times faster beside another busy
    process, for which threads that share an image would wait at every layer; and sums do not depend on the number of
    cores.

    Args:
        function: segments one; it may be called by several threads at once.
        things: they are taken one by one, so that few are held.
        n_pixels: of a thing; fewer are computed at once if they are large (:data:`AT_ONCE_PX`).
        workers: number at once.

    Raises:
        Exception: of the function, in the place of what it would return; or of the things.
    """
    torch: Any = sys.modules.get("torch")  # not loaded where another engine computes all networks
    threads_before = torch and torch.get_num_threads()

    def use_threads(number: int) -> None:
        if torch:
            torch.set_num_threads(number)

    pending: deque[Future[R]] = deque()
    try:
        with ThreadPoolExecutor(workers, initializer=use_threads, initargs=(1,)) as pool:
            for thing in things:
                while len(pending) >= max(1, AT_ONCE_PX // max(1, n_pixels(thing))):
                    yield pending.popleft().result()
                pending.append(pool.submit(function, thing))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        use_threads(threads_before)
