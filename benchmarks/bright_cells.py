"""Cells much brighter than others in one image: how many of the dim ones are still found.

python -m benchmarks.bright_cells --data ../shared/data

Some objects, as they are found in real images, are made brighter by a factor; of all others, those found again (IoU
0.5) are counted, with and without the second look at what bright cells hide. In unchanged images, and in simulated
neurons whose processes and haze are much dimmer than they, it should add nothing that is no cell.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.background import Image, crops, embryo, hela, live_nuclei, microglia, real_frames, simulated_haze
from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.simulation import simulate_movie
from somanet.simulation.settings import NeuronSettings

Float = NDArray[np.float64]
Labels = NDArray[np.int32]
TIMES = (3, 10, 30, 100)
SHARES = (0.0, 0.05, 0.2)
"""Shares of the objects that are made brighter, one at least."""


@dataclass
class Counts:
    """Of a set of images.

    Attributes:
        others: objects that were not made brighter.
        found: of these found again without a second look.
        found_twice: with it.
        added: objects that the second look adds.
        false: of these, no objects before.
    """

    others: int = 0
    found: int = 0
    found_twice: int = 0
    added: int = 0
    false: int = 0


def brightened(image_YX: Float, labels_YX: Labels, chosen: Sequence[int], times: float) -> Float:
    """The image with the chosen objects, and their rims, brighter above the background by a factor."""
    wide = ndimage.binary_dilation(np.isin(labels_YX, chosen), iterations=2)
    dark = np.median(image_YX[labels_YX == 0])
    brighter: Float = (image_YX - dark) * (1 + (times - 1) * ndimage.gaussian_filter(wide.astype(float), 1))
    return 10 * brighter + 500


def n_found(wanted_YX: Labels, labels_YX: Labels, wanted: Sequence[int]) -> int:
    """How many of some objects have an IoU of 0.5 or more with a label."""
    n = 0
    for one in wanted:
        inside = wanted_YX == one
        over = np.bincount(labels_YX[inside], minlength=2)
        best = int(over[1:].argmax()) + 1
        n += bool(over[best] >= 0.5 * np.count_nonzero(inside | (labels_YX == best)))
    return n


def nuclei(data: Path, part: str) -> Iterator[Image]:
    """Fluorescence images of DSB2018, in grey."""
    dataset = open_dataset(data / "dsb2018/stage1_train.zip")
    for item in map(dataset.load, read_split(data / "dsb2018/split.csv")[part]):
        if not_fluorescence(item.image) is None:
            yield Image(item.image[..., :3].max(axis=-1), item.labels)


def neurons(**settings: float) -> Iterator[Image]:
    """First frames of simulated movies."""
    for seed in range(4):
        movie = simulate_movie(
            seed=seed,
            n_frames=2,
            shape_YX=(360, 420),
            calibration=Calibration(1.0, 10.0),
            settings=NeuronSettings(**settings),
        )
        yield Image(movie.frames_TYX[0], movie.labels_TYX[0])


def haze(times: float) -> Iterator[Image]:
    """Simulated haze, with all cells brighter by a factor."""
    for image, cells_YX in list(simulated_haze())[::3]:
        every = np.unique(cells_YX[cells_YX > 0]).tolist()
        yield Image(brightened(image.astype(float), cells_YX.astype(np.int32), every, times), cells_YX)


def unchanged_worlds(data: Path) -> Iterator[tuple[str, Iterator[Image]]]:
    """Images in which a second look should add nothing but cells."""
    wild = data / "wild/movies"
    yield "DSB2018, val and test", (image for part in ("val", "test") for image in nuclei(data, part))
    yield "`soma/val`", crops(data / "soma/val")
    yield "real movie", real_frames(data / "neuritetracker")
    yield "Drosophila embryo", embryo(wild / "drosophila_h2b")
    yield "HeLa nuclei", hela(wild / "laptrack_hela")
    yield "live nuclei", live_nuclei(wild / "celldetective")
    yield "microglia", microglia(wild / "microglia_2p/M1_1d")
    yield "simulated neurons", neurons()
    yield "… processes of a tenth", neurons(process_length_um=80.0, process_brightness=0.1)
    for times in (1, 10, 30, 100):
        yield f"simulated haze, cells {times} times brighter", haze(times)


def seconds(segmenter: Segmenter, image: NDArray[np.generic]) -> tuple[Labels, float]:
    """The labels, and the processor's time."""
    start = time.process_time()
    return segmenter.segment(image).labels_YX, time.process_time() - start


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with neuritetracker/, dsb2018/, soma/, wild/")
    data = parser.parse_args().data
    twice = open_networks(None).segmenter.at(1.0)
    once = replace(twice, second_look=False)
    rows = []
    for name, images in unchanged_worlds(data):
        counts, n, times = Counts(), 0, np.zeros(2)
        for image, cells_YX in images:
            (first, spent), (both, spent_twice) = seconds(once, image), seconds(twice, image)
            times += spent, spent_twice
            added = range(int(first.max()) + 1, int(both.max()) + 1)
            n += 1
            counts.found += int(first.max())
            counts.added += len(added)
            counts.false += sum(bool((cells_YX[both == one] > 0).mean() <= 0.5) for one in added)
        rows.append(
            [name, f"{n}", f"{counts.found}", f"{counts.added}", f"{counts.false}", f"{times[1] / times[0]:.2f}"]
        )
    print(table(["set", "images", "objects", "a second look adds", "no cells", "times the processor time"], rows))
    found: dict[tuple[str, float, int], Counts] = {}
    sets = {"DSB2018, test": nuclei(data, "test"), "real movie": list(real_frames(data / "neuritetracker"))[::4]}
    for name, images in sets.items():
        for image, _ in images:
            grey = image.astype(float)
            before = once.segment(grey).labels_YX
            objects = range(1, int(before.max()) + 1)
            if len(objects) < 3:
                continue
            for share in SHARES:
                order = np.random.default_rng(0).permutation(objects)
                chosen = order[: max(1, round(share * len(objects)))].tolist()
                rest = [one for one in objects if one not in chosen]
                for times_brighter in TIMES:
                    changed = brightened(grey, before, chosen, times_brighter)
                    first, both = once.segment(changed).labels_YX, twice.segment(changed).labels_YX
                    added = range(int(first.max()) + 1, int(both.max()) + 1)
                    counts = found.setdefault((name, share, times_brighter), Counts())
                    counts.others += len(rest)
                    counts.found += n_found(before, first, rest)
                    counts.found_twice += n_found(before, both, rest)
                    counts.added += len(added)
                    counts.false += sum(bool((before[both == one] > 0).mean() <= 0.5) for one in added)
    rows = [
        [
            name,
            "one" if share == 0 else f"{100 * share:.0f} %",
            *map(str, (times_brighter, counts.others)),
            *shares(counts),
        ]
        for (name, share, times_brighter), counts in sorted(found.items())
    ]
    head = ["set", "brighter", "times", "others", "found", "with a second look", "it adds, no objects before"]
    print(f"\n{table(head, rows)}")


def shares(counts: Counts) -> tuple[str, str, str]:
    """Found without and with a second look; what it adds, and what of that is wrong."""
    found = (f"{n / counts.others:.3f}" for n in (counts.found, counts.found_twice))
    return (*found, f"{counts.added}, {counts.false}")


if __name__ == "__main__":
    main()
