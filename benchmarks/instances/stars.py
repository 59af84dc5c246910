"""Star-convex objects (StarDist, Schmidt 2018): from a point inside, how far the rim is along each of 32 rays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Float32 = NDArray[np.float32]
RAYS = 32
GRID_PX = 2
"""Rays are predicted at every second pixel of every second row, as in StarDist's published models."""
UNIT_PX = 10.0
"""Of the network's output, so that its error is of the size of the other outputs'."""
HIDDEN = 64
"""Features of a layer before the rays, which the paper has too (128 from 32; here the last level has 16)."""


def directions(n_rays: int) -> NDArray[np.float64]:
    """Unit vectors (y, x) of rays at equal angles, the first along x: 2 × rays."""
    angle = 2 * np.pi * np.arange(n_rays) / n_rays
    return np.stack([np.sin(angle), np.cos(angle)])


def rays_to_rim(
    labels_YX: NDArray[np.integer], points: tuple[NDArray[np.intp], NDArray[np.intp]], n_rays: int = RAYS
) -> Float32:
    """Distance in pixels from pixels of objects to the rim of their own object, or of the image, along every ray.

    A ray goes one pixel at a time along the axis that it is closer to, and ends half such a step before the first pixel
    that is not the object's: at the edge between the two, as a pixel reaches half a pixel beyond its centre. So a ray
    errs by about half a pixel.

    Args:
        labels_YX: 0 = background.
        points: rows and columns of pixels inside objects.
        n_rays: number of rays.

    Returns:
        points × rays.
    """
    padded = np.pad(labels_YX, 1)  # a ray cannot jump over the frame: it moves by a pixel at most
    steps = directions(n_rays)
    pixel_px = 1 / np.abs(steps).max(axis=0)  # length of a ray from one pixel to the next
    start = (points[0] + 1) * padded.shape[1] + points[1] + 1
    flat = padded.ravel()
    own, (ray, place) = flat[start], np.divmod(np.arange(n_rays * len(start)), max(len(start), 1))
    count = np.zeros(n_rays * len(start), np.float32)
    running = np.arange(count.size)
    step = 0
    while running.size:
        step += 1
        shift_y, shift_x = np.rint(step * steps * pixel_px).astype(np.intp)
        shift = shift_y * padded.shape[1] + shift_x
        inside = flat[start[place] + shift[ray]] == own[place]
        count[running[~inside]] = step - 0.5
        running, ray, place = running[inside], ray[inside], place[inside]
    return np.ascontiguousarray((count.reshape(n_rays, -1) * pixel_px[:, None]).T.astype(np.float32))


def star_targets(labels_YX: NDArray[np.integer]) -> Float32:
    """Rays in units of ``UNIT_PX`` at the pixels of the grid: rays × Y/2 × X/2, 0 in the background."""
    grid = labels_YX[::GRID_PX, ::GRID_PX]
    rows, columns = np.nonzero(grid)
    targets = np.zeros((RAYS, *grid.shape), np.float32)
    targets[:, rows, columns] = rays_to_rim(labels_YX, (GRID_PX * rows, GRID_PX * columns)).T / UNIT_PX
    return targets


def star_loss(network_output: Tensor, target: Tensor, probability: Tensor) -> Tensor:
    """Mean absolute error of the rays, weighted by the object probability: the rim counts less than the middle.

    Args:
        network_output: N × rays × Y/2 × X/2.
        target: the same shape.
        probability: N × 1 × Y × X, a pixel's relative distance from the rim; 0 in the background.
    """
    weight = probability[:, :, ::GRID_PX, ::GRID_PX]
    error = (network_output - target).abs().mean(dim=1, keepdim=True)
    return (weight * error).sum() / (weight.sum() + 1)


def star_head(n_features: int) -> nn.Module:
    """Rays in units of ``UNIT_PX`` from features at half the resolution, which is the grid's."""
    return nn.Sequential(nn.Conv2d(n_features, HIDDEN, 3, padding=1), nn.ReLU(), nn.Conv2d(HIDDEN, RAYS, 1))
