"""Several images at once: their order, how many are held, and what fails."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from somanet.segmentation.inference import at_once as module
from somanet.segmentation.inference.at_once import at_once


def test_results_come_in_order_whatever_ends_first() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.05 if n == 0 else 0)
        return n * n

    assert list(at_once(slow_first, range(7), n_pixels=lambda _: 1, workers=3)) == [n * n for n in range(7)]


def test_as_many_are_computed_at_once_as_there_are_workers_each_by_one_thread() -> None:
    """All three wait for each other, which fewer threads would do for ever."""
    together = threading.Barrier(3, timeout=60)

    def meet(_: int) -> int:
        together.wait()
        return torch.get_num_threads()

    before = torch.get_num_threads()
    assert list(at_once(meet, range(3), n_pixels=lambda _: 1, workers=3)) == [1, 1, 1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("n_pixels", "most"), [(1, 3), (100, 3), (150, 2), (250, 1), (1000, 1)])
def test_of_large_images_fewer_are_held(monkeypatch: pytest.MonkeyPatch, n_pixels: int, most: int) -> None:
    """Of 300 pixels at once: 3 of 100, 2 of 150, 1 of 250, 1 that is larger than all; of small ones one per worker."""
    monkeypatch.setattr(module, "AT_ONCE_PX", 300)
    begun = ended = 0
    held = []

    def things() -> object:
        nonlocal begun
        for n in range(9):
            begun += 1
            held.append(begun - ended)
            yield n

    for _ in at_once(lambda n: n, things(), n_pixels=lambda _: n_pixels, workers=3):
        ended += 1
    assert max(held) - 1 == most  # the last one that was taken waits until there is room


def test_what_a_function_raises_comes_in_the_place_of_its_result() -> None:
    def fails_at_two(n: int) -> int:
        if n == 2:
            raise ZeroDivisionError
        return n

    results = at_once(fails_at_two, range(5), n_pixels=lambda _: 1, workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_sums_do_not_depend_on_the_number_of_workers() -> None:
    arrays = list(np.random.default_rng(0).normal(size=(5, 999)).astype(np.float32))
    one, three = (
        list(at_once(lambda x: float(torch.from_numpy(x).sum()), arrays, n_pixels=np.size, workers=n)) for n in (1, 3)
    )
    assert one == three
