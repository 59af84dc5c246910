"""Tiles of a field: their means, how well two frames agree in each, and how each moves with the scene."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.tracking.background import Floats, Image

TILES = 200
SMALLEST_TILE_PX = 16
BLOCK = 2
"""Tiles along the side of a block: structures reach across tiles, and blocks are the units of the error."""
LEAST_OF_TILE = 0.25
"""A tile counts if at least this share of it is background in both frames."""


def tile_px(shape_YX: tuple[int, ...]) -> int:
    """Side of a tile of a field."""
    return max(SMALLEST_TILE_PX, round(math.sqrt(shape_YX[0] * shape_YX[1] / TILES)))


def tile_means(image_YX: Image, tile: int, times_YX: Image | None = None) -> Floats:
    """Mean over each whole tile of an image, or of its product with another one, which is not stored.

    Rows are added up first, in the order of memory: three times as fast as products of matrices or resizing.
    """
    rows = image_YX.shape[0] // tile

    def blocks(one_YX: Image) -> Image:
        return one_YX[: rows * tile].reshape(rows, tile, -1)

    if times_YX is None:
        sums = blocks(image_YX).sum(axis=1)
    else:
        sums = np.einsum("tyx,tyx->tx", blocks(image_YX), blocks(times_YX))
    return np.asarray(sums @ _averaging(image_YX.shape[1], tile), np.float64)


@functools.lru_cache(maxsize=8)
def _averaging(width: int, tile: int) -> Image:
    """(width, n) matrix that takes the sums of ``tile`` numbers in a row over the area of a tile."""
    whole = np.kron(np.eye(width // tile), np.full((tile, 1), 1 / tile**2))
    return np.asarray(np.vstack([whole, np.zeros((width - len(whole), width // tile))]), np.float32)


@functools.lru_cache(maxsize=8)
def tile_motion(shape_YX: tuple[int, int], tile: int) -> tuple[Floats, NDArray[np.int64]]:
    """How each tile's middle moves, (n, 2, 3), with shift y, shift x and angle; and (n,) the block it belongs to."""
    ny, nx = (side // tile for side in shape_YX)
    middle_yx = [(np.arange(n) + 0.5) * tile - side / 2 for n, side in zip((ny, nx), shape_YX, strict=True)]
    y_of, x_of = (grid.ravel() for grid in np.meshgrid(*middle_yx, indexing="ij"))
    rows, columns = np.meshgrid(np.arange(ny) // BLOCK, np.arange(nx) // BLOCK, indexing="ij")
    motion = np.zeros((ny * nx, 2, 3))
    motion[:, 0, 0] = motion[:, 1, 1] = 1.0
    motion[:, 0, 2], motion[:, 1, 2] = x_of, -y_of
    return motion, (rows * nx + columns).ravel()


@dataclass(frozen=True, eq=False)
class Part:
    """What of a frame both frames show.

    Attributes:
        image_YX: its contrast times the weight.
        mean, square: of it, by tile.
    """

    image_YX: Image
    mean: Floats
    square: Floats

    @classmethod
    def of(cls, image_YX: Image, weight_YX: Image, tile: int) -> Part:
        """The part of a frame that has weight."""
        weighted_YX = image_YX * weight_YX
        return cls(weighted_YX, tile_means(weighted_YX, tile), tile_means(weighted_YX, tile, weighted_YX))


def agreement(one: Part, other: Part, share: Floats, tile: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Correlation of each tile, 0 where it does not count, and which tiles count.

    Args:
        one, other: the two frames' parts.
        share: of each tile that both frames show.
        tile: its side, px.
    """
    over = 1 / np.maximum(share, LEAST_OF_TILE)
    product = tile_means(one.image_YX, tile, other.image_YX) - one.mean * other.mean * over
    # Without the means: where a field is dark between its structures, all frames would agree everywhere.
    first, second = one.square - one.mean**2 * over, other.square - other.mean**2 * over
    counts = (share >= LEAST_OF_TILE) & (first > 0) & (second > 0)
    return np.where(counts, product / np.sqrt(np.where(counts, first * second, 1.0)), 0.0), counts


def vote_of(correlation: Floats, elsewhere: Floats) -> float:
    """Sum of the tiles' correlations in units of its own spread where the frames do not fit; 0 without tiles.

    Args:
        correlation: of each tile.
        elsewhere: the same, with one of the frames displaced.
    """
    squares = float((elsewhere**2).sum())
    return float(correlation.sum()) / math.sqrt(squares) if squares > 0 else 0.0
