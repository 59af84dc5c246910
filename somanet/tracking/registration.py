"""Registration of two frames by their background: how far, and by which angle, the scene has moved between them.

The frames are made comparable first (:func:`background_of`): cells are masked, slow changes of brightness such as
vignetting and pixel noise are filtered out, what is much brighter than the rest is clipped, and the contrast is brought
to 1, which takes off bleaching. The whole frame's cross-correlation then offers a few shifts, of any size; tiles vote
on them, one vote each whatever their brightness; and the winner is refined to a fraction of a pixel by least squares
with tiles as units (Lucas & Kanade 1981; Baker & Matthews 2004), in which tiles that moved otherwise lose their weight.
Tiles are independent observations: they tell the error of the result, and whether there is one at all.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

WORKING_AREA_PX = 250_000
"""Larger frames are binned to about this size: half a pixel of a bin's width is less than the size of a structure."""
FINE_PX, COARSE_PX = 1.0, 4.0
"""Standard deviations of the two blurs whose difference is registered: specks and edges count, wide glows do not."""
CLIP = 4.0
"""Contrast at which a bright structure is cut off, in standard deviations of the background."""
TILES = 200
SMALLEST_TILE_PX = 16
BLOCK = 2
"""Tiles along the side of a block: structures reach across tiles, and blocks are the units of the error."""
FEWEST_TILES = 6
LEAST_OF_TILE = 0.25
"""A tile counts if at least this share of it is background in both frames."""
CANDIDATES = 4
APART_PX = 8
ITERATIONS = 12
NEARLY_PX, CONVERGED_PX = 0.1, 0.01
LEAST_WEIGHT = 1e-3
LONGEST_GAIN = 3.0
INTERPOLATION_PX = 0.015
"""Error of interpolation between pixels, rms, of an image without noise."""
OUTLIER = 16.0
"""Squared misfit, in units of its expectation per axis, from which a tile has no weight (Tukey's biweight)."""
SIGNIFICANT = 7.0
"""Vote of the tiles, in its own standard errors, from which a registration counts; in pure noise it reaches 4.9."""


@dataclass(frozen=True)
class Background:
    """A frame made ready for registration.

    Attributes:
        image_YX: contrast of the background, standard deviation 1, 0 in masked places.
        weight_YX: 1 = background, 0 = masked.
        factor: pixels of the movie per pixel of these images.
    """

    image_YX: Image
    weight_YX: Image
    factor: int

    def blended(self, later: Background, step: Registration, share: float) -> Background:
        """The mean of this frame and a later one, laid onto it: what rests gains contrast, what moves and noise fade.

        Args:
            later: registered to this one.
            step: the result.
            share: weight of the later frame.
        """
        image_YX, weight_YX = _warped(later, step.shift_yx_px / later.factor, math.radians(step.rotation_deg))
        old_YX, new_YX = self.weight_YX * np.float32(1 - share), weight_YX * np.float32(share)
        total_YX = old_YX + new_YX
        mean_YX = (self.image_YX * old_YX + image_YX * new_YX) / np.maximum(total_YX, 1e-6)
        return Background(np.asarray(mean_YX, np.float32), (total_YX > LEAST_WEIGHT).astype(np.float32), self.factor)

    def without(self, pattern_YX: Image) -> Background:
        """The same frame without a pattern that belongs to the camera."""
        return Background((self.image_YX - pattern_YX) * self.weight_YX, self.weight_YX, self.factor)

    @functools.cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """Fourier transform at half the resolution."""
        from scipy.fft import rfft2

        return np.asarray(rfft2(_halved(self.image_YX)))


