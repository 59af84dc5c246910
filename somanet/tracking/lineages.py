"""Cells of a graph of points: where tracks divide, and where they fuse, cells end and others begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.arrays import IntegerArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.numbers import to_numbers
from somanet.core.schema import PARENT


@dataclass(frozen=True)
class Lineages:
    """The cells of a graph.

    Attributes:
        cells: of each node, from 0, in the order of their first frames.
        mothers: of each cell, the cell that it divided from; −1 if it did not.
        n_fusions: points at which tracks fuse.
    """

    cells: NDArray[np.int64]
    mothers: NDArray[np.int64]
    n_fusions: int


def lineages(frames: NDArray[np.int64], edges: NDArray[np.int64], source: str) -> Lineages:
    """Cut a graph into cells.

    A cell is a chain of points. A point with several successors is the last of a cell that divides, and each
    successor the first of a daughter. A point with several predecessors is the first of a new cell without a mother:
    cells do not fuse, so the object there is not known to be either of them.

    Args:
        frames: (n) of each node.
        edges: (m, 2) nodes, in any direction, also repeatedly.
        source: where they came from, for the message.

    Raises:
        SomaNetError: an edge within one frame.
    """
    edges = edges.reshape(-1, 2)
    first = frames[edges]
    if (within := first[:, 0] == first[:, 1]).any():
        raise SomaNetError(
            f"{source}: an edge joins two points of frame {first[within][0, 0]}. Remove it: a cell is in one place."
        )
    edges = np.unique(np.take_along_axis(edges, np.argsort(first, axis=1), axis=1), axis=0)
    n = len(frames)
    after, before = (np.bincount(edges[:, end], minlength=n) for end in (0, 1))
    single = before[edges[:, 1]] == 1
    continued = edges[single & (after[edges[:, 0]] == 1)]
    links = coo_array((np.ones(len(continued), np.int8), (continued[:, 0], continued[:, 1])), shape=(n, n))
    n_cells, found = connected_components(links, directed=False)
    starts = np.full(n_cells, np.iinfo(np.int64).max)
    np.minimum.at(starts, found, frames)
    order = np.lexsort((np.unique(found, return_index=True)[1], starts))
    number = np.empty(n_cells, np.int64)
    number[order] = np.arange(n_cells)
    cells = number[found]
    mothers = np.full(n_cells, -1, np.int64)
    born = edges[single & (after[edges[:, 0]] > 1)]
    mothers[cells[born[:, 1]]] = cells[born[:, 0]]
    return Lineages(cells, mothers, int((before > 1).sum()))


def named(
    found: Lineages, names: NDArray[np.int64], frames: NDArray[np.int64]
) -> tuple[NDArray[np.int64], IntegerArray]:
    """The ids of cells, and of their mothers, after the names that a file gave to tracks.

    Args:
        found: from :func:`lineages`.
        names: (n) of each node, 1 or more. Of the cells of one name, the first keeps it; the others are numbered after
            the largest, in the order of their first frames.
        frames: (n) of each node.

    Returns:
        ``track_id`` and ``parent_id`` of each node, the latter missing where there is none.
    """
    nodes = pd.DataFrame({"cell": found.cells, "frame": frames, "name": names})
    cells = nodes.sort_values(["cell", "frame"], kind="stable").drop_duplicates("cell").set_index("cell")["name"]
    ids = cells.to_numpy(np.int64).copy()
    again = cells.duplicated().to_numpy()
    ids[again] = ids.max(initial=0) + 1 + np.arange(again.sum())
    none = found.mothers < 0
    parents = IntegerArray(np.where(none, 0, ids[found.mothers]) if len(ids) else np.empty(0, np.int64), none)
    return ids[found.cells], parents[found.cells]


def without_living_mothers(tracks: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Tracks without the mothers that are seen beside their daughters, and a note on them.

    Args:
        tracks: ``track_id``, ``frame`` and maybe ``parent_id``.
    """
    if PARENT.name not in tracks or tracks.empty:
        return tracks, ()
    parents = to_numbers(tracks[PARENT.name])
    frames = tracks.groupby("track_id")["frame"]
    living = (parents.map(frames.max()) >= tracks["track_id"].map(frames.min())).fillna(value=False).astype(bool)
    if not (n := tracks["track_id"][living].nunique()):
        return tracks, ()
    note = f"{counted(n, 'cell is', 'cells are')} seen beside the mother that the file gives: the mother was left out."
    return tracks.assign(**{PARENT.name: parents.mask(living | (parents == 0)).astype("Int64")}), (note,)


def notes_on(found: Lineages) -> tuple[str, ...]:
    """What a reader of these cells should know."""
    notes = []
    if divided := len(set(found.mothers[found.mothers >= 0].tolist())):
        divide = counted(divided, "cell divides", "cells divide")
        notes.append(f"{divide}: tracks end there, and each daughter is a cell of its own (parent_id).")
    if found.n_fusions:
        notes.append(
            f"Tracks fuse at {counted(found.n_fusions, 'point')}: the cells end there, and what follows is a new one, "
            "as cells do not fuse."
        )
    return tuple(notes)
