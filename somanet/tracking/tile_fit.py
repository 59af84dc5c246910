"""The motion of a field that its tiles agree on, by robust least squares, and its error."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from somanet.tracking.background import Floats, Image
from somanet.tracking.tiles import tile_means

OUTLIER = 16.0
"""Squared misfit, in units of its expectation per axis, from which a tile has no weight (Tukey's biweight)."""
REWEIGHTED = 4


def gradient_products(weighted: tuple[Image, Image], slopes: tuple[Image, Image], tile: int) -> Floats:
    """(n, 2, 2) mean product of one frame's gradient with another's, by tile.

    Of the reference with itself it is the matrix of the usual least squares, in which the noise of the gradient counts
    as structure: each step is too short, by the same share. Of the reference with the moved frame it is how the pull
    really answers to a move, as the noise of two frames is independent, and central differences of noise are
    independent of the noise itself (an instrumental variable; Durbin 1954).
    """
    products = [tile_means(one, tile, other).ravel() for one in weighted for other in slopes]
    return np.stack(products, axis=-1).reshape(-1, 2, 2)


def misfit_metric(normal: Floats) -> Floats:
    """(n, 2, 2) inverse of the tiles' matrices, in which their misfits are compared."""
    # A stripe has no gradient along itself: a little of the typical tile's keeps its matrix invertible.
    ridge = 0.02 * float(np.median(np.trace(normal, axis1=1, axis2=2)))
    return np.asarray(np.linalg.inv(normal + ridge * np.eye(2)))


def robust_step(motion: Floats, metric: Floats, response: Floats, pull: Floats) -> tuple[Floats, Floats, Floats]:
    """The move that most tiles agree on, (3,); the tiles' weights, (n,); and their weighted scores at it, (n, 3).

    Args:
        motion: (n, 2, 3) how a tile's middle moves with each parameter.
        metric: see :func:`misfit_metric`.
        response: (n, 2, 2) how the pull answers to a move of the tile, see :func:`gradient_products`.
        pull: (n, 2) mean product of gradient and difference.
    """
    by_tile = response @ motion
    each = (motion.transpose(0, 2, 1) @ by_tile).reshape(-1, 9)
    target = _along(motion, pull)
    by_tile = by_tile.reshape(-1, 3)
    weight: Floats = np.ones(len(motion))
    step = np.zeros(3)
    residual = pull
    for _ in range(REWEIGHTED):
        step = _solved((weight @ each).reshape(3, 3), weight @ target)
        residual = pull - (by_tile @ step).reshape(-1, 2)
        y, x = residual.T
        misfit = metric[:, 0, 0] * y**2 + (metric[:, 0, 1] + metric[:, 1, 0]) * y * x + metric[:, 1, 1] * x**2
        usual = _median(misfit) / (2 * math.log(2))
        if not usual > 0:
            break
        weight = np.maximum(1 - misfit / (usual * OUTLIER), 0) ** 2
    return step, weight, weight[:, None] * _along(motion, residual)


def _solved(matrix: Floats, target: Floats) -> Floats:
    """The solution of three equations; of those that leave it open, the shortest."""
    try:
        return np.asarray(np.linalg.solve(matrix, target), np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, target, rcond=None)[0], np.float64)


def _median(values: Floats) -> float:
    """The median of a few hundred numbers, for which :func:`numpy.median` takes five times as long."""
    upper = len(values) // 2
    lower = (len(values) - 1) // 2
    ordered = np.partition(values, (lower, upper))
    return float(ordered[lower] + ordered[upper]) / 2


def _along(motion: Floats, pull: Floats) -> Floats:
    """(n, 3) the tiles' pulls (n, 2) on each parameter."""
    return motion[:, 0] * pull[:, :1] + motion[:, 1] * pull[:, 1:]


def covariance_of(motion: Floats, response: Floats, weight: Floats, scores: Floats, block: NDArray[np.int64]) -> Floats:
    """(3, 3) covariance of a solution, from the disagreement of blocks of tiles (the sandwich of Huber 1967).

    Args:
        motion, weight, scores: see :func:`robust_step`.
        response: (n, 2, 2) how the pull of each tile answers to a move: what the two frames do not have in common
            answers not at all, so that a solution that rests on little has a large error.
        block: (n,) the block of neighbouring tiles, within which errors may agree.
    """
    bread = np.tensordot(weight, motion.transpose(0, 2, 1) @ response @ motion, 1)
    if not (np.linalg.eigvalsh(bread + bread.T) > 0).all():
        return np.full((3, 3), math.inf)
    by_block = np.stack([np.bincount(block, weights=along) for along in scores.T], axis=-1)
    n_blocks = int(np.count_nonzero(np.bincount(block)))
    flat = np.linalg.inv(bread)
    return np.asarray(n_blocks / max(n_blocks - 3, 1) * flat @ (by_block.T @ by_block) @ flat.T)
