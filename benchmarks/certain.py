"""How much support right and wrong objects have: IoU with the same object at the next scale × confidence.

python -m benchmarks.certain --data ../shared/data        # simulated tissue, and DSB2018's validation part

Of a right object (IoU above 0.5 with a true one) the support at the scale that suits it best counts, of which the rule
for certain objects makes use; of wrong ones, that of each at every scale where it is found again. Tissue is enlarged
one to three times, so that haze and pieces of somas have the size that the network knows.

The second table counts images in which many objects are found at one scale only, of which a note warns; among them
three or twelve somas on texture, blobs as large as the network likes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.evaluation.masks import overlap
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.splits import read_split
from somanet.segmentation.inference.diameters import size_note
from somanet.segmentation.inference.haze import rule_for
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.scales import FEWEST_STEPS, MOST_STEPS, Scales
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.simulation import simulate_movie

PERCENT = (5, 50, 95)
Image = tuple[NDArray[Any], NDArray[np.integer]]


def tissue() -> Iterator[Image]:
    """Neurons in tissue of three seeds, at one, two and three times their size."""
    for seed in (3, 4, 5):
        movie = simulate_movie(seed=seed, n_frames=2, shape_YX=(224, 256), calibration=Calibration(1.28, 12.0))
        for zoom in (1, 2, 3):
            square = np.ones((zoom, zoom), np.uint16)
            yield np.kron(movie.frames_TYX[0], square), np.kron(movie.labels_TYX[0], square)


def nuclei(data: Path) -> Iterator[Image]:
    """Fluorescence images."""
    dataset = open_dataset(data / "dsb2018/stage1_train.zip")
    for item in map(dataset.load, read_split(data / "dsb2018/split.csv")["val"]):
        if not_fluorescence(item.image) is None:
            yield item.image, item.labels


def on_texture(n_somas: int) -> Iterator[Image]:
    """Bright disks of 21 px among blobs of smooth noise, 7 times darker."""
    side = 320
    y, x = np.indices((side, side))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        blobs = ndimage.gaussian_filter(rng.standard_normal((side, side)), 4)
        light, labels = np.zeros((side, side)), np.zeros((side, side), np.int32)
        for n in range(n_somas):
            middle = 40 + 75 * np.array(divmod(n, 4)) + rng.uniform(-10, 10, 2)
            inside = (y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= 110
            light[inside], labels[inside] = 900 * rng.uniform(0.8, 1.2), n + 1
        seen = ndimage.gaussian_filter(light, 1.5) + 120 * blobs / blobs.std() + rng.normal(600, 20, light.shape)
        yield np.clip(seen, 0, 65535).astype(np.uint16), labels


def noted(images: Iterator[Image]) -> tuple[int, int, float]:
    """Number of images, of those with the note, and the share of false objects in these."""
    segmenter = open_networks(None).segmenter
    n = with_note = false = found = 0
    for image, truth in images:
        n += 1
        decided, size = decide(segmenter, [image])
        if size is None or "not found again" not in (size_note(size, segmenter.intended_use) or ""):
            continue
        both = overlap(truth, decided.segment(image).labels_YX)
        with_note, found = with_note + 1, found + len(both.pred_px)
        false += len(both.pred_px) - len(both.matches(0.3)[1])
    return n, with_note, false / found if found else 0.0


def supports(segmenter: Segmenter, images: Iterator[Image]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of right objects, and of wrong ones."""
    right, wrong = [np.empty(0)], [np.empty(0)]
    for image, truth in images:
        scales = Scales(segmenter, of_movie=False)
        scales.add([image])
        for step in range(FEWEST_STEPS, MOST_STEPS + 1):
            scales.climb(step)
        best = np.zeros(int(truth.max(initial=0)) + 1)
        for step, (part,) in scales.seen.items():
            support, true = scales.support(step, 0), part.cut(truth)
            both = overlap(true, part.labels_YX)
            one, two = np.nonzero(both.iou > 0.5)
            ids = np.unique(true[true > 0])
            np.maximum.at(best, ids[one], support[two])
            others = np.delete(support, two)
            wrong.append(others[others > 0])
        right.append(best[best > 0])
    return np.concatenate(right), np.concatenate(wrong)


def main() -> None:
    """Print a row per set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with dsb2018/")
    arguments = parser.parse_args()
    opened = open_networks(None).segmenter
    segmenter = replace(opened, haze=rule_for(opened.intended_use), as_outlined=True)
    sets: dict[str, Callable[[], Iterator[Image]]] = {"simulated tissue": tissue}
    if arguments.data is not None:
        sets["DSB2018, validation"] = partial(nuclei, arguments.data)
    rows = []
    for name, images in sets.items():
        for what, values in zip(("right", "wrong"), supports(segmenter, images()), strict=True):
            percentiles = " · ".join(f"{one:.2f}" for one in np.percentile(values, PERCENT))
            rows.append([name, what, str(len(values)), percentiles, f"{(values >= 0.8).mean():.2f}"])
    print(table(["images", "objects", "number", "5 · 50 · 95 %", "0.8 or more"], rows), flush=True)
    for n in (3, 12):
        sets[f"{n} somas on texture"] = partial(on_texture, n)
    counts = []
    for name, images in sets.items():
        number, with_note, false = noted(images())
        counts.append([name, str(number), str(with_note), f"{false:.2f}" if with_note else "–"])
    print(table(["images", "number", "noted", "false objects in these"], counts))


if __name__ == "__main__":
    main()
