"""Which rule leaves out haze: chosen on simulated haze and a Drosophila embryo, verified on other images.

python -m benchmarks.background --data ../shared/data

An object is haze if its contrast and the network's confidence are both below a limit. The limits are those that leave
out the most haze and no cell, on simulated neurons in haze and the embryo's frames. The embryo has no ground truth: its
nuclei are the large parts of the smoothed image above Otsu's threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.io.datasets.layouts import open_dataset
from somanet.io.movies import open_movie
from somanet.segmentation.inference.haze import HazeRule
from somanet.segmentation.inference.scales import best_iou
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.simulation import simulate_movie
from somanet.simulation.settings import NeuronSettings

CONTRASTS, CONFIDENCES = (2.0, 3.0, 4.0, 5.0, 6.0), (0.65, 0.7, 0.75, 0.8, 0.85)
SAME_IOU = 0.3
"""An object is a cell if it overlaps one by this much: masks may differ, haze may not count."""
TEXTURES_UM = (1.5, 4.0, 10.0)
"""Sizes of the structures of simulated haze: Gaussian random fields, made skew by the exponential function."""
HAZE_SEEDS, HAZE_COUNTS = range(6), (40.0, 75.0, 150.0)
"""Simulated movies, and the haze's brightness: a median soma has 2,600 counts, a dim one 500."""
LEAST_NUCLEUS_PX = 25
LATER = range(0, 64, 4)


class Image(NamedTuple):
    """An image and its cells."""

    image: NDArray[Any]
    cells_YX: NDArray[np.integer]


@dataclass(frozen=True)
class Objects:
    """What a network outlines in a set of images, before any rule."""

    contrast: NDArray[np.float64]
    confidence: NDArray[np.float64]
    is_cell: NDArray[np.bool_]

    def kept(self, rule: HazeRule) -> tuple[int, int]:
        """Number of cells and of other objects that a rule keeps."""
        kept = ~rule.is_haze(self.contrast, self.confidence)
        return int(np.sum(kept & self.is_cell)), int(np.sum(kept & ~self.is_cell))


def simulated_haze() -> Iterator[Image]:
    """Neurons among out-of-focus cells and textured tissue, from faint to as bright as the dimmest somas."""
    shape = (400, 440)
    for seed, counts in product(HAZE_SEEDS, HAZE_COUNTS):
        settings = NeuronSettings(ghosts_per_mm2=150.0, ghost_brightness_counts=3.5 * counts, neighbours_per_mm2=50.0)
        movie = simulate_movie(
            seed=seed, n_frames=2, shape_YX=shape, calibration=Calibration(1.0, 10.0), settings=settings
        )
        rng = np.random.default_rng(100 + seed)
        frame = movie.frames_TYX[0].astype(float)
        for size_um in TEXTURES_UM:
            field = ndimage.gaussian_filter(rng.standard_normal(shape), size_um)
            frame += counts * np.exp(field / field.std())
        yield Image(np.clip(np.rint(frame), 0, 65535).astype(np.uint16), movie.labels_TYX[0])


def embryo(folder: Path) -> Iterator[Image]:
    """Every third frame of the Drosophila movie."""
    for path in sorted(folder.glob("*.tif"))[::3]:
        image = tifffile.imread(path)
        smooth = ndimage.gaussian_filter(image.max(axis=-1).astype(float), 4)
        parts, n = ndimage.label(smooth > threshold_otsu(smooth))
        large = np.bincount(parts.ravel(), minlength=n + 1) > np.pi / 4 * LEAST_NUCLEUS_PX**2
        large[0] = False
        yield Image(image, np.where(large[parts], parts, 0))


def real_frames(folder: Path, x_from_px: int = 0) -> Iterator[Image]:
    """Frames of the real movie, whole or its part from a column on."""
    with open_movie(folder / "cell_body.tif") as movie, open_movie(folder / "soma_labels.tif") as labels:
        for t in LATER:
            yield Image(movie.frame(t)[:, x_from_px:], labels.frame(t)[:, x_from_px:])


def crops(folder: Path) -> Iterator[Image]:
    """The validation crops of somas."""
    dataset = open_dataset(folder)
    for name in dataset.names:
        item = dataset.load(name)
        yield Image(item.image, item.labels)


def hela(folder: Path) -> Iterator[Image]:
    """Nuclei of confluent cells."""
    pairs = (tifffile.imread(folder / f"example_{name}.tif") for name in ("images", "label"))
    yield from (Image(image, cells.astype(np.int64)) for image, cells in zip(*pairs, strict=True))


