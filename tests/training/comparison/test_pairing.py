"""Networks on the same images: differences that can be worked out, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import SCORES
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.pairing import pair_networks, ranks
from tests.training.comparison.worlds import image_table, metrics, network

A = network("a", [0.5, 0.6, 0.7, 0.8])
B = network("b", [0.6, 0.7, 0.8, 0.9])
C = network("c", [0.1, 0.9, 0.1, 0.9])


def test_the_best_is_the_reference_and_the_others_are_told_by_how_much() -> None:
    """b − a is 0.1 on each of 4 images: interval [−0.1, −0.1], p = 2/16, twice that after Holm for two networks."""
    pairing = pair_networks([A, B, C])
    assert pairing is not None
    assert (pairing.reference, pairing.chosen, set(pairing.differences)) == ("b", True, {"a", "c"})
    found = pairing.differences["a"]["iou"]
    assert (found.value, found.low, found.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert (found.p, found.p_holm) == pytest.approx((2 / 16, 4 / 16))


def test_ranks() -> None:
    """By image: b a c, c b a, b a c, b = c > a: mean ranks a (2+3+2+3)/4, b (1+2+1+1.5)/4, c (3+1+3+1.5)/4."""
    pairing = pair_networks([A, B, C])
    assert pairing is not None
    assert [pairing.mean_rank(name) for name in "abc"] == pytest.approx([2.5, 5.5 / 4, 8.5 / 4])
    assert pairing.rank_spread("a") == pytest.approx(np.std([2, 3, 2, 3], ddof=1))
    low, high = pairing.rank_intervals["a"]
    assert 2 <= low <= 2.5 <= high <= 3


def test_seeds_are_averaged_per_image_first() -> None:
    """Seeds 0.2 and 0.6 on every image are 0.4; the reference has 0.5: −0.1 everywhere, so no width."""
    seeds = pd.concat([image_table([0.2] * 3).assign(seed=0), image_table([0.6] * 3).assign(seed=1)])
    pairing = pair_networks([ComparedNetwork("two", "", metrics(0.4), seeds), network("one", [0.5] * 3)])
    assert pairing is not None
    found = pairing.differences["two"]["iou"]
    assert (found.value, found.low, found.high) == pytest.approx((-0.1, -0.1, -0.1))


def test_the_best_is_so_by_its_reported_score() -> None:
    """2 and 8 somas: a finds 2 and 4, 6 of 10; b finds 1 and 6, 7 of 10, though a is better on average over images."""
    n_true = np.array([2, 8])
    pair = [
        ComparedNetwork(name, "", metrics(0.5, n_images=2), image_table([0.5] * 2, tp=tp, n_true=n_true))
        for name, tp in (("a", [2, 4]), ("b", [1, 6]))
    ]
    pairing = pair_networks(pair, deciding="recall")
    assert pairing is not None
    assert pairing.reference == "b"
    assert pairing.differences["a"]["recall"].value == pytest.approx(-0.1)
    assert pairing.of("a").tolist() == [1, 0.5]  # ranks are of single images
    assert pairing.mean_rank("a") == pairing.mean_rank("b") == 1.5


def test_one_image_gives_no_interval() -> None:
    pairing = pair_networks([network("a", [0.5]), network("b", [0.7])])
    assert pairing is not None
    found = pairing.differences["a"]["iou"]
    assert found.value == pytest.approx(-0.2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.p == 1
    assert math.isnan(pairing.rank_spread("a"))


@given(st.permutations(range(4)))
@settings(max_examples=24, deadline=None)
def test_the_order_of_images_does_not_matter(order: list[int]) -> None:
    shuffled = dataclasses.replace(C, per_image=C.per_image.iloc[order] if C.per_image is not None else None)
    assert str(pair_networks([A, B, shuffled])) == str(pair_networks([A, B, C]))


def test_networks_without_tables_are_left_out_and_one_alone_is_no_pair() -> None:
    unknown = ComparedNetwork("u", "", metrics(0.9, n_images=4))
    pairing = pair_networks([A, unknown, B])
    assert pairing is not None
    assert pairing.names == ("a", "b")
    assert pair_networks([A, unknown]) is None
    assert pair_networks([A]) is None


def drop(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table.drop(columns=list(columns))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (image_table([0.5] * 3), r"different images \(4 and 3\): only a has image03\. Differences need"),
        (
            image_table([0.5] * 4).assign(name=["image00", "image01", "image02", "late"]),
            "only a has image03; only x has late",
        ),
        (image_table([0.5] * 4, n_true=5), "different ground truths: image image00 has 4 true somas in one and 5"),
        (drop(image_table([0.5] * 4), "tp_0.7"), "thresholds 0.5, 0.7, x at 0.5"),
        (drop(image_table([0.5] * 4), "iou", "n_true"), r"x: the per-image table lacks \['n_true', 'iou'\]"),
        (drop(image_table([0.5] * 4), "tp_0.5", "tp_0.7"), r"lacks \['tp_0\.5'\]"),
        (image_table([0.5] * 4).assign(name="image00"), "has an image twice for one seed"),
        (image_table([0.5] * 4).assign(seed=[0, 0, 1, 1]), "its seeds were scored on different images"),
    ],
)
def test_what_cannot_be_paired_is_named(other: pd.DataFrame, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        pair_networks([A, ComparedNetwork("x", "", metrics(0.5, n_images=4), other)])


def test_unknown_references_and_scores() -> None:
    with pytest.raises(SomaNetError, match=r"no network 'z' to compare with\. Use one of a, b"):
        pair_networks([A, B], reference="z")
    with pytest.raises(SomaNetError, match="'u' has no per-image scores"):
        pair_networks([A, B, ComparedNetwork("u", "", metrics(0.9, n_images=4))], reference="u")
    with pytest.raises(SomaNetError, match=r"no score 'dice' to compare by\. Use one of iou, precision"):
        pair_networks([A, B], deciding="dice")
    with pytest.raises(SomaNetError, match=r"Two networks share a name \(a\)"):
        pair_networks([A, A])


def test_another_score_can_decide() -> None:
    """a finds more somas than b, whose masks fit better."""
    a, b = network("a", [0.5] * 4, tp=[3] * 4), network("b", [0.9] * 4, tp=[1] * 4)
    by_iou, by_recall = pair_networks([a, b]), pair_networks([a, b], deciding="recall")
    assert by_iou is not None
    assert by_recall is not None
    assert (by_iou.reference, by_recall.reference) == ("b", "a")
    assert by_recall.mean_rank("a") == 1
    assert set(by_recall.differences["b"]) == set(SCORES)


def test_ranks_start_at_the_best_and_ties_share() -> None:
    """Image 1: 0.9 > 0.5 = 0.5. Image 2: the second network is undefined and leaves two ranks."""
    scores = np.array([[0.5, 0.1], [0.9, math.nan], [0.5, 0.2]])
    np.testing.assert_array_equal(ranks(scores), [[2.5, 2], [1, math.nan], [2.5, 1]])
