"""Registration of two frames by their background: how far, and by which angle, the scene has moved between them.

The frames are made comparable first (:mod:`somanet.tracking.background`). At half the resolution, the whole frame's
cross-correlation then offers a few shifts, of any size; tiles vote on them, one vote each whatever their brightness;
and the winner is refined to a fraction of a pixel by least squares with tiles as units (Lucas & Kanade 1981), in which
tiles that moved otherwise lose their weight. The gradient is the earlier frame's, so that it is taken once per
registration (inverse compositional; Baker & Matthews 2004). From a quarter of a pixel on a frame answers to a move in
proportion, so that the last step needs no further interpolation; the whole resolution mostly adds that one step.
Tiles are independent observations: they tell the error of the result, and whether there is one at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from somanet.tracking.background import Background, Floats, Image, known_slopes, shifted, slopes_of
from somanet.tracking.tile_fit import covariance_of, gradient_products, misfit_metric, robust_step
from somanet.tracking.tiles import LEAST_OF_TILE, Part, agreement, tile_means, tile_motion, tile_px, vote_of

FEWEST_TILES = 6
CANDIDATES = 4
APART_PX = 4
"""Distance between two shifts that are tried, at half the resolution."""
ITERATIONS = 12
CLOSE_PX, CLOSE_TURN_PX = 0.25, 0.5
"""Length of a step, and of the way of the field's corner in a turn, up to which the image is taken to change in
proportion; the shift is then wrong by less than 0.003 px."""
LONGEST_GAIN = 3.0
"""By how much the last step may be longer than the one in which noise counts as structure."""
INTERPOLATION_PX = 0.015
"""Error of interpolation between pixels, rms, of an image without noise."""
SIGNIFICANT = 9.0
"""Vote of the tiles, in its standard errors, from which a registration counts; in pure noise it reaches 7.4."""
HOPELESS = 3.5
"""Vote at half the resolution from which the whole resolution is tried."""


@dataclass(frozen=True, eq=False)
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
        seen: the later frame as seen from the earlier one.
    """

    shift_yx_px: Floats
    error_px: float
    rotation_deg: float
    rotation_error_deg: float
    quality: float
    vote: float
    overlap: float
    seen: Background | None = None

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
    small, small_moved, tile = reference.halved, moved.halved, tile_px(reference.image_YX.shape)
    offered = _offered(small, small_moved)
    if near_yx_px is not None:
        offered.append((round(float(near_yx_px[0]) / small.factor), round(float(near_yx_px[1]) / small.factor)))
    offered = list(dict.fromkeys(offered))
    sums = [_sum_for(small, small_moved, shift, tile // 2) for shift in offered]
    start = np.array([*offered[int(np.argmax(sums))], 0.0])
    found = _refined(small, small_moved, start, tile // 2)
    if not math.isfinite(found.error_px) or found.vote < HOPELESS:
        return found
    return _refined(reference, moved, found.start_for(reference), tile)


def compare(reference: Background, moved: Background, *, near_yx_px: Floats, rotation_deg: float) -> Registration:
    """How much two frames at half the resolution agree near a known motion, and what they make of it.

    Args:
        reference: the earlier frame.
        moved: the later one.
        near_yx_px: (2,) shift, right within two pixels.
        rotation_deg: angle.
    """
    height, width = reference.image_YX.shape
    start = np.array([*(near_yx_px / reference.factor), math.radians(rotation_deg)])
    return _refined(reference, moved, start, tile_px((2 * height, 2 * width)) // 2)


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


def _sum_for(reference: Background, moved: Background, shift: tuple[int, int], tile: int) -> float:
    """Sum of the tiles' correlations at a shift in whole pixels, over the root of their number."""
    both = shifted(moved.weight_YX, shift) * reference.weight_YX
    parts = Part.of(reference.image_YX, both, tile), Part.of(shifted(moved.image_YX, shift), both, tile)
    correlation, counts = agreement(*parts, tile_means(both, tile), tile)
    return float(correlation.sum()) / math.sqrt(max(int(counts.sum()), 1))


def _refined(reference: Background, moved: Background, start: Floats, tile: int) -> Registration:
    """Least squares on shift y, shift x and angle, from a start within two pixels."""
    height, width = reference.image_YX.shape
    corner = math.hypot(height, width) / 2

    def close(step: Floats) -> bool:
        return bool(np.abs(step[:2]).max() <= CLOSE_PX and abs(step[2]) * corner <= CLOSE_TURN_PX)

    motion, block = tile_motion((height, width), tile)
    weight_YX = moved.weight_at(start[:2], _turn(start[2], corner))
    both = weight_YX * reference.weight_YX
    share = tile_means(both, tile)
    known = known_slopes(both)
    slopes = slopes_of(reference.image_YX, known)
    weighted = slopes[0] * both, slopes[1] * both
    normal = gradient_products(weighted, slopes, tile)
    usable = (share.ravel() >= LEAST_OF_TILE) & (np.trace(normal, axis1=1, axis2=2) > 0)
    if usable.sum() < FEWEST_TILES:
        return _none()
    motion, block, normal = motion[usable], block[usable], normal[usable]
    metric, at = misfit_metric(normal), start
    for left in reversed(range(ITERATIONS)):
        at = np.array([at[0], at[1], _turn(at[2], corner)])
        image_YX = moved.image_at(at[:2], at[2])
        difference = reference.image_YX - image_YX
        pull = np.stack([tile_means(one, tile, difference).ravel() for one in weighted], axis=-1)[usable]
        step, weight, scores = robust_step(motion, metric, normal, pull)
        if close(step) or not left:
            slopes = slopes_of(image_YX, known)
            response = gradient_products(weighted, slopes, tile)[usable]
            longest = LONGEST_GAIN * float(np.hypot(*step[:2]))
            step, weight, scores = robust_step(motion, metric, response, pull)
            step *= min(1.0, longest / max(float(np.hypot(*step[:2])), 1e-9))
            if close(step) or not left:
                break
        at = at + step
        if np.abs(at[:2] - start[:2]).max() > 2 * APART_PX:
            return _none()
    seen_YX = image_YX + _proportional(slopes, step)
    one, other = Part.of(reference.image_YX, both, tile), Part.of(seen_YX, both, tile)
    correlation, counts = agreement(one, other, share, tile)
    displaced = np.roll(seen_YX, (3 * tile // 2, 3 * tile // 2), (0, 1))
    elsewhere, _ = agreement(one, Part.of(displaced, both, tile), share, tile)
    covariance = covariance_of(motion, response, weight, scores, block)
    at, factor = at + step, reference.factor
    return Registration(
        shift_yx_px=at[:2] * factor,
        error_px=math.hypot(math.sqrt(max(covariance[0, 0], covariance[1, 1])), INTERPOLATION_PX) * factor,
        rotation_deg=math.degrees(at[2]),
        rotation_error_deg=math.degrees(math.sqrt(covariance[2, 2])),
        quality=float(np.median(correlation[counts])) if counts.any() else 0.0,
        vote=vote_of(correlation, elsewhere),
        overlap=float(both.sum()) / max(float(reference.weight_YX.sum()), 1.0),
        seen=Background(seen_YX, weight_YX, factor),
    )


def _none() -> Registration:
    return Registration(np.zeros(2), math.inf, 0.0, math.inf, 0.0, 0.0, 0.0)


def _turn(angle: float, corner: float) -> float:
    """The angle by which an image is turned: none where the last step can add it."""
    return 0.0 if abs(angle) * corner <= CLOSE_TURN_PX else float(angle)


def _proportional(slopes: tuple[Image, Image], step: Floats) -> Image:
    """What a small step (3,) adds to an image of these slopes."""
    height, width = slopes[0].shape
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    dy, dx, turn = (np.float32(part) for part in step)
    return np.asarray(slopes[0] * (dy + turn * x) + slopes[1] * (dx - turn * y), np.float32)
