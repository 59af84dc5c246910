"""`python -m benchmarks.instances.star_bound --data ../shared/data`: how well star-convex polygons fit true objects.

No network: every true object is replaced by the best polygon of 32 rays from one of its own pixels, and compared with
it. So this is about what a network with such an output can reach without its masks; for shapes that are
not star-convex other lengths of the rays cover a little more. Takes a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.instances.polygons import Polygons, render
from benchmarks.instances.stars import RAYS, rays_to_rim
from somanet.core.files import write_json
from somanet.core.markdown import table
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.simulation.cells import random_cells
from somanet.simulation.settings import NeuronSettings

Mask = NDArray[np.bool_]
DRAWN = 5
"""Of the polygons from all pixels, the largest that are drawn and compared."""
GOOD = 0.9
FRAME_PX, PIXEL_UM, LEAST_LIGHT = 1200, 1.28, 0.2


def best_iou(mask_YX: Mask, n_rays: int = RAYS) -> float:
    """IoU of an object with its best polygon: the best of those with the largest areas, as rays end at the rim."""
    padded = np.pad(mask_YX, 1)
    rows, columns = np.nonzero(padded)
    rays = rays_to_rim(padded.astype(np.uint8), (rows, columns), n_rays)
    polygons = Polygons(np.stack([rows, columns], axis=1), rays, np.ones(len(rows), np.float32))
    largest = np.argsort(-polygons.areas(), kind="stable")[:DRAWN]
    drawn = [render(polygons[[number]], padded.shape) > 0 for number in largest]
    return max(float((one & padded).sum() / (one | padded).sum()) for one in drawn)


def objects(labels_YX: NDArray[np.integer]) -> Iterator[Mask]:
    """The mask of every object, cut out."""
    for number, window in enumerate(ndimage.find_objects(labels_YX), start=1):
        if window is not None:
            yield labels_YX[window] == number


def whole_neurons(seed: int = 0) -> Iterator[Mask]:
    """Simulated neurons with their processes, where these have at least a share of the soma's brightness."""
    shape = (FRAME_PX, FRAME_PX)
    extent = np.array(shape) * PIXEL_UM
    for cell in random_cells(
        np.random.SeedSequence(seed),
        np.zeros(1),
        extent_yx_um=extent,
        drift_yx_um=np.zeros((1, 2)),
        settings=NeuronSettings(),
    ):
        light, body = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for patch in cell.draw_processes(0, 0.0, PIXEL_UM, shape):
            patch.add_to(light)
        soma = cell.draw_soma(0, PIXEL_UM)
        both = soma.light.slices(shape)
        if both is None:
            continue
        body[both[0]] = soma.mask[both[1]]
        parts, _ = ndimage.label(body | (light > LEAST_LIGHT * cell.soma.brightness), np.ones((3, 3)))
        whole = np.isin(parts, np.unique(parts[body]))
        edge = whole.copy()
        edge[1:-1, 1:-1] = False
        if not edge.any():
            (window,) = ndimage.find_objects(whole.astype(np.uint8))
            yield whole[window]


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/ and soma/")
    parser.add_argument("--output", type=Path, default=Path("build/instances/star_bound.json"))
    arguments = parser.parse_args()
    nuclei = open_dataset(arguments.data / "dsb2018/stage1_train.zip")
    val = [nuclei.load(name) for name in read_split(arguments.data / "dsb2018/split.csv")["val"]]
    somas = [open_dataset(arguments.data / "soma" / part) for part in ("train", "val")]
    sets: dict[str, Iterable[Mask]] = {
        "nuclei, DSB2018 val": (
            mask for item in val if not_fluorescence(item.image) is None for mask in objects(item.labels)
        ),
        "somas, soma/train and val": (
            mask for part in somas for name in part.names for mask in objects(part.load(name).labels)
        ),
        "simulated neurons with their processes": whole_neurons(),
    }
    rows = {name: summary([best_iou(mask) for mask in masks]) for name, masks in sets.items()}
    write_json(arguments.output, rows)
    lines = [[name, f"{row['n']}", f"{row['mean']:.3f}", f"{row['below']:.3f}"] for name, row in rows.items()]
    print(table(["objects", "number", "mean IoU", f"share below {GOOD:g}"], lines))


def summary(ious: list[float]) -> dict[str, float]:
    """Number, mean, and the share of objects that no polygon covers well."""
    return {"n": len(ious), "mean": float(np.mean(ious)), "below": float(np.mean(np.array(ious) < GOOD))}


if __name__ == "__main__":
    main()
