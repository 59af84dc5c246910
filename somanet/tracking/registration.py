"""Registration of two frames by their background: how far, and by which angle, the scene has moved between them.

The frames are made comparable first (:mod:`somanet.tracking.background`). At half the resolution, the whole frame's
cross-correlation then offers a few shifts, of any size; tiles vote on them, one vote each whatever their brightness;
and the winner is refined to a fraction of a pixel by least squares with tiles as units (Lucas & Kanade 1981), in which
tiles that moved otherwise lose their weight. The gradient is the earlier frame's, so that it is taken once per
registration (inverse compositional; Baker & Matthews 2004). The whole resolution only adds the last step or two.
Tiles are independent observations: they tell the error of the result, and whether there is one at all.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.tracking.background import Background, Floats, Image, slopes_of

TILES = 200
SMALLEST_TILE_PX = 16
BLOCK = 2
"""Tiles along the side of a block: structures reach across tiles, and blocks are the units of the error."""
FEWEST_TILES = 6
LEAST_OF_TILE = 0.25
"""A tile counts if at least this share of it is background in both frames."""
CANDIDATES = 4
APART_PX = 4
"""Distance between two shifts that are tried, at half the resolution."""
ITERATIONS = 12
NEARLY_PX, CONVERGED_PX = 0.1, 0.03
"""Length of a step after which the search at half the resolution, and at the whole, ends; what remains is shorter."""
WITHIN_ERROR = 0.25
"""A step below this share of the result's own error ends the search."""
LONGEST_GAIN = 3.0
INTERPOLATION_PX = 0.015
"""Error of interpolation between pixels, rms, of an image without noise."""
OUTLIER = 16.0
"""Squared misfit, in units of its expectation per axis, from which a tile has no weight (Tukey's biweight)."""
SIGNIFICANT = 9.0
"""Vote of the tiles, in its standard errors, from which a registration counts; in pure noise it reaches 7.4."""
HOPELESS = 3.5
"""Vote at half the resolution from which the whole resolution is tried."""


@dataclass(frozen=True)
class Registration:
    """How the scene moved between two frames: a point at x is seen at R(x − c) + c + shift, c being the field's centre.

    Attributes:
        shift_yx_px: (2,) shift in pixels of the movie.
        error_px: its standard error per axis, from the disagreement of tiles.
        rotation_deg: R, positive from the x axis towards the y axis, clockwise as displayed.
        rotation_error_deg: its standard error.
        quality: median correlation of the tiles, 1 at best, about 0 in pure noise.
        vote: mean correlation of the tiles in its standard errors.
        overlap: share of the field's background that both frames show.
    """

    shift_yx_px: Floats
    error_px: float
    rotation_deg: float
    rotation_error_deg: float
    quality: float
    vote: float
    overlap: float

    @property
    def significant(self) -> bool:
        """Whether the backgrounds show the same scene."""
        return self.vote >= SIGNIFICANT and math.isfinite(self.error_px)

    def start_for(self, background: Background) -> Floats:
        """(3,) shift and angle in pixels of a frame's images and radians."""
        return np.array([*(self.shift_yx_px / background.factor), math.radians(self.rotation_deg)])


