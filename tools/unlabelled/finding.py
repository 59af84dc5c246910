"""Cells without a label in a labelled movie: plain contrast in two channels, and tracks that skip a frame.

Nothing here has learned anything, so that a network may be scored with what is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.feature import peak_local_max
from skimage.measure import label as connected
from skimage.measure import regionprops

Frame = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Rules:
    """What counts as a cell that nobody labelled. Lengths in pixels; a labelled soma of the movie is 17 px across.

    Attributes:
        nucleus_sigma: blur of a nucleus; its surroundings are blurred three times as much.
        nucleus_noise: a nucleus stands this many standard deviations of the noise above its surroundings.
        frames: frames before and after that are averaged in the nucleus channel.
        border: nuclei this near to the frame's border are not believed: the camera's first columns are brighter.
        radius: of the disc that is ignored around a nucleus or a track's position.
        soma_sigma: blur of a soma.
        soma_noise: a soma stands this many standard deviations of the noise above its surroundings,
        with_nucleus: and has somewhere in it a nucleus channel that stands this many above its own.
        dim: greatest contrast of such a soma, as a share of the frame's median labelled one's. Brighter are growth
            cones and processes, which shine into the nucleus channel; they stay background, as they were labelled.
        faint: the same around a nucleus alone, where the shape says nothing.
        area: of a soma's pixels above half of its own contrast, least and most.
        solidity: least share of its convex hull that it fills: growth cones fill less.
        elongation: greatest eccentricity of the ellipse of its moments: processes are longer.
        margin: a found soma is ignored with its rim of this width.
        rim: pixels around a labelled soma that still count, so that its outline is learned.
        gap: a label missing in up to so many frames, present before and after, is a label that was left out.
    """

    nucleus_sigma: float = 3.5
    nucleus_noise: float = 5.0
    frames: int = 1
    border: int = 6
    radius: int = 12
    soma_sigma: float = 3.0
    soma_noise: float = 6.0
    with_nucleus: float = 3.8
    dim: float = 0.6
    faint: float = 0.25
    area: tuple[int, int] = (75, 900)
    solidity: float = 0.9
    elongation: float = 0.92
    margin: int = 4
    rim: int = 3
    gap: int = 3


@dataclass(frozen=True)
class Found:
    """A cell without a label: its pixels, and by which rule it was found: nucleus, soma, track or gap."""

    pixels: Mask
    rule: str


def contrast(frame: Frame, sigma: float, left_out: Mask | None = None) -> Frame:
    """How far each pixel, blurred, stands above its surroundings, in standard deviations of that difference's noise.

    The noise is the median absolute deviation, which cells, a small part of a frame, hardly change. Pixels left out
    count neither as object nor as surroundings (normalised convolution).
    """
    weight = np.ones(frame.shape, np.float32) if left_out is None else (~left_out).astype(np.float32)

    def blurred(width: float) -> Frame:
        share = cv2.GaussianBlur(weight, (0, 0), width, borderType=cv2.BORDER_REFLECT)
        light = cv2.GaussianBlur(frame * weight, (0, 0), width, borderType=cv2.BORDER_REFLECT)
        return np.asarray(light / np.maximum(share, 1e-3), np.float32)

    difference = blurred(sigma) - blurred(3 * sigma)
    middle = np.median(difference)
    noise = 1.4826 * float(np.median(np.abs(difference - middle)))
    return np.asarray((difference - middle) / max(noise, 1e-9), np.float32)


@dataclass(frozen=True)
class Contrasts:
    """Contrasts of one frame outside labelled somas and their surroundings, where they are 0.

    Attributes:
        soma: of the first channel.
        nucleus: of the nucleus channel, averaged over the neighbouring frames.
        share: of the first channel, labelled somas not left out, as a share of their median.
        share_with_specks: the same before bright specks are smoothed away.
    """

    soma: Frame
    nucleus: Frame
    share: Frame
    share_with_specks: Frame


def contrasts(
    body_TYX: NDArray[np.integer], nucleus_TYX: NDArray[np.integer], labels: Labels, t: int, rules: Rules
) -> Contrasts:
    """The contrasts of frame ``t``."""
    labelled = _grown(labels > 0, 2 * rules.rim)
    near = nucleus_TYX[max(t - rules.frames, 0) : t + rules.frames + 1].astype(np.float32).mean(0)
    body = as_it_is = body_TYX[t].astype(np.float32)
    for _ in range(2):  # of bright specks in and beside dim cells
        body = cv2.medianBlur(body, 5)
    soma = np.where(labelled, 0, contrast(body, rules.soma_sigma, labelled))
    nucleus = np.where(labelled, 0, contrast(near, rules.nucleus_sigma, labelled))
    everywhere = contrast(body, rules.soma_sigma)
    of_labelled = [everywhere[labels == one].max() for one in np.unique(labels[labels > 0])]
    median = float(np.median(of_labelled)) if of_labelled else np.inf
    shares = (np.where(labelled, 0, one / median) for one in (everywhere, contrast(as_it_is, rules.soma_sigma)))
    return Contrasts(soma, nucleus, *shares)


def by_nucleus(found: Contrasts, labels: Labels, rules: Rules) -> list[Found]:
    """Nuclei of a frame farther than a radius from labelled somas, whose own nuclei shine that far."""
    peaks = peak_local_max(
        found.nucleus, min_distance=rules.radius // 2, threshold_abs=rules.nucleus_noise, exclude_border=rules.border
    )
    shape_YX, near_labels = found.share.shape, _grown(labels > 0, rules.radius)
    peaks = [peak for peak in peaks if not near_labels[tuple(peak)]]
    cores = [_disc(shape_YX, peak, rules.radius // 2) for peak in peaks]
    faint = [found.share_with_specks[core].max() <= rules.faint for core in cores]
    return [
        Found(_disc(shape_YX, peak, rules.radius), "nucleus")
        for peak, is_faint in zip(peaks, faint, strict=True)
        if is_faint
    ]


def by_soma(found: Contrasts, rules: Rules) -> list[Found]:
    """Compact dim patches of the size of a soma that lie in no labelled one, each with its rim."""
    near_nucleus = cv2.dilate(found.nucleus, np.ones((2 * rules.radius + 1,) * 2, np.uint8)) >= rules.with_nucleus
    peaks = peak_local_max(
        found.soma * near_nucleus, min_distance=rules.radius // 2, threshold_abs=rules.soma_noise, exclude_border=False
    )
    cells: list[Found] = []
    taken = np.zeros(found.share.shape, bool)
    for peak in peaks:  # the strongest first
        if taken[tuple(peak)]:
            continue
        pieces = connected((found.soma > found.soma[tuple(peak)] / 2) & ~taken, connectivity=1)
        piece = pieces == pieces[tuple(peak)]
        [region] = regionprops(piece.astype(np.uint8))
        taken |= piece
        compact = region.solidity >= rules.solidity and region.eccentricity <= rules.elongation
        compact = compact and rules.area[0] <= region.area <= rules.area[1]
        dim = found.share[piece].max() <= rules.dim
        if compact and dim and found.nucleus[piece].max() >= rules.with_nucleus:
            cells.append(Found(_grown(piece, rules.margin), "soma"))
    return cells


def by_track(tracks: pd.DataFrame, t: int, labels: Labels, rules: Rules) -> list[Found]:
    """Positions of tracks (columns `frame`, `y_px`, `x_px`) in frame ``t`` with no label within half a radius."""
    here = tracks[tracks["frame"] == t]
    places = [(round(y), round(x)) for y, x in here[["y_px", "x_px"]].to_numpy(float).tolist()]
    discs = [_disc(labels.shape, place, rules.radius // 2) for place in places]
    return [
        Found(_disc(labels.shape, place, rules.radius), "track")
        for place, disc in zip(places, discs, strict=True)
        if disc.any() and not (labels[disc] > 0).any()
    ]


def by_gap(labels_TYX: Labels, t: int, rules: Rules) -> list[Found]:
    """Labels that frame ``t`` lacks, although they are there shortly before and shortly after: both shapes."""
    here = set(np.unique(labels_TYX[t]).tolist())
    before, after = (
        {
            one: frame
            for frame in frames
            if 0 <= frame < len(labels_TYX)
            for one in np.unique(labels_TYX[frame]).tolist()
        }
        for frames in (range(t - rules.gap, t), range(t + rules.gap, t, -1))
    )
    return [
        Found(_grown((labels_TYX[before[one]] == one) | (labels_TYX[after[one]] == one), rules.margin), "gap")
        for one in sorted(before.keys() & after.keys() - here)
    ]


def unlabelled_cells(
    body_TYX: NDArray[np.integer],
    nucleus_TYX: NDArray[np.integer],
    labels_TYX: Labels,
    tracks: pd.DataFrame,
    t: int,
    rules: Rules,
) -> list[Found]:
    """Every cell without a label in frame ``t``, without the labelled somas and the rims around them."""
    labels = labels_TYX[t]
    seen = contrasts(body_TYX, nucleus_TYX, labels, t, rules)
    found = [
        *by_track(tracks, t, labels, rules),
        *by_gap(labels_TYX, t, rules),
        *by_nucleus(seen, labels, rules),
        *by_soma(seen, rules),
    ]
    counted = _grown(labels > 0, rules.rim)
    return [Found(one.pixels & ~counted, one.rule) for one in found if (one.pixels & ~counted).any()]


def _disc(shape_YX: tuple[int, ...], centre: NDArray[np.integer] | tuple[int, int], radius: int) -> Mask:
    y, x = np.ogrid[: shape_YX[0], : shape_YX[1]]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)


def _grown(mask: Mask, by_px: int) -> Mask:
    size = 2 * by_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0
