"""The cheapest way from each pixel to a soma along ridges, all somas competing, and what speaks for each way.

Minimal paths (Cohen & Kimmel 1997) by scikit-image. Every pixel belongs to the soma that reaches it at the least cost,
so that of two somas at one ridge each has the part that is nearer to it. The paths form trees, one for each pixel of a
soma's outline; sums along them are taken for all pixels at once, by doubling the length of the jumps to the root.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter
from skimage.graph import MCP_Geometric

from somanet.analysis.processes.ridges import find_ridges, soma_contrast
from somanet.analysis.processes.settings import TracingSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From one to the other a step counts from nothing to all: a factor of two in strength.
_LOG_SPREAD = 0.7
_UNREACHED = -2


@dataclass(frozen=True)
class Forest:
    """All paths of one frame; flat arrays over its pixels.

    Attributes:
        shape_YX: of the frame.
        pixel_size_um: of the frame.
        parent: the next pixel towards the soma; a root is its own parent.
        root: the pixel of a soma's outline where a path begins.
        owner: that soma's label; 0 where no path leads, and in somas.
        length_um: of the path.
        score_um: what speaks for the path: µm of ridge, less what counts against it.
        step: what the pixel itself adds to the score, per µm.
    """

    shape_YX: tuple[int, int]
    pixel_size_um: float
    parent: Ints
    root: Ints
    owner: Ints
    length_um: Floats
    score_um: Floats
    step: Floats

    def path(self, tip: int) -> Ints:
        """The pixels from the root to a tip."""
        found = [tip]
        while self.parent[found[-1]] != found[-1]:
            found.append(int(self.parent[found[-1]]))
        return np.array(found[::-1])

    def places(self, pixels: Ints) -> Floats:
        """(N, 2) ``(y, x)`` of flat pixels."""
        return np.stack(np.divmod(pixels, self.shape_YX[1]), axis=1).astype(np.float64)


def roots_of(parent: Ints) -> Ints:
    """The last ancestor of every pixel."""
    while True:
        further = parent[parent]
        if (further == parent).all():
            return parent
        parent = further


def sums_to_root(parent: Ints, values: Floats) -> Floats:
    """The sum of values from every pixel to its root; a root's own value must be 0."""
    while True:
        values = values + values[parent]
        further = parent[parent]
        if (further == parent).all():
            return values
        parent = further


def grow(
    frame_YX: NDArray[np.float32], labels_YX: NDArray[np.integer], pixel_size_um: float, settings: TracingSettings
) -> Forest:
    """Grow the paths of one frame.

    Args:
        frame_YX: finite intensities.
        labels_YX: the somas; paths begin at their outlines and do not cross them.
        pixel_size_um: of both.
        settings: costs and scores.
    """
    soma = labels_YX > 0
    inside = soma & (minimum_filter(labels_YX, 3) == labels_YX)
    starts = np.argwhere(soma & ~inside)
    ridges = find_ridges(frame_YX, soma, pixel_size_um, settings.widths_um)
    parent, step_px = _cheapest(_cost(ridges.strength_YX, inside, settings), starts)
    strength = ridges.strength_YX.ravel().astype(np.float64)
    step_um = step_px * pixel_size_um
    length_um = sums_to_root(parent, step_um)
    root = roots_of(parent)
    log_strength = np.log(np.maximum(strength / settings.least_strength, 1.0))
    mean = sums_to_root(parent, step_um * log_strength) / np.maximum(length_um, 1e-9)
    expected = settings.least_strength * np.maximum(1.0, settings.own_share * np.exp(mean[parent]))
    contrast = np.maximum(soma_contrast(frame_YX, labels_YX, pixel_size_um), 0.0)[labels_YX.ravel()[root]]
    least = np.maximum(settings.soma_share * contrast, settings.dark_share * ridges.dark_YX.ravel())
    share = ridges.response_YX.ravel() / np.maximum(least, 1e-9)
    evidence = np.log(np.maximum(np.minimum(strength / expected, share), 1e-3))
    step = np.clip(evidence / _LOG_SPREAD, -settings.against, settings.most)
    reached = step_px > 0
    return Forest(
        shape_YX=(labels_YX.shape[0], labels_YX.shape[1]),
        pixel_size_um=pixel_size_um,
        parent=parent,
        root=root,
        owner=np.where(reached & ~soma.ravel(), labels_YX.ravel()[root], 0).astype(np.int64),
        length_um=length_um,
        score_um=sums_to_root(parent, np.where(reached, step * step_um, 0.0)),
        step=step,
    )


def _cost(strength_YX: NDArray[np.float32], inside: NDArray[np.bool_], settings: TracingSettings) -> Floats:
    """Of a step at each pixel; negative, which the search does not enter, inside somas."""
    ridge = np.maximum(strength_YX - settings.least_strength, 0) / settings.strong
    return np.where(inside, -1.0, 1 / (settings.floor + ridge**settings.steepness))


def _cheapest(cost_YX: Floats, starts: Ints) -> tuple[Ints, Floats]:
    """The parent of each pixel, and the length in px of the step to it: 0 at starts and where no path leads."""
    here = np.arange(cost_YX.size)
    if not len(starts):
        return here, np.zeros(cost_YX.size)
    search = MCP_Geometric(cost_YX, fully_connected=True)
    _, came_by = search.find_costs(starts)
    offsets = np.asarray(search.offsets, np.int64)
    came = came_by.ravel()
    reached = came >= 0
    dy, dx = offsets[np.where(reached, came, 0)].T
    parent = np.where(reached, here - (dy * cost_YX.shape[1] + dx), here)
    return parent, np.where(reached, np.hypot(dy, dx), 0.0)
