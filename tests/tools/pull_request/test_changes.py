"""The status of each network, and the numbers of those that changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from somanet.training.comparison.networks import ComparedNetwork
from tests.tools.pull_request.worlds import side
from tests.training.comparison.worlds import network
from tools.pull_request.changes import Change, compare_sides
from tools.pull_request.page import SHOWN

BEFORE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BETTER = tuple(iou + 0.1 for iou in BEFORE)
WORSE = tuple(iou - 0.1 for iou in BEFORE)


def changes(base: list[ComparedNetwork], head: list[ComparedNetwork]) -> dict[str, Change]:
    return {change.name: change for change in compare_sides(side(*base), side(*head))}


def test_equal_scores_of_every_image_are_the_same() -> None:
    [found] = changes([network("a", BEFORE)], [network("a", BEFORE)]).values()
    assert (found.status, found.differences) == ("same", {})


def test_a_change_is_measured_on_the_same_images() -> None:
    """Six images, each 0.1 better: the mean is + 0.1 in every resample, and 2 of the 2^6 patterns are as far."""
    [found] = changes([network("a", BEFORE)], [network("a", BETTER)]).values()
    assert found.status == "changed"
    difference = found.differences["iou"]
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.1, 0.1, 0.1))
    assert difference.p == difference.p_holm == 2 / 2**6
    assert found.verdict(SHOWN) == "better"
    # The objects were not touched: no difference, and any pattern is as far.
    assert (found.differences["accuracy"].value, found.differences["accuracy"].p) == (0, 1)


def test_p_is_corrected_for_the_networks_that_changed_and_no_others() -> None:
    """a and b changed, c did not: 2/2^6 times 2 is above 0.05. With c counted it would be times 3."""
    base = [network(name, BEFORE) for name in "abc"]
    found = changes(base, [network("a", BETTER), network("b", WORSE), network("c", BEFORE)])
    assert [found[name].differences["iou"].p_holm for name in "ab"] == [4 / 2**6, 4 / 2**6]
    assert [found[name].verdict(SHOWN) for name in "abc"] == ["", "", ""]


def test_worse_and_mixed_are_told_apart() -> None:
    """0.1 less IoU on six images; with one object more of four found in each, accuracy and recall are 0.25 more."""
    [worse] = changes([network("a", BEFORE)], [network("a", WORSE)]).values()
    assert worse.verdict(SHOWN) == "worse"
    [mixed] = changes([network("a", BEFORE, tp=[2] * 6)], [network("a", WORSE, tp=[3] * 6)]).values()
    assert mixed.differences["accuracy"].value == pytest.approx(0.25)
    assert mixed.verdict(SHOWN) == "mixed"


def test_new_removed_and_unscored_networks_are_named() -> None:
    base = side(network("old", BEFORE), network("kept", BEFORE))
    head = side(network("new", BEFORE), absent={"kept": "has not run", "unborn": "no scores"})
    found = {change.name: (change.status, change.why) for change in compare_sides(base, head)}
    assert found == {
        "new": ("new", ""),
        "kept": ("absent", "head: has not run"),
        "unborn": ("new", "no scores"),
        "old": ("removed", ""),
    }


def test_other_images_are_not_paired_and_the_reason_is_given() -> None:
    [found] = changes([network("a", BEFORE)], [network("a", (*BEFORE, 0.9))]).values()
    assert found.status == "unpaired"
    assert "base and head were scored on different images (6 and 7): only head has image06" in found.why


def test_without_scores_of_single_images_nothing_is_paired() -> None:
    """Equal scores stay equal; times next to the scores do not count."""
    before, after = (replace(network("a", iou), per_image=None) for iou in (BEFORE, BETTER))
    [found] = changes([before], [after]).values()
    assert (found.status, found.why) == ("unpaired", "base has no per-image scores")
    quicker = replace(before, metrics={**before.metrics, "inference_mpx_per_s": 9.0})
    [found] = changes([before], [quicker]).values()
    assert found.status == "same"


def test_baselines_come_first_and_heads_order_is_kept() -> None:
    base = [network(name, BEFORE) for name in ("gone", "z", "baseline: n")]
    head = [network(name, BEFORE) for name in ("z", "a", "baseline: n")]
    assert list(changes(base, head)) == ["baseline: n", "z", "a", "gone"]
