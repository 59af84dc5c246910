"""The cheapest assignment between two sets, of which only few pairs are possible (sparse linear assignment problem)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

BATCH_ROWS = 256
"""Rows that are solved at once: the solver clears arrays of all columns for each row that it has to search for, so that
independent groups are solved a few at a time, and the work grows linearly with their number."""


def cheapest_pairs(first: Indices, second: Indices, cost: Floats, alone: Floats) -> Indices:
    """Choose pairs so that none of either set occurs twice, at the least total cost.

    The total is the cost of the chosen pairs and that of those of the first set that remain alone; so a pair that costs
    more than its first member alone is never chosen. Pairs that share no member with others are chosen at once; the
    rest falls into groups that share none, and each is solved by LAPJVsp (Jonker & Volgenant 1987). Of several cheapest
    choices the result is one, always the same.

    Args:
        first, second: (n,) numbers of the members of each possible pair, from 0; no pair twice.
        cost: (n,) cost of each pair, finite.
        alone: (n_first,) what it costs to leave a member of the first set alone.

    Returns:
        Positions of the chosen pairs, ascending.
    """
    useful = np.flatnonzero(cost < alone[first])
    first, second, cost = first[useful], second[useful], cost[useful]
    single = (np.bincount(first)[first] == 1) & (np.bincount(second)[second] == 1)
    shared = np.flatnonzero(~single)
    chosen = [np.flatnonzero(single)]
    chosen += [
        batch[_solved(first[batch], second[batch], cost[batch], alone)]
        for batch in _batches(first[shared], second[shared], shared)
    ]
    return np.sort(useful[np.concatenate(chosen)])


def _batches(first: Indices, second: Indices, places: Indices) -> Iterator[Indices]:
    """The pairs in batches of whole groups; pairs of different groups share no member."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(places):
        return
    n_first, n = int(first.max()) + 1, int(first.max()) + int(second.max()) + 2
    links = coo_array((np.ones(len(places), np.int8), (first, second + n_first)), shape=(n, n))
    _, group = connected_components(links, directed=False)
    rows_before = np.cumsum(np.bincount(group[np.unique(first)], minlength=group.max() + 1))
    batch = rows_before[group[first]] // BATCH_ROWS
    order = np.argsort(batch, kind="stable")
    yield from np.split(places[order], np.flatnonzero(np.diff(batch[order])) + 1)


def _solved(first: Indices, second: Indices, cost: Floats, alone: Floats) -> Indices:
    """Positions of the chosen pairs of one batch."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    n, m = len(rows), len(columns)
    # A column of its own for each row to remain alone: a full matching always exists, and is found without a search.
    row, column = np.concatenate([row, np.arange(n)]), np.concatenate([column, m + np.arange(n)])
    weight = np.concatenate([cost, alone[rows]])
    weight = weight + (1 - weight.min())  # each row is paid once; the solver takes 0 for impossible
    partner = min_weight_full_bipartite_matching(csr_array((weight, (row, column)), shape=(n, m + n)))[1]
    return np.flatnonzero(partner[row[: len(cost)]] == column[: len(cost)])
