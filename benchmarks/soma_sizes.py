"""Somas of known sizes: is their size estimated, and how right are the masks that follow from it?

python -m benchmarks.soma_sizes
python -m benchmarks.soma_sizes --sizes 8 12 30 --seeds 3 --compare          # as stored and at the typical size, too

In one world somas are ellipses on noise, blurred as by a microscope: their area is geometry, and nothing of it is
SomaNet's simulator. In the second they are simulated neurons, whose true outlines the simulator gives. In the third a
third of the cells is 20 times brighter than the others, and photons are counted. A soma is found
by a mask with an IoU above 0.5; those at an image's edge do not count. "Area" is the median over the somas found of
their mask's area over the true one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.evaluation.masks import interior, overlap
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.simulation import simulate_movie

SIZES_PX = (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 26.0, 30.0, 40.0, 60.0)
NOISE, SOMA, BACKGROUND = 40.0, 700.0, 300.0
SOMAS = 16
WORLDS = ("ellipses", "neurons", "uneven")
SIMULATED_UM = 21.5
"""Median diameter of the simulator's somas."""

Frame = tuple[NDArray[np.uint16], NDArray[np.int32]]


@dataclass(frozen=True)
class Masks:
    """How right masks are, of all somas that do not touch an edge.

    Attributes:
        recall: share of the true somas with a mask of an IoU above 0.5.
        precision: share of the masks.
        iou: mean over the somas found.
        area: median over them of the mask's area over the true one.
    """

    recall: float
    precision: float
    iou: float
    area: float


