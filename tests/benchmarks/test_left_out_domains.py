"""Leaving a set out: it is never drawn, the others are equally often, and the table shows differences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.left_out_domains import EVERYTHING, SCORES, as_markdown, equally_often, read_sets
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage


def sets() -> dict[str, list[LabelledImage]]:
    image, labels = np.zeros((8, 12), np.uint8), np.zeros((8, 12), np.int32)
    return {
        name: [LabelledImage(f"{name}{i}", image, labels) for i in range(n)]
        for name, n in (("a", 2), ("b", 7), ("c", 3))
    }


def test_the_others_are_drawn_equally_often() -> None:
    drawn = Counter(item.name.partition("_")[2][0] for item in equally_often(sets(), "b", 20, seed=0))
    assert drawn == {"a": 10, "c": 10}
    every = Counter(item.name.partition("_")[2] for item in equally_often(sets(), EVERYTHING, 21, seed=0))
    assert sorted(every.values()) == [1] * 7 + [2, 2, 3] + [3, 4]  # 7 of each: of 7, of 3 and of 2 images
    assert len({item.name for item in equally_often(sets(), "b", 20, seed=0)}) == 20


def test_differences_stand_behind_the_scores() -> None:
    whole, less = dict.fromkeys(SCORES, 0.8), dict.fromkeys(SCORES, 0.75)
    text = as_markdown({EVERYTHING: {"val": whole}, "a": {"val": less, "a": less}})
    assert text.count("0.750 (-0.050)") == len(SCORES)
    assert text.count("0.750 ") >= 2 * len(SCORES)


def test_one_set_is_none_to_leave_out(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    with pytest.raises(SomaNetError, match="two sets or more, found 1"):
        read_sets(tmp_path, None)
    with pytest.raises(SomaNetError, match="found 0"):
        read_sets(tmp_path / "none", None)
