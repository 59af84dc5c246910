"""Scores from per-image tables: the same as those of the evaluation, for any resample of images."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import image_values, thresholds
from somanet.evaluation.masks import count_columns, pool

LEVELS = (0.5, 0.75)
counts = st.integers(0, 9)
image = st.fixed_dictionaries(
    {"iou": st.integers(0, 100).map(lambda value: value / 100)}
    | dict.fromkeys(("noise_objects", "merges", "splits"), counts)
    | {f"{kind}_{level:g}": counts for level in LEVELS for kind in ("tp", "fp", "fn")}
)


def table(rows: list[dict[str, float]], **columns: object) -> pd.DataFrame:
    names = [f"image{place}" for place in range(len(rows))]
    return pd.DataFrame(rows).assign(**{"name": names, "n_true": 4} | columns)


@given(st.lists(st.tuples(image, st.integers(0, 3)), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_draw_has_the_scores_that_the_evaluation_gives_it(drawn: list[tuple[dict[str, float], int]]) -> None:
    """An image that is drawn three times has three times the weight; the evaluation has it in three rows."""
    rows, weights = [row for row, _ in drawn], np.array([times for _, times in drawn], float)
    if not weights.sum():
        weights += 1
    values = image_values(table(rows), "x")
    index = np.repeat(np.arange(len(rows)), weights.astype(int))
    columns = {name: np.array([row[name] for row in rows], float)[index] for name in count_columns(LEVELS)}
    expected = pool(columns, [()] * len(index), thresholds=LEVELS)
    assert set(values.scores) == set(expected) - {"size_bias"}
    sums = values.sums(weights[None])
    for name in values.scores:
        found = values.score(name, sums, n_images=len(index))
        assert found[0, 0] == pytest.approx(expected[name], nan_ok=True), name


def test_scores_of_single_images() -> None:
    """3 of 4 found at 0.5 and 1 of 4 at 0.75, without false ones: mean AP (3/4 + 1/4) / 2. An empty image has none."""
    full = {"iou": 0.5, "tp_0.5": 3, "fp_0.5": 0, "fn_0.5": 1, "tp_0.75": 1, "fp_0.75": 0, "fn_0.75": 3}
    values = image_values(table([full, dict.fromkeys(full, 0.0)]), "x")
    mean_ap = values.of_images("mean_ap")
    assert mean_ap[0] == 0.5
    assert math.isnan(mean_ap[1])
    assert values.of_images("iou").tolist() == [0.5, 0]
    assert "noise_per_image" not in values.scores  # the table lacks it


def test_seeds_and_images_find_their_places() -> None:
    """Rows in any order: seed 3 before seed 1, images b and a."""
    rows = [{"iou": iou, "tp_0.5": 1, "fp_0.5": 0, "fn_0.5": 0} for iou in (0.1, 0.2, 0.3, 0.4)]
    shuffled = table(rows).assign(name=["b", "a", "a", "b"], seed=[3, 3, 1, 1])
    values = image_values(shuffled, "x", by_name=True)
    assert (values.images, values.columns[0]) == (("a", "b"), "iou")
    np.testing.assert_array_equal(values.values_CSN[0], [[0.3, 0.4], [0.2, 0.1]])
    assert image_values(shuffled, "x").images == ("b", "a")


def test_thresholds_ascend_as_numbers() -> None:
    assert thresholds(pd.DataFrame(columns=["tp_0.95", "tp_0.5", "tp_", "tp_0.75", "fp_0.1"])) == (
        "0.5",
        "0.75",
        "0.95",
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"drop": ["iou", "n_true"]}, r"x: the per-image table lacks \['n_true', 'iou'\]\. Was it written by"),
        ({"drop": ["fn_0.75"]}, r"lacks \['fn_0\.75'\]"),
        ({"drop": ["tp_0.5", "tp_0.75"]}, r"lacks \['tp_0\.5'\]"),
        ({"name": "image0"}, "an image twice for one seed"),
        ({"seed": [0, 1]}, "its seeds were scored on different images"),
    ],
)
def test_tables_that_are_not_whole_are_refused(damage: dict[str, object], words: str) -> None:
    row = {"iou": 0.5} | {f"{kind}_{level:g}": 1 for level in LEVELS for kind in ("tp", "fp", "fn")}
    columns = {name: value for name, value in damage.items() if name != "drop"}
    with pytest.raises(SomaNetError, match=words):
        image_values(table([row, row], **columns).drop(columns=damage.get("drop", [])), "x")
