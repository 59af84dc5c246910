"""What may be a soma's processes in one frame: the best path in each direction, cut where its growth cone begins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from somanet.analysis.processes.forest import Forest, Ints, grow, roots_of
from somanet.analysis.processes.ridges import finite
from somanet.analysis.processes.settings import TracingSettings

Floats = NDArray[np.float64]

SMOOTHING_PX = 2.0
"""A path of pixels has corners, and is up to 8 % too long."""
_AROUND_UM, _BESIDE_UM, _BRANCH_UM = 4.0, 3.0, 6.0
# A growth cone's ridges are summed over 2 · _AROUND_UM along the path. What is nearer than _BESIDE_UM belongs to the
# process itself, and one branch at least is longer than _BRANCH_UM, as thorns along a process are not.


@dataclass(frozen=True)
class Candidate:
    """One possible process of a soma in one frame.

    Attributes:
        score_um: what speaks for it.
        line_yx_px: (N, 2) from the soma's outline to the tip, in the movie's pixels.
        length_um: of that line.
        direction_deg: from the soma's centre to the tip: 0 = right, 90 = down.
        base_deg: from the soma's centre to where the process leaves the soma.
        at_edge: whether the tip is at the frame's edge, so that it may be longer.
    """

    score_um: float
    line_yx_px: Floats
    length_um: float
    direction_deg: float
    base_deg: float
    at_edge: bool


def find_candidates(
    frame_YX: NDArray[np.generic],
    labels_YX: NDArray[np.integer],
    centres_yx_px: Floats,
    ids: Ints,
    pixel_size_um: float,
    settings: TracingSettings,
) -> list[tuple[Candidate, ...]]:
    """The candidates of each cell in a frame, best first; none of a cell without pixels in ``labels_YX``.

    Args:
        frame_YX: intensities.
        labels_YX: the somas, value = cell.
        centres_yx_px: (N, 2) of the cells' somas.
        ids: (N,) of the cells.
        pixel_size_um: of the frame.
        settings: how they are traced.
    """
    if not len(ids):
        return []
    factor = max(1, int(settings.pixel_um / pixel_size_um + 1e-9))
    frame, labels = _reduced(frame_YX, labels_YX, factor)
    if not labels.any():
        return [()] * len(ids)
    pixel_um = pixel_size_um * factor
    forest = grow(finite(frame), labels, pixel_um, settings)
    centres = (centres_yx_px + 0.5) / factor - 0.5
    tips = _best_tips(forest, centres, ids, settings)
    found: list[list[Candidate]] = [[] for _ in ids]
    for rank in range(settings.candidates):
        cells = [cell for cell, of_cell in enumerate(tips) if len(of_cell) > rank]
        paths = [forest.path(tips[cell][rank]) for cell in cells]
        for cell, path, end in zip(cells, paths, _palms(forest, paths, settings), strict=True):
            found[cell].append(_candidate(forest, path, end, centres[cell], factor))
    return [tuple(of_cell) for of_cell in found]


def _reduced(
    frame_YX: NDArray[np.generic], labels_YX: NDArray[np.integer], factor: int
) -> tuple[NDArray[np.generic], NDArray[np.integer]]:
    """Both with a factor of the pixel size: means of intensities, labels of the middle pixels."""
    if factor == 1:
        return frame_YX, labels_YX
    height, width = (side // factor for side in frame_YX.shape)
    blocks = frame_YX[: height * factor, : width * factor].astype(np.float32).reshape(height, factor, width, factor)
    middle = factor // 2
    return blocks.mean(axis=(1, 3)), labels_YX[middle::factor, middle::factor][:height, :width]


def _best_tips(forest: Forest, centres: Floats, ids: Ints, settings: TracingSettings) -> list[list[int]]:
    """For each cell the pixels at which its best paths end, best first: one in a sector, better than its neighbours.

    A path that turns back is no process: its score counts by the distance that it covers over its length.
    """
    which = np.full(max(int(forest.owner.max()), int(ids.max())) + 1, -1)
    which[ids] = np.arange(len(ids))
    there = (forest.score_um > settings.least_score_um) & (forest.length_um < settings.longest_um)
    pixels = np.flatnonzero(there & (which[forest.owner] >= 0) & (forest.owner > 0))
    cell = which[forest.owner[pixels]]
    place, base = forest.places(pixels), forest.places(forest.root[pixels])
    straight = np.hypot(*(place - base).T) * forest.pixel_size_um / forest.length_um[pixels]
    score = forest.score_um[pixels] * np.minimum(straight, 1.0) ** settings.straight
    angle = np.arctan2(*(place - centres[cell]).T)
    sector = np.rint(angle / (2 * math.pi) * settings.sectors).astype(np.int64) % settings.sectors
    # Of each cell and sector the last one, in order of score, overwrites the others.
    order = np.argsort(score, kind="stable")
    best = np.full((len(ids), settings.sectors), -math.inf)
    tip = np.zeros(best.shape, np.int64)
    best[cell[order], sector[order]] = score[order]
    tip[cell[order], sector[order]] = pixels[order]
    peak = np.isfinite(best) & (best >= np.roll(best, 1, axis=1)) & (best >= np.roll(best, -1, axis=1))
    ranked = np.argsort(np.where(peak, -best, math.inf), axis=1, kind="stable")[:, : settings.candidates]
    return [[int(tip[k, s]) for s in row if peak[k, s]] for k, row in enumerate(ranked)]


def _palms(forest: Forest, paths: list[Ints], settings: TracingSettings) -> list[int]:
    """The place on each path where its growth cone spreads, which is the process's tip; its end where there is none.

    That is where most other ridges branch off, by area, at the far end of the path.

    Args:
        forest: of the frame.
        paths: of different cells, so that no two share pixels.
        settings: what is a growth cone.
    """
    parent = forest.parent.copy()
    for path in paths:
        parent[path] = path
    branching = roots_of(parent)
    ridge = np.flatnonzero((forest.owner > 0) & (forest.step > 0) & (forest.length_um < settings.longest_um))
    at = branching[ridge]
    beside_um = forest.length_um[ridge] - forest.length_um[at]
    # What is reached over gaps is something else.
    own = (forest.score_um[ridge] - forest.score_um[at] > 0.5 * beside_um) & (beside_um < settings.cone_um)
    at, beside_um = at[own], beside_um[own]
    area_um2 = np.bincount(at[beside_um > _BESIDE_UM], minlength=parent.size) * forest.pixel_size_um**2
    longest_um = np.zeros(parent.size)
    np.maximum.at(longest_um, at, beside_um)
    ends = []
    for path in paths:
        along_um = forest.length_um[path]
        near = np.abs(along_um[:, None] - along_um[None, :]) <= _AROUND_UM
        cone = near @ area_um2[path]
        branches = near @ (longest_um[path] > _BRANCH_UM).astype(np.float64) > 0
        possible = branches & (along_um >= max(settings.stem_um, along_um[-1] - settings.cone_um))
        cone = np.where(possible, cone, 0.0)
        ends.append(int(cone.argmax()) if cone.max() > settings.least_cone_um2 else len(path) - 1)
    return ends


def _candidate(forest: Forest, path: Ints, end: int, centre: Floats, factor: int) -> Candidate:
    line = forest.places(path[: end + 1])
    if len(line) > 2:
        smooth = gaussian_filter1d(line, SMOOTHING_PX, axis=0, mode="nearest")
        line = np.concatenate([line[:1], smooth[1:-1], line[-1:]])
    base_deg, direction_deg = np.degrees(np.arctan2(*(line[[0, -1]] - centre).T)).tolist()
    size = np.array(forest.shape_YX)
    return Candidate(
        score_um=float(forest.score_um[path[-1]]),
        line_yx_px=(line + 0.5) * factor - 0.5,
        length_um=float(np.hypot(*np.diff(line, axis=0).T).sum()) * forest.pixel_size_um,
        direction_deg=direction_deg,
        base_deg=base_deg,
        at_edge=bool(((line[-1] < 2) | (line[-1] > size - 3)).any()),
    )
