"""Fixtures of the network tests: one thread, so that sums have one order, and small drawn images."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from somanet.io.datasets.layouts import LabelledImage

DrawDiscs = Callable[..., LabelledImage]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def draw_discs() -> DrawDiscs:
    """Bright discs on a dark, faintly noisy ground: ``draw_discs("a", (64, 96), [(y, x, radius), …])``."""

    def draw(name: str, shape_YX: tuple[int, int], discs: list[tuple[int, int, int]]) -> LabelledImage:
        y, x = np.mgrid[: shape_YX[0], : shape_YX[1]]
        labels = np.zeros(shape_YX, np.int32)
        for number, (cy, cx, radius) in enumerate(discs, start=1):
            labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
        noise = np.random.default_rng(len(discs)).integers(0, 30, (*shape_YX, 3))
        return LabelledImage(name, (noise + 180 * (labels > 0)[..., None]).astype(np.uint8), labels)

    return draw


@pytest.fixture(scope="session")
def items(draw_discs: DrawDiscs) -> list[LabelledImage]:
    """Four images of one or two discs, to train on."""
    places = [[(12, 14, 7)], [(20, 30, 9), (8, 44, 5)], [(25, 12, 6)], [(15, 40, 8)]]
    return [draw_discs(f"image{n}", (40, 56), discs) for n, discs in enumerate(places)]
