"""The sparse assignment against scipy's dense one: equal totals, and equal pairs where one choice only is cheapest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from somanet.tracking import assignment
from somanet.tracking.assignment import cheapest_pairs

Problem = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def dense_total(first, second, cost, alone) -> float:  # type: ignore[no-untyped-def]
    """The least total: each of the first set takes one of the second, or a place of its own for being alone."""
    n, m = len(alone), int(second.max(initial=-1)) + 1
    table = np.full((n, m + n), 1e6)
    table[first, second] = cost
    table[np.arange(n), m + np.arange(n)] = alone
    return float(table[linear_sum_assignment(table)].sum())


def total_of(problem: Problem, chosen: NDArray[np.int64]) -> float:
    first, _, cost, alone = problem
    return float(cost[chosen].sum() + np.delete(alone, first[chosen]).sum())


def is_unique(problem: Problem, chosen: NDArray[np.int64]) -> bool:
    """Whether every other choice costs more: without any one of the chosen pairs, or of those left alone."""
    first, second, cost, alone = problem
    least = total_of(problem, chosen)
    for pair in chosen:
        others = np.arange(len(cost)) != pair
        if dense_total(first[others], second[others], cost[others], alone) <= least + 1e-9:
            return False
    for one in np.setdiff1d(np.arange(len(alone)), first[chosen]):
        dear = alone.copy()
        dear[one] = 1e5
        if dense_total(first, second, cost, dear) <= least + 1e-9:
            return False
    return True


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to 7 by 6 members, costs in whole numbers, so that equal ones are common."""
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), unique=True, max_size=n * m))
    cost = draw(st.lists(st.integers(0, 9), min_size=len(pairs), max_size=len(pairs)))
    alone = draw(st.lists(st.integers(3, 14), min_size=n, max_size=n))
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second, np.array(cost, float), np.array(alone, float)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_the_least_total_and_the_only_choice(problem: Problem) -> None:
    first, second, *_ = problem
    chosen = cheapest_pairs(*problem)
    assert len(np.unique(first[chosen])) == len(chosen) == len(np.unique(second[chosen]))
    assert total_of(problem, chosen) == dense_total(*problem)
    shuffled = np.random.default_rng(0).permutation(len(first))
    again = shuffled[cheapest_pairs(first[shuffled], second[shuffled], problem[2][shuffled], problem[3])]
    if is_unique(problem, chosen):
        assert sorted(again) == chosen.tolist()


def chain(n: int, *, end: float) -> Problem:
    """Each may take its own or the next, at 1 either way, and the last one's next costs ``end``: one row of ties."""
    first = np.repeat(np.arange(n), 2)
    second = first + np.tile([0, 1], n)
    cost = np.ones(2 * n)
    cost[0], cost[-1] = 2.0, end
    return first, second, cost, np.full(n, 10.0)


@pytest.mark.parametrize(("end", "shifted"), [(0.5, True), (1.5, True), (2.5, False)])
def test_a_long_row_shifts_as_a_whole_if_that_is_cheaper(end: float, shifted: bool) -> None:
    """Its own costs the first of the row 2; all next ones instead cost ``end`` more than 1 at the last."""
    problem = chain(3000, end=end)
    chosen = cheapest_pairs(*problem)
    assert (problem[1] - problem[0])[chosen].tolist() == [int(shifted)] * 3000


def test_a_pair_that_costs_more_than_to_be_alone_is_not_chosen() -> None:
    first, second, cost = np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([5.0, 1.0, 4.0])
    assert cheapest_pairs(first, second, cost, np.array([4.5, 9.0])).tolist() == [1]
    assert cheapest_pairs(first, second, cost, np.array([8.5, 9.0])).tolist() == [0, 2]


def test_nothing_to_choose_from() -> None:
    empty = np.empty(0, np.int64)
    assert cheapest_pairs(empty, empty, np.empty(0), np.ones(3)).tolist() == []


def test_groups_solved_together_or_apart_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 by 280 members, each with about three pairs close by: many groups, of up to dozens of members."""
    rng = np.random.default_rng(7)
    first = np.repeat(np.arange(300), 3)
    second = np.clip((first * 280) // 300 + rng.integers(-2, 3, len(first)), 0, 279)
    _, once = np.unique(first * 280 + second, return_index=True)
    problem = first[once], second[once], rng.uniform(0, 1, len(once)), np.full(300, 1.2)
    together = cheapest_pairs(*problem)
    assert total_of(problem, together) == pytest.approx(dense_total(*problem), rel=1e-12)
    for rows in (1, 7):
        monkeypatch.setattr(assignment, "BATCH_ROWS", rows)
        assert cheapest_pairs(*problem).tolist() == together.tolist()