@dataclass(frozen=True)
class Registration:
    """How the scene moved between two frames: a point at x is seen at R(x − c) + c + shift, c being the field's centre.

    Attributes:
        shift_yx_px: (2,) shift in pixels of the movie.
        error_px: its standard error per axis, from the disagreement of tiles.
        rotation_deg: R, positive from the x axis towards the y axis, clockwise as displayed.
        rotation_error_deg: its standard error.
        quality: median correlation of the tiles, 1 at best, about 0 in pure noise.
        vote: mean correlation in its own standard errors.
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


def binning_of(shape_YX: tuple[int, int]) -> int:
    """The factor by which frames are binned before registration; at least 1."""
    return max(1, round(math.sqrt(shape_YX[0] * shape_YX[1] / WORKING_AREA_PX)))


def background_of(
    frame_YX: NDArray[np.generic], cells_YX: Mask | None = None, *, margin_px: float = 0.0
) -> Background | None:
    """Prepare a frame.

    Args:
        frame_YX: intensities, any number type.
        cells_YX: what does not belong to the background.
        margin_px: width of a rim around it that does not either.

    Returns:
        None if the frame is constant outside the mask, or nothing is left outside it.
    """
    factor = binning_of((frame_YX.shape[0], frame_YX.shape[1]))
    image = _binned(frame_YX.astype(np.float32), factor)
    kept = np.ones(image.shape, bool)
    if cells_YX is not None:
        reach = max(1, round(margin_px / factor))
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        cells = _binned(cells_YX.astype(np.float32), factor) > 0
        kept = cv2.dilate(cells.astype(np.uint8), disk) == 0
    weight = kept.astype(np.float32)
    if not kept.any():
        return None
    image = np.asarray(cv2.medianBlur(image, 3), np.float32)  # hot and dead pixels
    # Masked places take no part in the blurs: a cell's light would leave a halo in the difference.
    image = image - np.float32(np.median(image[kept]))
    slow = _smoothed(image, weight, COARSE_PX)
    fine = _blurred(np.where(kept, image, slow), FINE_PX)
    contrast = fine - slow
    spread = 1.4826 * float(np.median(np.abs(contrast[kept])))
    if not spread > 0:
        return None
    if cells_YX is None:
        # What is bright and wider than a speck is most likely a cell.
        bright = ((fine - slow) > CLIP * spread).astype(np.uint8)
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
        wide = cv2.dilate(cv2.morphologyEx(bright, cv2.MORPH_OPEN, disk), disk, iterations=3)
        weight = (wide == 0).astype(np.float32)
    contrast = np.clip(contrast / np.float32(spread), -CLIP, CLIP) * weight
    return Background(np.asarray(contrast, np.float32), weight, factor)


def register(reference: Background, moved: Background, *, near_yx_px: Floats | None = None) -> Registration:
    """How the scene moved from one frame to another.

    Args:
        reference: the earlier frame.
        moved: the later one.
        near_yx_px: a shift to try besides those that the cross-correlation offers.

    Returns:
        The best registration, which may not be significant.
    """
    factor, tile = reference.factor, _tile_px(reference.image_YX.shape)
    offered = _offered(reference, moved)
    if near_yx_px is not None:
        offered.append((round(float(near_yx_px[0]) / factor), round(float(near_yx_px[1]) / factor)))
    votes = [_vote_for(reference, moved, shift, tile) for shift in dict.fromkeys(offered)]
    start = list(dict.fromkeys(offered))[int(np.argmax(votes))]
    return _refined(reference, moved, np.array(start, float), tile)


def _binned(image_YX: Image, factor: int) -> Image:
    if factor == 1:
        return image_YX
    height, width = (side // factor for side in image_YX.shape)
    whole = image_YX[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _blurred(image_YX: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image_YX, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _smoothed(image_YX: Image, weight_YX: Image, sigma: float) -> Image:
    """Wide Gaussian mean of the places with weight, at a quarter of the resolution."""
    height, width = image_YX.shape
    size = (max(1, width // 4), max(1, height // 4))
    total, amount = (
        _blurred(np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32), sigma / 4)
        for one in (image_YX * weight_YX, weight_YX)
    )
    mean = total / np.maximum(amount, 1e-3)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


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
    """The highest peaks of the cross-correlation, as shifts in whole pixels of the working images."""
    from scipy.fft import irfft2

    shape = _halved(reference.image_YX).shape
    cross = moved.spectrum * np.conj(reference.spectrum)
    # Half whitened: long straight things such as a scale bar would otherwise take all the highest peaks.
    surface = irfft2(cross / np.sqrt(np.abs(cross) + 1e-6), s=shape)
    offered = []
    reach = np.arange(-APART_PX // 2, APART_PX // 2 + 1)
    for _ in range(CANDIDATES):
        peak = np.unravel_index(int(surface.argmax()), shape)
        y, x = (int(at) for at in peak)
        dy, dx = (at - side if at > side // 2 else at for at, side in zip((y, x), shape, strict=True))
        offered.append((2 * dy, 2 * dx))
        surface[np.ix_((y + reach) % shape[0], (x + reach) % shape[1])] = -np.inf
    return offered


def _halved(image_YX: Image) -> Image:
    height, width = (side // 2 for side in image_YX.shape)
    even = image_YX[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _warped(moved: Background, shift_yx: Floats, angle: float, *, exact: bool = True) -> tuple[Image, Image]:
    """The later frame and its weights as seen from the earlier one; without weight beyond its border.

    Lanczos interpolation, or a cubic one that is four times as fast and wrong by up to 0.05 px.
    """
    interpolation = cv2.INTER_LANCZOS4 if exact else cv2.INTER_CUBIC
    height, width = moved.image_YX.shape
    cy, cx = (height - 1) / 2, (width - 1) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array(
        [
            [cos, -sin, cx + shift_yx[1] - cos * cx + sin * cy],
            [sin, cos, cy + shift_yx[0] - sin * cx - cos * cy],
        ]
    )
    image, weight = (
        cv2.warpAffine(one, matrix, (width, height), flags=how | cv2.WARP_INVERSE_MAP, borderValue=0)
        for one, how in ((moved.image_YX, interpolation), (moved.weight_YX, cv2.INTER_LINEAR))
    )
    return np.asarray(image, np.float32), np.asarray(weight, np.float32)


def _agreement(
    reference_YX: Image, moved_YX: Image, weight_YX: Image, tile: int
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Correlation of each tile, which tiles count, and the share of each that both frames show."""
    share = _tiles(weight_YX, tile)
    product, first, second = (
        _tiles(one * weight_YX, tile) for one in (reference_YX * moved_YX, reference_YX**2, moved_YX**2)
    )
    counts = (share >= LEAST_OF_TILE) & (first > 0) & (second > 0)
    correlation = np.where(counts, product / np.sqrt(np.where(counts, first * second, 1.0)), 0.0)
    return correlation, counts, share