def register(reference: Background, moved: Background, *, near_yx_px: Floats | None = None) -> Registration:
    """How the scene moved from one frame to another.

    Args:
        reference: the earlier frame.
        moved: the later one.
        near_yx_px: a shift to try besides those that the cross-correlation offers.

    Returns:
        The best registration, which may not be significant.
    """
    small, small_moved, tile = reference.halved, moved.halved, _tile_px(reference.image_YX.shape)
    offered = _offered(small, small_moved)
    if near_yx_px is not None:
        offered.append((round(float(near_yx_px[0]) / small.factor), round(float(near_yx_px[1]) / small.factor)))
    offered = list(dict.fromkeys(offered))
    sums = [_sum_for(small, small_moved, shift, tile // 2) for shift in offered]
    start = np.array([*offered[int(np.argmax(sums))], 0.0])
    found = _refined(small, small_moved, start, tile // 2, exact=False)
    if not math.isfinite(found.error_px) or found.vote < HOPELESS:
        return found
    return _refined(reference, moved, found.start_for(reference), tile, exact=True)


def compare(reference: Background, moved: Background, *, near_yx_px: Floats, rotation_deg: float) -> Registration:
    """How much two frames agree near a known motion, and what they make of it; at half the resolution.

    Args:
        reference: the earlier frame.
        moved: the later one.
        near_yx_px: (2,) shift, right within two pixels.
        rotation_deg: angle.
    """
    small, tile = reference.halved, _tile_px(reference.image_YX.shape)
    start = np.array([*(near_yx_px / small.factor), math.radians(rotation_deg)])
    return _refined(small, moved.halved, start, tile // 2, exact=False)


def _tile_px(shape_YX: tuple[int, ...]) -> int:
    return max(SMALLEST_TILE_PX, round(math.sqrt(shape_YX[0] * shape_YX[1] / TILES)))


def _tiles(image_YX: Image, tile: int) -> Floats:
    """Mean over each whole tile; as products of matrices, which is three times as fast as resizing."""
    rows, columns = (_averaging(side, tile) for side in image_YX.shape)
    return np.asarray(rows @ image_YX @ columns.T, np.float64)


@functools.lru_cache(maxsize=8)
def _averaging(side: int, tile: int) -> Image:
    """(n, side) matrix that takes the mean of every ``tile`` numbers in a row."""
    return np.asarray(np.kron(np.eye(side // tile), np.full((1, tile), 1 / tile)), np.float32) @ np.eye(
        side // tile * tile, side, dtype=np.float32
    )


def _offered(reference: Background, moved: Background) -> list[tuple[int, int]]:
    """The highest peaks of the cross-correlation, as shifts in whole pixels."""
    from scipy.fft import irfft2

    shape = reference.image_YX.shape
    cross = moved.spectrum * np.conj(reference.spectrum)
    # Half whitened: long straight things such as a scale bar would otherwise take all the highest peaks.
    surface = irfft2(cross / np.sqrt(np.abs(cross) + np.float32(1e-6)), s=shape)
    offered = []
    reach = np.arange(-APART_PX // 2, APART_PX // 2 + 1)
    for _ in range(CANDIDATES):
        peak = np.unravel_index(int(surface.argmax()), shape)
        y, x = (int(at) for at in peak)
        dy, dx = (at - side if at > side // 2 else at for at, side in zip((y, x), shape, strict=True))
        offered.append((dy, dx))
        surface[np.ix_((y + reach) % shape[0], (x + reach) % shape[1])] = -np.inf
    return offered


def _agreement(
    reference_YX: Image, moved_YX: Image, weight_YX: Image, tile: int
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Correlation of each tile, which tiles count, and the share of each that both frames show."""
    share = _tiles(weight_YX, tile)
    reference_YX, moved_YX = reference_YX * weight_YX, moved_YX * weight_YX
    over = 1 / np.maximum(share, LEAST_OF_TILE)
    one, other = _tiles(reference_YX, tile), _tiles(moved_YX, tile)
    product = _tiles(reference_YX * moved_YX, tile) - one * other * over
    # Without the means: where a field is dark between its structures, all frames would agree everywhere.
    first = _tiles(reference_YX**2, tile) - one**2 * over
    second = _tiles(moved_YX**2, tile) - other**2 * over
    counts = (share >= LEAST_OF_TILE) & (first > 0) & (second > 0)
    correlation = np.where(counts, product / np.sqrt(np.where(counts, first * second, 1.0)), 0.0)
    return correlation, counts, share


def _vote(correlation: Floats, elsewhere: Floats) -> float:
    """Sum of the tiles' correlations in units of its own spread where the frames do not fit; 0 without tiles.

    Args:
        correlation: of each tile.
        elsewhere: the same, with one of the frames displaced.
    """
    squares = float((elsewhere**2).sum())
    return float(correlation.sum()) / math.sqrt(squares) if squares > 0 else 0.0


def _sum_for(reference: Background, moved: Background, shift: tuple[int, int], tile: int) -> float:
    """Sum of the tiles' correlations at a shift in whole pixels, over the root of their number."""
    image, weight = _shifted_whole(moved.image_YX, shift), _shifted_whole(moved.weight_YX, shift)
    correlation, counts, _ = _agreement(reference.image_YX, image, weight * reference.weight_YX, tile)
    return float(correlation.sum()) / math.sqrt(max(int(counts.sum()), 1))


def _shifted_whole(image_YX: Image, shift: tuple[int, int]) -> Image:
    """out[y, x] = image[y + dy, x + dx], 0 beyond the border."""
    out = np.zeros_like(image_YX)
    to, since = [], []
    for side, move in zip(image_YX.shape, shift, strict=True):
        to.append(slice(max(0, -move), max(0, min(side, side - move))))
        since.append(slice(max(0, move), max(0, min(side, side + move))))
    out[tuple(to)] = image_YX[tuple(since)]
    return out


@functools.lru_cache(maxsize=8)
def _grid(shape_YX: tuple[int, int], tile: int) -> tuple[Floats, NDArray[np.int64]]:
    """How each tile's middle moves, (n, 2, 3), with shift y, shift x and angle; and (n,) the block it belongs to."""
    ny, nx = (side // tile for side in shape_YX)
    middle_yx = [(np.arange(n) + 0.5) * tile - side / 2 for n, side in zip((ny, nx), shape_YX, strict=True)]
    y_of, x_of = (grid.ravel() for grid in np.meshgrid(*middle_yx, indexing="ij"))
    rows, columns = np.meshgrid(np.arange(ny) // BLOCK, np.arange(nx) // BLOCK, indexing="ij")
    motion = np.zeros((ny * nx, 2, 3))
    motion[:, 0, 0] = motion[:, 1, 1] = 1.0
    motion[:, 0, 2], motion[:, 1, 2] = x_of, -y_of
    return motion, (rows * nx + columns).ravel()


def _refined(reference: Background, moved: Background, start: Floats, tile: int, *, exact: bool) -> Registration:
    """Least squares on shift y, shift x and angle, from a start within two pixels."""
    height, width = reference.image_YX.shape
    motion, block = _grid((height, width), tile)
    at, gain, before = start.copy(), 1.0, np.zeros(3)
    image = moved.image_at(at[:2], at[2], exact=exact)
    both = moved.weight_at(at[:2], at[2]) * reference.weight_YX
    slopes = tuple(slope * both for slope in reference.slopes)
    normal = _matrices(slopes, reference.slopes, tile)
    usable = (_tiles(both, tile).ravel() >= LEAST_OF_TILE) & (np.trace(normal, axis1=1, axis2=2) > 0)
    if usable.sum() < FEWEST_TILES:
        return _none()
    motion, block, normal = motion[usable], block[usable], normal[usable]
    weight, scores = np.ones(len(block)), np.zeros((len(block), 3))
    for _ in range(ITERATIONS):
        difference = reference.image_YX - image
        pull = np.stack([_tiles(slope * difference, tile).ravel() for slope in slopes], axis=-1)[usable]
        step, weight, scores = _robust_step(motion, normal, pull)
        gain = _gain(step, before, gain)
        at, before = at + gain * step, step
        if np.abs(at[:2] - start[:2]).max() > 2 * APART_PX:
            return _none()
        covariance = _covariance(motion, normal, weight, scores, block)
        within = WITHIN_ERROR * gain * math.sqrt(max(covariance[0, 0], covariance[1, 1]))
        if gain * np.abs(step[:2]).max() < max(within, CONVERGED_PX if exact else NEARLY_PX):
            break
        image = moved.image_at(at[:2], at[2], exact=exact)
    correlation, counts, _ = _agreement(reference.image_YX, image, both, tile)
    elsewhere, _, _ = _agreement(reference.image_YX, np.roll(image, (3 * tile // 2, 3 * tile // 2), (0, 1)), both, tile)
    response = _matrices(slopes, slopes_of(image, both), tile)[usable]
    covariance = _covariance(motion, response, weight, scores, block)
    factor = reference.factor
    return Registration(
        shift_yx_px=at[:2] * factor,
        error_px=math.hypot(math.sqrt(max(covariance[0, 0], covariance[1, 1])), INTERPOLATION_PX) * factor,
        rotation_deg=math.degrees(at[2]),
        rotation_error_deg=math.degrees(math.sqrt(covariance[2, 2])),
        quality=float(np.median(correlation[counts])) if counts.any() else 0.0,
        vote=_vote(correlation, elsewhere),
        overlap=float(both.sum()) / max(float(reference.weight_YX.sum()), 1.0),
    )


def _none() -> Registration:
    return Registration(np.zeros(2), math.inf, 0.0, math.inf, 0.0, 0.0, 0.0)


def _gain(step: Floats, before: Floats, gain: float) -> float:
    """By how much to lengthen a step: noise in the slopes makes each one too short by the same share."""
    squared = float(before[:2] @ before[:2])
    if not squared > 0:
        return 1.0
    share = (1 - float(step[:2] @ before[:2]) / squared) / gain
    return float(np.clip(1 / max(share, 1e-3), 1.0, LONGEST_GAIN))


def _matrices(weighted: tuple[Image, ...], slopes: tuple[Image, Image], tile: int) -> Floats:
    """(n, 2, 2) mean product of one frame's gradient with another's, by tile.

    Of the reference with itself it is the matrix A of least squares, A·move = b, with b the mean of gradient times
    difference. Noise in the gradient is independent of that in the later frame, and central differences of noise are
    independent of the noise itself: the solution is unbiased where the steps have converged.
    """
    products = [_tiles(one * other, tile).ravel() for one in weighted for other in slopes]
    return np.stack(products, axis=-1).reshape(-1, 2, 2)


def _robust_step(motion: Floats, normal: Floats, pull: Floats) -> tuple[Floats, Floats, Floats]:
    """The move that most tiles agree on, (3,); the tiles' weights, (n,); and their weighted scores at it, (n, 3).

    Args:
        motion: (n, 2, 3) how a tile's middle moves with each parameter.
        normal, pull: (n, 2, 2) and (n, 2), see :func:`_matrices`.
    """
    # A stripe has no gradient along itself: a little of the typical tile's keeps its matrix invertible.
    ridge = 0.02 * float(np.median(np.trace(normal, axis1=1, axis2=2))) * np.eye(2)
    inverse = np.linalg.inv(normal + ridge)
    by_tile = normal @ motion
    each = motion.transpose(0, 2, 1) @ by_tile
    target = np.einsum("nji,nj->ni", motion, pull)
    weight = np.ones(len(motion))
    step = np.zeros(3)
    residual = pull
    for _ in range(4):
        step = np.linalg.lstsq(np.tensordot(weight, each, 1), weight @ target, rcond=None)[0]
        residual = pull - by_tile @ step
        misfit = np.einsum("ni,nij,nj->n", residual, inverse, residual)
        usual = float(np.median(misfit)) / (2 * math.log(2))
        if not usual > 0:
            break
        weight = np.clip(1 - misfit / (usual * OUTLIER), 0, None) ** 2
    return step, weight, np.einsum("n,nji,nj->ni", weight, motion, residual)


def _covariance(motion: Floats, response: Floats, weight: Floats, scores: Floats, block: NDArray[np.int64]) -> Floats:
    """(3, 3) covariance of a solution, from the disagreement of blocks of tiles (the sandwich of Huber 1967).

    Args:
        motion, weight, scores: see :func:`_robust_step`.
        response: (n, 2, 2) how the pull of each tile answers to a move: what the two frames do not have in common
            answers not at all, so that a solution that rests on little has a large error.
        block: (n,) the block of neighbouring tiles, within which errors may agree.
    """
    bread = np.tensordot(weight, motion.transpose(0, 2, 1) @ response @ motion, 1)
    if not (np.linalg.eigvalsh(bread + bread.T) > 0).all():
        return np.full((3, 3), math.inf)
    ids, member = np.unique(block, return_inverse=True)
    by_block = np.zeros((len(ids), 3))
    np.add.at(by_block, member, scores)
    freedom = len(ids) / max(len(ids) - 3, 1)
    flat = np.linalg.inv(bread)
    return np.asarray(freedom * flat @ (by_block.T @ by_block) @ flat.T)