def live_nuclei(folder: Path) -> Iterator[Image]:
    """One image, the fourth of four channels."""
    cells = tifffile.imread(folder / "sample_labelled.tif")
    yield Image(tifffile.imread(folder / "sample.tif")[3], cells.astype(np.int64))


def microglia(folder: Path) -> Iterator[Image]:
    """Single microglia in tissue; the cell is the brightest blob of the authors' mask."""
    for path in sorted(folder.glob("crop_reg_*.tif")):
        frames, masks = (tifffile.imread(path.with_name(path.name.replace("reg", kind))) for kind in ("reg", "mask"))
        for frame, mask in list(zip(frames, np.broadcast_to(masks, frames.shape), strict=True))[::3]:
            inside = np.where(mask > 0, ndimage.gaussian_filter(frame.astype(float), 1.5), 0)
            blobs, _ = ndimage.label(inside > 0.6 * inside.max())
            yield Image(frame, (blobs == blobs[np.unravel_index(np.argmax(inside), inside.shape)]).astype(int))


def objects_of(images: Iterable[Image], segmenter: Segmenter) -> Objects:
    """Everything that a network outlines, at the size that is estimated for the set."""
    items = list(images)
    segmenter, _ = decide(segmenter, [item.image for item in items[:: max(1, len(items) // 3)]])
    keeps_all = replace(segmenter, haze=None, as_outlined=True)  # the rule judges what the network outlines
    contrast, confidence, cells = [], [], []
    for item in items:
        found = keeps_all.segment(item.image)
        contrast.append(found.contrast)
        confidence.append(found.confidence)
        cells.append(best_iou(found.labels_YX, item.cells_YX, len(found.confidence)) >= SAME_IOU)
    return Objects(np.concatenate(contrast), np.concatenate(confidence), np.concatenate(cells))


def choose(sets: Iterable[Objects]) -> HazeRule:
    """The rule that leaves out the most haze of those that cost no cell, the mildest of equals."""
    joined = list(sets)
    n_cells = sum(int(one.is_cell.sum()) for one in joined)

    def left(rule: HazeRule) -> tuple[int, int]:
        counts = [one.kept(rule) for one in joined]
        return sum(cells for cells, _ in counts), sum(haze for _, haze in counts)

    rules = [HazeRule(contrast=c, confidence=p) for c, p in product(CONTRASTS, CONFIDENCES)]
    mild = [rule for rule in rules if left(rule)[0] == n_cells]
    return min(mild, key=lambda rule: (left(rule)[1], rule.confidence, rule.contrast))


def row(name: str, found: Objects, rule: HazeRule) -> list[str]:
    """Objects that are cells and others, before and after the rule."""
    cells, others = int(found.is_cell.sum()), int(np.sum(~found.is_cell))
    kept_cells, kept_others = found.kept(rule)
    precision = (cells / max(cells + others, 1), kept_cells / max(kept_cells + kept_others, 1))
    return [name, f"{kept_cells} of {cells}", f"{kept_others} of {others}", f"{precision[0]:.3f} → {precision[1]:.3f}"]


def main() -> None:
    """Print the rule that is chosen, and a table of what it keeps in each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    wild, movie = data / "wild" / "movies", data / "neuritetracker"
    segmenter = open_networks(None).segmenter
    chosen_on = {
        "simulated haze": objects_of(simulated_haze(), segmenter),
        "Drosophila embryo": objects_of(embryo(wild / "drosophila_h2b"), segmenter),
    }
    rule = choose(chosen_on.values())
    print(f"chosen: contrast < {rule.contrast:g} and confidence < {rule.confidence:g}; used: {HazeRule()!r}\n")
    verified: dict[str, Callable[[], Iterator[Image]]] = {
        "real movie": lambda: real_frames(movie),
        "… x ≥ 440": lambda: real_frames(movie, 440),
        "soma/val": lambda: crops(data / "soma" / "val"),
        "microglia in tissue": lambda: microglia(wild / "microglia_2p" / "M1_1d"),
        "HeLa nuclei": lambda: hela(wild / "laptrack_hela"),
        "live nuclei": lambda: live_nuclei(wild / "celldetective"),
    }
    rows = [row(name, found, HazeRule()) for name, found in chosen_on.items()]
    for name, images in verified.items():
        rows.append(row(name, objects_of(images(), segmenter), HazeRule()))
    print(table(["set", "cells kept", "other objects kept", "precision"], rows))


if __name__ == "__main__":
    main()