def _vote(correlation: Floats) -> float:
    """Sum of the tiles' correlations in units of its own spread under no agreement; 0 without tiles."""
    squares = float((correlation**2).sum())
    return float(correlation.sum()) / math.sqrt(squares) if squares > 0 else 0.0


def _vote_for(reference: Background, moved: Background, shift: tuple[int, int], tile: int) -> float:
    image, weight = _shifted_whole(moved.image_YX, shift), _shifted_whole(moved.weight_YX, shift)
    return _vote(_agreement(reference.image_YX, image, weight * reference.weight_YX, tile)[0])


def _shifted_whole(image_YX: Image, shift: tuple[int, int]) -> Image:
    """out[y, x] = image[y + dy, x + dx], 0 beyond the border."""
    out = np.zeros_like(image_YX)
    to, since = [], []
    for side, move in zip(image_YX.shape, shift, strict=True):
        to.append(slice(max(0, -move), max(0, min(side, side - move))))
        since.append(slice(max(0, move), max(0, min(side, side + move))))
    out[tuple(to)] = image_YX[tuple(since)]
    return out


def _refined(reference: Background, moved: Background, start_yx: Floats, tile: int) -> Registration:
    """Least squares on shift and rotation, from a start within two pixels."""
    ny, nx = (side // tile for side in reference.image_YX.shape)
    middle_yx = [
        (np.arange(n) + 0.5) * tile - side / 2 for n, side in zip((ny, nx), reference.image_YX.shape, strict=True)
    ]
    y_of, x_of = (grid.ravel() for grid in np.meshgrid(*middle_yx, indexing="ij"))
    rows, columns = np.meshgrid(np.arange(ny) // BLOCK, np.arange(nx) // BLOCK, indexing="ij")
    block = (rows * nx + columns).ravel()
    motion = np.zeros((ny * nx, 2, 3))  # of a tile's middle, by shift y, shift x and angle
    motion[:, 0, 0] = motion[:, 1, 1] = 1.0
    motion[:, 0, 2], motion[:, 1, 2] = x_of, -y_of
    shift, angle = start_yx.copy(), 0.0
    covariance = np.full((3, 3), math.inf)
    gain, before, exact = 1.0, np.zeros(3), False
    image, weight = _warped(moved, shift, angle, exact=exact)
    for _ in range(ITERATIONS):
        both = weight * reference.weight_YX
        normal, pull = _normal_equations(reference.image_YX, image, both, tile)
        usable = (_tiles(both, tile).ravel() >= LEAST_OF_TILE) & (np.trace(normal, axis1=1, axis2=2) > 0)
        if usable.sum() < FEWEST_TILES:
            return _none()
        step, covariance = _robust_step(motion[usable], normal[usable], pull[usable], block[usable])
        gain = _gain(step, before, gain)
        shift, angle, before = shift + gain * step[:2], angle + gain * step[2], step
        if np.abs(shift - start_yx).max() > 2 * APART_PX:
            return _none()
        done = exact and gain * np.abs(step[:2]).max() < CONVERGED_PX
        exact = exact or bool(gain * np.abs(step[:2]).max() < NEARLY_PX)
        image, weight = _warped(moved, shift, angle, exact=exact)
        if done:
            break
    both = weight * reference.weight_YX
    correlation, counts, _ = _agreement(reference.image_YX, image, both, tile)
    # The slopes that noise adds hold the solution no better than they move it.
    covariance = covariance * gain**2
    factor = reference.factor
    return Registration(
        shift_yx_px=shift * factor,
        error_px=math.hypot(math.sqrt(max(covariance[0, 0], covariance[1, 1])), INTERPOLATION_PX) * factor,
        rotation_deg=math.degrees(angle),
        rotation_error_deg=math.degrees(math.sqrt(covariance[2, 2])),
        quality=float(np.median(correlation[counts])) if counts.any() else 0.0,
        vote=_vote(correlation),
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


def _normal_equations(reference_YX: Image, moved_YX: Image, weight_YX: Image, tile: int) -> tuple[Floats, Floats]:
    """Of each tile: the matrix A and vector b of least squares, A·move = b.

    The gradient is the mean of both frames': noise in it is then independent of the noise in their difference, and the
    solution is unbiased where the steps have converged.
    """
    mean: Image = (reference_YX + moved_YX) / np.float32(2)
    slope_y, slope_x = np.zeros(mean.shape, np.float32), np.zeros(mean.shape, np.float32)
    slope_y[1:-1], slope_x[:, 1:-1] = (mean[2:] - mean[:-2]) / 2, (mean[:, 2:] - mean[:, :-2]) / 2
    weighted_y, weighted_x = slope_y * weight_YX, slope_x * weight_YX
    difference = reference_YX - moved_YX
    yy, xy, xx, ey, ex = (
        _tiles(product, tile).ravel()
        for product in (
            weighted_y * slope_y,
            weighted_y * slope_x,
            weighted_x * slope_x,
            weighted_y * difference,
            weighted_x * difference,
        )
    )
    return np.stack([yy, xy, xy, xx], axis=-1).reshape(-1, 2, 2), np.stack([ey, ex], axis=-1)


def _robust_step(motion: Floats, normal: Floats, pull: Floats, block: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The move that most tiles agree on, and its covariance from their disagreement.

    Args:
        motion: (n, 2, 3) how a tile's middle moves with each parameter.
        normal, pull: (n, 2, 2) and (n, 2), see :func:`_normal_equations`.
        block: (n,) the block of neighbouring tiles, within which errors may agree.
    """
    # A stripe has no gradient along itself: a little of the typical tile's keeps its matrix invertible.
    ridge = 0.02 * float(np.median(np.trace(normal, axis1=1, axis2=2))) * np.eye(2)
    inverse = np.linalg.inv(normal + ridge)
    by_tile = np.einsum("nij,njk->nik", normal, motion)
    each = np.einsum("nji,njk->nik", motion, by_tile)
    target = np.einsum("nji,nj->ni", motion, pull)
    weight = np.ones(len(motion))
    step = np.zeros(3)
    hessian = np.eye(3)
    residual = pull
    for _ in range(4):
        hessian = np.einsum("n,nij->ij", weight, each)
        step = np.linalg.lstsq(hessian, np.einsum("n,ni->i", weight, target), rcond=None)[0]
        residual = pull - by_tile @ step
        misfit = np.einsum("ni,nij,nj->n", residual, inverse, residual)
        usual = float(np.median(misfit)) / (2 * math.log(2))
        if not usual > 0:
            break
        weight = np.clip(1 - misfit / (usual * OUTLIER), 0, None) ** 2
    scores = np.einsum("n,nji,nj->ni", weight, motion, residual)
    ids, member = np.unique(block, return_inverse=True)
    by_block = np.zeros((len(ids), 3))
    np.add.at(by_block, member, scores)
    freedom = len(ids) / max(len(ids) - 3, 1)
    flat = np.linalg.pinv(hessian)
    return step, freedom * flat @ (by_block.T @ by_block) @ flat
