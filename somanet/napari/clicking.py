"""A soma that was missed, drawn by the network from one click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.contrast import intensity_of
from somanet.segmentation.inference.instances import refined
from somanet.tracking.detections import Labels

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

SMALLEST, LARGEST = 0.2, 3.0
"""What is drawn from the click has at least and at most these shares of the usual soma's area."""
LEAST_PROBABILITY = 0.1
"""Where the network sees less than this, it sees nothing."""
NOISES = 4.0
"""Without the network a soma must be brighter than its surroundings by so many of their robust standard deviations."""
WINDOW_DIAMETERS = 2.0


@dataclass(frozen=True)
class Drawn:
    """A soma drawn from a click.

    Attributes:
        mask_YX: its pixels.
        how: `network`, `unsure network` (below its threshold) or `brightness`.
    """

    mask_YX: NDArray[np.bool_]
    how: str


def draw_soma(
    segmenter: Segmenter, image: NDArray[Any], labels_YX: Labels, at_yx: tuple[float, float], *, diameter_px: float
) -> Drawn:
    """The soma at a click.

    First what the network finds there; else the part around the click in which its probability is more than half of
    the highest one near the click; else, where it sees nothing, what is brighter than halfway between the
    surroundings and the click. The last two are refined as the network's settings say. Pixels of other somas are left
    to them.

    Args:
        segmenter: the network, which keeps what it takes for haze.
        image: the frame, YX.
        labels_YX: the somas that are there already.
        at_yx: the click, in pixels.
        diameter_px: the usual soma's.

    Raises:
        SomaNetError: the click is outside the picture or on a soma that is there, or nothing like a soma is there.
    """
    y, x = round(at_yx[0]), round(at_yx[1])
    labels_YX = np.asarray(labels_YX)
    if not (0 <= y < labels_YX.shape[0] and 0 <= x < labels_YX.shape[1]):
        raise SomaNetError("The click is outside the picture.")
    if labels_YX[y, x]:
        raise SomaNetError(f"There is a soma already (track {labels_YX[y, x]}). Paint it, or split it by a line.")
    free_YX = labels_YX == 0
    usual_px = np.pi * diameter_px**2 / 4
    found = _piece(_at(segmenter.labels(image), y, x), free_YX, y, x)
    if found is not None and found.sum() >= SMALLEST * usual_px:
        return Drawn(found, "network")
    soma_YX = segmenter.probabilities(image)[segmenter.first.spec.outputs.index("soma")]
    for part, how in (
        (_likely(soma_YX, y, x, diameter_px), "unsure network"),
        (_bright(image, free_YX, y, x, diameter_px), "brightness"),
    ):
        found = _piece(part, free_YX, y, x)
        if found is None:
            continue
        found = _piece(_refined(segmenter, found, image, soma_YX), free_YX, y, x)
        if found is not None and SMALLEST * usual_px <= found.sum() <= LARGEST * usual_px:
            return Drawn(found, how)
    raise SomaNetError(f"Nothing like a soma is at row {y}, column {x}. Paint it.")


def _at(labels_YX: Labels, y: int, x: int) -> NDArray[np.bool_] | None:
    label = labels_YX[y, x]
    return labels_YX == label if label else None


def _likely(soma_YX: NDArray[np.float32], y: int, x: int, diameter_px: float) -> NDArray[np.bool_] | None:
    near = _disk(soma_YX.shape, y, x, diameter_px / 4)
    highest = float(soma_YX[near].max())
    return soma_YX >= highest / 2 if highest >= LEAST_PROBABILITY else None


def _bright(
    image: NDArray[Any], free_YX: NDArray[np.bool_], y: int, x: int, diameter_px: float
) -> NDArray[np.bool_] | None:
    intensity = ndimage.gaussian_filter(intensity_of(image).astype(np.float64), 1.0)
    window = _disk(intensity.shape, y, x, WINDOW_DIAMETERS * diameter_px)
    around = intensity[window & free_YX & ~_disk(intensity.shape, y, x, diameter_px)]
    if not around.size:
        return None
    usual = float(np.median(around))
    noise = 1.4826 * float(np.median(np.abs(around - usual)))
    peak = float(intensity[y, x])
    return window & (intensity > (usual + peak) / 2) if peak - usual > NOISES * noise else None


def _piece(part: NDArray[np.bool_] | None, free_YX: NDArray[np.bool_], y: int, x: int) -> NDArray[np.bool_] | None:
    """The connected piece of a mask at the click, without the pixels of others and with its holes filled."""
    if part is None:
        return None
    pieces, _ = ndimage.label(part & free_YX)
    if not pieces[y, x]:
        return None
    return np.asarray(ndimage.binary_fill_holes(pieces == pieces[y, x]) & free_YX, bool)


def _refined(
    segmenter: Segmenter, mask_YX: NDArray[np.bool_], image: NDArray[Any], soma_YX: NDArray[np.float32]
) -> NDArray[np.bool_]:
    settings = segmenter.first.spec.instances
    return np.asarray(refined(mask_YX.astype(np.int32), image, soma_YX, settings) > 0, bool)


def _disk(shape_YX: tuple[int, ...], y: int, x: int, radius_px: float) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape_YX[0], : shape_YX[1]]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= max(radius_px, 1.0) ** 2, bool)