def ellipses(diameter_px: float, seed: int, *, blur_px: float) -> Frame:
    """Ellipses of about one size on a jittered grid, two and a half diameters apart, and the pixels that they cover.

    Sizes vary by a tenth, the axes' ratio from 1 to 1.6, brightness by a fifth. Drawn four times as fine, averaged,
    blurred; noise is normal.
    """
    rng, fine = np.random.default_rng(seed), 4
    apart, n = max(2.5 * diameter_px, diameter_px + 8), round(SOMAS**0.5)
    side = round(n * apart + apart)
    if side < 100:  # an image of a few small somas would be smaller than a network needs
        n = int(100 // apart)
        side = 100
    y, x = (np.indices((side * fine, side * fine)) + 0.5) / fine
    light, labels = np.zeros((side * fine, side * fine), np.float32), np.zeros((side, side), np.int32)
    centre_y, centre_x = np.indices((side, side)) + 0.5
    for k in range(n * n):
        at = (np.array(divmod(k, n)) + 1) * side / (n + 1) + rng.uniform(-0.2, 0.2, 2) * diameter_px
        area, ratio, angle = np.pi / 4 * diameter_px**2 * rng.normal(1, 0.1), rng.uniform(1, 1.6), rng.uniform(0, np.pi)
        minor = np.sqrt(area / np.pi / ratio)

        def inside(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.bool_]:
            along = (y - at[0]) * np.sin(angle) + (x - at[1]) * np.cos(angle)  # noqa: B023
            across = (y - at[0]) * np.cos(angle) - (x - at[1]) * np.sin(angle)  # noqa: B023
            return (along / ratio) ** 2 + across**2 <= minor**2  # noqa: B023

        light[inside(y, x)] = SOMA * rng.normal(1, 0.2)
        labels[inside(centre_y, centre_x)] = k + 1
    seen = ndimage.gaussian_filter(light.reshape(side, fine, side, fine).mean(axis=(1, 3)), blur_px)
    return np.clip(seen + rng.normal(BACKGROUND, NOISE, seen.shape), 0, 65535).astype(np.uint16), labels


def uneven(diameter_px: float, seed: int) -> Frame:
    """Textured cells of log-normal brightness, every third 20 times brighter than the others, as photons are counted.

    The dim ones have some 100 photons per pixel on a background of 15; a camera adds 2 counts of read noise. Cells are
    brighter in the middle, blurred by 1.2 px.
    """
    rng, n = np.random.default_rng(seed), 5
    apart = max(2.2 * diameter_px, diameter_px + 8)
    side = round((n + 0.5) * apart)
    y, x = np.indices((side, side)) + 0.5
    light, labels = np.zeros((side, side)), np.zeros((side, side), np.int32)
    for k in range(n * n):
        at = (np.array(divmod(k, n)) + 0.75) * apart + rng.uniform(-0.2, 0.2, 2) * diameter_px
        radius = diameter_px / 2 * rng.normal(1, 0.06)
        from_middle = np.hypot(y - at[0], x - at[1]) / radius
        inside = from_middle <= 1
        brightness = 100 * rng.lognormal(0, 0.4) * (20 if k % 3 == 0 else 1)
        light[inside] = brightness * (1 - 0.45 * from_middle[inside] ** 2)
        labels[inside] = k + 1
    grain = ndimage.gaussian_filter(rng.standard_normal(light.shape), max(diameter_px / 12, 0.6))
    light *= np.clip(1 + 0.35 * grain / grain.std(), 0.15, None)
    photons = rng.poisson(ndimage.gaussian_filter(light, 1.2) + 15)
    return np.clip(photons + rng.normal(100, 2, light.shape), 0, 65535).astype(np.uint16), labels


def neurons(diameter_px: float, seed: int) -> Frame:
    """A frame of the simulator, at the scale at which its somas have this median diameter."""
    side = round(max(200, 16 * diameter_px))
    movie = simulate_movie(
        seed=seed, n_frames=2, shape_YX=(side, side + 24), calibration=Calibration(SIMULATED_UM / diameter_px, 10.0)
    )
    return movie.frames_TYX[0], movie.labels_TYX[0]


def judged(frames: list[Frame], masks: list[NDArray[np.int32]]) -> Masks:
    """The masks of several frames together."""
    found = n_true = n_masks = 0
    iou, area = [], []
    for (_, truth), labels in zip(frames, masks, strict=True):
        both = overlap(*interior(truth, labels))
        true, predicted = both.matches(0.5)
        iou.extend(both.iou[true, predicted])
        area.extend(both.pred_px[predicted] / both.true_px[true])
        found, n_true, n_masks = found + len(true), n_true + len(both.true_px), n_masks + len(both.pred_px)
    return Masks(
        found / max(n_true, 1),
        found / max(n_masks, 1),
        float(np.mean(iou)) if iou else np.nan,
        float(np.median(area)) if area else np.nan,
    )


def row(name: str, size_px: float, frames: list[Frame], segmenter: Segmenter, *, compare: bool) -> list[str]:
    """What was decided for each frame by itself, and how right the masks are."""
    decided = [decide(segmenter, [image]) for image, _ in frames]
    diameters = [size.diameter_px for _, size in decided if size is not None and size.diameter_px is not None]
    doubts = {size.doubt for _, size in decided if size is not None and size.doubt}
    true_px = np.median(np.concatenate([2 * np.sqrt(np.bincount(truth[truth > 0])[1:] / np.pi) for _, truth in frames]))
    ways = [[one for one, _ in decided]]
    if compare:
        typical = segmenter.intended_use.typical_px or size_px
        ways += [[segmenter.at(factor)] * len(frames) for factor in (1.0, typical / float(true_px))]
    masks = [judged(frames, [one.labels(image) for one, (image, _) in zip(way, frames, strict=True)]) for way in ways]
    return [
        name,
        f"{true_px:.1f}",
        ", ".join(f"{px:.1f}" for px in diameters) or "–",
        ", ".join(f"{one.factor:.2f}" for one, _ in decided),
        *(
            " · ".join(f"{getattr(one, measure):.2f}" for one in masks)
            for measure in ("recall", "precision", "iou", "area")
        ),
        "; ".join(sorted(doubts)) or "–",
    ]


def main() -> None:
    """Print a table with a row for each world and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES_PX)
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=tuple(WORLDS))
    parser.add_argument("--blur", type=float, default=1.5, help="of ellipses: standard deviation, px")
    parser.add_argument("--seeds", type=int, default=2, help="images per row")
    parser.add_argument("--compare", action="store_true", help="also as stored · rescaled to the typical size by truth")
    given = parser.parse_args()
    segmenter = open_networks(None).segmenter
    worlds: dict[str, Callable[[float, int], Frame]] = {
        "ellipses": partial(ellipses, blur_px=given.blur),
        "neurons": neurons,
        "uneven": uneven,
    }
    rows = []
    for name in given.worlds:
        for size in given.sizes:
            frames = [worlds[name](size, seed) for seed in range(given.seeds)]
            rows.append(row(name, size, frames, segmenter, compare=given.compare))
            print(*rows[-1], sep=" | ", flush=True)
    head = ["world", "true (px)", "estimated (px)", "rescaled by", "recall", "precision", "IoU", "area", "doubt"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
