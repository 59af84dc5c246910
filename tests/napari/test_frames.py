from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from somanet.napari import frames
from somanet.napari.frames import FrameArray, LabelArray

CUBE = np.arange(5 * 4 * 3, dtype=np.uint16).reshape(5, 4, 3)


class Counting:
    """Frames that count how often they are read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(CUBE)

    def __getitem__(self, t: int) -> np.ndarray:
        self.read.append(t)
        return CUBE[t].copy()


def lazy() -> tuple[FrameArray, Counting]:
    counting = Counting()
    return FrameArray(counting, shape=CUBE.shape, dtype=CUBE.dtype), counting


KEYS = [
    2, -1, np.int64(3), slice(1, 4), slice(None, None, 2), (2, slice(1, 3)), (slice(1, 3), slice(0, 2), slice(2, 3)),
    (2, 1, 2), (slice(4, 5), slice(None), slice(None)), ..., (3, ...), slice(2, 2),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_parts_are_those_of_an_array(key: object) -> None:
    array, _ = lazy()
    np.testing.assert_array_equal(array[key], CUBE[key])  # type: ignore[index]
    assert (array.ndim, array.size, len(array)) == (CUBE.ndim, CUBE.size, len(CUBE))


def test_only_what_is_shown_is_read_and_what_was_shown_is_kept() -> None:
    array, counting = lazy()
    assert counting.read == []
    array[3], array[3, :2], array[1]
    assert counting.read == [3, 1]
    assert array.n_read == 2


def test_old_frames_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for more than the four that are always kept: the fifth frame pushes out the first."""
    monkeypatch.setattr(frames, "KEPT_BYTES", 1)
    array, counting = lazy()
    for t in (0, 1, 2, 3, 4, 4, 0):
        array[t]
    assert counting.read == [0, 1, 2, 3, 4, 0]


def test_a_frame_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="expected a frame from 0 to 4, found 5"):
        lazy()[0][5]


def test_what_is_read_is_the_callers_own() -> None:
    array, _ = lazy()
    array[2][:] = 0
    np.testing.assert_array_equal(array[2], CUBE[2])


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ((slice(2, 3), slice(1, 3), slice(0, 2)), np.full((1, 2, 2), 9)),
        ((slice(1, 4), slice(0, 1), slice(0, 3)), np.arange(9).reshape(3, 1, 3)),
        ((2, slice(0, 2)), 7),
        ((slice(0, 2), slice(0, 2), 1), 5),
        ((np.array([1, 1, 3]), np.array([0, 3, 2]), np.array([2, 0, 1])), np.array([4, 5, 6])),
        ((np.array([1, 4]), np.array([0, 3]), np.array([2, 0])), 8),
    ],
)
def test_painting_is_that_of_an_array(key: tuple[object, ...], values: object) -> None:
    expected = CUBE.astype(np.int32)
    expected[key] = values
    array = LabelArray(list(CUBE.astype(np.int32)), shape=CUBE.shape)
    array[key] = values
    np.testing.assert_array_equal(array[:], expected)
    changed = {t for t in range(len(CUBE)) if (expected[t] != CUBE[t]).any()}
    assert set(array.painted) >= changed
    array.forget()
    assert array.painted == {}
    np.testing.assert_array_equal(array[:], CUBE)


def test_it_is_no_sequence_of_which_napari_would_read_all() -> None:
    assert not isinstance(lazy()[0], Sequence)
